"""The law: random problems on random arrays, bit for bit and to the cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from accelgen.attention.accelerator.core import Core
from accelgen.cosim.attention import simulate_attention
from accelgen.cosim.attention_phases import random_phases
from tests.attention_rtl.cores import CORES, SMALL, built

pytestmark = pytest.mark.rtl

CASES = 16
"""Of every array in the slow tier: 208 in all."""


def _judge(core: Core, name: str, folder: Path, count: int, seed: int) -> None:
    model = built(core, name, folder)
    phases = random_phases(core, np.random.default_rng(seed), count)
    assert any(problem.faults for phase in phases for problem in phase.problems)
    seen = simulate_attention(core, model, phases, seed=seed)
    faults = [f"{p.name}: {f}" for p, s in zip(phases, seen, strict=True) for f in s.faults]
    assert faults == []


@pytest.mark.parametrize("name", SMALL)
def test_small_arrays_are_equal_to_the_model(name: str, tmp_path: Path) -> None:
    _judge(SMALL[name], name, tmp_path, 12, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", CORES)
def test_arrays_are_equal_to_the_model(name: str, tmp_path: Path) -> None:
    _judge(CORES[name], name, tmp_path, CASES, seed=2)

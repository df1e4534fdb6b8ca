"""Selectors that are full, of sizes that are no whole number of words, and broken headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.attention.accelerator.datapath.topk import LANES, SelectorShape
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.rows import RowGroup, Setting
from accelgen.cosim.attention import AttentionPhase, simulate_attention
from accelgen.rtl.attention.lists import SELECT
from tests.attention_rtl.cores import built

pytestmark = pytest.mark.rtl

BLOCKS = 40


def test_a_full_selector_and_headers_for_rows_there_are_not(tmp_path: Path) -> None:
    """Row groups for no row, or for more than there are, give zeros and are reported."""
    numerics = Numerics(16, 16, 8)
    core = Core(numerics, selector=SelectorShape(BLOCKS, 20, numerics.score_bits, LANES))
    rng = np.random.default_rng(0)
    q = rng.integers(-128, 128, (1, 1, 16, 16))
    k, v = rng.integers(-128, 128, (2, 1, 2 * BLOCKS, 16))
    summaries = rng.integers(-128, 128, (1, BLOCKS, 2, 16))
    setting = Setting(
        keys=2 * BLOCKS, offset=64, scale=30599, shift=8, local=1, block_shift=1, top=10
    )
    problems = []
    for rows in ((8, 8), (0, 8), (8, 12), (9, 1)):
        groups = [RowGroup(n, SELECT, blocks=BLOCKS, rows=used) for n, used in enumerate(rows)]
        problems.append(Problem(core, setting, groups, q, k, v, summaries=summaries))
    assert [problem.faults for problem in problems] == [
        set(), {"outside", "empty"}, {"outside", "empty"}, {"outside", "empty"},
    ]  # fmt: skip
    model = built(core, "full", tmp_path)
    for seen in simulate_attention(core, model, [AttentionPhase([one]) for one in problems]):
        assert seen.faults == ()

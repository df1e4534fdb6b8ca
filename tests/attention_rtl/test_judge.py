"""What the judge must find: wrong results, wrong cycles, wrong hardware."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from accelgen.attention.accelerator.cycles import AttentionCycles, combined_cycles
from accelgen.attention.accelerator.datapath.exp2 import exp2_lines
from accelgen.attention.accelerator.generate import attention_verilog
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.rows import RowGroup, list_packet
from accelgen.cosim import attention
from accelgen.cosim.attention import AttentionPhase, build_attention, simulate_attention
from accelgen.cosim.attention_draws import Draw, deal, draw_problem
from accelgen.cosim.model import Model
from accelgen.rtl.attention import lane
from accelgen.rtl.attention.lists import LIST
from tests.attention_rtl.cores import SMALL, built

pytestmark = pytest.mark.rtl

CORE = SMALL["plain"]


class _Flipped(Problem):
    """Expects one bit of one result to be another."""

    def outputs(self) -> list[NDArray[np.int64]]:
        found = super().outputs()
        found[-1][1, 2] ^= 1
        return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return built(CORE, "plain", tmp_path_factory.mktemp("plain"))


def _phase(draw: Draw | None = None) -> AttentionPhase:
    draw = draw or Draw(9, 30)
    return AttentionPhase(deal(CORE, draw_problem(CORE, np.random.default_rng(3), draw)), "one")


def _faults(model: Model, phase: AttentionPhase) -> tuple[str, ...]:
    (seen,) = simulate_attention(CORE, model, [phase])
    return seen.faults


def test_nothing_is_wrong(model: Model) -> None:
    assert _faults(model, _phase()) == ()


def test_a_flipped_bit_is_found(model: Model) -> None:
    phase = _phase()
    (problem,) = phase.problems
    flipped = _Flipped(**{name: getattr(problem, name) for name in problem.__dataclass_fields__})
    (fault,) = _faults(model, replace(phase, problems=[flipped]))
    assert "row 1, element 2 is" in fault
    assert "(1 differ)" in fault


@pytest.mark.parametrize("field", ["busy", "total"])
def test_a_cycle_off_is_found(model: Model, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_more(problems: Sequence[Problem]) -> AttentionCycles:
        found = combined_cycles(problems)
        return replace(found, **{field: getattr(found, field) + 1})

    monkeypatch.setattr(attention, "combined_cycles", one_more)
    (fault,) = _faults(model, _phase())
    assert "busy" in fault if field == "busy" else "total_cycles" in fault


def test_an_unexpected_fault_of_a_list_is_found(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase = _phase(Draw(9, 30, kinds=(LIST,), faults=("outside",)))
    monkeypatch.setattr(Problem, "faults", set())
    (fault,) = _faults(model, phase)
    assert fault == "malformed is 2 instead of 0"


def test_other_lists_than_those_sent_are_found(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase = _phase(Draw(4, 40, kinds=(LIST,), density=1.0, masked=0.0))

    def shorter(core: object, group: RowGroup) -> NDArray[np.uint8]:
        return list_packet(CORE, replace(group, entries=group.entries[1:]))

    monkeypatch.setattr(attention, "list_packet", shorter)
    faults = _faults(model, phase)
    assert any("were requested instead of" in fault for fault in faults)


def test_a_start_that_is_not_refused_is_found(model: Model) -> None:
    assert _faults(model, replace(_phase(), refused=("keys", CORE.numerics.max_keys + 1))) == ()
    (fault,) = _faults(model, replace(_phase(), refused=("keys", CORE.numerics.max_keys)))
    assert fault == f"a start with keys = {CORE.numerics.max_keys} was not refused"


def test_wrong_hardware_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line of the exponential a unit too low."""
    right = exp2_lines(CORE.numerics)
    lower = replace(right, starts=(right.starts[0] - 8, *right.starts[1:]))
    monkeypatch.setattr(lane, "exp2_lines", lambda numerics: lower)
    path = tmp_path / "plain.v"
    path.write_text(attention_verilog("plain", CORE), encoding="utf-8")
    faults = _faults(build_attention(CORE, path, "plain"), _phase(Draw(9, 60, masked=0.0)))
    assert any("differ" in fault for fault in faults)

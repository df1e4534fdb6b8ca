"""Gated clocks: what their flip-flops hold, and what they take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accelgen.silicon.energies import Energy, simulate
from accelgen.silicon.gates import Netlist
from accelgen.silicon.liberty import Cells

TINY = Path(__file__).with_name("tiny.lib")
GATE = """
  cell (ICG) {
    area : 4;
    cell_leakage_power : 3.0;
    clock_gating_integrated_cell : "latch_posedge";
    pin (CK) { direction : input; clock : true; clock_gate_clock_pin : true; capacitance : 0.002;
      internal_power () { rise_power (scalar) { values ("0.0001"); }
                          fall_power (scalar) { values ("0.0002"); } } }
    pin (E) { direction : input; clock_gate_enable_pin : true; capacitance : 0.002;
      internal_power () { when : "!CK"; rise_power (scalar) { values ("0.0010"); }
                          fall_power (scalar) { values ("0.0014"); } }
      internal_power () { rise_power (scalar) { values ("0.0004"); }
                          fall_power (scalar) { values ("0.0004"); } } }
    pin (G) { direction : output; clock_gate_out_pin : true; state_function : "CK * i";
      internal_power () { related_pin : "CK"; rise_power (scalar) { values ("0.0003"); }
                          fall_power (scalar) { values ("0.0004"); } } }
  }
"""
KEPT, CHANGED, STOPPED, THROUGH = 0.002, 0.003, 0.0003, 0.0003 + 0.0007
"""Clock energies of the flip-flop and of the cell that gates it, pJ; a cycle let through moves the
output as well.
"""
ENABLING = (0.0010 + 0.0014 + 0.0004 + 0.0004) / 4
"""Of a toggle of the enable, pJ: by edges, and by levels of the clock."""

STIMULI = [
    {"d": [0b00], "e": [0b11]},
    {"d": [0b11], "e": [0b01]},
    {"d": [0b00], "e": [0b01]},
    {"d": [0b10], "e": [0b10]},
]


@pytest.fixture
def cells(tmp_path: Path) -> Cells:
    path = tmp_path / "gated.lib"
    path.write_text(TINY.read_text().rstrip().removesuffix("}") + GATE + "}\n")
    return Cells([path], 0.1, None)


def run(cells: Cells, *, gated: bool, steps: int = len(STIMULI)) -> Energy:
    """Of a flip-flop whose clock is that of the module, or gated by ``e``."""
    clock: dict[str, Any] = {
        "type": "ICG", "connections": {"CK": [2], "E": [4], "G": [5]}
    }  # fmt: skip
    module = {
        "ports": {
            "clk": {"direction": "input", "bits": [2]},
            "d": {"direction": "input", "bits": [3]},
            "e": {"direction": "input", "bits": [4]},
            "q": {"direction": "output", "bits": [6]},
        },
        "netnames": {"q": {"bits": [6]}},
        "cells": {
            "flop": {
                "type": "DFF",
                "connections": {"CK": [5 if gated else 2], "D": [3], "Q": [6]},
            },
            **({"gate": clock} if gated else {}),
        },
    }
    return simulate(Netlist(module, cells, {}), STIMULI[:steps], lanes=2, skip=0)


def test_a_flip_flop_without_a_clock_keeps_its_bit(cells: Cells) -> None:
    # What stands at ``d`` and ``e`` before a clock edge is what counts at it.
    held = 0
    for steps in range(1, len(STIMULI) + 1):
        before = STIMULI[steps - 2] if steps > 1 else {"d": [0], "e": [0]}
        d, e = before["d"][0], before["e"][0]
        held = (d & e) | (held & ~e)
        assert run(cells, gated=True, steps=steps).outputs["q"] == [held]
    assert held == 0b00
    assert run(cells, gated=False).outputs["q"] == [0b00]
    assert run(cells, gated=True, steps=3).outputs["q"] == [0b01]


def test_energy_is_that_of_the_cycles_let_through(cells: Cells) -> None:
    # Before the four edges e is 00, 11, 01, 01, d is 00, 00, 11, 00 in the two streams.
    # Let through: none; both, kept; the first, changed to 1; the first, changed to 0.
    clocked = (2 * KEPT + CHANGED + CHANGED) / 2 / 4
    gate = ((2 + 0 + 1 + 1) * STOPPED + (0 + 2 + 1 + 1) * THROUGH) / 2 / 4
    found = run(cells, gated=True)
    # What toggles outputs is the same in energy whatever the clock: taken from the held share.
    assert found.held == pytest.approx(2 * KEPT / 2 / 4)
    free = run(cells, gated=False)
    assert free.held == pytest.approx((8 - 4) * KEPT / 2 / 4)
    # ``e`` goes 00, 11, 01, 01, 10.
    gate += 5 * ENABLING / 2 / 4
    assert clocked + gate < free.units
    assert found.leakage - free.leakage == pytest.approx(3e-6)
    toggles = found.units - clocked - gate
    # Two toggles of q, in one of the streams, with nothing to drive.
    each = cells["DFF"].toggle("Q", 0.0)
    assert toggles == pytest.approx((2 * each + toggles_of_d(cells)) / 2 / 4)


def toggles_of_d(cells: Cells) -> float:
    """What the toggles of ``d`` take inside the flip-flop: 2 + 2 + 1."""
    return 5 * cells["DFF"].data("D") if "D" in cells["DFF"].pins else 0.0

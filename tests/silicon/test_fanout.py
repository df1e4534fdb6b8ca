"""Buffer trees between modules: every pin still reads what it did, and no driver has too many."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from accelgen.silicon.fanout import MOST_READERS, buffer_fanout
from accelgen.silicon.liberty import Cells

TINY = Path(__file__).with_name("tiny.lib")
BUFFER = "BUF2 A Y"


def cell(kind: str, **pins: int) -> dict[str, Any]:
    return {"type": kind, "connections": {name: [bit] for name, bit in pins.items()}}


def port(direction: str, bit: int) -> dict[str, Any]:
    return {"direction": direction, "bits": [bit]}


def netlist(units: int) -> dict[str, Any]:
    """A flip-flop read by many units, each with a flip-flop of its own and a word of two bits."""
    unit = {
        "ports": {"clk": port("input", 2), "a": {"direction": "input", "bits": [3, 4]}},
        "netnames": {},
        "cells": {"x": cell("NAND2", A=3, B=4, Y=5), "q_reg": cell("DFF", CK=2, D=5, Q=6)},
    }
    inside = {
        f"unit_{k}": {"type": "unit", "connections": {"clk": [2], "a": [4, 3]}}
        for k in range(units)
    }
    top = {
        "ports": {"clk": port("input", 2), "d": port("input", 3), "q": port("output", 4)},
        "netnames": {"q": {"bits": [4]}},
        "cells": {"q_reg": cell("DFF", CK=2, D=3, Q=4), **inside},
    }
    for module in (unit, top):
        bits = [b for p in module["ports"].values() for b in p["bits"]] + [5, 6]
        module["netnames"] = {f"n{bit}": {"bits": [bit]} for bit in sorted(set(bits))}
    return {"modules": {"unit": unit, "top": top}}


def through_buffers(module: dict[str, Any], bit: int) -> int:
    """The net that a net is, before all buffers."""
    drivers = {
        item["connections"]["Y"][0]: item["connections"]["A"][0]
        for item in module["cells"].values()
        if item["type"] == "BUF2"
    }
    while bit in drivers:
        bit = drivers[bit]
    return bit


def readers(module: dict[str, Any]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for item in module["cells"].values():
        for name, bits in item["connections"].items():
            if name not in ("Q", "Y", "clk", "CK"):
                for bit in bits:
                    counts[bit] = counts.get(bit, 0) + 1
    return counts


@pytest.mark.parametrize("units", [1, MOST_READERS, MOST_READERS + 1, 70, 600])
def test_every_pin_reads_what_it_did(units: int) -> None:
    given = netlist(units)
    found = copy.deepcopy(given)
    made = buffer_fanout(found, Cells([TINY], 0.1, None), BUFFER)
    old, new = given["modules"]["top"], found["modules"]["top"]
    # The input of the module is read by its flip-flop, too.
    assert (made > 0) == (units + 1 > MOST_READERS)
    assert len(new["cells"]) == len(old["cells"]) + made
    assert found["modules"]["unit"] == given["modules"]["unit"]
    for name, item in old["cells"].items():
        for pin, bits in item["connections"].items():
            here = new["cells"][name]["connections"][pin]
            assert [through_buffers(new, bit) for bit in here] == bits
            if pin in ("clk", "CK"):
                assert here == bits, "clocks have a tree of their own"
    assert max(readers(new).values()) <= MOST_READERS
    # No tree is deeper than it has to be, and none has more than its leaves and inner nodes.
    leaves = -(-(units + 1) // MOST_READERS)
    assert made <= 2 * (leaves * MOST_READERS // (MOST_READERS - 1) + 4)


def test_neighbours_share_a_branch() -> None:
    found = netlist(70)
    buffer_fanout(found, Cells([TINY], 0.1, None), BUFFER)
    cells = found["modules"]["top"]["cells"]
    branches = [cells[f"unit_{k}"]["connections"]["a"][0] for k in range(70)]
    # In the order of their numbers a branch never comes back.
    seen = list(dict.fromkeys(branches))
    assert branches == sorted(branches, key=seen.index)

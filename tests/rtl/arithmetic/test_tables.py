"""The tables of docs/arithmetic-units.md say what the units are."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelgen.formats import block_format
from accelgen.golden import BlockPair
from accelgen.rtl.arithmetic import BlockDot

PAGE = Path(__file__).parents[3] / "docs" / "arithmetic-units.md"


def table(heading: str) -> list[list[str]]:
    """The rows below a line of headings."""
    _, text = PAGE.read_text(encoding="utf-8").split(heading, 1)
    rows = [line for line in text.partition("\n\n")[0].splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_bits_of_the_accumulator() -> None:
    rows = table("| bits of the accumulator")
    assert len(rows) == 12
    for names, *bits in rows:
        first, second = (block_format(name) for name in names.split(" x "))
        pair = BlockPair(first, second, first.block or 1)
        lengths = (pair.lanes, 256, 4096, 16384)
        assert [str(pair.accumulator(longest).bits) for longest in lengths] == bits


@pytest.mark.slow
def test_latencies_and_registers() -> None:
    rows = table("| | exact, 4.5 ns")
    assert len(rows) == 13
    for name, *cells in rows:
        one = block_format(name)
        lanes = one.block or 1
        found: list[str] = []
        for period in (4.5, 3.0):
            unit = BlockDot(one, one, lanes, period=period)
            found += [str(unit.latency), str(unit.pipeline.bits)]
        found.append(str(BlockDot(one, one, lanes, period=1.0, technology="asap7").latency))
        fp32 = BlockDot(one, one, lanes, accumulate="fp32", period=4.5)
        found.append(f"{fp32.latency}, {fp32.partials}")
        assert found == cells, name

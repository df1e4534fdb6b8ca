"""Codes that are no numbers, seen as a tensor is written to its memories."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import C, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.fabric.layout import Layout
from accelgen.rtl.streams.geometry import StreamGeometry

__all__ = ["CodeWatch"]


class CodeWatch(wiring.Component):
    """Whether any word written to the memories of ``layout`` has an element among ``bad`` codes.

    Ports: ``data`` and ``enable`` (in, those of :func:`accelgen.rtl.streams.ports.bank_write`),
    ``seen`` (out, high from the cycle after such a write until reset).  A word is ``lanes``
    elements, the first lowest.  ``bad`` is a set of codes in ascending order.
    """

    def __init__(self, layout: Layout, lanes: int, bad: Sequence[int]) -> None:
        assert layout.element_bits % lanes == 0
        self.layout, self.lanes, self.bad = layout, lanes, tuple(bad)
        geometry = StreamGeometry(layout)
        super().__init__(
            {
                "data": In(layout.element_bits).array(geometry.data_lanes),
                "enable": In(geometry.memories),
                "seen": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        g = StreamGeometry(self.layout)
        bits = self.layout.element_bits // self.lanes
        found: list[Value] = []
        for number, word in enumerate(self.data):
            columns = range(number, g.columns, len(self.data))
            written = [
                self.enable[g.memory(outer, column)]
                for outer in range(len(g.outer))
                for column in columns
            ]
            for lane in range(self.lanes):
                code = word.word_select(lane, bits)
                found += [reduce(or_, written) & _within(code, *run) for run in _runs(self.bad)]
        caught = Signal()
        m.d.comb += caught.eq(reduce(or_, found, C(0)))
        with m.If(caught):
            m.d.sync += self.seen.eq(1)
        return m


def _within(code: Value, low: int, high: int) -> Value:
    top = (1 << len(code)) - 1
    if low == high:
        return code == low
    above = code >= low if low > 0 else C(1)
    return above & (code <= high) if high < top else above


def _runs(codes: Sequence[int]) -> list[tuple[int, int]]:
    """The first and last of every run of consecutive codes."""
    runs: list[tuple[int, int]] = []
    for code in codes:
        if runs and code == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], code)
        else:
            runs.append((code, code))
    return runs

"""The lanes of all rows, and the two passes over the scores of a tile."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.core import Core
from accelgen.rtl.attention.lane import Lane
from accelgen.rtl.attention.tile_info import tile_info
from accelgen.rtl.library import UnitLibrary

__all__ = ["Softmax"]


class Softmax(wiring.Component):
    """Reads the scores of a captured tile column by column, and writes probabilities there.

    Ports (in, unless said): ``capture`` (pulse: column 0 captures in this cycle), ``info`` (of
    that tile); ``select``, ``keep`` (out: pulses for column 0 of the array); ``kept`` (of the
    array, per row); ``key`` (out: number of the key whose scores are read) and ``allowed`` (a
    cycle later); ``probabilities`` (out, per row); ``shift`` (out, per row) and ``fresh`` (out):
    how the totals change before the outputs of the tile are added; ``ready`` (out: the outputs
    can begin), until ``begin``, a pulse: they do.  Of a tile of summaries the scores are only read,
    once: ``summing`` (out: ``kept`` are those of the next key), ``read`` (out, pulse: the last).

    A tile is ready ``ready_cycles`` after its capture; the next may be captured four cycles after
    its outputs began.
    """

    def __init__(self, core: Core, library: UnitLibrary) -> None:
        self.core = core
        self.library = library
        n = core.numerics
        super().__init__(
            {
                "capture": In(1),
                "info": In(tile_info(core)),
                "select": Out(1),
                "keep": Out(1),
                "kept": In(n.score_bits).array(n.rows),
                "key": Out(range(n.rows)),
                "allowed": In(n.rows),
                "probabilities": Out(n.probability_fraction).array(n.rows),
                "shift": Out(range(n.shift_limit + 1)).array(n.rows),
                "fresh": Out(1),
                "ready": Out(1),
                "begin": In(1),
                "summing": Out(1),
                "read": Out(1),
            }
        )

    @staticmethod
    def ready_cycles(rows: int) -> int:
        """From ``capture`` to the first cycle of ``ready``.

        The operands of the outputs are recalled two cycles after ``begin`` and later, so the
        first probability may still be on its way; and the scores of the next tile are read no
        sooner than five cycles after ``begin``, so some of this tile may still be read.
        """
        return max(2 * rows - 4, rows + 4)

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        n = self.core.numerics
        rows = n.rows
        info = data.View(tile_info(self.core), self.info)
        second = rows + 1  # the first cycle of the second pass
        end = max(second + rows, self.ready_cycles(rows), second + Lane.LATENCY + 1)
        count = Signal(range(end + 1), init=end)
        with m.If(self.capture):
            m.d.sync += count.eq(0)
        with m.Elif(count != end):
            m.d.sync += count.eq(count + 1)
        in_first, summary = Signal(), Signal()
        m.d.comb += [
            in_first.eq(count < rows),
            self.select.eq((count == 0) | ((count == second) & ~summary)),
            self.summing.eq(in_first & summary),
            self.read.eq(summary & (count == rows - 1)),
            self.key.eq(Mux(in_first, count, count - second)),
            self.keep.eq((count == second + Lane.LATENCY) & ~summary),
        ]
        ready_at = self.ready_cycles(rows) - 2
        with m.If((count == ready_at) & ~summary):
            m.d.sync += self.ready.eq(1)
        with m.If(self.begin):
            m.d.sync += self.ready.eq(0)
        first, tile = Signal(reset_less=True), Signal(len(info.tile), reset_less=True)
        with m.If(self.capture):
            m.d.sync += [first.eq(info.item.first), tile.eq(info.tile)]
            m.d.sync += summary.eq(info.item.summary != 0)
        settle = Signal()
        m.d.comb += settle.eq((count == second) & ~summary)
        with m.If(settle):
            m.d.sync += self.fresh.eq(first)
        for i in range(rows):
            lane = self.library.instance(Lane(n, self.core.query_tiles), "lane")
            m.submodules[f"lane_{i}"] = lane
            m.d.comb += [
                lane.score.eq(self.kept[i]),
                lane.maximise.eq(in_first & ~summary),
                lane.allowed.eq(self.allowed[i]),
                lane.settle.eq(settle),
                lane.first.eq(first),
                lane.tile.eq(tile if self.core.query_tiles > 1 else Const(0)),
                self.probabilities[i].eq(lane.probability),
                self.shift[i].eq(lane.shift),
            ]
        return m

"""Beats of sums, and of a residual beside them, to one element per cycle."""

from __future__ import annotations

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.output_stage.form import SUM_BITS, StageForm
from accelgen.rtl.streams.ports import axi_stream

__all__ = ["Spread"]


class Spread(wiring.Component):
    """The elements of packets of sums one by one, each with its channel and its residual.

    Ports: ``sums`` (AXI4-Stream slave, ``lanes`` sums a beat), ``marked`` (beside it: the lanes
    that have an element, from lane 0 on), ``residual`` (AXI4-Stream slave: codes of ``form.bits``
    bits, a packet per packet of sums that has one), ``channels``, ``rows``, ``columns`` (in, less
    one: of the packet), ``has_residual`` and ``residual_signed`` (in, of the packet), ``enable``
    (in: elements go on), ``hold`` (in: none is to be taken); ``valid`` (out: this cycle's element
    is taken, only with ``enable``), ``sum`` (signed), ``code`` (of the residual, signed; 0 without
    one), ``channel``, ``end`` (out: it is the packet's last); ``error`` (sticky: a packet of the
    residual had the wrong length).

    An element per cycle, the first in the cycle after its beat was taken, or later, since two beats
    are held.  ``sums.tready`` is a register's, ``residual.tready`` does not depend on
    ``residual.tvalid``.  A beat of the residual
    is taken with the last element that it has the code of.  A packet of the residual that ends
    early adds nothing to what is left; of a late one everything up to its ``tlast`` is dropped.
    """

    def __init__(self, form: StageForm, lanes: int, bus_bits: int) -> None:
        self.form, self.lanes, self.bus_bits = form, lanes, bus_bits
        shape = {
            f.name: In(f.bits) for f in form.fields if f.name in ("channels", "rows", "columns")
        }
        super().__init__(
            {
                "sums": In(axi_stream(bus_bits)),
                "marked": In(lanes),
                "residual": In(axi_stream(bus_bits)),
                **shape,
                "has_residual": In(1),
                "residual_signed": In(1),
                "enable": In(1),
                "hold": In(1),
                "valid": Out(1),
                "sum": Out(signed(SUM_BITS)),
                "code": Out(signed(form.code_bits)),
                "channel": Out(shape["channels"].shape),
                "end": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        beat = Signal(self.lanes * SUM_BITS, reset_less=True)
        marked = Signal(self.lanes, reset_less=True)
        last = Signal(reset_less=True)
        held = Signal()
        lane = Signal(range(max(2, self.lanes)))
        beat_end, given = Signal(), Signal()
        more = [*(marked[k + 1] for k in range(self.lanes - 1)), C(0, 1)]
        offered = Signal()
        m.d.comb += [
            beat_end.eq(~Array(more)[lane]),
            self.sum.eq(_word(beat, self.lanes, SUM_BITS, lane).as_signed()),
            self.end.eq(last & beat_end),
            offered.eq(held & self.enable & ~self.hold),
            self.valid.eq(offered & given),
        ]
        # A second beat, so that what the sums come from need not know in the same cycle who waits.
        waits = Signal()
        spare = Signal(len(beat) + self.lanes + 1, reset_less=True)
        arriving = Cat(self.sums.tdata[: len(beat)], self.marked, self.sums.tlast)
        m.d.comb += self.sums.tready.eq(~waits)
        with m.If(~held | (self.valid & beat_end)):
            m.d.sync += [
                Cat(beat, marked, last).eq(Mux(waits, spare, arriving)),
                held.eq(waits | self.sums.tvalid),
                waits.eq(0),
            ]
        with m.Elif(self.sums.tvalid & ~waits):
            m.d.sync += [spare.eq(arriving), waits.eq(1)]
        with m.If(self.valid):
            m.d.sync += lane.eq(Mux(beat_end, 0, lane + 1))
        self._count(m)
        m.d.comb += given.eq(self._residual(m, offered))
        return m

    def _count(self, m: Module) -> None:
        """Which channel an element is of."""
        column, row = Signal(len(self.columns)), Signal(len(self.rows))
        step: Value = self.valid
        axes = ((column, self.columns), (row, self.rows), (self.channel, self.channels))
        for index, last in axes:
            at_end = index == last
            with m.If(self.valid & self.end):
                m.d.sync += index.eq(0)
            with m.Elif(step):
                m.d.sync += index.eq(Mux(at_end, 0, index + 1))
            step = step & at_end

    def _residual(self, m: Module, offered: Value) -> Value:
        """Take the residual; return whether an element has what it needs of it."""
        bits = self.form.bits
        lanes = self.bus_bits // bits
        lane = Signal(range(max(2, lanes)))
        ended, dropping, wanted, last, taken = (
            Signal(name=name) for name in ("ended", "dropping", "wanted", "residual_end", "taken")
        )
        stream = self.residual
        code = Signal(bits)
        m.d.comb += [
            code.eq(_word(stream.tdata, lanes, bits, lane)),
            wanted.eq(self.has_residual & ~ended),
            last.eq(self.end | (lane == lanes - 1)),
            taken.eq(self.valid & wanted & last),
            stream.tready.eq(dropping | (offered & wanted & last)),
            self.code.eq(Mux(wanted, Cat(code, code[-1] & self.residual_signed).as_signed(), 0)),
        ]
        with m.If(self.valid & wanted):
            m.d.sync += lane.eq(Mux(last, 0, lane + 1))
        with m.If(self.valid & self.end):
            m.d.sync += ended.eq(0)
        with m.Elif(taken & stream.tlast):
            m.d.sync += ended.eq(1)
        with m.If(taken & self.end & ~stream.tlast):
            m.d.sync += dropping.eq(1)
        with m.Elif(stream.tvalid & stream.tlast):
            m.d.sync += dropping.eq(0)
        with m.If(taken & (self.end ^ stream.tlast)):
            m.d.sync += self.error.eq(1)
        return ~wanted | (stream.tvalid & ~dropping)


def _word(beat: Value, lanes: int, bits: int, lane: Value) -> Value:
    return Array(beat.word_select(k, bits) for k in range(lanes))[lane]

"""A tensor that comes in, added to the one that leaves."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.streams.ports import axi_stream

__all__ = ["StreamAdder"]


class StreamAdder(wiring.Component):
    """Adds the packets of one stream to marked packets of another, element by element.

    ``lanes`` elements of ``bits`` bits a beat, sums modulo two to the ``bits``.  Ports: ``sums``
    (AXI4-Stream slave, unused bits zero, packets of the right length), ``marked`` (beside it: the
    lanes to which something is added; lane 0 of all beats of a packet or of none), ``addends``
    (AXI4-Stream slave: a packet per marked one; bits beside marked lanes are ignored), ``stream``
    (AXI4-Stream master, unused bits zero), ``error`` (sticky: a packet of ``addends`` had another
    length than the one it was added to).

    Latency: LATENCY cycles; throughput: a beat per cycle.  A marked beat waits for its addend, and
    an addend for its beat: ``addends.tready`` is low otherwise, and depends on ``stream.tready``
    and not on ``addends.tvalid``.  While ``stream.tready`` is low and a beat waits, everything
    stands still.

    A packet of ``addends`` that ends early is not added to what is left of its packet, of a late
    one everything up to its ``tlast`` is dropped: the next packets belong together again.
    """

    LATENCY = 1

    def __init__(self, bits: int, lanes: int, bus_bits: int) -> None:
        assert 1 <= lanes * bits <= bus_bits
        self.bits, self.lanes = bits, lanes
        super().__init__(
            {
                "sums": In(axi_stream(bus_bits)),
                "marked": In(lanes),
                "addends": In(axi_stream(bus_bits)),
                "stream": Out(axi_stream(bus_bits)),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        advance, wanted, leaves, taken = (
            Signal(name=name) for name in ("advance", "wanted", "leaves", "taken")
        )
        ended = Signal()  # the addends were fewer than the packet has elements
        dropping = Signal()  # there are more
        m.d.comb += [
            advance.eq(~self.stream.tvalid | self.stream.tready),
            wanted.eq(self.marked[0] & ~ended),
            self.sums.tready.eq(advance & (~wanted | (self.addends.tvalid & ~dropping))),
            leaves.eq(self.sums.tvalid & self.sums.tready),
            taken.eq(leaves & wanted),
            self.addends.tready.eq(dropping | (advance & self.sums.tvalid & wanted)),
        ]
        totals = []
        for lane in range(self.lanes):
            addend = self.addends.tdata.word_select(lane, self.bits)
            total = Signal(self.bits, name=f"total_{lane}")
            used = self.marked[lane] & ~ended
            m.d.comb += total.eq(
                self.sums.tdata.word_select(lane, self.bits) + Mux(used, addend, 0)
            )
            totals.append(total)
        with m.If(advance):
            m.d.sync += self.stream.tvalid.eq(leaves)
        with m.If(leaves):
            m.d.sync += [self.stream.tdata.eq(Cat(totals)), self.stream.tlast.eq(self.sums.tlast)]
        with m.If(leaves & self.sums.tlast):
            m.d.sync += ended.eq(0)
        with m.Elif(taken & self.addends.tlast):
            m.d.sync += ended.eq(1)
        with m.If(taken & self.sums.tlast & ~self.addends.tlast):
            m.d.sync += dropping.eq(1)
        with m.Elif(self.addends.tvalid & self.addends.tlast):
            m.d.sync += dropping.eq(0)
        with m.If(taken & (self.sums.tlast ^ self.addends.tlast)):
            m.d.sync += self.error.eq(1)
        return m

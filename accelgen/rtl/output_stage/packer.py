"""Elements to beats."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.streams.ports import axi_stream

__all__ = ["Packer"]


class Packer(wiring.Component):
    """Puts elements of ``bits`` bits side by side, the first lowest, into beats of ``bus_bits``.

    Ports: ``element`` and ``valid`` (in), ``end`` (in: no element of the packet comes after this
    cycle; no other packet's for two cycles), ``advance`` (out: this cycle's inputs are taken),
    ``stream`` (AXI4-Stream master, unused bits zero), ``done`` (out: the last beat of a packet
    comes in the next cycle).

    The beat that an element fills leaves with the next element, or after ``end``: LATENCY cycles
    from ``end`` to the last beat.  A packet without an element is a beat of zeros.
    """

    LATENCY = 2

    def __init__(self, bits: int, bus_bits: int) -> None:
        assert bits <= bus_bits
        self.bits, self.lanes = bits, bus_bits // bits
        super().__init__(
            {
                "element": In(bits),
                "valid": In(1),
                "end": In(1),
                "advance": Out(1),
                "stream": Out(axi_stream(bus_bits)),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        lanes = [Signal(self.bits, name=f"lane_{k}") for k in range(self.lanes)]
        place = Signal(range(self.lanes + 1))  # of the next element
        full, ended = Signal(), Signal()
        m.d.comb += [
            self.advance.eq(~self.stream.tvalid | self.stream.tready),
            full.eq(place == self.lanes),
            self.done.eq(self.advance & ended),
        ]
        with m.If(self.advance):
            m.d.sync += [
                ended.eq(self.end),
                self.stream.tvalid.eq(ended | (self.valid & full)),
                self.stream.tlast.eq(ended),
                self.stream.tdata.eq(Cat(lanes)),
            ]
            with m.If(ended):
                m.d.sync += [place.eq(0), *(lane.eq(0) for lane in lanes)]
            with m.Elif(self.valid):
                m.d.sync += place.eq(Mux(full, 1, place + 1))
                for number, lane in enumerate(lanes):
                    with m.If(full):
                        m.d.sync += lane.eq(self.element if number == 0 else 0)
                    with m.Elif(place == number):
                        m.d.sync += lane.eq(self.element)
        return m

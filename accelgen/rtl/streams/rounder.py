"""Exact sums on their way out: rounded to floating point, lane by lane."""

from __future__ import annotations

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.formats import FloatFormat
from accelgen.rtl.arithmetic.fixed_to_float import FixedToFloat
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.ports import axi_stream

__all__ = ["Rounder"]

STAGES = 4


class Rounder(wiring.Component):
    """Takes beats of ``lanes`` fixed-point numbers and gives beats of as many floats.

    Ports: ``exact`` (AXI4-Stream slave, ``lanes * width`` bits: two's complement, in units of
    2**-fraction), ``stream`` (AXI4-Stream master, ``bus_bits``; unused bits zero).  Each number is
    rounded once, to nearest even.  Latency: ``STAGES + 1`` cycles; throughput: a beat per cycle.
    While ``stream.tready`` is low and a beat waits, everything stands still.
    """

    LATENCY = STAGES + 1
    """Cycles by which a beat leaves later than it came."""

    def __init__(
        self,
        width: int,
        fraction: int,
        format: FloatFormat,
        lanes: int,
        bus_bits: int,
        library: UnitLibrary,
    ) -> None:
        assert lanes * format.width <= bus_bits
        self.width, self.fraction, self.format, self.lanes = width, fraction, format, lanes
        self.library = library
        super().__init__(
            {"exact": In(axi_stream(lanes * width)), "stream": Out(axi_stream(bus_bits))}
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        advance = Signal()
        m.d.comb += [
            advance.eq(~self.stream.tvalid | self.stream.tready),
            self.exact.tready.eq(advance),
        ]
        codes = []
        for lane in range(self.lanes):
            unit = self.library.instance(
                _Lane(self.width, self.fraction, self.format), f"round_{self.format}"
            )
            m.submodules[f"lane_{lane}"] = unit
            m.d.comb += [
                unit.x.eq(self.exact.tdata.word_select(lane, self.width)),
                unit.enable.eq(advance),
            ]
            codes.append(unit.y)
        valid = Signal(STAGES)
        last = Signal(STAGES)
        with m.If(advance):
            m.d.sync += [
                valid.eq(Cat(self.exact.tvalid, valid)),
                last.eq(Cat(self.exact.tlast, last)),
                self.stream.tvalid.eq(valid[-1]),
                self.stream.tlast.eq(valid[-1] & last[-1]),
                self.stream.tdata.eq(Mux(valid[-1], Cat(codes), 0)),
            ]
        return m


class _Lane(wiring.Component):
    """A :class:`FixedToFloat` that stands still while ``enable`` is low."""

    def __init__(self, width: int, fraction: int, format: FloatFormat) -> None:
        self._unit = FixedToFloat(width, fraction, format, stages=STAGES)
        super().__init__({"x": In(width), "enable": In(1), "y": Out(format.width)})

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        m.submodules.unit = EnableInserter(self.enable)(self._unit)
        m.d.comb += [self._unit.x.eq(self.x.as_signed()), self.y.eq(self._unit.y)]
        return m

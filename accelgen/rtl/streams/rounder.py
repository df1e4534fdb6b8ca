"""Exact sums on their way out: rounded to floating point, lane by lane."""

from __future__ import annotations

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.netlist.rounding import ROUND
from accelgen.passes.delay_matching import Pipeline
from accelgen.rtl.arithmetic.placed import place_unit
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.ports import axi_stream

__all__ = ["Rounder"]


class Rounder(wiring.Component):
    """Takes beats of ``lanes`` fixed-point numbers and gives beats of as many floats.

    ``pipeline`` is that of :func:`accelgen.netlist.rounding.rounding_of`.  Ports: ``exact``
    (AXI4-Stream slave, the numbers of ``lanes`` lanes side by side), ``stream`` (AXI4-Stream
    master, ``bus_bits``; unused bits zero).  Each number is rounded once, to nearest even.
    Latency: :meth:`latency_of` cycles; throughput: a beat per cycle.  While ``stream.tready`` is
    low and a beat waits, everything stands still.  With ``format_bits`` there is ``format`` (in):
    that of the beat offered.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        lanes: int,
        bus_bits: int,
        library: UnitLibrary,
        format_bits: int = 0,
    ) -> None:
        source, *_, write = pipeline.netlist.nodes
        assert lanes * write.format.bits <= bus_bits
        self.pipeline, self.lanes, self.library = pipeline, lanes, library
        self.width, self.bits = source.format.bits, write.format.bits
        self.format_bits = format_bits
        super().__init__(
            {
                "exact": In(axi_stream(lanes * self.width)),
                "stream": Out(axi_stream(bus_bits)),
                **({"format": In(format_bits)} if format_bits else {}),
            }
        )

    @staticmethod
    def latency_of(rounding: int) -> int:
        """Cycles by which a beat leaves later than it came, given those of the pipeline."""
        return rounding + 1

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
                _Lane(self.pipeline, self.width, self.bits, self.format_bits), "round"
            )
            m.submodules[f"lane_{lane}"] = unit
            m.d.comb += [
                unit.x.eq(self.exact.tdata.word_select(lane, self.width)),
                unit.enable.eq(advance),
            ]
            if self.format_bits:
                m.d.comb += unit.format.eq(self.format)
            codes.append(unit.y)
        # What goes with a beat, stage by stage; the last stage is the one whose codes are ready.
        valid, last = [self.exact.tvalid], [self.exact.tlast]
        for stage in range(self.pipeline.latency):
            for line, name in ((valid, "valid"), (last, "last")):
                delayed = Signal(name=f"{name}_{stage}")
                with m.If(advance):
                    m.d.sync += delayed.eq(line[-1])
                line.append(delayed)
        with m.If(advance):
            m.d.sync += [
                self.stream.tvalid.eq(valid[-1]),
                self.stream.tlast.eq(valid[-1] & last[-1]),
                self.stream.tdata.eq(Mux(valid[-1], Cat(codes), 0)),
            ]
        return m


class _Lane(wiring.Component):
    """One lane; its registers stand still while ``enable`` is low."""

    def __init__(self, pipeline: Pipeline, width: int, bits: int, format_bits: int) -> None:
        self._pipeline = pipeline
        self._format_bits = format_bits
        form = {"format": In(format_bits)} if format_bits else {}
        super().__init__({"x": In(width), "enable": In(1), "y": Out(bits), **form})

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        inner = Module()
        form = {"format": self.format} if self._format_bits else {}
        found = place_unit(inner, self._pipeline, ROUND, {"exact": self.x, **form})
        m = Module()
        m.submodules.inner = EnableInserter(self.enable)(inner)
        m.d.comb += self.y.eq(found["code"])
        return m

"""From the pages of an output buffer to an AXI4-Stream."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.fabric.layout import Layout
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.geometry import StreamGeometry
from accelgen.rtl.streams.ports import axi_stream, bank_read
from accelgen.rtl.streams.rotate import rotate
from accelgen.rtl.streams.walker import SegmentWalker, code_of, connect_shape, shape_ports

__all__ = ["Collector"]


class Collector(wiring.Component):
    """Streams committed pages out in row-major order, a segment per cycle.

    Ports: ``read`` (to an OutputBuffer; ``accumulate`` as there), ``stream`` (AXI4-Stream
    master: ``tlast`` on the last beat of a page, unused bits zero, all outputs but ``tready``'s
    answer registered).  While ``tready`` is low everything stands still.  With a flexible layout
    the shape of ``read.page`` is given too (see SegmentWalker).  With ``marks``: ``mark`` (a bit
    of ``read.page``) and ``marked`` (beside ``stream``: the lanes of the beat that have an element
    of a page with that bit).
    """

    def __init__(
        self,
        layout: Layout,
        bus_bits: int,
        library: UnitLibrary,
        walker: str = "walker",
        *,
        accumulate: bool,
        marks: bool = False,
    ) -> None:
        assert layout.per_beat * layout.element_bits <= bus_bits
        self.layout = layout
        self.bus_bits = bus_bits
        self.library = library
        self.walker = walker
        self.accumulate = accumulate
        self.marks = marks
        marking = {"mark": In(1), "marked": Out(layout.per_beat)} if marks else {}
        super().__init__(
            {
                "read": Out(bank_read(layout, clear=accumulate)),
                "stream": Out(axi_stream(bus_bits)),
                **shape_ports(layout),
                **marking,
            }
        )

    @staticmethod
    def cycles(layout: Layout) -> int:
        """From ``commit`` to the last accepted beat, both counted, without pauses.

        See the page, then a cycle per segment, its memory and its beat; accumulating memories
        take no longer.
        """
        return layout.segments + 3

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        g = StreamGeometry(self.layout)
        walker = self.library.instance(SegmentWalker(self.layout), self.walker)
        m.submodules.walker = walker
        connect_shape(m, walker, self, self.layout)
        page = Signal()
        advance = Signal()
        issue = Signal()
        fetched = Signal()  # the memories hold a segment
        # Which segment that is:
        first = Signal(init=1)
        beat_end = Signal(reset_less=True)
        packet_end = Signal(reset_less=True)
        m.d.comb += [
            advance.eq(~self.stream.tvalid | self.stream.tready),
            issue.eq(advance & Mux(page, self.read.full[1], self.read.full[0])),
            walker.step.eq(issue),
            walker.restart.eq(0),
            self.read.enable.eq(issue),
            self.read.done.eq(advance & fetched & packet_end),
        ]
        m.d.comb += self.read.page.eq(page)
        with m.If(issue):
            m.d.sync += [
                page.eq(page ^ walker.packet_end),
                beat_end.eq(walker.beat_end),
                packet_end.eq(walker.packet_end),
            ]
        with m.If(advance):
            m.d.sync += fetched.eq(issue)
        lanes = self._lanes(m, g, walker, issue)
        width = self.layout.element_bits
        with m.If(advance):
            m.d.sync += [
                self.stream.tvalid.eq(fetched & beat_end),
                self.stream.tlast.eq(fetched & packet_end),
            ]
        with m.If(advance & fetched):
            m.d.sync += first.eq(beat_end)
            for lane, (inside, word) in lanes.items():
                part = self.stream.tdata.word_select(lane, width)
                self._put(m, g, part, word, inside, first)
        if self.marks:
            mark = Signal(reset_less=True)  # of the fetched segment
            with m.If(issue):
                m.d.sync += mark.eq(self.mark)
            with m.If(advance & fetched):
                for lane, (inside, _) in lanes.items():
                    self._put(m, g, self.marked[lane], mark, inside, first)
        return m

    @staticmethod
    def _put(
        m: Module, g: StreamGeometry, part: Value, word: Value, inside: Value, first: Value
    ) -> None:
        """Put what a lane has of the fetched segment, or zero, where the beat is made."""
        if g.layout.aligned:
            m.d.sync += part.eq(word)
        elif g.starts_at_zero:
            m.d.sync += part.eq(Mux(inside, word, 0))
        else:
            with m.If(inside):
                m.d.sync += part.eq(word)
            with m.Elif(first):
                m.d.sync += part.eq(0)

    def _lanes(
        self, m: Module, g: StreamGeometry, walker: SegmentWalker, issue: Value
    ) -> dict[int, tuple[Value, Value]]:
        """Address the memories; for every lane whether it is in the fetched segment, and its word.

        First the memory is selected along the outer dimensions, then comes the rotation.
        """
        for number, address in enumerate(self.read.address):
            value: Value = walker.address
            if g.wraps and number < g.modulus - 1:
                value = Mux(walker.low > number, walker.next_address, walker.address)
            m.d.comb += address.eq(value)
        mask: Value = C(-1, g.lanes)
        if not g.layout.aligned:
            mask = Signal(g.lanes, reset_less=True)
            with m.If(issue):
                m.d.sync += mask.eq(walker.mask)
        residues: dict[int, Signal] = {}
        for j in SegmentWalker.selecting(g):
            now = getattr(walker, f"residue_{j}")
            residues[j] = Signal(len(now), name=f"residue_{j}", reset_less=True)
            with m.If(issue):
                m.d.sync += residues[j].eq(now)
        if self.accumulate:
            self._take(m, g, walker)
        words: dict[int, Value] = {}
        for column in range(g.columns):
            candidates = {
                code_of(outer, residues): self.read.data[g.memory(number, column)]
                for number, outer in enumerate(g.outer)
            }
            words[column] = _select(m, Cat(residues.values()), candidates, f"column_{column}")
        lanes = range(g.lanes)
        if g.shifts > 1:
            shift = Signal(range(g.shifts), reset_less=True)
            with m.If(issue):
                m.d.sync += shift.eq(walker.shift)
            words = rotate(m, words, g.ring, shift, g.step, lanes, "word")
        return {lane: (mask[lane], words[lane]) for lane in lanes if lane in words}

    def _take(self, m: Module, g: StreamGeometry, walker: SegmentWalker) -> None:
        """Say which memories have a word in the segment, so that they clear it."""
        mask: dict[int, Value] = {
            lane: walker.mask[lane] if lane < g.lanes else C(0) for lane in range(g.ring)
        }
        if g.shifts > 1:
            mask = rotate(m, mask, g.ring, walker.shift, -g.step, range(g.columns), "mask")
        for number, outer in enumerate(g.outer):
            present = {j: getattr(walker, f"residue_{j}") for j in SegmentWalker.selecting(g)}
            here = Signal(name=f"selected_{number}")
            m.d.comb += here.eq(Cat(present.values()) == code_of(outer, present))
            for column in range(g.columns):
                m.d.comb += self.read.take[g.memory(number, column)].eq(here & mask[column])


def _select(m: Module, code: Value, candidates: dict[int, Value], name: str) -> Value:
    """``candidates[code]`` through a tree of multiplexers; other codes do not occur."""
    level = candidates
    for bit in range(len(code)):
        following: dict[int, Value] = {}
        for number in sorted({key >> 1 for key in level}):
            low, high = level.get(2 * number), level.get(2 * number + 1)
            if low is None or high is None:
                following[number] = level[2 * number if high is None else 2 * number + 1]
                continue
            mux = Signal(len(low), name=f"{name}_{bit}_{number}")
            m.d.comb += mux.eq(Mux(code[bit], high, low))
            following[number] = mux
        level = following
    return level[0]

"""From an AXI4-Stream into the pages of an input buffer."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.fabric.layout import Layout
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.geometry import StreamGeometry
from accelgen.rtl.streams.ports import axi_stream, bank_write
from accelgen.rtl.streams.rotate import rotate
from accelgen.rtl.streams.walker import SegmentWalker, code_of, connect_shape, shape_ports

__all__ = ["Loader"]


class Loader(wiring.Component):
    """Takes packets of a tensor and writes them into two pages in turn, a segment per cycle.

    Ports: ``stream`` (AXI4-Stream slave; elements from the least significant bit upwards,
    further bits ignored), ``write`` (to an InputBuffer), ``enable`` (while low nothing is
    accepted), ``full`` (``page`` holds a complete tensor), ``release`` (pulse: compute is done
    with ``page``; only while ``full``), ``page`` (the page compute reads, valid with ``full``),
    ``error`` (sticky: a packet had the wrong length).  With ``user_bits``: ``user_in`` (beside
    ``stream``, AXI4-Stream's ``tuser``) and ``user`` (that of the last beat of the packet in
    ``page``, valid with ``full``).

    With a flexible layout the shape is given too (see SegmentWalker), and nothing is accepted but
    the packet that ``begin`` (a pulse, before its first beat) says is to come.  ``cancel`` (a
    pulse, after ``begin`` and before the page is read) takes that back: nothing is accepted in its
    cycle, what came of the packet is dropped, and so is the rest, up to its ``tlast``.

    With ``counted`` there is ``available`` (out): how many pages hold a complete tensor.

    A packet with ``tlast`` before its last beat is dropped; one without ``tlast`` on its last
    beat is dropped with everything up to the next ``tlast``.  The next packet takes its place.
    ``tready`` is low while both pages are full; it does not depend on ``tvalid``.
    ``full`` rises with the first cycle in which reading the page may start; after a ``release``
    it shows in the next cycle whether the other page is complete.
    """

    def __init__(
        self,
        layout: Layout,
        bus_bits: int,
        library: UnitLibrary,
        walker: str = "walker",
        user_bits: int = 0,
        *,
        counted: bool = False,
    ) -> None:
        assert layout.per_beat * layout.element_bits <= bus_bits
        self.layout = layout
        self.bus_bits = bus_bits
        self.library = library
        self.walker = walker
        self.user_bits = user_bits
        user = {"user_in": In(user_bits), "user": Out(user_bits)} if user_bits else {}
        self.counted = counted
        self.flexible = layout.words is not None
        begin = {"begin": In(1), "cancel": In(1)} if self.flexible else {}
        super().__init__(
            {
                "stream": In(axi_stream(bus_bits)),
                "write": Out(bank_write(layout)),
                "enable": In(1, init=1),
                "full": Out(1),
                "page": Out(1),
                "release": In(1),
                "error": Out(1),
                **user,
                **({"available": Out(2)} if counted else {}),
                **begin,
                **shape_ports(layout),
            }
        )

    @staticmethod
    def cycles(layout: Layout) -> int:
        """From the first accepted beat to the first cycle with ``full``, both counted.

        Accept the first beat, one cycle per segment, write the last one, be full.
        """
        return layout.segments + 3

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        layout = self.layout
        walker = self.library.instance(SegmentWalker(layout), self.walker)
        m.submodules.walker = walker
        beat = Signal(layout.per_beat * layout.element_bits, reset_less=True)
        beat_last = Signal(reset_less=True)
        beat_valid = Signal()
        discarding = Signal()
        segment, good, early, late, taken = (
            Signal(name=name) for name in ("segment", "good", "early", "late", "taken")
        )
        walking: Value = beat_valid & ~discarding
        restart: Value = early
        if self.flexible:
            walking, restart = walking & ~self.cancel, early | self.cancel
        m.d.comb += [
            segment.eq(walking),
            good.eq(segment & walker.packet_end & beat_last),
            late.eq(segment & walker.packet_end & ~beat_last),
            early.eq(segment & walker.beat_end & ~walker.packet_end & beat_last),
            taken.eq(discarding | walker.beat_end),
            walker.step.eq(segment),
            walker.restart.eq(restart),
        ]
        connect_shape(m, walker, self, layout)
        wanted = Signal()
        room = self._pages(m, good, segment & walker.packet_end, wanted)
        if self.flexible:
            with m.If(self.begin):
                m.d.sync += wanted.eq(1)
            with m.Elif(good | self.cancel):
                m.d.sync += wanted.eq(0)
            room = room & wanted & ~(segment & walker.packet_end)
            # What is left of a packet is dropped whether another one is wanted or not.
            room = (room | (discarding & ~(beat_valid & beat_last))) & ~self.cancel
        m.d.comb += self.stream.tready.eq(self.enable & room & (~beat_valid | taken))
        with m.If(self.stream.tready):
            m.d.sync += [
                beat.eq(self.stream.tdata),
                beat_last.eq(self.stream.tlast),
                beat_valid.eq(self.stream.tvalid),
            ]
        with m.Elif(taken):
            m.d.sync += beat_valid.eq(0)
        with m.If(late):
            m.d.sync += discarding.eq(1)
        with m.Elif(beat_valid & beat_last):
            m.d.sync += discarding.eq(0)
        if self.flexible:
            self._drop(m, beat_valid, discarding)
        with m.If(early | late):
            m.d.sync += self.error.eq(1)
        if self.user_bits:
            self._keep_user(m, segment)
        self._write(m, walker, beat, segment)
        return m

    def _keep_user(self, m: Module, segment: Value) -> None:
        """Keep what came beside the beats, per page."""
        beside = Signal(self.user_bits, reset_less=True)
        with m.If(self.stream.tready):
            m.d.sync += beside.eq(self.user_in)
        # As for the memories, a cycle later.
        written, kept_page = Signal(), Signal(self.user_bits, reset_less=True)
        m.d.sync += [written.eq(segment), kept_page.eq(beside)]
        pages = [Signal(self.user_bits, name=f"user_{page}", reset_less=True) for page in range(2)]
        for number, page in enumerate(pages):
            with m.If(written & (self.write.page == number)):
                m.d.sync += page.eq(kept_page)
        m.d.comb += self.user.eq(Mux(self.page, pages[1], pages[0]))

    def _drop(self, m: Module, beat_valid: Signal, discarding: Signal) -> None:
        """On ``cancel`` forget the present beat, and what is left of its packet."""
        inside = Signal()  # the last beat accepted does not end its packet
        with m.If(self.stream.tready & self.stream.tvalid):
            m.d.sync += inside.eq(~self.stream.tlast)
        with m.If(self.cancel):
            m.d.sync += [beat_valid.eq(0), discarding.eq(inside)]

    def _pages(self, m: Module, good: Value, ending: Value, wanted: Value) -> Value:
        """Count pages that hold a packet; return whether the next beat has a page to go to.

        Of a packet that is ``wanted`` no more, ``cancel`` frees the page.
        """
        held = Signal(2)
        available = Signal(2)
        filling = Signal()
        complete = Signal()
        left: Value = self.release
        turned: Value = good
        if self.flexible:
            freed = self.cancel & ~wanted
            left, turned = self.release + freed, good | freed
        m.d.comb += self.full.eq(available != 0)
        if self.counted:
            m.d.comb += self.available.eq(available)
        m.d.sync += [
            complete.eq(good),
            held.eq(held + good - left),
            available.eq(available + complete - left),
            filling.eq(filling ^ turned),
            self.page.eq(self.page ^ self.release),
            self.write.page.eq(filling),
        ]
        return (held == 0) | ((held == 1) & ~ending)

    def _write(self, m: Module, walker: SegmentWalker, beat: Value, segment: Value) -> None:
        """Rotate lanes to memories; register everything that goes to the memories."""
        g = StreamGeometry(self.layout)
        bits = self.layout.element_bits
        columns = range(g.columns)
        words = {lane: beat.word_select(lane, bits) for lane in range(g.lanes)}
        mask: dict[int, Value] = {
            lane: walker.mask[lane] if lane < g.lanes else C(0) for lane in range(g.ring)
        }
        if g.shifts > 1:
            mask = rotate(m, mask, g.ring, walker.shift, -g.step, columns, "mask")
        if not g.straight:
            words = rotate(m, words, g.ring, walker.shift, -g.step, columns, "word")
        for number, data in enumerate(self.write.data):
            m.d.sync += data.eq(words[number])
        for number, address in enumerate(self.write.address):
            if g.wraps and number < g.modulus - 1:
                m.d.sync += address.eq(
                    Mux(walker.low > number, walker.next_address, walker.address)
                )
            else:
                m.d.sync += address.eq(walker.address)
        for outer, coordinates in enumerate(g.outer):
            residues = {j: getattr(walker, f"residue_{j}") for j in SegmentWalker.selecting(g)}
            selected = Signal(name=f"selected_{outer}")
            m.d.comb += selected.eq(
                segment & (Cat(residues.values()) == code_of(coordinates, residues))
            )
            for column in columns:
                bit = self.write.enable[g.memory(outer, column)]
                m.d.sync += bit.eq(selected & mask[column])

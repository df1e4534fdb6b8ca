"""The walk over a packet: one segment per step, everything a Loader or Collector needs of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.fabric.layout import Layout
from accelgen.rtl.streams.geometry import StreamGeometry, address_bits

__all__ = ["SegmentWalker", "code_of", "connect_shape", "shape_ports"]


class SegmentWalker(wiring.Component):
    """Position in the stream; all outputs describe the present segment.

    Ports: ``step`` moves to the next segment (after the last one to the first), ``restart`` to
    the first.  ``mask`` has a bit per lane of the segment; ``shift`` is in units of
    ``geometry.step`` (absent when constant); ``address`` is where its first element is;
    with ``geometry.wraps`` memories with a last coordinate below ``low`` use ``next_address``.
    ``residue_<j>`` is the memory coordinate in outer dimension ``j`` (absent when constant).
    ``beat_end`` and ``packet_end`` mark the last segment of a beat and of the packet.

    With a flexible geometry the shape is an input, which stays from the first segment of a packet
    to the last: ``row`` (elements of a row, 1 or more) and, for the outer dimensions ``j``,
    ``last_<j>`` (the extent less 1) and ``stride_<j>`` (of ``layout.strides``).
    """

    def __init__(self, layout: Layout) -> None:
        self.geometry = geometry = StreamGeometry(layout)
        members = {
            "step": In(1),
            "restart": In(1),
            "mask": Out(geometry.lanes),
            "address": Out(address_bits(layout)),
            "beat_end": Out(1),
            "packet_end": Out(1),
        }
        if geometry.shifts > 1:
            members["shift"] = Out(range(geometry.shifts))
        if geometry.wraps:
            members["low"] = Out(range(geometry.modulus))
            members["next_address"] = Out(address_bits(layout))
        for j in self.selecting(geometry):
            members[f"residue_{j}"] = Out(range(min(layout.moduli[j], layout.shape[j])))
        super().__init__({**members, **shape_ports(layout)})

    @staticmethod
    def selecting(geometry: StreamGeometry) -> tuple[int, ...]:
        """The outer dimensions over which there are several live memories."""
        layout = geometry.layout
        return tuple(
            j for j in range(len(layout.shape) - 1) if min(layout.moduli[j], layout.shape[j]) > 1
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        row_end = Signal()
        last_row, row_base, next_row_base = self._rows(m, row_end)
        m.d.comb += self.packet_end.eq(row_end & last_row)
        if self.geometry.starts_at_zero:
            increment = self._whole_beats(m, row_end)
        else:
            increment = self._split_beats(m, row_end, last_row)
        self._addresses(m, row_end, row_base, next_row_base, increment)
        return m

    def _whole_beats(self, m: Module, row_end: Signal) -> Value:
        """Every segment starts at lane 0: count the beats of a row; return the address step."""
        g = self.geometry
        beats = -(-g.row // g.lanes)
        tail = g.row - (beats - 1) * g.lanes
        ones = (1 << g.lanes) - 1
        m.d.comb += self.beat_end.eq(1)
        if beats == 1:
            m.d.comb += [row_end.eq(1), self.mask.eq((1 << tail) - 1)]
            return C(0)
        left = Signal(range(beats), init=beats - 1)
        m.d.comb += [
            row_end.eq(left == 0),
            self.mask.eq(Mux(row_end, (1 << tail) - 1, ones)),
        ]
        with m.If(self.restart | (self.step & row_end)):
            m.d.sync += left.eq(beats - 1)
        with m.Elif(self.step):
            m.d.sync += left.eq(left - 1)
        if g.shifts == 1:
            return C(int(g.row_extent > 1), 1)  # lanes == modulus: an address per beat
        total = Signal(range(2 * g.shifts))
        carry = Signal()
        m.d.comb += total.eq(self.shift + g.lanes // g.step % g.shifts)
        m.d.comb += carry.eq(total >= g.shifts)
        with m.If(self.restart | (self.step & row_end)):
            m.d.sync += self.shift.eq(0)
        with m.Elif(self.step):
            m.d.sync += self.shift.eq(Mux(carry, total - g.shifts, total))
        if g.wraps:
            m.d.comb += self.low.eq(self.shift * g.step)
        return carry

    def _split_beats(self, m: Module, row_end: Signal, last_row: Value) -> Value:
        """Rows end inside beats: count elements left in both; return the address step."""
        g = self.geometry
        row, in_row = self._row_left(m, row_end)
        in_beat = Signal(range(g.lanes + 1), init=g.lanes)
        fills = Signal()  # the segment reaches the end of the beat
        spare = Signal(range(g.lanes))  # lanes of the beat above the segment
        m.d.comb += [
            row_end.eq(in_row <= in_beat),
            fills.eq(in_beat <= in_row),
            self.beat_end.eq(fills | self.packet_end),
            spare.eq(Mux(fills, 0, in_beat - in_row)),
            self.mask.eq(
                Cat(
                    (in_beat >= g.lanes - lane) & (spare <= g.lanes - 1 - lane)
                    for lane in range(g.lanes)
                )
            ),
        ]
        with m.If(self.restart | (self.step & self.packet_end)):
            m.d.sync += [row.eq(g.row), in_beat.eq(g.lanes)]
        with m.Elif(self.step):
            m.d.sync += [
                row.eq(Mux(row_end, g.row, in_row - in_beat)),
                in_beat.eq(Mux(fills, g.lanes, in_beat - in_row)),
            ]
        if g.shifts > 1:
            total = Signal(range(2 * g.shifts))
            by_beat = g.lanes % g.ring // g.step
            if g.flexible:
                # A row that ends inside a beat: the next one starts in lane lanes - left.
                ended = Signal(range(g.ring + g.lanes))
                m.d.comb += ended.eq(in_beat - in_row + (-g.lanes % g.ring))
                m.d.comb += total.eq(Mux(row_end, ended, self.shift + by_beat))
            else:
                by_row = -g.row % g.ring // g.step
                m.d.comb += total.eq(self.shift + Mux(fills, by_beat, by_row))
            with m.If(self.restart | (self.step & (self.packet_end | (row_end & fills)))):
                m.d.sync += self.shift.eq(0)
            with m.Elif(self.step):
                m.d.sync += self.shift.eq(Mux(total >= g.shifts, total - g.shifts, total))
        if not g.wraps:
            return C(0)
        reach = Signal(range(2 * g.modulus))
        carry = Signal()
        m.d.comb += [reach.eq(self.low + in_beat), carry.eq(reach >= g.modulus)]
        with m.If(self.restart | (self.step & row_end)):
            m.d.sync += self.low.eq(0)
        with m.Elif(self.step):
            m.d.sync += self.low.eq(Mux(carry, reach - g.modulus, reach))
        return carry

    def _row_left(self, m: Module, row_end: Signal) -> tuple[Signal, Value]:
        """A register for the elements left in the row, and how many there are."""
        g = self.geometry
        if not g.flexible:
            register = Signal(range(g.row + 1), init=g.row, name="in_row")
            return register, register
        # The row's length is looked at when the row begins: it may be new with the packet.
        register = Signal(range(g.row + 1), name="left_in_row")
        begins = Signal(init=1)
        with m.If(self.restart):
            m.d.sync += begins.eq(1)
        with m.Elif(self.step):
            m.d.sync += begins.eq(row_end)
        in_row = Signal(range(g.row + 1))
        m.d.comb += in_row.eq(Mux(begins, self.row, register))
        return register, in_row

    def _rows(self, m: Module, row_end: Signal) -> tuple[Value, Value, Value]:
        """Counters of the outer dimensions: whether this is the last row, where it starts and
        where the next one does.
        """
        g = self.geometry
        layout = g.layout
        if g.rows == 1:
            return C(1), C(0), C(0)
        base = Signal(address_bits(layout))
        advance = Signal(address_bits(layout))
        carry: Value = C(1)
        steps: list[tuple[Value, Value]] = []
        for j in reversed(range(len(layout.shape) - 1)):
            size, modulus = layout.shape[j], layout.moduli[j]
            if size == 1:
                continue
            # The dimensions inside j fall back to their start while j moves on.
            stay, move, end = self._numbers(m, j)
            index = Signal(range(size), name=f"index_{j}")
            last = Signal(name=f"last_{j}")
            m.d.comb += last.eq(index == end)
            turns: Value = C(1) if modulus == 1 else C(0)
            if modulus >= size and modulus > 1:
                m.d.comb += getattr(self, f"residue_{j}").eq(index)
            elif modulus > 1:
                residue = getattr(self, f"residue_{j}")
                turns = residue == modulus - 1
                self._count(m, residue, row_end & carry, last | turns)
            self._count(m, index, row_end & carry, last)
            steps.append((last, Mux(turns, move, stay)))
            carry = carry & last
        delta: Value = C(0)
        for last, step in reversed(steps):
            delta = Mux(last, delta, step)
        m.d.comb += advance.eq(base + delta)
        with m.If(self.restart | (self.step & self.packet_end)):
            m.d.sync += base.eq(0)
        with m.Elif(self.step & row_end):
            m.d.sync += base.eq(advance)
        return carry, base, advance

    def _numbers(self, m: Module, j: int) -> tuple[Value, Value, Value]:
        """From the last row inside dimension ``j`` to the next: the address step when ``j`` stays
        at its address, when it moves on; and the last index of ``j``.
        """
        layout = self.geometry.layout
        if not self.geometry.flexible:
            extent = self.geometry.row_extent
            return C(extent - layout.strides[j]), C(extent), C(layout.shape[j] - 1)
        extent = getattr(self, f"stride_{len(layout.shape) - 2}")
        return extent - getattr(self, f"stride_{j}"), extent, getattr(self, f"last_{j}")

    def _count(self, m: Module, counter: Signal, when: Value, last: Value) -> None:
        """Count up when stepped, back to zero after ``last`` and on restart."""
        with m.If(self.restart | (self.step & when & last)):
            m.d.sync += counter.eq(0)
        with m.Elif(self.step & when):
            m.d.sync += counter.eq(counter + 1)

    def _addresses(
        self, m: Module, row_end: Signal, base: Value, next_base: Value, increment: Value
    ) -> None:
        """The address of the segment: its row's start plus steps inside the row."""
        outputs = [(self.address, 0)]
        if self.geometry.wraps:
            outputs.append((self.next_address, 1))
        elif self.geometry.row_extent == 1:
            m.d.comb += self.address.eq(base)
            return
        for address, ahead in outputs:
            register = Signal(len(address), name=f"address_{ahead}", init=ahead)
            m.d.comb += address.eq(register)
            with m.If(self.restart | (self.step & self.packet_end)):
                m.d.sync += register.eq(ahead)
            with m.Elif(self.step & row_end):
                m.d.sync += register.eq(next_base + ahead)
            with m.Elif(self.step):
                m.d.sync += register.eq(register + increment)


def shape_ports(layout: Layout) -> dict[str, wiring.Member]:
    """The shape of a packet, as inputs, where it is not that of the layout."""
    if layout.words is None:
        return {}
    ports = {"row": In(range(layout.shape[-1] + 1))}
    for j, extent in enumerate(layout.shape[:-1]):
        ports[f"last_{j}"] = In(range(extent))
        ports[f"stride_{j}"] = In(address_bits(layout))
    return ports


def connect_shape(
    m: Module, inner: wiring.Component, outer: wiring.Component, layout: Layout
) -> None:
    """Give a unit the shape that the one around it has."""
    for name in shape_ports(layout):
        m.d.comb += getattr(inner, name).eq(getattr(outer, name))


def code_of(outer: Sequence[int], residues: Mapping[int, Value]) -> int:
    """What ``Cat(residues.values())`` is when the residues are those of ``outer``."""
    code = position = 0
    for j, residue in residues.items():
        code |= outer[j] << position
        position += len(residue)
    return code

"""Totals divided by sums of probabilities, row by row, and streamed out."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.core import Core
from accelgen.rtl.attention.totals import read_ports
from accelgen.rtl.streams.ports import axi_stream

__all__ = ["Normaliser"]

BITS_PER_CYCLE = 2
"""Bits of the quotient found per cycle."""


class Normaliser(wiring.Component):
    """Reads a half of the totals when its row group is complete; a row takes ``row_cycles``.

    While a row is streamed, ``outputs_per_beat`` elements per cycle, the reciprocal of the next
    row's sum is found by long division.

    Ports (in, unless said): ``complete`` (pulse: the next half is complete), ``free`` (out, pulse:
    it has been read), ``read_enable``, ``read_half``, ``read_tile``, ``read_row``,
    ``read_chunk`` (out) and ``read`` (see Totals), ``stream`` (AXI4-Stream master: a packet per row
    group).
    """

    def __init__(self, core: Core) -> None:
        self.core = core
        self.banks = core.outputs_per_beat
        super().__init__(
            {
                "complete": In(1),
                "free": Out(1),
                **read_ports(core, Out, In),
                "stream": Out(axi_stream(core.output_bits)),
            }
        )

    LATENCY = 5
    """Cycles from the read of a chunk to its beat."""
    DIVIDED = 4
    """Cycles from the read of a row's sum to its division."""

    @staticmethod
    def row_cycles(core: Core) -> int:
        """From one row to the next, as long as the output is not paused."""
        n = core.numerics
        # A quotient is taken over with the second cycle of the next row.
        division = Normaliser.DIVIDED + n.DIVISOR_BITS // BITS_PER_CYCLE - 2
        return max(1 + n.value_dim // core.outputs_per_beat, division)

    @staticmethod
    def read_cycles(core: Core) -> int:
        """From the cycle before the first read of a row group to that of the last, without pauses.

        That one is a cycle after ``complete``, or after the last read of the row group before.
        """
        n = core.numerics
        rows = core.query_tiles * n.rows
        return 1 + rows * Normaliser.row_cycles(core) + n.value_dim // core.outputs_per_beat

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        core, n = self.core, self.core.numerics
        rows, beats = core.query_tiles * n.rows, n.value_dim // self.banks
        period = self.row_cycles(core)
        go = Signal()
        m.d.comb += go.eq(~self.stream.tvalid | self.stream.tready)
        # Row ``rows`` has no sum to read: in it the last row is streamed.
        waiting = Signal(range(3))
        running, half = Signal(), Signal()
        slot, row = Signal(range(period)), Signal(range(rows + 1))
        start, ended = Signal(), Signal()
        m.d.comb += [
            start.eq(~running & (waiting != 0) & go),
            ended.eq(running & go & (row == rows) & (slot == beats)),
            self.free.eq(ended),
        ]
        m.d.sync += waiting.eq(waiting + self.complete - start)
        with m.If(start):
            m.d.sync += [running.eq(1), slot.eq(0), row.eq(0)]
        with m.Elif(ended):
            m.d.sync += [running.eq(0), half.eq(~half)]
        with m.Elif(running & go):
            m.d.sync += slot.eq(slot + 1)
            with m.If(slot == period - 1):
                m.d.sync += [slot.eq(0), row.eq(row + 1)]
        of_sum, of_row = Signal(), Signal()
        source = Signal(range(rows + 1))
        m.d.comb += [
            of_sum.eq(running & (slot == 0) & (row != rows)),
            of_row.eq(running & (slot != 0) & (slot <= beats) & (row != 0)),
            source.eq(Mux(slot == 0, row, row - 1)),
            self.read_enable.eq(go & (of_sum | of_row)),
            self.read_half.eq(half),
            self.read_tile.eq(source[(n.rows - 1).bit_length() :]),
            self.read_row.eq(source[: (n.rows - 1).bit_length()]),
            self.read_chunk.eq(Mux(slot == 0, n.value_dim // self.banks, slot - 1)),
        ]
        # A read is followed through the stages by what it is.
        stage: list[Value] = [Cat(of_row, (slot == 1) & of_row, self._ends(slot, row, rows, beats))]
        for k in range(self.LATENCY - 1):
            later = Signal(3, name=f"stage_{k + 1}")
            with m.If(go):
                m.d.sync += later.eq(stage[-1])
            stage.append(later)
        summing = Signal(2)
        with m.If(go):
            m.d.sync += summing.eq(Cat(of_sum, summing[0]))
        elements = [
            Signal(signed(n.total_bits), name=f"element_{b}", reset_less=True)
            for b in range(self.banks)
        ]
        with m.If(go):
            m.d.sync += [element.eq(self.read[b]) for b, element in enumerate(elements)]
        extra, reciprocal = self._reciprocal(m, go, elements[n.value_dim % self.banks], summing[1])
        now_extra = Signal(len(extra), reset_less=True)
        now_reciprocal = Signal(len(reciprocal), reset_less=True)
        # The first chunk of a row is in the first stage of the arithmetic.
        with m.If(go & stage[1][1]):
            m.d.sync += [now_extra.eq(extra), now_reciprocal.eq(reciprocal)]
        results = [
            self._divide(m, go, element, now_extra, now_reciprocal, b)
            for b, element in enumerate(elements)
        ]
        with m.If(go):
            m.d.sync += [
                self.stream.tvalid.eq(stage[-1][0]),
                self.stream.tlast.eq(stage[-1][2]),
                self.stream.tdata.eq(Cat(results)),
            ]
        return m

    @staticmethod
    def _ends(slot: Value, row: Value, rows: int, beats: int) -> Value:
        return (row == rows) & (slot == beats)

    def _reciprocal(
        self, m: Module, go: Value, total: Value, valid: Value
    ) -> tuple[Signal, Signal]:
        """By how much a sum of probabilities is shifted, and ``2**(2 * bits - 1)`` over the rest.

        A sum is at least a half, or nothing; then so are the totals, whatever the reciprocal.
        """
        n = self.core.numerics
        bits, fraction = n.DIVISOR_BITS, n.probability_fraction
        most = n.total_bits - 1 - fraction
        highest = Signal(range(most + 1))
        for k in range(1, most + 1):
            with m.If(total[fraction + k - 1]):
                m.d.comb += highest.eq(k)
        by, sums = Signal(len(highest), reset_less=True), Signal(fraction + most, reset_less=True)
        normalising = Signal()
        divisor, extra = Signal(bits, reset_less=True), Signal(len(highest), reset_less=True)
        remainder, quotient = Signal(bits, reset_less=True), Signal(bits, reset_less=True)
        steps = bits // BITS_PER_CYCLE
        count = Signal(range(steps + 1), init=steps)
        left: Value = remainder
        found: list[Value] = []
        for k in range(BITS_PER_CYCLE):
            difference = Signal(bits + 2, name=f"difference_{k}")
            m.d.comb += difference.eq((left << 1) - divisor)
            fits = ~difference[-1]
            found.insert(0, fits)
            left = Mux(fits, difference, left << 1)[:bits]
        with m.If(go):
            m.d.sync += [by.eq(highest), sums.eq(total), normalising.eq(valid)]
            with m.If(normalising):
                m.d.sync += [
                    divisor.eq(_shifted(sums << (bits - fraction), by, bits)),
                    extra.eq(by),
                    # The upper half of 2**(2 * bits - 1); of the lower one all bits are 0.  Where
                    # it equals the divisor, all bits of the quotient are 1.
                    remainder.eq(1 << (bits - 1)),
                    count.eq(0),
                ]
            with m.Elif(count != steps):
                m.d.sync += [
                    count.eq(count + 1),
                    remainder.eq(left),
                    quotient.eq(Cat(*found, quotient[:-BITS_PER_CYCLE])),
                ]
        return extra, quotient

    def _divide(
        self, m: Module, go: Value, element: Value, extra: Value, reciprocal: Value, b: int
    ) -> Value:
        """Shift, multiply, round: one element of a beat."""
        n = self.core.numerics
        size = n.element_bits + n.probability_fraction + n.GUARD + 1
        shifted = Signal(signed(size), name=f"shifted_{b}", reset_less=True)
        product = Signal(signed(size + n.DIVISOR_BITS), name=f"product_{b}", reset_less=True)
        scale = n.DIVISOR_BITS + n.probability_fraction - 1 + n.GUARD - n.output_fraction
        with m.If(go):
            m.d.sync += [
                shifted.eq(_shifted(element << n.GUARD, extra, size)),
                product.eq(shifted * reciprocal),
            ]
        # Half a unit is the bit below the last.
        rounded = ((product >> (scale - 1)) + 1) >> 1
        result = Signal(signed(n.OUTPUT_BITS), name=f"result_{b}")
        if len(rounded) > n.OUTPUT_BITS:
            most = (1 << (n.OUTPUT_BITS - 1)) - 1
            rounded = Mux(rounded > most, most, Mux(rounded < -most - 1, -most - 1, rounded))
        m.d.comb += result.eq(rounded)
        return result


def _shifted(value: Value, by: Value, size: int) -> Value:
    """The lowest ``size`` bits of ``value >> by``; bits that no later stage needs are dropped."""
    sign = value.shape().signed
    for k in reversed(range(len(by))):
        value = Mux(by[k], value >> (1 << k), value)
        if len(value) > (room := size + (1 << k) - 1):
            value = value[:room]
        value = value.as_signed() if sign else value.as_unsigned()
    return value

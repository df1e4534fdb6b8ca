"""The softmax of one row of the array: running maximum, and the exponential of its scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add, or_

from amaranth.hdl import Array as Choice
from amaranth.hdl import C, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.datapath.exp2 import exp2_lines
from accelgen.attention.accelerator.datapath.numerics import Numerics

__all__ = ["Lane"]


class Lane(wiring.Component):
    """Sees the scores of a tile twice: for their maximum, then for their exponentials.

    Ports (in, unless said): ``score``; ``maximise`` or ``exponentiate``: it is seen in this pass;
    ``allowed``, in the cycle after the score; ``settle``: in the second cycle after the last score
    of the first pass (the first score of the second pass may come in that cycle); ``first``: the
    tile is the first of its rows; ``tile``: which tile of queries; ``probability`` (out), four
    cycles after its score; ``shift`` (out, from the cycle after ``settle`` until the next): by how
    much the totals so far are too large.

    Throughput: a score per cycle.
    """

    LATENCY = 4

    def __init__(self, numerics: Numerics, tiles: int) -> None:
        self.numerics = n = numerics
        self.tiles = tiles
        super().__init__(
            {
                "score": In(signed(n.score_bits)),
                "maximise": In(1),
                "allowed": In(1),
                "settle": In(1),
                "first": In(1),
                "tile": In(range(max(2, tiles))),
                "probability": Out(n.probability_fraction),
                "shift": Out(range(n.shift_limit + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        n = self.numerics
        self._score = Signal(signed(n.score_bits), name="score_1", reset_less=True)
        m.d.sync += self._score.eq(self.score)
        maximum = self._maximum(m)
        self._exponential(m, maximum)
        return m

    def _below(self, integer: Value) -> Value:
        """By how much the score's ceiling is below an integer of ``maximum_bits``; signed."""
        n = self.numerics
        whole, none = self._score >> n.score_fraction, ~self._score[: n.score_fraction].any()
        # With the ceiling one above the whole part, unless there is no fraction: a carry in.
        inverse = (~whole.as_unsigned()).as_signed()
        total = Cat(C(1, 1), integer).as_signed() + Cat(none, inverse).as_signed()
        return total[1:].as_signed()

    def _maximum(self, m: Module) -> Signal:
        """The running maximum of the scores' ceilings, and by how much it rose."""
        n = self.numerics
        integer = signed(n.maximum_bits)
        maxima = [Signal(integer, name=f"maximum_{r}", reset_less=True) for r in range(self.tiles)]
        seen = [Signal(name=f"seen_{r}", reset_less=True) for r in range(self.tiles)]
        before, before_seen = Signal(integer), Signal()
        m.d.comb += [
            before.eq(Choice(maxima)[self.tile] if self.tiles > 1 else maxima[0]),
            before_seen.eq((Choice(seen)[self.tile] if self.tiles > 1 else seen[0]) & ~self.first),
        ]
        maximising = Signal()
        highest, raised = Signal(integer, reset_less=True), Signal()
        m.d.sync += maximising.eq(self.maximise)
        above = self._below(Mux(raised, highest, before))[-1]
        fraction = self._score[: n.score_fraction]
        with m.If(maximising & self.allowed & (above | ~(raised | before_seen))):
            m.d.sync += [
                highest.eq((self._score >> n.score_fraction) + fraction.any()),
                raised.eq(1),
            ]
        after, rise = Signal(integer), Signal(n.maximum_bits)
        maximum = Signal(integer, name="maximum", reset_less=True)
        m.d.comb += [after.eq(Mux(raised, highest, before)), rise.eq(highest - before)]
        shift = _saturated(rise, n.shift_limit.bit_length())
        with m.If(self.settle):
            m.d.sync += [
                maximum.eq(after),
                self.shift.eq(Mux(raised & before_seen, shift, 0)),
                raised.eq(0),
            ]
            for r in range(self.tiles):
                with m.If(self.tile == r if self.tiles > 1 else Const(1)):
                    m.d.sync += [maxima[r].eq(after), seen[r].eq(raised | before_seen)]
        return maximum

    def _exponential(self, m: Module, maximum: Signal) -> None:
        """Subtract; look the line up and multiply; shift."""
        n = self.numerics
        lines = exp2_lines(n)
        local = lines.local_bits
        # Shifted by the most there is, nothing is left: so it is where the pair is not allowed.
        whole_bits = (lines.fraction + 2).bit_length()
        by = [Signal(whole_bits, name=f"by_{k}", reset_less=True) for k in range(2)]
        part = Signal(n.score_fraction, reset_less=True)
        whole = self._below(maximum)[: n.maximum_bits]
        m.d.sync += [
            by[0].eq(_saturated(whole, whole_bits) | (~self.allowed).replicate(whole_bits)),
            part.eq(-self._score[: n.score_fraction]),
            by[1].eq(by[0]),
        ]
        segment = part[local:]
        hot = [segment == k for k in range(len(lines.slopes))]
        start_bits = max(lines.starts).bit_length()
        # Two bits of the factor choose a multiple of the slope: few rows to add up.
        multiples = Choice([_table([k * slope for slope in lines.slopes], hot) for k in range(4)])
        rows = [multiples[part[k : min(k + 2, local)]] << k for k in range(0, local, 2)]
        fallen = Signal(max(lines.slopes).bit_length() + local, reset_less=True)
        start = Signal(start_bits, reset_less=True)
        m.d.sync += [fallen.eq(reduce(add, rows)), start.eq(_table(lines.starts, hot))]
        value = Signal(start_bits)
        m.d.comb += value.eq(start - (fallen >> lines.slope_shift))
        shifted = Signal(len(value) - (n.LINE_GUARD - 1))
        rounded = Signal(len(shifted))
        m.d.comb += [
            # Half a unit is the bit below the last: keep it, add one, drop it.
            shifted.eq((value >> (n.LINE_GUARD - 1)) >> by[1]),
            rounded.eq((shifted + 1) >> 1),
        ]
        m.d.sync += self.probability.eq(_saturated(rounded, n.probability_fraction))


def _saturated(value: Value, bits: int) -> Value:
    """Of an unsigned value, at most the largest number of ``bits``."""
    if len(value) <= bits:
        return value
    return value[:bits] | value[bits:].any().replicate(bits)


def _table(values: Sequence[int], hot: Sequence[Value]) -> Value:
    """The value whose number is ``hot``: logic, where a table could become a clocked memory."""
    bits = [
        reduce(or_, (h for h, value in zip(hot, values, strict=True) if value >> k & 1), C(0, 1))
        for k in range(max(1, *(value.bit_length() for value in values)))
    ]
    return Cat(bits)

"""The softmax of one row of the array: running maximum, and the exponential of its scores."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.datapath.exp2 import exp2_lines
from accelgen.attention.datapath.numerics import Numerics

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
        maximum = self._maximum(m)
        self._exponential(m, maximum)
        return m

    def _maximum(self, m: Module) -> Signal:
        """The running maximum; what it was, and how much it rose."""
        n = self.numerics
        score = Signal(signed(n.score_bits), name="score_1", reset_less=True)
        maximising = Signal()
        highest = Signal(signed(n.score_bits), reset_less=True)
        found = Signal()
        self._score = score
        m.d.sync += [score.eq(self.score), maximising.eq(self.maximise)]
        with m.If(maximising & self.allowed):
            m.d.sync += found.eq(1)
            with m.If(~found | (score > highest)):
                m.d.sync += highest.eq(score)
        integer = signed(n.maximum_bits)
        maxima = [Signal(integer, name=f"maximum_{r}", reset_less=True) for r in range(self.tiles)]
        seen = [Signal(name=f"seen_{r}", reset_less=True) for r in range(self.tiles)]
        before, before_seen = Signal(integer), Signal()
        m.d.comb += [
            before.eq(Array(maxima)[self.tile] if self.tiles > 1 else maxima[0]),
            before_seen.eq((Array(seen)[self.tile] if self.tiles > 1 else seen[0]) & ~self.first),
        ]
        ceiling, after, raised = Signal(integer), Signal(integer), Signal()
        rise = Signal(n.maximum_bits + 1)
        maximum = Signal(integer, name="maximum", reset_less=True)
        m.d.comb += [
            ceiling.eq((highest + ((1 << n.score_fraction) - 1)) >> n.score_fraction),
            raised.eq(found & (~before_seen | (ceiling > before))),
            after.eq(Mux(raised, ceiling, before)),
            rise.eq(after - before),
        ]
        with m.If(self.settle):
            over = rise > n.shift_limit
            m.d.sync += [
                maximum.eq(after),
                self.shift.eq(Mux(before_seen, Mux(over, n.shift_limit, rise), 0)),
                found.eq(0),
            ]
            for r in range(self.tiles):
                with m.If(self.tile == r if self.tiles > 1 else Const(1)):
                    m.d.sync += [maxima[r].eq(after), seen[r].eq(found | before_seen)]
        return maximum

    def _exponential(self, m: Module, maximum: Signal) -> None:
        """Subtract; look the line up and multiply; shift."""
        n = self.numerics
        lines = exp2_lines(n)
        fraction, local = n.score_fraction, lines.local_bits
        below = Signal(n.score_bits + 2)
        m.d.comb += below.eq((maximum << fraction) - self._score)
        whole_bits = (lines.fraction + 2).bit_length()
        limit = (1 << whole_bits) - 1
        whole = below[fraction:]
        by = [Signal(whole_bits, name=f"by_{k}", reset_less=True) for k in range(2)]
        part = Signal(fraction, reset_less=True)
        allowed = [Signal(name=f"allowed_{k}", reset_less=True) for k in range(2)]
        m.d.sync += [
            by[0].eq(Mux(whole > limit, limit, whole)),
            part.eq(below[:fraction]),
            allowed[0].eq(self.allowed),
            by[1].eq(by[0]),
            allowed[1].eq(allowed[0]),
        ]
        segment = part[local:]
        slope_bits, start_bits = max(lines.slopes).bit_length(), max(lines.starts).bit_length()
        slopes = Array(Const(value, slope_bits) for value in lines.slopes)
        starts = Array(Const(value, start_bits) for value in lines.starts)
        fallen = Signal(slope_bits + local, reset_less=True)
        start = Signal(start_bits, reset_less=True)
        m.d.sync += [fallen.eq(slopes[segment] * part[:local]), start.eq(starts[segment])]
        value = Signal(start_bits)
        shifted = Signal(start_bits)
        rounded = Signal(start_bits)
        most = (1 << n.probability_fraction) - 1
        m.d.comb += [
            value.eq(start - (fallen >> lines.slope_shift)),
            # Half a unit is the bit below the last: keep it, add one, drop it.
            shifted.eq((value >> (n.LINE_GUARD - 1)) >> by[1]),
            rounded.eq((shifted + 1) >> 1),
        ]
        m.d.sync += self.probability.eq(Mux(allowed[1], Mux(rounded > most, most, rounded), 0))

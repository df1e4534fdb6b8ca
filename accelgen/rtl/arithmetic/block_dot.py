"""Dot products of blocks, exact until one final rounding or rounded to FP32 term by term."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from amaranth.hdl import C, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from accelgen.errors import InfeasibleError, InputError
from accelgen.formats.block import BlockFormat
from accelgen.formats.floating import BF16, FP32, FloatFormat
from accelgen.golden.block_pair import BlockPair, ScaleRange
from accelgen.names import unknown
from accelgen.netlist.block_mac import UNIT, exact_unit, fp32_unit
from accelgen.netlist.graph import Netlist
from accelgen.passes.delay_matching import Pipeline, match_delays
from accelgen.rtl.arithmetic.placed import place_unit
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.delay import delay_line
from accelgen.technology import Technology, load_technology

__all__ = ["LONGEST", "MOST_PARTIALS", "Accumulate", "BlockDot"]

Accumulate = Literal["exact", "fp32"]
"""How terms are added: in fixed point, or in FP32."""

LONGEST = 1 << 20
"""Products of the longest exact sum of any unit."""
_FACTOR_BITS = (4, 2)
"""Bits of a scale's significand that a step multiplies; the second where the first is too slow."""
MOST_PARTIALS = 24
"""Partial sums of an FP32 sum, at most."""


class BlockDot(ArithmeticUnit):
    """The dot product of two vectors in block formats, ``lanes`` elements per cycle.

    Ports: ``a``, ``b`` (in, ``lanes`` codes, the first lowest), ``a_scale``, ``b_scale`` (in, 8
    bits: the scales of the blocks that the elements are of; of adaptive formats bit 7 says that
    they are integers), ``valid`` (in) and ``ready`` (out): elements are taken in a cycle with both;
    ``first``, ``last`` (in): they begin a sum, end it.  ``y`` (out): the sum's code in ``format``,
    when ``done`` (out) is high, in units of ``pair.factor`` (1 but for adaptive formats; see
    :class:`~accelgen.golden.BlockPair`, also for the scales of MX formats that count:
    ``a_range``, ``b_range``).  A bad scale, and an element of Inf or NaN, count as zero, make ``y``
    the quiet NaN, and raise ``bad_number`` (out) until reset.

    ``accumulate="exact"``: terms are added in fixed point, up to ``longest`` products
    (``lanes``..1048576, rounded up to whole cycles), and rounded once to ``format``: fp32, bf16 or
    fp16.  A sum of more cycles since ``first`` may wrap, and raises ``too_long`` (out), in the
    cycle after the first elements that are too many, until reset.  ``sum`` (out, signed,
    ``pair.accumulator(longest)``, when ``sum_done`` (out) is high) is the exact sum in units of
    2**-``pair.fraction``.  ``ready`` is always high.  Throughput: ``lanes`` products per cycle,
    sums following each other without a gap.

    ``accumulate="fp32"``: each term is rounded to FP32, and added in FP32 to one of ``partials``
    partial sums, as many as an addition takes cycles: that of cycle i of a sum to partial sum
    i mod ``partials``.  After the last, partial sums 1, 2, ... are added to partial sum 0, one
    every ``partials`` cycles, while ``ready`` is low; ``format`` is fp32 or bf16.  With n cycles a
    sum occupies the unit for n + (m - 1) * ``partials`` cycles, m = min(n, ``partials``).

    Latency from the last elements to ``y``: :attr:`latency` cycles, in FP32 (m - 1) * ``partials``
    more.  Registers are placed for clock ``period`` (ns; when not given, the technology's default
    or the shortest for this unit, whichever is longer) by the linear program of
    :func:`~accelgen.passes.match_delays`, whose result is :attr:`pipeline`.

    Method: exact integer sums, scaled by the product of the scales' significands, shifted by that
    of their powers of two, in a fixed-point accumulator (Kulisch).

    Raises :class:`InputError` for parameters outside these ranges, :class:`InfeasibleError` for a
    period that cannot be reached.
    """

    def __init__(
        self,
        a: BlockFormat,
        b: BlockFormat,
        lanes: int = 16,
        longest: int = 4096,
        format: FloatFormat = FP32,
        *,
        accumulate: Accumulate = "exact",
        period: float | None = None,
        technology: Technology | str = "sg13g2",
        a_range: ScaleRange | None = None,
        b_range: ScaleRange | None = None,
    ) -> None:
        self.pair = BlockPair(a, b, lanes, a_range, b_range)
        if accumulate not in get_args(Accumulate):
            raise unknown(str(accumulate), "accumulation", get_args(Accumulate))
        if accumulate == "exact" and not lanes <= longest <= LONGEST:
            raise InputError(f"a longest sum of {longest} products", hint=f"use {lanes}..{LONGEST}")
        if accumulate == "fp32" and format not in (FP32, BF16):
            raise InputError(f"FP32 sums as {format}", hint="use fp32 or bf16")
        self.lanes, self.longest, self.target = lanes, longest, format
        self.accumulate: Accumulate = accumulate
        self.technology = load_technology(technology) if isinstance(technology, str) else technology
        self.pipeline, self.partials = self._design(period)
        members: dict[str, In | Out] = {
            "a": In(self.pair.a_word),
            "b": In(self.pair.b_word),
            "a_scale": In(8),
            "b_scale": In(8),
            "valid": In(1),
            "ready": Out(1),
            "first": In(1),
            "last": In(1),
            "y": Out(format.width),
            "done": Out(1),
            "bad_number": Out(1),
        }
        if accumulate == "exact":
            members["sum"] = Out(signed(self.pair.accumulator(longest).bits))
            members["sum_done"] = Out(1)
            members["too_long"] = Out(1)
        super().__init__(members)

    @property
    def latency(self) -> int:
        """Cycles from the last elements, or in FP32 from the last addition's issue, to ``y``."""
        return self.pipeline.latency

    @property
    def sum_latency(self) -> int:
        """Cycles from the last elements to ``sum``; 0 where there is none, in FP32."""
        return self._position("sum")

    def answer_delay(self, cycles: int) -> int:
        """Cycles from the last of ``cycles`` (1 or more) groups of elements to ``y``."""
        return self.latency + (min(cycles, self.partials) - 1) * self.partials

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        sources: dict[str, Value] = {
            name: getattr(self, name) for name in ("a", "b", "a_scale", "b_scale", "first")
        }
        sources["valid"] = Signal(name="taken")
        ended = Signal()
        if self.accumulate == "exact":
            m.d.comb += [self.ready.eq(1), ended.eq(sources["valid"] & self.last)]
        else:
            sources |= self._sequence(m, sources["valid"], ended)
        m.d.comb += sources["valid"].eq(self.valid & self.ready)
        # What says that something happens must not, of itself, after a reset.
        events = frozenset({"valid", "operates"})
        outputs = place_unit(m, self.pipeline, UNIT, sources, events)
        late_end = delay_line(
            m, ended, Shape(1), {self.latency, self.sum_latency}, "ended", reset=True
        )
        m.d.comb += [self.y.eq(outputs["y"]), self.done.eq(late_end[self.latency])]
        if self.accumulate == "exact":
            m.d.comb += [
                self.sum.eq(outputs["sum"]),
                self.sum_done.eq(late_end[self.sum_latency]),
            ]
            self._count(m, sources["valid"])
        at = self._position("bad")
        taken = delay_line(m, sources["valid"], Shape(1), {at}, "taken", reset=True)
        with m.If(taken[at] & outputs["bad"]):
            m.d.sync += self.bad_number.eq(1)
        return m

    def _design(self, period: float | None) -> tuple[Pipeline, int]:
        """The pipeline, of fewest partial sums, that reaches the period; and their number."""
        if self.accumulate == "exact":
            return self._match(
                period, lambda bits: exact_unit(self.pair, self.longest, self.target, bits)
            ), 1

        def fp32(partials: int, period: float | None) -> Pipeline:
            return self._match(
                period, lambda bits: fp32_unit(self.pair, partials, self.target, bits)
            )

        # With many, no loop is too short: what is too slow then is too slow with any number.
        if period is None:
            period = fp32(MOST_PARTIALS, None).period
        widest = fp32(MOST_PARTIALS, period)
        for partials in range(1, MOST_PARTIALS):
            try:
                return fp32(partials, period), partials
            except InfeasibleError:
                continue
        return widest, MOST_PARTIALS

    def _match(self, period: float | None, build: Callable[[int], Netlist]) -> Pipeline:
        """Registers for the period, in the largest steps that reach it."""
        large, small = (build(bits) for bits in _FACTOR_BITS)
        try:
            return match_delays(large, self.technology, period)
        except InfeasibleError:
            return match_delays(small, self.technology, period)

    def _position(self, output: str) -> int:
        """Cycles from the inputs to an output (0 for one that there is not)."""
        return dict(self.pipeline.positions).get(f"out.{output}", 0)

    def _count(self, m: Module, taken: Value) -> None:
        """Raise ``too_long`` when a sum has more terms than its accumulator is made for."""
        most = self.pair.most_cycles(self.longest)
        count = Signal(range(most + 1))
        with m.If(taken & self.first):
            m.d.sync += count.eq(1)
        with m.Elif(taken & (count == most)):
            m.d.sync += self.too_long.eq(1)
        with m.Elif(taken):
            m.d.sync += count.eq(count + 1)

    def _sequence(self, m: Module, taken: Value, ended: Signal) -> dict[str, Value]:
        """What the operations of an FP32 sum are, cycle by cycle."""
        count = self.partials
        # The partial sum whose turn it is, and whether all have had theirs.
        turn, full = Signal(range(count)), Signal()
        here, filled = Signal(range(count)), Signal()
        m.d.comb += [here.eq(Mux(self.first, 0, turn)), filled.eq(full & ~self.first)]
        at_end = here == count - 1
        several = filled | (here != 0) if count > 1 else C(0, 1)
        joining, joins = Signal(), Signal()
        other, most, wait = Signal(range(count)), Signal(range(count)), Signal(range(count))
        with m.If(taken):
            m.d.sync += [
                turn.eq(Mux(at_end, 0, here + 1)),
                full.eq(filled | at_end),
                most.eq(Mux(filled, count - 1, here)),
            ]
        m.d.comb += [self.ready.eq(~joining), joins.eq(joining & (wait == count - 1))]
        with m.If(taken & self.last & several):
            m.d.sync += [joining.eq(1), wait.eq(0), other.eq(1)]
        with m.Elif(joins):
            m.d.sync += [wait.eq(0), other.eq(other + 1), joining.eq(other != most)]
        with m.Else():
            m.d.sync += wait.eq(wait + 1)
        m.d.comb += ended.eq(Mux(joining, joins & (other == most), taken & self.last & ~several))
        return {
            "index": Mux(joining, 0, here),
            "keep": joining | filled,
            "operates": taken | joins,
            "other": other,
            "joins": joining,
        }

"""Dot products in one of several four-bit formats, chosen for every sum, on shared multipliers."""

from __future__ import annotations

from amaranth.hdl import Module, Shape, Signal, signed
from amaranth.lib.wiring import In, Out

from accelgen.errors import InfeasibleError
from accelgen.golden.block_pair import ScaleRange
from accelgen.netlist.lanes import lane_format, product_format, sum_formats
from accelgen.netlist.multi_format import UNIT, MultiFormatPlan, multi_format_unit
from accelgen.passes.delay_matching import Pipeline, match_delays
from accelgen.rtl.arithmetic.placed import place_unit
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.delay import delay_line
from accelgen.rtl.primitives.lanes import align, multiply
from accelgen.rtl.primitives.multi_format_steps import (
    bad,
    decode,
    exponent,
    fold,
    kind,
    significand,
)
from accelgen.technology import Technology, load_technology

__all__ = ["MultiFormatDot", "MultiFormatProduct", "MultiFormatScale"]

_FACTOR_BITS = (4, 2)
"""Bits of a scale's significand that one step multiplies: the second if the first is too slow."""


class MultiFormatDot(ArithmeticUnit):
    """The dot product of two vectors, ``lanes`` elements per cycle, in a format chosen per sum.

    Ports: ``format`` (in): 0 nvfp4, 1 if4, 2 mxfp4, 3 int4 (-8..7); ``a``, ``b`` (in, ``lanes``
    codes, the first lowest), ``a_scale``, ``b_scale`` (in, 8 bits: the scales of the blocks that
    the elements are of; a block of mxfp4 takes ``32 / lanes`` cycles; int4 has none); ``valid``,
    ``first``, ``last`` (in): the elements count, begin a sum, end it.  Within a sum ``format``
    keeps its value.

    ``sum`` (out, signed, ``plan.accumulator``): the exact sum, when ``sum_done`` (out) is high, in
    units of 2**-:func:`~accelgen.golden.multi_format_fraction`: of int4, the integer.  ``y`` (out):
    that sum as FP32 (of if4, times 49), rounded once to nearest even, when ``done`` (out) is high.
    A bad scale (NaN, or of mxfp4 outside ``scale_range``; see
    :class:`~accelgen.golden.BlockPair`) counts as zero, makes ``y`` the quiet NaN and raises
    ``bad_number`` (out) until reset.

    ``lanes`` is 1, 2, 4, 8 or 16.  A sum of up to ``longest`` products is exact; longer ones wrap.
    ``scale_range`` is by default that of the unit for mxfp4 alone, and takes 67 bits for 4096
    products; with (-15, 5) the accumulator is as wide as if4 needs it, 62 bits.
    Throughput: ``lanes`` products per cycle, sums of any formats following each other without a
    gap.  Latency from the last elements to ``y``: :attr:`latency` cycles; registers are placed for
    clock ``period`` (ns; when not given, the technology's default or the shortest for this unit,
    whichever is longer) by :func:`~accelgen.passes.match_delays`, whose result is
    :attr:`pipeline`.

    Method: if4's multiplier of 4 x 4 bits in every lane, for magnitudes in halves of up to 12
    (E2M1) and 14 (INT4 of if4), and in ones of up to 8 (int4); an integer sum, weighed by the
    scales' significands (times 7, 6, 1), shifted by their powers of two, in a fixed-point
    accumulator, whose binary point is that of nvfp4 until the number is rounded.

    Raises :class:`InputError` for parameters outside these ranges, :class:`InfeasibleError` for a
    period that cannot be reached.
    """

    def __init__(
        self,
        lanes: int = 16,
        longest: int = 4096,
        *,
        scale_range: ScaleRange | None = None,
        period: float | None = None,
        technology: Technology | str = "sg13g2",
    ) -> None:
        self.plan = MultiFormatPlan(lanes, longest, scale_range)
        self.technology = load_technology(technology) if isinstance(technology, str) else technology
        self.pipeline = self._design(period)
        super().__init__(
            {
                "format": In(2),
                "a": In(4 * lanes),
                "b": In(4 * lanes),
                "a_scale": In(8),
                "b_scale": In(8),
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                "sum": Out(signed(self.plan.accumulator.bits)),
                "sum_done": Out(1),
                "y": Out(32),
                "done": Out(1),
                "bad_number": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the last elements to ``y``."""
        return self.pipeline.latency

    @property
    def sum_latency(self) -> int:
        """Cycles from the last elements to ``sum``."""
        return self.pipeline.position("out.sum")

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        names = ("format", "a", "b", "a_scale", "b_scale", "valid", "first")
        sources = {name: getattr(self, name) for name in names}
        outputs = place_unit(m, self.pipeline, UNIT, sources, frozenset({"valid"}))
        ended = Signal()
        m.d.comb += ended.eq(self.valid & self.last)
        taps = {self.latency, self.sum_latency}
        done = delay_line(m, ended, Shape(1), taps, "ended", reset=True)
        at = self.pipeline.position("out.bad")
        taken = delay_line(m, self.valid, Shape(1), {at}, "taken", reset=True)[at]
        m.d.comb += [
            self.sum.eq(outputs["sum"]),
            self.sum_done.eq(done[self.sum_latency]),
            self.y.eq(outputs["y"]),
            self.done.eq(done[self.latency]),
        ]
        with m.If(taken & outputs["bad"]):
            m.d.sync += self.bad_number.eq(1)
        return m

    def _design(self, period: float | None) -> Pipeline:
        """The pipeline with the largest steps that reaches the period."""
        for bits in _FACTOR_BITS:
            try:
                return match_delays(multi_format_unit(self.plan, bits), self.technology, period)
            except InfeasibleError as error:
                reason = error
        raise reason


class MultiFormatProduct(ArithmeticUnit):
    """One lane of :class:`MultiFormatDot`, as it is before its sum: ``y = a * b``.

    Ports: ``a``, ``b`` (in, 4 bits); ``format`` (in) and the scales ``a_scale``, ``b_scale`` (in,
    8 bits), of which bit 7 says of if4 that the elements are integers; ``y`` (out, 9 bits, signed):
    the product in quarters, of int4 in ones.  Combinational (latency 0).
    """

    def __init__(self) -> None:
        self.plan = MultiFormatPlan(1, 1)
        super().__init__(
            {
                "a": In(4),
                "b": In(4),
                "a_scale": In(8),
                "b_scale": In(8),
                "format": In(2),
                "y": Out(signed(sum_formats(self.plan.pair)[0].bits)),
            }
        )

    @property
    def latency(self) -> int:
        """None: it is combinational."""
        return 0

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        lane = lane_format(self.plan.pair.a.element)
        x, y = (
            decode(m, code, kind(scale, self.format), name)
            for name, code, scale in (("x", self.a, self.a_scale), ("y", self.b, self.b_scale))
        )
        product = multiply(m, x, y, (lane, lane), "product")
        width = len(self.y) - 1
        term = align(m, product, product_format(lane, lane), width, "term")
        m.d.comb += self.y.eq(term.as_signed() + term[-1])
        return m


class MultiFormatScale(ArithmeticUnit):
    """One operand's scale in :class:`MultiFormatDot`: ``significand * 2**exponent``.

    Ports: ``format``, ``code`` (in, 2 and 8 bits); ``significand`` (out, 7 bits), ``exponent``
    (out): of nvfp4 the unsigned E4M3 number in bits 6..0 counts 2**-9; of if4, times 7, or 6
    where bit 7 says that the block holds integers; of mxfp4 the power of two counts 2**low, of
    ``scale_range``; of int4 both are those of 1.  ``bad`` (out): see there.  A scale that does not
    count has the significand 0.  Combinational (latency 0).
    """

    def __init__(self, scale_range: ScaleRange | None = None) -> None:
        self.plan = MultiFormatPlan(1, 1, scale_range)
        super().__init__(
            {
                "format": In(2),
                "code": In(8),
                "significand": Out(7),
                "exponent": Out(range(self.plan.most_exponent + 1)),
                "bad": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """None: it is combinational."""
        return 0

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        plain = significand(self.plan, self.code, self.format)
        m.d.comb += [
            self.significand.eq(fold(plain, self.code, self.format)),
            self.exponent.eq(exponent(self.plan, self.code, self.format)),
            self.bad.eq(bad(self.plan, self.code, self.format)),
        ]
        return m

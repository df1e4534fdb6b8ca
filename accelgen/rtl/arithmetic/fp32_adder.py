"""A standalone adder of FP32 numbers."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

from accelgen.formats.floating import FP32
from accelgen.rtl.arithmetic.stages import Stages, choose_cuts
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.primitives.rounding import leading_zeros, round_to_float, shift_right_sticky

__all__ = ["Fp32Adder"]

_DELAYS = (7, 12, 9, 6, 7, 9)
"""Levels of logic of order, align, add, count, normalise and round."""


class Fp32Adder(ArithmeticUnit):
    """``y = a + b`` in IEEE 754 binary32, rounded to nearest even, with subnormals.

    Ports: ``a``, ``b`` (in, 32 bits), ``y`` (out, 32 bits).  Latency: ``stages`` cycles (0..6; with
    0 it is combinational); throughput: a sum per cycle.  NaN operands, and Inf - Inf, give the
    quiet NaN 0x7FC00000.  An exact zero sum is +0, unless both operands are -0.

    Method: the one-path adder of the textbooks (Muller et al., Handbook of Floating-Point
    Arithmetic): order by magnitude, align with guard, round and sticky bits, add or subtract,
    count leading zeros, normalise, round.
    """

    def __init__(self, stages: int = 0) -> None:
        choose_cuts(_DELAYS, stages)
        self.stages = stages
        super().__init__({"a": In(32), "b": In(32), "y": Out(32)})

    @property
    def latency(self) -> int:
        """Cycles from operands to sum."""
        return self.stages

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        stages = Stages(m, _DELAYS, self.stages)
        # Order by magnitude.  The sum has the sign of the larger operand.
        swap = Signal()
        m.d.comb += swap.eq(self.b[:31] > self.a[:31])
        large, small = stages.after(
            0, large=Mux(swap, self.b, self.a), small=Mux(swap, self.a, self.b)
        )
        # Align.  Shifting by 31 leaves the sticky bit alone, so do all larger distances.
        exponent, significand = _unpack(m, large, "large")
        small_exponent, small_significand = _unpack(m, small, "small")
        distance = Signal(8)
        amount = Signal(5)
        m.d.comb += [
            distance.eq(exponent - small_exponent),
            amount.eq(Mux(distance[5:].any(), 31, distance[:5])),
        ]
        guarded = Signal(27)
        m.d.comb += guarded.eq(Cat(C(0, 3), small_significand))
        aligned = shift_right_sticky(m, guarded, amount, "align")
        nan, infinite = _specials(large, small)
        sign, subtract, exponent, nan, infinite, significand, aligned = stages.after(
            1,
            # Minus zero only if both are: of equal magnitudes, `large` is operand a.
            sign=large[31] & (small[31] | large[:31].any()),
            subtract=large[31] ^ small[31],
            exponent=exponent,
            nan=nan,
            infinite=infinite,
            significand=significand,
            aligned=aligned,
        )
        total = Signal(28)
        operand = Mux(subtract, ~Cat(aligned, C(0, 1)), Cat(aligned, C(0, 1)))
        m.d.comb += total.eq(Cat(C(0, 3), significand) + operand + subtract)
        # Opposite numbers cancel to +0.
        cancelled = subtract & (aligned == Cat(C(0, 3), significand))
        sign, exponent, nan, infinite, total = stages.after(
            2,
            sign=sign & ~(cancelled & ~infinite),
            exponent=exponent,
            nan=nan,
            infinite=infinite,
            total=total,
        )
        zeros = Signal(5)
        limit = Signal(8)
        m.d.comb += [zeros.eq(leading_zeros(m, total, "zeros")), limit.eq(exponent)]
        # Bit 27 has the exponent of the larger operand, plus one; it must stay at least 1.
        amount = Signal(5)
        m.d.comb += amount.eq(Mux(zeros > limit, limit[:5], zeros))
        sign, exponent, nan, infinite, total, amount = stages.after(
            3,
            sign=sign,
            exponent=exponent,
            nan=nan,
            infinite=infinite,
            total=total,
            amount=amount,
        )
        biased = Signal(9)
        m.d.comb += biased.eq(exponent + 1 - amount)
        normal = Signal(28)
        m.d.comb += normal.eq((total << amount)[:28])
        sign, biased, nan, infinite, normal = stages.after(
            4, sign=sign, biased=biased, nan=nan, infinite=infinite, normal=normal
        )
        code = round_to_float(m, sign, normal, biased, FP32, "sum")
        infinity = Cat(C(FP32.inf_code, 31), sign)
        result = Mux(nan, C(FP32.nan_code, 32), Mux(infinite, infinity, code))
        m.d.comb += self.y.eq(stages.after(5, sum=result)[0])
        return m


def _unpack(m: Module, code: Value, name: str) -> tuple[Value, Value]:
    """Exponent (1 for subnormals) and significand with its hidden bit."""
    normal = Signal(name=f"{name}_normal")
    exponent = Signal(8, name=f"{name}_exponent")
    m.d.comb += [normal.eq(code[23:31].any()), exponent.eq(Cat(code[23] | ~normal, code[24:31]))]
    return exponent, Cat(code[:23], normal)


def _specials(large: Value, small: Value) -> tuple[Value, Value]:
    """Whether the sum is NaN, and whether it is infinite, given operands in order."""
    large_top, small_top = large[23:31].all(), small[23:31].all()
    opposite = small_top & (large[31] ^ small[31])
    return large_top & (large[:23].any() | opposite), large_top

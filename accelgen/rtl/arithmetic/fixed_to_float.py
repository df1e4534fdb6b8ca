"""Fixed-point numbers and integers to floating point."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from accelgen.errors import InputError
from accelgen.formats.floating import FP32, FloatFormat
from accelgen.rtl.arithmetic.stages import Stages, choose_cuts
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.primitives.rounding import leading_zeros, round_to_float, shift_left

__all__ = ["FixedToFloat"]

_DELAYS = (7, 6, 7, 9)
"""Levels of logic of magnitude, count, normalise and round."""
_MAX_WIDTH, _MAX_FRACTION = 128, 256


class FixedToFloat(ArithmeticUnit):
    """``y = x * 2**-fraction``, rounded to nearest even.

    Ports: ``x`` (in, ``width`` bits, two's complement), ``y`` (out, a code of ``format``).
    ``width`` is 2..128, ``fraction`` -256..256 (0: integers), ``format`` one with Inf, such as fp32
    or bf16.  Every input is rounded right, to subnormals and to Inf also; zero becomes +0.
    Latency: ``stages`` cycles (0..4); throughput: a number per cycle.

    Method: magnitude, leading-zero count, left shift, increment.
    """

    def __init__(
        self, width: int, fraction: int = 0, format: FloatFormat = FP32, stages: int = 0
    ) -> None:
        if not 2 <= width <= _MAX_WIDTH:
            raise InputError(f"a fixed-point number of {width} bits", hint="use 2..128 bits")
        if abs(fraction) > _MAX_FRACTION:
            raise InputError(f"{fraction} fraction bits", hint="use -256..256")
        if format.specials != "ieee" or not format.signed:
            raise InputError(f"{format} has no Inf", hint="use fp32, bf16 or fp16")
        choose_cuts(_DELAYS, stages)
        self.width, self.fraction, self.format, self.stages = width, fraction, format, stages
        super().__init__({"x": In(signed(width)), "y": Out(format.width)})

    @property
    def latency(self) -> int:
        """Cycles from fixed to floating point."""
        return self.stages

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        stages = Stages(m, _DELAYS, self.stages)
        size = Signal(self.width)
        m.d.comb += size.eq(Mux(self.x[-1], -self.x, self.x))
        # Zeros below give the mantissa its bits, zeros above keep the top bit's exponent at least
        # 1, so that subnormals need no right shift.
        bias = self.format.bias
        below = max(0, self.format.mantissa_bits + 1 - self.width)
        above = max(0, 1 - (self.width - 1 - self.fraction + bias))
        top_exponent = self.width - 1 + above - self.fraction + bias
        sign, magnitude = stages.after(
            0, sign=self.x[-1], magnitude=Cat(C(0, below), size, C(0, above))
        )
        zeros = leading_zeros(m, magnitude, "zeros")
        limit = min(top_exponent - 1, (1 << len(zeros)) - 1)
        amount = Signal(len(zeros))
        m.d.comb += amount.eq(Mux(zeros > limit, limit, zeros))
        sign, magnitude, amount = stages.after(1, sign=sign, magnitude=magnitude, amount=amount)
        normal = Signal(len(magnitude))
        biased = Signal(max(top_exponent.bit_length(), self.format.exponent_bits + 1))
        m.d.comb += [
            normal.eq(shift_left(m, magnitude, amount, len(magnitude), "normal")),
            biased.eq(top_exponent - amount),
        ]
        sign, normal, biased = stages.after(2, sign=sign, normal=normal, biased=biased)
        code = round_to_float(m, sign, normal, biased, self.format, "code")
        m.d.comb += self.y.eq(stages.after(3, code=code)[0])
        return m

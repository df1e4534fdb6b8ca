"""The multiply-accumulate unit for bf16 that is usual: one product and one FP32 sum per cycle."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

from accelgen.formats.floating import BF16, FP32
from accelgen.rtl.arithmetic.fp32_adder import Fp32Adder
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.primitives.rounding import (
    leading_zeros,
    limit,
    round_nearest,
    shift_right_sticky,
)

__all__ = ["Bf16MultiplyAccumulate", "Bf16Product"]

_GUARDED = 26
"""Bits of an FP32 significand with guard and sticky bit."""


class Bf16Product(ArithmeticUnit):
    """``y = a * b`` of two bf16 numbers in FP32, rounded to nearest even.

    Ports: ``a``, ``b`` (in, 16 bits), ``y`` (out, 32 bits).  Combinational (latency 0).  Products
    have 16 bits, so that only those below 2**-126 are rounded; beyond the range they become Inf.
    NaN operands, and Inf * 0, give the quiet NaN 0x7FC00000.

    Method: significands of 8 bits multiplied; leading zeros counted and shifted out, or, below the
    normal numbers, zeros shifted in.
    """

    def __init__(self) -> None:
        super().__init__({"a": In(16), "b": In(16), "y": Out(32)})

    @property
    def latency(self) -> int:
        """None: it is combinational."""
        return 0

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        (a, a_power), (b, b_power) = _unpack(self.a), _unpack(self.b)
        product, top = Signal(16), Signal(10)
        # The biased exponent of the highest bit of the product, plus 126 to have no sign.
        m.d.comb += [product.eq(a * b), top.eq(a_power + b_power)]
        zeros = Signal(4)
        below, left, right = Signal(), Signal(4), Signal(5)
        m.d.comb += zeros.eq(leading_zeros(m, product, "zeros"))
        missing, spare = Signal(8), Signal(10)
        m.d.comb += [
            below.eq(top < 127),
            missing.eq(127 - top),
            spare.eq(top - 127),
            left.eq(Mux(below, 0, Mux(zeros > spare, spare[:4], zeros))),
            right.eq(Mux(below, Mux(missing > 31, 31, missing[:5]), 0)),
        ]
        shifted, exponent = Signal(16), Signal(10)
        m.d.comb += [
            shifted.eq((product << left)[:16]),
            exponent.eq(Mux(below, 1, top - 126 - left)),
        ]
        wide = Signal(_GUARDED)
        m.d.comb += wide.eq(Cat(C(0, _GUARDED - 16), shifted))
        normal = shift_right_sticky(m, wide, right, "small")
        magnitude = limit(round_nearest(m, normal, exponent, FP32, "y"), FP32)
        specials = [code[7:15].all() for code in (self.a, self.b)]
        nan = Cat(code[7:15].all() & code[:7].any() for code in (self.a, self.b)).any()
        infinite = specials[0] | specials[1]
        zero = ~(self.a[:15].any() & self.b[:15].any())
        m.d.comb += self.y.eq(
            Mux(
                nan | (infinite & zero),
                C(FP32.nan_code, 32),
                Cat(Mux(infinite, FP32.inf_code, magnitude), self.a[15] ^ self.b[15]),
            )
        )
        return m


class Bf16MultiplyAccumulate(ArithmeticUnit):
    """``sum = (0 if first else sum) + a * b`` of bf16 numbers, in FP32, in cycles with ``valid``.

    Ports: ``a``, ``b`` (in, 16 bits), ``valid``, ``first`` (in), ``sum`` (out, 32 bits).  Product
    and sum are each rounded to nearest even, as :class:`Bf16Product` and
    :class:`~accelgen.rtl.arithmetic.Fp32Adder` do.  Latency: 1 cycle; throughput: a product per
    cycle.
    """

    def __init__(self) -> None:
        self._product, self._adder = Bf16Product(), Fp32Adder()
        super().__init__({"a": In(16), "b": In(16), "valid": In(1), "first": In(1), "sum": Out(32)})

    @property
    def latency(self) -> int:
        """Cycles from operands to the sum with them."""
        return 1

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        m.submodules.product = product = self._product
        m.submodules.adder = adder = self._adder
        m.d.comb += [
            product.a.eq(self.a),
            product.b.eq(self.b),
            adder.a.eq(Mux(self.first, 0, self.sum)),
            adder.b.eq(product.y),
        ]
        with m.If(self.valid):
            m.d.sync += self.sum.eq(adder.y)
        return m


def _unpack(code: Value) -> tuple[Value, Value]:
    """Significand with its hidden bit, and exponent (1 for subnormals)."""
    normal = code[7:15].any()
    bits = BF16.mantissa_bits
    return Cat(code[:bits], normal), Cat(code[7] | ~normal, code[8:15])

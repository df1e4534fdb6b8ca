"""The product of two block scales."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import In, Out

from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.primitives.scales import Factors, fold, fold_shifts, split_scale

__all__ = ["ScaleProduct"]


class ScaleProduct(ArithmeticUnit):
    """``significand * 2**(exponent - 18)``: the product of two unsigned E4M3 numbers.

    Ports: ``a``, ``b`` (in, 8 bits: bits 6..0 the scale, bit 7 the kind of block), ``significand``
    (out), ``exponent`` (out, 5 bits, 0..28), ``nan`` (out): a scale is 0x7F; the other outputs then
    are those of 1.875 * 2**8.  Combinational (latency 0).

    ``a_factors``, ``b_factors`` are folded into the significands: the first where bit 7 is clear,
    the second where it is set: (1, 1) for NVFP4, (7, 6) for IF4.  Either (1, 1), or 2**n - 1 and
    2**n - 2**c, which a subtraction makes.  Without factors the significand has 8 bits.
    """

    def __init__(self, a_factors: Factors = (1, 1), b_factors: Factors = (1, 1)) -> None:
        self.factors = (a_factors, b_factors)
        for factors in self.factors:
            fold_shifts(factors)
        largest = 15 * max(a_factors) * 15 * max(b_factors)
        super().__init__(
            {
                "a": In(8),
                "b": In(8),
                "significand": Out(largest.bit_length()),
                "exponent": Out(5),
                "nan": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """None: it is combinational."""
        return 0

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        significands, exponents, nans = [], [], []
        for name, code, factors in zip("ab", (self.a, self.b), self.factors, strict=True):
            significand = Signal(range(15 * max(factors) + 1), name=f"{name}_significand")
            exponent = Signal(4, name=f"{name}_exponent")
            plain, power, nan = split_scale(code)
            m.d.comb += [significand.eq(fold(plain, code[7], factors)), exponent.eq(power)]
            significands.append(significand)
            exponents.append(exponent)
            nans.append(nan)
        m.d.comb += [
            self.significand.eq(significands[0] * significands[1]),
            self.exponent.eq(exponents[0] + exponents[1]),
            self.nan.eq(nans[0] | nans[1]),
        ]
        return m

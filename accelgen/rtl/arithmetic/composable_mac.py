"""A multiply-accumulate unit whose multipliers fuse or split with the operands' widths."""

from __future__ import annotations

from amaranth.hdl import Module, signed
from amaranth.lib.wiring import In, Out

from accelgen.errors import InputError
from accelgen.rtl.arithmetic.multiply_accumulate import accumulate
from accelgen.rtl.arithmetic.stages import Stages, choose_cuts
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.primitives.compose import WIDTHS, add_bricks, multiply_bricks, select_slices

__all__ = ["WIDTHS", "ComposableMac"]

_LEAST_BITS, _MOST_BITS = 18, 64
_DELAYS = (7, 6, 14)
"""Levels of logic of selecting, multiplying and adding."""


def products(a_width: int, b_width: int) -> int:
    """Products per cycle: 1 for 8 x 8, 4 for 4 x 4, 16 for 2 x 2."""
    return 64 // (a_width * b_width)


class ComposableMac(ArithmeticUnit):
    """``sum = (0 if first else sum) + sum_e a[e] * b[e]`` in every cycle with ``valid``.

    Widths are chosen in every cycle: ``a_mode``, ``b_mode`` 0, 1, 2 (or 3) say 2, 4, 8 (8) bits,
    ``a_signed``, ``b_signed`` two's complement.  There are ``64 / (a_width * b_width)`` products:
    one 8 x 8, two 8 x 4, four 4 x 4 or 8 x 2, eight 4 x 2, sixteen 2 x 2.

    Ports: ``a``, ``b`` (in, 32 bits): element e is at bit ``e * width``, higher bits are ignored;
    the modes above; ``valid``, ``first`` (in); ``sum`` (out, ``bits`` bits signed, 18..64), modulo
    2**bits.  Latency: ``stages + 1`` cycles (``stages`` 0..3); throughput: that many products per
    cycle.

    Method: 16 multipliers of 2 x 2 bits and a sign each, shifted and added as the widths say (the
    fusion unit of Bit Fusion, ISCA 2018).
    """

    def __init__(self, bits: int = 32, stages: int = 0) -> None:
        if not _LEAST_BITS <= bits <= _MOST_BITS:
            raise InputError(f"an accumulator of {bits} bits", hint="use 18..64 bits")
        choose_cuts(_DELAYS, stages)
        self.stages = stages
        super().__init__(
            {
                "a": In(32),
                "b": In(32),
                "a_mode": In(2),
                "b_mode": In(2),
                "a_signed": In(1),
                "b_signed": In(1),
                "valid": In(1),
                "first": In(1),
                "sum": Out(signed(bits)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from operands to the sum with them."""
        return self.stages + 1

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        stages = Stages(m, _DELAYS, self.stages)
        modes, signs = (self.a_mode, self.b_mode), (self.a_signed, self.b_signed)
        slices, *rest = stages.after(
            0,
            slices=select_slices(m, self.a, self.b, modes, signs),
            a_mode=self.a_mode,
            b_mode=self.b_mode,
            valid=self.valid,
            first=self.first,
        )
        a_mode, b_mode, valid, first = rest
        products, *rest = stages.after(
            1,
            products=multiply_bricks(slices),
            a_mode=a_mode,
            b_mode=b_mode,
            valid=valid,
            first=first,
        )
        a_mode, b_mode, valid, first = rest
        total = add_bricks(m, products, (a_mode, b_mode)).as_signed()
        total, valid, first = stages.after(2, total=total, valid=valid, first=first)
        accumulate(m, self.sum, total, valid, first)
        return m

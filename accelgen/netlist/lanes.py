"""How wide the values are that belong to the lanes of a block dot product.

A value of all lanes is one word, lane 0 lowest, so that a netlist has a node per step and not per
lane.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.formats import FloatFormat, IntFormat
from accelgen.golden.block_pair import BlockPair
from accelgen.golden.elements import AdaptiveElement, AnyElement

__all__ = ["LaneFormat", "SumFormat", "lane_format", "product_format", "sum_formats"]


@dataclass(frozen=True)
class LaneFormat:
    """``(-1)**sign * significand << power`` of a lane: significand lowest, sign on top."""

    significand: int
    most_power: int

    @property
    def power(self) -> int:
        """Bits of the power, 0 where there is none."""
        return self.most_power.bit_length()

    @property
    def bits(self) -> int:
        """Bits of a lane."""
        return self.significand + self.power + 1


@dataclass(frozen=True)
class SumFormat:
    """``count`` partial sums of ``bits`` bits (signed), and above them as many single bits.

    The sum of all of it is that of the products: negative products are inverted, and the ones that
    this leaves out are carried into adders, one into each.
    """

    bits: int
    count: int

    @property
    def word(self) -> IntFormat:
        """All of it."""
        return IntFormat((self.bits + 1) * self.count, signed=False)


def lane_format(element: AnyElement) -> LaneFormat:
    """What an element is decoded to.

    Adaptive elements, and integers, are fixed-point magnitudes: of IF4 half units up to 14, so
    that a 4 x 4 multiplier serves every mix.
    """
    if isinstance(element, AdaptiveElement):
        return LaneFormat(element.maximum.bit_length(), 0)
    form = element.format
    if isinstance(form, FloatFormat):
        # Subnormals have the power of the smallest normals.
        return LaneFormat(form.mantissa_bits + 1, (form.max_code >> form.mantissa_bits) - 1)
    return LaneFormat(element.maximum.bit_length(), 0)


def product_format(a: LaneFormat, b: LaneFormat) -> LaneFormat:
    """The product of two lanes, exact."""
    return LaneFormat(a.significand + b.significand, a.most_power + b.most_power)


def sum_formats(pair: BlockPair) -> tuple[SumFormat, ...]:
    """The products, then what each level of the adder tree leaves, down to one sum."""
    most = pair.a.element.maximum * pair.b.element.maximum
    formats = []
    terms = 1
    while terms <= pair.lanes:
        # An inverted product of zero is -1.
        bits = IntFormat.for_range(-terms * (most + 1), terms * most).bits
        formats.append(SumFormat(bits, pair.lanes // terms))
        terms *= 2
    return tuple(formats)

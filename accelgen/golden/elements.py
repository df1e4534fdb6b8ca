"""Elements of block formats as exact integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.formats.adaptive import AdaptiveFormat
from accelgen.formats.floating import FloatFormat
from accelgen.formats.integer import IntFormat, SignMagnitudeFormat
from accelgen.formats.microscaling import MicroscalingFormat
from accelgen.formats.tensor_scaled import TensorScaledFormat

__all__ = ["AdaptiveElement", "AnyElement", "Element", "element_of"]

_MOST_BITS = 8


@dataclass(frozen=True)
class Element:
    """An element whose every code is a whole multiple of :attr:`unit`.

    Of a ``symmetric`` integer in two's complement the most negative code counts as zero (the block
    formats never produce it).  Codes of Inf and NaN count as zero, and are reported beside the sum.
    """

    format: FloatFormat | IntFormat | SignMagnitudeFormat
    symmetric: bool = False

    def __post_init__(self) -> None:
        if self.format.width > _MOST_BITS:
            raise InputError(
                f"elements of {self.format.width} bits", where=str(self.format), hint="use 2..8"
            )
        if self.symmetric and not (isinstance(self.format, IntFormat) and self.format.signed):
            raise InputError("only a signed integer is made symmetric", where=str(self.format))

    @property
    def width(self) -> int:
        """Bits of a code."""
        return self.format.width

    @property
    def fraction(self) -> int:
        """Minus the binary logarithm of the unit."""
        if isinstance(self.format, FloatFormat):
            return self.format.bias - 1 + self.format.mantissa_bits
        return 0

    @property
    def unit(self) -> Fraction:
        """The value of the integer 1."""
        return Fraction(1, 1 << self.fraction)

    @property
    def has_specials(self) -> bool:
        """Whether there are codes of Inf or NaN."""
        return isinstance(self.format, FloatFormat) and self.format.specials != "finite"

    @property
    def maximum(self) -> int:
        """Largest magnitude, in units."""
        return int(max(abs(value) for value in self.values()[0]))

    def values(self) -> NDArray[np.object_]:
        """The integer of every code: 1 x 2**width."""
        codes = np.arange(1 << self.width)
        decoded = np.nan_to_num(self.format.decode(codes), nan=0.0, posinf=0.0, neginf=0.0)
        found = [int(value * 2.0**self.fraction) for value in decoded]
        if self.symmetric:
            found[1 << (self.width - 1)] = 0
        return np.array([found], dtype=object)

    def specials(self) -> NDArray[np.bool_]:
        """Which codes are Inf or NaN."""
        return ~np.isfinite(self.format.decode(np.arange(1 << self.width)))


@dataclass(frozen=True)
class AdaptiveElement:
    """An element of a block that is all floating point, or all integers times ``ratio``.

    Both become integers of about the same size: a floating-point element its multiple k of the
    subnormal step, an integer element i the shifted ``i << shift``.  The value is

        unit * float_factor * k    or    unit * integer_factor * (i << shift)

    The factors are folded into the scale of the block, so that no element is multiplied by
    ``ratio``.
    """

    floating: Element
    integer: Element
    ratio: Fraction

    def __post_init__(self) -> None:
        if self.floating.width != self.integer.width:
            raise InputError("both kinds of element must have the same width")
        if self.floating.has_specials:
            raise InputError("elements must be finite", where=str(self.floating.format))

    @property
    def width(self) -> int:
        """Bits of a code."""
        return self.floating.width

    @property
    def has_specials(self) -> bool:
        """Whether there are codes of Inf or NaN."""
        return False

    @property
    def shift(self) -> int:
        """By how much integer elements are shifted: not beyond the bits of the largest float."""
        _, integer = self._multipliers()
        room = self.floating.maximum.bit_length() - self.integer.maximum.bit_length()
        twos = (integer & -integer).bit_length() - 1
        return max(0, min(room, twos))

    @property
    def factors(self) -> tuple[int, int]:
        """``float_factor`` and ``integer_factor``: small integers without a common divisor."""
        floating, integer = self._multipliers()
        common = math.gcd(floating, integer >> self.shift)
        return floating // common, (integer >> self.shift) // common

    @property
    def unit(self) -> Fraction:
        """The value of the integer 1, once the factor is in the scale."""
        return self.floating.unit / self.factors[0]

    @property
    def maximum(self) -> int:
        """Largest magnitude of both kinds, in units."""
        return int(max(abs(value) for value in self.values().reshape(-1)))

    def values(self) -> NDArray[np.object_]:
        """The integer of every code, without the factors: float, integer x 2**width."""
        return np.concatenate([self.floating.values(), self.integer.values() << self.shift])

    def _multipliers(self) -> tuple[int, int]:
        """Of k and of i, when both are multiplied by the same number to become whole."""
        return self.ratio.denominator, self.ratio.numerator << self.floating.fraction


AnyElement = Element | AdaptiveElement


def element_of(format: TensorScaledFormat | MicroscalingFormat) -> AnyElement:
    """The element of a block format."""
    if isinstance(format, AdaptiveFormat):
        integer = Element(format.integer, symmetric=isinstance(format.integer, IntFormat))
        return AdaptiveElement(Element(format.element), integer, format.ratio)
    integers = isinstance(format.element, IntFormat)
    return Element(format.element, integers and isinstance(format, TensorScaledFormat))

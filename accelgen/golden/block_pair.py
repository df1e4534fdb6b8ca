"""Two block formats whose elements are multiplied: widths, units, and which scales count."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from accelgen.errors import InputError
from accelgen.formats.block import BlockFormat
from accelgen.formats.floating import FloatFormat
from accelgen.formats.integer import IntFormat
from accelgen.formats.microscaling import IntegerBlocks, MicroscalingFormat
from accelgen.formats.tensor_scaled import UE4M3, TensorScaledFormat
from accelgen.golden.elements import AdaptiveElement, AnyElement, element_of

__all__ = ["BlockOperand", "BlockPair", "ScaleRange", "operand_of"]

ScaleRange = tuple[int, int]
"""Least and greatest exponent of the E8M0 scales that count."""

_MOST_LANES = 256
_LEAST, _GREATEST = -127, 127
_BELOW, _ABOVE = 16, 7
"""The default range: blocks whose largest magnitude is 2**-16 or more and less than 2**8."""


@dataclass(frozen=True)
class BlockOperand:
    """One side of a :class:`BlockPair`: a block format, and for MX the scales that count.

    A scale means ``significand * 2**(exponent + least_exponent)`` with small integers, so that an
    element times its scale is a whole multiple of :attr:`unit`.
    """

    format: TensorScaledFormat | MicroscalingFormat
    scale_range: ScaleRange | None

    @cached_property
    def element(self) -> AnyElement:
        """The elements as integers."""
        return element_of(self.format)

    @property
    def is_adaptive(self) -> bool:
        """Whether bit 7 of the scale says that the elements are integers."""
        return isinstance(self.element, AdaptiveElement)

    @property
    def factors(self) -> tuple[int, int]:
        """What the significand of the scale is multiplied by: of floats, of integers."""
        return self.element.factors if isinstance(self.element, AdaptiveElement) else (1, 1)

    @property
    def plain_significand(self) -> int:
        """The largest significand of a scale without factors; 1 for E8M0."""
        return 1 if self.scale_range else 15

    @property
    def most_significand(self) -> int:
        """The largest significand of a scale, factors included."""
        return self.plain_significand * max(self.factors)

    @property
    def most_exponent(self) -> int:
        """The largest exponent of a scale; the least is 0."""
        return self.scale_range[1] - self.scale_range[0] if self.scale_range else 14

    @property
    def least_exponent(self) -> int:
        """What the exponent 0 stands for."""
        return self.scale_range[0] if self.scale_range else -9

    @property
    def unit(self) -> Fraction:
        """The value of the integer 1 with exponent 0."""
        steps = Fraction(1)
        if isinstance(self.format, MicroscalingFormat):
            steps = Fraction(self.format.unit)
        return self.element.unit * steps * Fraction(2) ** self.least_exponent

    def scales(self) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
        """Of all 256 scales: the integer significand * 2**exponent, 0 for one that does not count;
        and whether it is bad.
        """
        codes = np.arange(256)
        if self.scale_range is None:
            values = UE4M3.decode(codes & 127)
            bad = np.isnan(values)
            factors = np.where(codes & 128, self.factors[1], self.factors[0])
        else:
            values = self.format.scale.decode(codes)
            low, high = (2.0**exponent for exponent in self.scale_range)
            outside = ~((values >= low) & (values <= high))
            # Blocks of zeros have the least scale, which is no reason to complain.
            bad = outside & (codes > 0)
            values = np.where(outside, 0.0, values)
            factors = np.ones_like(codes)
        whole = [
            0
            if wrong
            else int(Fraction(float(value)) / Fraction(2) ** self.least_exponent) * int(f)
            for value, wrong, f in zip(values, bad, factors, strict=True)
        ]
        return np.array(whole, dtype=object), np.asarray(bad)


@dataclass(frozen=True)
class BlockPair:
    """Products of ``lanes`` elements of a block of format ``a`` and one of ``b``.

    ``a`` and ``b`` are any two block formats; ``lanes`` (1..256) divides the blocks of both.  A
    *term* is the exact integer

        (sum of the products of elements) * significands of both scales << exponents of both scales

    and counts units of ``factor * 2**-fraction``; sums of terms are exact.

    E8M0 scales of MX: their whole range would take 522 bits, so that only exponents inside
    ``a_range``, ``b_range`` (least, greatest, within -127..127) count.  Without one it is that of
    blocks whose largest magnitude is at least 2**-16 and less than 2**8, -16 - emax .. 7 - emax
    with emax the exponent of the largest element: E4M3 scales span 18 powers of two under a scale
    of the whole tensor; MX has none, and six more powers of two leave room for the level of
    weights (about 2**-5) and of activations with outliers.  Each exponent more costs two bits of a
    term.

    A *bad* scale is NaN (E4M3: 0x7F without bit 7; E8M0: 0xFF) or an exponent outside the range.
    Its block counts as zero, and hardware raises a flag that stays.  The E8M0 scale 2**-127, which
    the quantiser gives to blocks of zeros, counts as zero without being bad.

    Raises :class:`InputError` for lanes, ranges or formats that are none of these.
    """

    a_format: BlockFormat
    b_format: BlockFormat
    lanes: int
    a_range: ScaleRange | None = None
    b_range: ScaleRange | None = None

    def __post_init__(self) -> None:
        for form in (self.a_format, self.b_format):
            if not isinstance(form, TensorScaledFormat | MicroscalingFormat):
                raise InputError("has no small scale per block", where=str(form))
            assert form.block is not None
            if not 1 <= self.lanes <= _MOST_LANES or form.block % self.lanes:
                raise InputError(
                    f"{self.lanes} lanes do not divide a block of {form.block}",
                    where=form.name,
                    hint=f"use a divisor of {form.block}",
                )
        for form, scales in ((self.a_format, self.a_range), (self.b_format, self.b_range)):
            operand_of(form, scales)

    def __hash__(self) -> int:
        """Quick, for there is a pair in every node of an array."""
        return hash((self.a_format.name, self.b_format.name, self.lanes, self.a_range))

    @cached_property
    def a(self) -> BlockOperand:
        """The first operand."""
        return operand_of(self.a_format, self.a_range)

    @cached_property
    def b(self) -> BlockOperand:
        """The second operand."""
        return operand_of(self.b_format, self.b_range)

    @property
    def a_word(self) -> int:
        """Bits of ``lanes`` elements of the first operand, the first element lowest."""
        return self.lanes * self.a.element.width

    @property
    def b_word(self) -> int:
        """Bits of ``lanes`` elements of the second operand."""
        return self.lanes * self.b.element.width

    @property
    def scale_bits(self) -> int:
        """Bits of a scale."""
        return 8

    @cached_property
    def most_sum(self) -> int:
        """Largest magnitude of a sum of products of elements."""
        return self.lanes * self.a.element.maximum * self.b.element.maximum

    @cached_property
    def most_block(self) -> int:
        """The same with the significands of the scales; adaptive factors are those of the kinds."""
        largest = self.lanes
        for operand in (self.a, self.b):
            kinds = zip(operand.element.values(), operand.factors, strict=False)
            weighed = max(factor * max(map(abs, values)) for values, factor in kinds)
            largest *= weighed * operand.most_significand // max(operand.factors)
        return int(largest)

    @property
    def most_exponent(self) -> int:
        """The largest shift of a term."""
        return self.a.most_exponent + self.b.most_exponent

    @cached_property
    def term(self) -> IntFormat:
        """The format of a term."""
        most = self.most_block << self.most_exponent
        return IntFormat.for_range(-most, most)

    def most_cycles(self, longest: int) -> int:
        """Terms in a sum of ``longest`` (1 or more) products; zeros fill the last."""
        return -(-longest // self.lanes)

    def accumulator(self, longest: int) -> IntFormat:
        """The format of sums of up to ``longest`` products (at least ``lanes``)."""
        most = (self.most_block << self.most_exponent) * self.most_cycles(longest)
        return IntFormat.for_range(-most, most)

    @cached_property
    def _unit(self) -> tuple[Fraction, int]:
        unit = self.a.unit * self.b.unit
        fraction = _twos(unit.denominator) - _twos(unit.numerator)
        return unit * Fraction(2) ** fraction, fraction

    @property
    def fraction(self) -> int:
        """A term counts units of ``factor * 2**-fraction``."""
        return self._unit[1]

    @property
    def factor(self) -> Fraction:
        """What is left for the tensors' scales: 1 for NVFP4, 1/49 for IF4."""
        return self._unit[0]

    @property
    def has_specials(self) -> bool:
        """Whether elements have codes of Inf or NaN; they count as zero in a term."""
        return self.a.element.has_specials or self.b.element.has_specials

    def bad_scales(self, a_scales: ArrayLike, b_scales: ArrayLike) -> NDArray[np.bool_]:
        """Whether the scales (codes 0..255) of each block are bad, those of one or of both."""
        (_, a_bad), (_, b_bad) = self.a.scales(), self.b.scales()
        return np.asarray(a_bad[np.asarray(a_scales)] | b_bad[np.asarray(b_scales)])

    def __str__(self) -> str:
        """``if4 x nvfp4``."""
        return f"{self.a_format.name} x {self.b_format.name}"


def operand_of(form: BlockFormat, scales: ScaleRange | None = None) -> BlockOperand:
    """A side of a pair: of MX with the ``scales`` that count (``None``: see :class:`BlockPair`).

    Raises :class:`InputError` for formats without small scales, and ranges that cannot be.
    """
    if isinstance(form, TensorScaledFormat):
        if scales is not None:
            raise InputError("its scales are E4M3 and all count", where=form.name,
                             hint="give a range of exponents for MX formats only")  # fmt: skip
        return BlockOperand(form, None)
    assert isinstance(form, MicroscalingFormat)
    if isinstance(form, IntegerBlocks):
        scales = (0, 0)
    if scales is None:
        emax = form.element.emax if isinstance(form.element, FloatFormat) else 0
        scales = (-_BELOW - emax, _ABOVE - emax)
    low, high = scales
    if not _LEAST <= low <= high <= _GREATEST:
        raise InputError(
            f"scale exponents {low}..{high}", where=form.name, hint="use a range within -127..127"
        )
    return BlockOperand(form, scales)


def _twos(value: int) -> int:
    return (value & -value).bit_length() - 1

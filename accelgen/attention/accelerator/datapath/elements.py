"""Elements of every format as integers of the array: what is decoded, scaled and aligned."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.formats import FloatFormat, IntFormat, get_format
from accelgen.formats.adaptive import INTEGER, AdaptiveFormat
from accelgen.formats.microscaling import MicroscalingFormat
from accelgen.formats.tensor_scaled import UE4M3, TensorScaledFormat

__all__ = ["Decoding", "Table", "align", "decoding_of", "stored_bits"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """Codes as ``sign * significand * 2**exponent``: by a small table of signed significands, or
    by the fields of a float (``mantissa_bits`` and ``bias``) when there is none.
    """

    width: int
    values: tuple[int, ...] = ()
    exponent: int = 0
    mantissa_bits: int = 0
    bias: int = 0

    @property
    def significand_bits(self) -> int:
        """Bits of the largest significand."""
        if self.values:
            return max(abs(value) for value in self.values).bit_length()
        return self.mantissa_bits + 1

    def parts(self, codes: Ints) -> tuple[Ints, Ints]:
        """Signed significands and exponents.  Infinities and NaN count as what their bits say."""
        if self.values:
            found = np.array(self.values, dtype=np.int64)[codes]
            return found, np.full_like(found, self.exponent)
        field = (codes >> self.mantissa_bits) & ((1 << (self.width - 1 - self.mantissa_bits)) - 1)
        part = codes & ((1 << self.mantissa_bits) - 1)
        significand = part | ((field > 0).astype(np.int64) << self.mantissa_bits)
        sign = 1 - 2 * (codes >> (self.width - 1))
        exponent = np.maximum(field, 1) - self.bias - self.mantissa_bits
        return sign * significand, exponent


@dataclass(frozen=True)
class Decoding:
    """How elements of a format become integers on a grid.

    ``whole``: they are integers already, and no grid is chosen.  Of block formats ``block``
    elements share a scale, ``scale_bits`` wide; ``scale`` are its parts, or with ``power`` it is a
    biased exponent.  Where the top bit of the scale is set, ``other`` replaces ``table``.
    Values are ``denominator`` times those of the format, without the scale of the tensor.
    """

    name: str
    table: Table
    whole: bool = False
    block: int = 0
    scale_bits: int = 0
    scale: Table | None = None
    power_bias: int | None = None
    other: Table | None = None
    denominator: int = 1

    @property
    def code_bits(self) -> int:
        """Bits of an element as it comes in."""
        return self.table.width

    @property
    def key_width(self) -> int | None:
        """Bits that keys use of an element of the array; ``None``: a grid lets them use all."""
        return self.code_bits if self.whole else None

    @property
    def significand_bits(self) -> int:
        """Bits of an element's significand times that of its scale."""
        bits = max(t.significand_bits for t in (self.table, self.other) if t)
        return bits + (self.scale.significand_bits if self.scale else 0)

    def parts(self, codes: Ints, scales: Ints | None = None) -> tuple[Ints, Ints]:
        """Signed significands and exponents; ``scales`` are those of each element."""
        significand, exponent = self.table.parts(codes)
        if scales is None:
            return significand, exponent
        if self.other is not None:
            others, exponents = self.other.parts(codes)
            chosen = (scales & INTEGER) != 0
            significand = np.where(chosen, others, significand)
            exponent = np.where(chosen, exponents, exponent)
        if self.scale is not None:
            factor, power = self.scale.parts(scales & (INTEGER - 1))
            return significand * factor, exponent + power
        assert self.power_bias is not None
        return significand, exponent + scales - self.power_bias

    def stored(self, codes: Ints, scales: Ints | None, grid: int, bits: int) -> Ints:
        """Integers of ``bits`` bits: values times ``2**grid``, rounded half away from zero, and
        saturated symmetrically.  Whole formats come as they are.
        """
        if self.whole:
            return self.table.parts(codes)[0]
        return align(*self.parts(codes, scales), grid, bits)


def align(significand: Ints, exponent: Ints, grid: int, bits: int) -> Ints:
    """``significand * 2**(exponent + grid)``, rounded half away from zero, saturated."""
    magnitude = np.abs(significand)
    shift = exponent + grid
    most = (1 << (bits - 1)) - 1
    left = np.minimum(magnitude << np.clip(shift, 0, bits), most)
    right = ((magnitude >> np.clip(-shift - 1, 0, 62)) + 1) >> 1
    return np.sign(significand) * np.minimum(np.where(shift >= 0, left, right), most)


@cache
def decoding_of(name: str) -> Decoding:
    """How a format is decoded.

    Raises :class:`InputError` for formats that the array does not take: integers beyond 16 bits,
    unsigned ones, floats beyond 16 bits, and blocks with other scales.
    """
    form = get_format(name)
    if isinstance(form, IntFormat) and form.signed:
        return Decoding(name, _integers(form, 1), whole=True)
    if isinstance(form, FloatFormat) and form.signed and form.width <= 16:
        return Decoding(name, _floats(form))
    if isinstance(form, AdaptiveFormat) and isinstance(form.element, FloatFormat):
        return Decoding(
            name,
            _small(form.element, form.denominator),
            block=form.block or 0,
            scale_bits=8,
            scale=_unsigned(),
            other=_integers(form.integer, form.ratio.numerator, form.element),
            denominator=form.denominator,
        )
    if isinstance(form, TensorScaledFormat) and isinstance(form.element, FloatFormat):
        table = _small(form.element, 1)
        return Decoding(name, table, block=form.block or 0, scale_bits=8, scale=_unsigned())
    if isinstance(form, MicroscalingFormat) and isinstance(form.element, FloatFormat):
        table = _floats(form.element)
        return Decoding(name, table, block=form.block or 0, scale_bits=8, power_bias=127)
    raise InputError(
        f"attention takes no {name}",
        where="formats",
        hint="use int8, e4m3, e5m2, bf16, mxfp8_e4m3, mxfp4, nvfp4 or if4",
    )


def stored_bits(name: str) -> int:
    """The least even width with which a format loses less than 5e-4 of an output, as measured by
    ``python -m benchmarks.attention_error``; integers lose nothing.
    """
    decoding = decoding_of(name)
    if decoding.whole:
        return decoding.code_bits
    return 14 if decoding.other or decoding.code_bits > 8 else 12


def _integers(form: object, factor: int, like: FloatFormat | None = None) -> Table:
    """Integer elements times a factor, on the grid of ``like``."""
    width = getattr(form, "width")  # noqa: B009  # of either kind of integer
    codes = np.arange(1 << width)
    decoded = getattr(form, "decode")(codes)  # noqa: B009  # as above
    fraction = like.bias - 1 + like.mantissa_bits if like else 0
    values = tuple(int(value) * factor << fraction for value in decoded)
    return Table(width, values, -fraction)


def _small(form: FloatFormat, factor: int) -> Table:
    """A float of few bits as a table."""
    fraction = form.bias - 1 + form.mantissa_bits
    decoded = form.decode(np.arange(1 << form.width))
    return Table(form.width, tuple(int(v * 2**fraction) * factor for v in decoded), -fraction)


def _floats(form: FloatFormat) -> Table:
    """A float by its fields; of four bits or fewer by a table."""
    if form.width <= 4:
        return _small(form, 1)
    return Table(form.width, mantissa_bits=form.mantissa_bits, bias=form.bias)


def _unsigned() -> Table:
    """UE4M3: one bit wider, so that its sign is always 0."""
    return Table(8, mantissa_bits=UE4M3.mantissa_bits, bias=UE4M3.bias)

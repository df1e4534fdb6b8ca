"""Model of the unit that computes in one of several four-bit formats, chosen for every sum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.formats import BlockFormat, MicroscalingFormat, TensorScaledFormat, get_format
from accelgen.formats.floating import E8M0, FP32
from accelgen.formats.policy import Bools, Codes
from accelgen.golden.floating import fixed_to_float

__all__ = ["MULTI_FORMATS", "multi_format_dot", "multi_format_fraction", "multi_format_sum"]

MULTI_FORMATS = ("nvfp4", "if4", "mxfp4", "int4")
"""The formats, in the order in which the unit numbers them."""

_ELEMENT_FRACTION = 1
"""Four-bit elements are whole multiples of a half."""
_SCALE_FRACTION = 9
"""Unsigned E4M3 scales are whole multiples of 2**-9."""


def multi_format_fraction(format: str, scale_range: tuple[int, int]) -> int:
    """The integer 1 of :func:`multi_format_sum` is worth 2**-fraction (of if4, 1/49 of that).

    ``scale_range`` is the range of exponents of E8M0 scales.
    """
    form = get_format(format)
    if isinstance(form, MicroscalingFormat):
        return 2 * (_ELEMENT_FRACTION - scale_range[0])
    if isinstance(form, TensorScaledFormat):
        return 2 * (_ELEMENT_FRACTION + _SCALE_FRACTION)
    return 0


def multi_format_sum(
    format: str,
    a: NDArray[Any],
    b: NDArray[Any],
    a_scales: Codes,
    b_scales: Codes,
    scale_range: tuple[int, int],
) -> tuple[NDArray[Any], Bools, Bools]:
    """The exact integer of every row's dot product; whether a scale is NaN, and out of range.

    ``a`` and ``b`` are codes (n x lanes), the scales one per row (int4 has none: they are
    ignored).  A NaN scale makes the integer 0.  So does an E8M0 scale whose exponent is outside
    ``scale_range`` (lowest and highest), which is reported unless the integer is 0 whatever the
    scales.  Python's integers.
    """
    form = get_format(format)
    scale_a, scale_b = np.asarray(a_scales, np.int64), np.asarray(b_scales, np.int64)
    nan, outside = np.zeros(len(a), dtype=bool), np.zeros(len(a), dtype=bool)
    if not isinstance(form, BlockFormat):
        x, y = (_whole(form.decode(codes), 0) for codes in (a, b))
        return _dot(x, y), nan, outside
    low, high = scale_range
    # Scales, and what their product counts in: chosen so that both are whole.
    if isinstance(form, MicroscalingFormat):
        one = int(E8M0.encode([1.0])[0])
        fraction = _ELEMENT_FRACTION - low
        for scale in (scale_a, scale_b):
            nan |= scale == form.scale_nan
            outside |= (scale < one + low) | (scale > one + high)
        scale_a, scale_b = (np.clip(s, one + low, one + high) for s in (scale_a, scale_b))
    else:
        fraction = _ELEMENT_FRACTION + _SCALE_FRACTION
        if format != "if4":
            scale_a, scale_b = scale_a & 127, scale_b & 127
        nan = (scale_a & 127 == form.scale_nan) | (scale_b & 127 == form.scale_nan)
        # Any number will do in place of NaN: the integer is replaced below.
        scale_a, scale_b = (np.where(nan, 0, s) for s in (scale_a, scale_b))
    x, y = (
        _whole(form.decode(codes, scale[:, None]), fraction)
        for codes, scale in ((a, scale_a), (b, scale_b))
    )
    total = _dot(x, y)
    bad = nan | outside
    return np.where(bad, 0, total), nan, outside & ~nan & (total != 0)


def multi_format_dot(
    format: str,
    a: NDArray[Any],
    b: NDArray[Any],
    a_scales: Codes,
    b_scales: Codes,
    scale_range: tuple[int, int],
) -> Codes:
    """FP32 codes of dot products over several rows, rounded once to nearest even.

    ``a`` and ``b`` are codes, n x rows x lanes; scales n x rows.  A NaN scale makes the sum the
    quiet NaN; rows out of range count as zero.  Of if4 the number is 49 times the dot product,
    tensor scales apart.
    """
    n, rows, lanes = a.shape
    flat = (a.reshape(-1, lanes), b.reshape(-1, lanes), a_scales.reshape(-1), b_scales.reshape(-1))
    sums, nan, _ = multi_format_sum(format, *flat, scale_range)
    total = np.asarray(sums.reshape(n, rows).sum(axis=1), dtype=object)
    if all(abs(value) < 1 << 62 for value in total):
        total = total.astype(np.int64)
    codes = fixed_to_float(total, multi_format_fraction(format, scale_range))
    bad = nan.reshape(n, rows).any(axis=1)
    return np.where(bad, codes.dtype.type(FP32.nan_code or 0), codes)


def _whole(values: NDArray[np.float64], fraction: int) -> NDArray[np.float64]:
    """``values * 2**fraction``, which are whole numbers."""
    whole = np.ldexp(values, fraction)
    assert (np.rint(whole) == whole).all()
    return whole


def _dot(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[Any]:
    """Exact sums of products of whole numbers, row by row."""
    if x.size and np.abs(x).max() * np.abs(y).max() * x.shape[1] < 2.0**62:
        sums = np.einsum("ij,ij->i", x.astype(np.int64), y.astype(np.int64))
        return np.asarray(sums, dtype=object)
    wide = [[int(v) for v in row] for row in x], [[int(v) for v in row] for row in y]
    pairs = zip(*wide, strict=True)
    return np.array([sum(p * q for p, q in zip(r, s, strict=True)) for r, s in pairs], dtype=object)

"""Model of the unit that computes in one of several four-bit formats, chosen for every sum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.formats import (
    BlockFormat,
    MicroscalingFormat,
    TensorScaledFormat,
    block_format,
    get_format,
)
from accelgen.formats.floating import FP32
from accelgen.formats.policy import Bools, Codes
from accelgen.golden.block_pair import BlockPair, ScaleRange
from accelgen.golden.floating import fixed_to_float

__all__ = [
    "MULTI_FORMATS",
    "multi_format_dot",
    "multi_format_fraction",
    "multi_format_most",
    "multi_format_range",
    "multi_format_sum",
]

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


def multi_format_range() -> ScaleRange:
    """The exponents of E8M0 scales that count where nothing else is said."""
    mxfp4 = block_format("mxfp4")
    found = BlockPair(mxfp4, mxfp4, 1).a.scale_range
    assert found is not None
    return found


def multi_format_most(
    pair: BlockPair, scale_range: ScaleRange, shift: int | None, lanes: int
) -> int:
    """The largest sum of ``lanes`` weighed products in any format, with exponents to ``shift``
    (``None``: any).

    ``pair`` is that of if4.  An element is at most 12 halves (E2M1), or 8 (int4).
    """
    power = 2 * (scale_range[1] - scale_range[0])
    exponent = pair.most_exponent
    if shift is not None:
        power, exponent = min(shift, power), min(shift, exponent)
    return lanes * max(pair.most_block // pair.lanes << exponent, 12 * 12 << power, 8 * 8)


def multi_format_sum(
    format: str,
    a: NDArray[Any],
    b: NDArray[Any],
    a_scales: Codes,
    b_scales: Codes,
    scale_range: tuple[int, int],
) -> tuple[NDArray[Any], Bools]:
    """The exact integer of every row's dot product, and whether one of its scales is bad.

    ``a`` and ``b`` are codes (n x lanes), the scales one per row (int4 has none: they are
    ignored).  A bad scale is NaN, or an E8M0 scale whose exponent is outside ``scale_range`` (least
    and greatest); it counts as zero, and so does 2**-127, the scale of blocks of zeros, which is
    not bad.  Python's integers.
    """
    form = get_format(format)
    if not isinstance(form, BlockFormat):
        x, y = (_whole(form.decode(codes), 0) for codes in (a, b))
        return _dot(x, y), np.zeros(len(a), dtype=bool)
    fraction = multi_format_fraction(format, scale_range) // 2
    sides, bad = [], np.zeros(len(a), dtype=bool)
    for codes, scales in ((a, a_scales), (b, b_scales)):
        code = np.asarray(scales, np.int64) & (255 if format in ("if4", "mxfp4") else 127)
        value = np.asarray(form.scale.decode(code & (255 if format == "mxfp4" else 127)))
        counts = np.isfinite(value)
        if isinstance(form, MicroscalingFormat):
            counts &= (value >= 2.0 ** scale_range[0]) & (value <= 2.0 ** scale_range[1])
        zero = (code == 0) & (format == "mxfp4")
        bad |= ~counts & ~zero
        # What does not count is zero, whatever its scale: one that is always there is 1.
        one = int(form.scale.encode([1.0])[0])
        decoded = form.decode(codes, np.where(counts, code, one)[:, None])
        sides.append(_whole(np.where(counts[:, None], decoded, 0.0), fraction))
    return _dot(*sides), bad


def multi_format_dot(
    format: str,
    a: NDArray[Any],
    b: NDArray[Any],
    a_scales: Codes,
    b_scales: Codes,
    scale_range: tuple[int, int],
) -> Codes:
    """FP32 codes of dot products over several rows, rounded once to nearest even.

    ``a`` and ``b`` are codes, n x rows x lanes; scales n x rows.  A bad scale makes the sum the
    quiet NaN.  Of if4 the number is 49 times the dot product, tensor scales apart.
    """
    n, rows, lanes = a.shape
    flat = (a.reshape(-1, lanes), b.reshape(-1, lanes), a_scales.reshape(-1), b_scales.reshape(-1))
    sums, bad = multi_format_sum(format, *flat, scale_range)
    total = np.asarray(sums.reshape(n, rows).sum(axis=1), dtype=object)
    if all(abs(value) < 1 << 62 for value in total):
        total = total.astype(np.int64)
    codes = fixed_to_float(total, multi_format_fraction(format, scale_range))
    any_bad = bad.reshape(n, rows).any(axis=1)
    return np.where(any_bad, codes.dtype.type(FP32.nan_code or 0), codes)


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

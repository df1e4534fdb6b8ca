"""Models of the dot products of block formats."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from accelgen.formats.adaptive import INTEGER, AdaptiveFormat
from accelgen.formats.floating import FP32, FloatFormat
from accelgen.formats.policy import Codes
from accelgen.formats.tensor_scaled import UE4M3, TensorScaledFormat
from accelgen.golden.elements import AdaptiveElement, AnyElement, element_of
from accelgen.golden.floating import fixed_to_float

__all__ = ["block_dot", "block_sum", "block_unit", "dot_products", "scale_products"]


def dot_products(
    a: NDArray[Any],
    b: NDArray[Any],
    a_element: AnyElement,
    b_element: AnyElement,
    a_integer: ArrayLike = False,
    b_integer: ArrayLike = False,
) -> NDArray[Any]:
    """Sums of products of the integers that codes ``a`` and ``b`` (n x lanes) stand for.

    ``a_integer``, ``b_integer`` (one per row, or one) choose the kind of adaptive elements.  The
    result is int64, or Python's integers where 64 bits are too few.
    """
    x = _look_up(a_element, a, a_integer)
    y = _look_up(b_element, b, b_integer)
    lanes = x.shape[1]
    if lanes * a_element.maximum * b_element.maximum < 1 << 63:
        return np.asarray(np.einsum("ij,ij->i", x.astype(np.int64), y.astype(np.int64)))
    return np.asarray((x.astype(object) * y.astype(object)).sum(axis=1))


def _look_up(element: AnyElement, codes: NDArray[Any], integer: ArrayLike) -> NDArray[Any]:
    table = element.values()
    if all(abs(v) < 1 << 62 for v in table.reshape(-1)):
        table = table.astype(np.int64)
    kind = np.asarray(integer, dtype=np.int64).reshape(-1, 1)
    return np.asarray(table[kind, codes.astype(np.int64)])


def scale_products(
    a: Codes,
    b: Codes,
    a_factors: tuple[int, int] = (1, 1),
    b_factors: tuple[int, int] = (1, 1),
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Significand, exponent and NaN of the product of scales: significand * 2**(exponent - 18).

    Scales are unsigned E4M3; bit 7 chooses the factor that is folded in.  The significand of a
    normal scale is 8..15, of a subnormal 0..7.
    """
    parts = []
    for codes, factors in ((a, a_factors), (b, b_factors)):
        scales = np.asarray(codes).astype(np.int64)
        magnitude, exponent = scales & 7, scales >> 3 & 15
        significand = magnitude + np.where(exponent > 0, 8, 0)
        parts.append(
            (
                significand * np.where(scales & INTEGER, factors[1], factors[0]),
                np.maximum(exponent, 1) - 1,
                scales & 127 == 127,
            )
        )
    (sig_a, exp_a, nan_a), (sig_b, exp_b, nan_b) = parts
    return sig_a * sig_b, exp_a + exp_b, nan_a | nan_b


def block_unit(a: TensorScaledFormat, b: TensorScaledFormat) -> tuple[Fraction, int]:
    """What the integer 1 of :func:`block_sum` is worth, as ``fraction * 2**-bits``.

    The fraction (1 for NVFP4, 1/49 for IF4) belongs into the tensors' scales.
    """
    unit = element_of(a).unit * element_of(b).unit * Fraction(1, 1 << 18)
    odd = unit.denominator >> _twos(unit.denominator)
    return Fraction(1, odd), _twos(unit.denominator)


def _twos(value: int) -> int:
    return (value & -value).bit_length() - 1


def block_sum(
    a: NDArray[Any],
    b: NDArray[Any],
    a_scales: Codes,
    b_scales: Codes,
    a_format: TensorScaledFormat,
    b_format: TensorScaledFormat,
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The exact integer of each block's dot product, and whether a scale is NaN.

    ``a`` and ``b`` are codes (n x lanes), the scales one per row.  The value is the integer times
    :func:`block_unit`; that of a block with a NaN scale is 0.  Python's integers.
    """
    tables = []
    for codes, scales, form in ((a, a_scales, a_format), (b, b_scales, b_format)):
        element = element_of(form)
        kinds = np.asarray(scales).astype(np.int64)
        adaptive = isinstance(form, AdaptiveFormat)
        factors = element.factors if isinstance(element, AdaptiveElement) else (1, 1)
        integer = (kinds >= INTEGER) & adaptive
        scale = np.nan_to_num(UE4M3.decode(kinds & 127)) * 2.0**9
        whole = scale.astype(np.int64) * np.where(integer, factors[1], factors[0])
        values = _look_up(element, codes, integer)
        tables.append(values.astype(object) * whole.astype(object)[:, None])
    nan = (np.asarray(a_scales) & 127 == 127) | (np.asarray(b_scales) & 127 == 127)
    return np.asarray((tables[0] * tables[1]).sum(axis=1)), nan


def block_dot(
    a: NDArray[Any],
    b: NDArray[Any],
    a_scales: Codes,
    b_scales: Codes,
    a_format: TensorScaledFormat,
    b_format: TensorScaledFormat,
    format: FloatFormat = FP32,
) -> Codes:
    """The codes of dot products over blocks, rounded once.

    ``a`` and ``b`` are codes, n x blocks x lanes; scales n x blocks.  A NaN scale makes the sum the
    format's quiet NaN.  The numeric value is the code's times the fraction of :func:`block_unit`.
    """
    n, blocks, lanes = a.shape
    sums, nan = block_sum(
        a.reshape(-1, lanes), b.reshape(-1, lanes), a_scales.reshape(-1), b_scales.reshape(-1),
        a_format, b_format,
    )  # fmt: skip
    total = sums.reshape(n, blocks).sum(axis=1)
    _, bits = block_unit(a_format, b_format)
    codes = fixed_to_float(np.asarray(total, dtype=object), bits, format)
    bad = nan.reshape(n, blocks).any(axis=1)
    return np.where(bad, codes.dtype.type(format.nan_code or 0), codes)

"""Models of the dot products of block formats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from accelgen.errors import InputError
from accelgen.formats.adaptive import INTEGER
from accelgen.formats.floating import FP32, FloatFormat
from accelgen.formats.policy import Codes, Policy
from accelgen.golden.block_pair import BlockPair
from accelgen.golden.elements import AnyElement, Element
from accelgen.golden.floating import fixed_to_float, fp32_add

__all__ = [
    "block_specials",
    "block_terms",
    "dot_products",
    "exact_dot",
    "fp32_dot",
    "scale_products",
]


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


def block_terms(
    pair: BlockPair,
    a: NDArray[Any],
    b: NDArray[Any],
    a_scales: NDArray[Any],
    b_scales: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The term of each block (see :class:`BlockPair`), and whether a scale of it is bad.

    ``a`` and ``b`` are codes (n x lanes), the scales one per row.  A term is 0 where a scale is
    bad; elements of Inf and NaN count as zero.  Python's integers.
    """
    integer = [
        (np.asarray(scales) >= INTEGER) & operand.is_adaptive
        for scales, operand in ((a_scales, pair.a), (b_scales, pair.b))
    ]
    total = dot_products(a, b, pair.a.element, pair.b.element, *integer)
    (a_whole, a_bad), (b_whole, b_bad) = pair.a.scales(), pair.b.scales()
    terms = total.astype(object) * a_whole[np.asarray(a_scales)] * b_whole[np.asarray(b_scales)]
    return terms, a_bad[np.asarray(a_scales)] | b_bad[np.asarray(b_scales)]


def block_specials(pair: BlockPair, a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether a row of codes (n x lanes) has Inf or NaN in it."""
    found = np.zeros(len(a), dtype=np.bool_)
    for codes, operand in ((a, pair.a), (b, pair.b)):
        if isinstance(operand.element, Element) and operand.element.has_specials:
            found |= operand.element.specials()[codes].any(axis=1)
    return found


def fp32_dot(
    pair: BlockPair,
    a: NDArray[Any],
    b: NDArray[Any],
    a_scales: NDArray[Any],
    b_scales: NDArray[Any],
    partials: int,
    format: FloatFormat = FP32,
) -> Codes:
    """The codes of dot products whose terms are rounded to FP32 and added one by one.

    ``a`` and ``b`` are codes, n x cycles x lanes; scales n x cycles.  The term of cycle i is added
    to partial sum i mod ``partials``, which begins as +0; then partial sums 1, 2, ... (those with a
    term) are added to partial sum 0, in this order.  Every sum is rounded to nearest even, and the
    last to ``format``, FP32 or BF16.  A bad scale, and an element of Inf or NaN, make it NaN.
    """
    n, cycles, lanes = a.shape
    rows = a.reshape(-1, lanes), b.reshape(-1, lanes)
    terms, bad = block_terms(pair, *rows, a_scales.reshape(-1), b_scales.reshape(-1))
    wrong = (bad | block_specials(pair, *rows)).reshape(n, cycles).any(axis=1)
    codes = fixed_to_float(terms, pair.fraction).reshape(n, cycles)
    sums = [np.zeros(n, dtype=np.uint32) for _ in range(min(partials, cycles))]
    for cycle in range(cycles):
        slot = cycle % partials
        sums[slot] = fp32_add(sums[slot], codes[:, cycle])
    total = sums[0]
    for other in sums[1:]:
        total = fp32_add(total, other)
    total = np.where(wrong, np.uint32(FP32.nan_code or 0), total)
    if format == FP32:
        return total
    return format.encode(FP32.decode(total), Policy(overflow="special"))


def exact_dot(
    pair: BlockPair,
    a: NDArray[Any],
    b: NDArray[Any],
    a_scales: NDArray[Any],
    b_scales: NDArray[Any],
    format: FloatFormat = FP32,
    *,
    longest: int | None = None,
) -> Codes:
    """The codes of dot products over blocks, rounded once.

    ``a`` and ``b`` are codes, n x cycles x lanes; scales n x cycles.  A bad scale (see
    :class:`BlockPair`), and an element of Inf or NaN, make the sum the format's quiet NaN.  The
    numeric value is the code's times ``pair.factor``.  Nothing wraps; with ``longest``, sums of
    more products than a unit made for that many takes (:meth:`BlockPair.most_cycles`) raise
    :class:`InputError`.
    """
    n, cycles, lanes = a.shape
    if longest is not None and cycles > pair.most_cycles(longest):
        raise InputError(
            f"sums of {cycles * lanes} products where the longest has {longest}",
            hint="split them, or make the unit for longer ones",
        )
    rows = a.reshape(-1, lanes), b.reshape(-1, lanes)
    terms, bad = block_terms(pair, *rows, a_scales.reshape(-1), b_scales.reshape(-1))
    bad |= block_specials(pair, *rows)
    total = terms.reshape(n, cycles).sum(axis=1)
    codes = fixed_to_float(np.asarray(total, dtype=object), pair.fraction, format)
    return np.where(
        bad.reshape(n, cycles).any(axis=1), codes.dtype.type(format.nan_code or 0), codes
    )

"""Models of the integer multiply-accumulate units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["accumulate", "composable_terms", "serial_terms", "wrap"]

Int64s = NDArray[np.int64]


def wrap(values: ArrayLike, bits: int, signed: bool = True) -> Int64s:
    """``values`` modulo 2**bits (1..64; unsigned at most 63), in the range of the integer."""
    unused = np.int64(64 - bits)
    kept = np.asarray(values, dtype=np.int64) << unused
    if signed:
        return kept >> unused
    return (kept.view(np.uint64) >> np.uint64(64 - bits)).view(np.int64)


def accumulate(
    terms: ArrayLike, valid: ArrayLike, first: ArrayLike, bits: int, signed: bool = True
) -> Int64s:
    """The accumulator after every cycle: one-dimensional arrays, a cycle each.

    A valid term is added, or with ``first`` replaces the sum; the sum before the first is 0.
    """
    is_valid = np.asarray(valid, dtype=bool)
    added = np.where(is_valid, np.asarray(terms, dtype=np.int64), 0)
    total = np.cumsum(added)
    restart = is_valid & np.asarray(first, dtype=bool)
    before = np.where(restart, total - added, 0)
    latest = np.maximum.accumulate(np.where(restart, np.arange(len(total)), -1))
    base = np.where(latest >= 0, before[latest], 0)
    return wrap(total - base, bits, signed)


def composable_terms(
    a: NDArray[Any],
    b: NDArray[Any],
    a_width: int,
    b_width: int,
    a_signed: ArrayLike,
    b_signed: ArrayLike,
) -> Int64s:
    """What a composable unit adds in each cycle, for 32-bit words ``a`` and ``b``.

    Widths are 2, 4 or 8 bits, the same in all cycles; signs may differ from cycle to cycle.
    """
    element = np.arange(64 // (a_width * b_width))
    words_a, words_b = np.asarray(a, np.int64), np.asarray(b, np.int64)
    x = _integers(words_a[:, None] >> (element * a_width), a_width, a_signed)
    y = _integers(words_b[:, None] >> (element * b_width), b_width, b_signed)
    return np.asarray((x * y).sum(axis=1))


def serial_terms(
    a: NDArray[Any],
    b: NDArray[Any],
    a_bits: ArrayLike,
    b_bits: ArrayLike,
    a_signed: ArrayLike,
    b_signed: ArrayLike,
) -> Int64s:
    """What each step of a bit-serial unit adds.

    ``a`` and ``b`` are codes, steps x lanes; widths (1..16) and signs are one per step.
    """
    x = _integers(np.asarray(a, np.int64), np.asarray(a_bits)[:, None], a_signed)
    y = _integers(np.asarray(b, np.int64), np.asarray(b_bits)[:, None], b_signed)
    return np.asarray((x * y).sum(axis=1))


def _integers(codes: Int64s, width: ArrayLike, signed: ArrayLike) -> Int64s:
    """The low ``width`` bits of ``codes`` as integers; signs per row."""
    bits = np.asarray(width, dtype=np.int64)
    low = codes & ((np.int64(1) << bits) - 1)
    is_signed = np.asarray(signed, dtype=np.int64).reshape(-1, 1)
    return np.asarray(low - (((low >> (bits - 1)) & is_signed) << bits))

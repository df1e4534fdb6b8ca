"""Tensors of codes as the words that composable multipliers take, and what padding adds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.composed import WIDTHS
from accelgen.errors import InputError

__all__ = [
    "BLOCK_BITS",
    "E8M0_ONE",
    "blocks_of",
    "elements_per_word",
    "padded",
    "width_of",
    "words_of",
]

Int64s = NDArray[np.int64]

BLOCK_BITS = 4
"""Bits of the elements of weights in block formats."""

E8M0_ONE = 127
"""The code of the scale 1: that of blocks of integers."""


def width_of(bits: int) -> int:
    """The narrowest width of a composable multiplier that holds elements of ``bits`` bits.

    Raises :class:`InputError` where none does.
    """
    for width in WIDTHS:
        if bits <= width:
            return width
    raise InputError(
        f"elements of {bits} bits, and multipliers take up to {WIDTHS[-1]}",
        where="formats",
        hint=f"use at most {WIDTHS[-1]} bits",
    )


def elements_per_word(activation_width: int, weight_width: int) -> int:
    """Products that a multiplier makes in a cycle, of elements of these widths."""
    return 64 // (activation_width * weight_width)


def words_of(codes: Int64s, axis: int, count: int, width: int) -> Int64s:
    """Every ``count`` codes along ``axis`` as one word: code e at bit ``e * width``, in two's
    complement; the last word is filled up with zeros.
    """
    moved = np.moveaxis(codes, axis, -1)
    words = -(-moved.shape[-1] // count)
    filled = np.zeros((*moved.shape[:-1], words * count), np.int64)
    filled[..., : moved.shape[-1]] = moved
    bits = filled.reshape(*moved.shape[:-1], words, count) & ((1 << width) - 1)
    joined = (bits << (width * np.arange(count, dtype=np.int64))).sum(axis=-1)
    return np.ascontiguousarray(np.moveaxis(joined, -1, axis))


def blocks_of(codes: Int64s, axis: int, count: int) -> Int64s:
    """Codes in blocks of ``count`` along ``axis``, whose elements are the last dimension; the last
    block is filled up with zeros.
    """
    moved = np.moveaxis(codes, axis, -1)
    blocks = -(-moved.shape[-1] // count)
    filled = np.zeros((*moved.shape[:-1], blocks * count), np.int64)
    filled[..., : moved.shape[-1]] = moved
    split = filled.reshape(*moved.shape[:-1], blocks, count)
    return np.ascontiguousarray(np.moveaxis(split, -2, axis))


def padded(codes: Int64s, padding: tuple[int, int]) -> Int64s:
    """``[channels, rows, columns]`` with so many rows and columns of zeros on every side."""
    rows, columns = padding
    return np.pad(codes, ((0, 0), (rows, rows), (columns, columns)))

"""A mask as a coarse grid: pairs per cell, for pictures."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.masks.mask import (
    DIAGONAL,
    FULL,
    BlockMask,
    HeadMask,
    TokenMask,
    VariableMask,
)
from accelgen.errors import InputError

__all__ = ["Grid", "block_pairs", "mask_grid"]

MAX_PAIRS = 1 << 28
"""Most pairs of a mask that is only known pair by pair."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Grid:
    """``share`` ``[rows, columns]`` of the pairs of each cell, 0..1; a cell has ``cell_q``
    queries and ``cell_k`` keys.
    """

    share: NDArray[np.float64]
    cell_q: int
    cell_k: int


def mask_grid(mask: HeadMask, most: int) -> Grid:
    """The grid of at most ``most`` cells along each side; cells of block masks are whole blocks.

    Raises :class:`InputError` for a permuted mask of too many pairs.
    """
    if isinstance(mask, BlockMask):
        unit_q, unit_k = mask.block_q, mask.block_k
        row, column, pairs = mask.row_idx, mask.col_idx.astype(np.int64), block_pairs(mask)
    elif isinstance(mask, TokenMask):
        unit_q = unit_k = 1
        row = np.repeat(np.arange(mask.queries), mask.loads)
        column, pairs = mask.col_idx.astype(np.int64), np.ones(mask.nnz, dtype=np.int64)
    else:
        if mask.queries * mask.keys > MAX_PAIRS:
            raise InputError(f"more than {MAX_PAIRS} pairs", hint="draw fewer tokens")
        unit_q = unit_k = 1
        row, column = np.nonzero(mask.dense())
        if isinstance(mask, VariableMask):
            # In the order of the clusters, in which an accelerator sees them.
            row, column = np.argsort(mask.query_order)[row], np.argsort(mask.key_order)[column]
        pairs = np.ones(len(row), dtype=np.int64)
    times_q = ceil(ceil(mask.queries / unit_q) / most)
    times_k = ceil(ceil(mask.keys / unit_k) / most)
    cell_q, cell_k = unit_q * times_q, unit_k * times_k
    rows, columns = -(-mask.queries // cell_q), -(-mask.keys // cell_k)
    cells = (row // times_q) * columns + column // times_k
    total = np.bincount(cells, pairs, minlength=rows * columns).reshape(rows, columns)
    high = np.minimum(cell_q, mask.queries - np.arange(rows) * cell_q)
    wide = np.minimum(cell_k, mask.keys - np.arange(columns) * cell_k)
    return Grid(total / (high[:, None] * wide[None, :]), cell_q, cell_k)


def block_pairs(mask: BlockMask) -> Ints:
    """The pairs of every kept block."""
    row, column = mask.row_idx, mask.col_idx.astype(np.int64)
    high = np.minimum(mask.block_q, mask.queries - row * mask.block_q)
    wide = np.minimum(mask.block_k, mask.keys - column * mask.block_k)
    pairs: Ints = high * wide
    (cut,) = np.nonzero(mask.flag == DIAGONAL)
    local = np.arange(mask.block_q)
    position = (row[cut] * mask.block_q)[:, None] + local + mask.offset
    seen = np.clip(position - (column[cut] * mask.block_k)[:, None] + 1, 0, wide[cut, None])
    pairs[cut] = np.where(local < high[cut, None], seen, 0).sum(axis=1)
    partial = (mask.flag != FULL) & (mask.flag != DIAGONAL)
    pairs[partial] = np.count_nonzero(mask.masks, axis=(1, 2))
    return pairs

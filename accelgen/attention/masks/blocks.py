"""From a rule over tokens, or a choice of blocks, to a block mask, without a dense matrix.

A rule gives for every query the intervals of keys it sees.  Pairs per block follow from where
intervals begin and end: inside a block every query has the state it enters with and the few
changes in it, so the work grows with intervals and blocks and not with pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.masks.mask import DIAGONAL, FULL, PARTIAL, BlockMask
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["MAX_BLOCKS", "MAX_MASKS", "Rule", "interval_mask", "kept_mask"]

MAX_BLOCKS = 1 << 26
"""Most blocks in the matrix of one head."""
MAX_MASKS = 1 << 31
"""Most bytes of token masks of one head."""
_CHUNK = 1 << 18
"""About how many intervals, or blocks times queries, are worked on at a time."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Rule = Callable[[Ints], tuple[Ints, Ints]]
"""From positions ``[n]`` of queries to first keys and ends (excluded) ``[n, intervals]``.

Intervals may overlap, be empty, in any order, and reach outside the tensor.
"""


@dataclass(frozen=True)
class _Part:
    """Kept blocks of successive rows of blocks: counts per row, columns, flags, token masks."""

    counts: Ints
    columns: Ints
    flags: NDArray[np.uint8]
    masks: Bools


def interval_mask(
    shape: AttentionShape, rule: Rule, block_q: int, block_k: int | None = None, intervals: int = 2
) -> BlockMask:
    """The exact mask of the pairs that ``rule`` allows; those after the query are cut when the
    shape is causal.

    ``block_k`` defaults to ``block_q``; ``intervals`` is about how many the rule gives per query
    (it bounds the memory used).  Raises :class:`InputError` when the mask would have too many
    blocks or bytes.
    """
    block_k = block_q if block_k is None else block_k
    rows, columns = _grid(shape, block_q, block_k)
    step = max(1, _CHUNK // (block_q * max(columns, intervals)))
    parts, size = [], 0
    for first in range(0, rows, step):
        part = _part(
            shape, rule, block_q, block_k, first, min(rows, first + step), MAX_MASKS - size
        )
        size += part.masks.size
        parts.append(part)
    return _joined(shape, block_q, block_k, parts)


def kept_mask(
    shape: AttentionShape, kept: Bools, block_q: int, block_k: int | None = None
) -> BlockMask:
    """The mask of the blocks where ``kept`` ``[rows, columns]`` is true.

    When the shape is causal, blocks across the diagonal are cut at it and those after it left
    out.
    """
    block_k = block_q if block_k is None else block_k
    rows, columns = _grid(shape, block_q, block_k)
    assert kept.shape == (rows, columns)
    flags = np.zeros((rows, columns), dtype=np.uint8)
    if shape.causal:
        first = np.arange(rows) * block_q + shape.offset
        last = np.minimum(first + block_q, shape.keys) - 1
        begin = np.arange(columns) * block_k
        end = np.minimum(begin + block_k, shape.keys) - 1
        kept = kept & (begin[None, :] <= last[:, None])
        flags[end[None, :] > first[:, None]] = DIAGONAL
    row, column = np.nonzero(kept)
    counts = np.bincount(row, minlength=rows)
    masks = np.zeros((0, block_q, block_k), dtype=np.bool_)
    return _joined(shape, block_q, block_k, [_Part(counts, column, flags[row, column], masks)])


def _grid(shape: AttentionShape, block_q: int, block_k: int) -> tuple[int, int]:
    rows, columns = -(-shape.queries // block_q), -(-shape.keys // block_k)
    if rows * columns > MAX_BLOCKS:
        raise InputError(
            f"{rows} x {columns} blocks, beyond {MAX_BLOCKS}", where="block", hint="use larger ones"
        )
    return rows, columns


def _joined(shape: AttentionShape, block_q: int, block_k: int, parts: list[_Part]) -> BlockMask:
    counts = np.concatenate([part.counts for part in parts])
    return BlockMask(
        queries=shape.queries,
        keys=shape.keys,
        offset=shape.offset,
        block_q=block_q,
        block_k=block_k,
        row_ptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        col_idx=np.concatenate([part.columns for part in parts]).astype(np.int32),
        flag=np.concatenate([part.flags for part in parts]),
        masks=np.concatenate([part.masks for part in parts]),
    )


def _part(
    shape: AttentionShape, rule: Rule, bq: int, bk: int, first: int, end: int, room: int
) -> _Part:
    """The rows of blocks ``first..end``, with at most ``room`` bytes of token masks."""
    columns = -(-shape.keys // bk)
    positions = np.arange(first * bq, min(end * bq, shape.queries)) + shape.offset
    query, low, high = _disjoint(shape, positions, *rule(positions))
    begin, last = low // bk, (high - 1) // bk
    # Whether the query enters a block inside an interval that began in an earlier one.
    width = columns + 1
    change = np.bincount(query * width + begin + 1, minlength=len(positions) * width)
    change -= np.bincount(query * width + last + 1, minlength=len(positions) * width)
    inside = np.cumsum(change.reshape(-1, width), axis=1)[:, :columns]

    heads = np.arange(0, len(positions), bq)
    pairs = np.add.reduceat(inside, heads, axis=0) * bk
    cells = (query // bq) * columns
    grown = np.bincount(cells + begin, (begin + 1) * bk - low, minlength=pairs.size)
    grown -= np.bincount(cells + last, (last + 1) * bk - high, minlength=pairs.size)
    pairs += grown.astype(np.int64).reshape(pairs.shape)

    row, column = np.nonzero(pairs)
    high_of = np.minimum(bq, len(positions) - row * bq)
    wide_of = np.minimum(bk, shape.keys - column * bk)
    found = pairs[row, column]
    flags = np.where(found == high_of * wide_of, FULL, PARTIAL).astype(np.uint8)
    if shape.causal:
        flags[_whole_diagonals(positions, bq, bk, row, column, wide_of, found, flags)] = DIAGONAL
    partial = np.flatnonzero(flags == PARTIAL)
    if len(partial) * bq * bk > room:
        raise InputError(
            f"token masks beyond {MAX_MASKS} bytes", where="block", hint="use smaller blocks"
        )
    numbers = np.full(pairs.shape, -1, dtype=np.int64)
    numbers[row[partial], column[partial]] = np.arange(len(partial))
    delta = np.zeros((len(partial), bq, bk), dtype=np.int8)
    _entered(delta, inside, row[partial] * bq, column[partial])
    number = numbers[query // bq, begin]
    (at,) = np.nonzero(number >= 0)
    # Intervals of a query are disjoint, so no two of its changes fall on one element.
    delta[number[at], query[at] % bq, low[at] % bk] += 1
    number = numbers[query // bq, last]
    (at,) = np.nonzero((number >= 0) & (high % bk != 0))
    delta[number[at], query[at] % bq, high[at] % bk] -= 1
    np.cumsum(delta, axis=2, dtype=np.int8, out=delta)
    return _Part(np.bincount(row, minlength=len(pairs)), column, flags, delta.view(np.bool_))


def _entered(delta: NDArray[np.int8], inside: Ints, first: Ints, column: Ints) -> None:
    """Put the state at its first key in front of every block."""
    queries = first[:, None] + np.arange(delta.shape[1])
    block, local = np.nonzero(queries < len(inside))
    delta[block, local, 0] = inside[queries[block, local], column[block]]


def _disjoint(
    shape: AttentionShape, positions: Ints, low: Ints, high: Ints
) -> tuple[Ints, Ints, Ints]:
    """Queries, first keys and ends of disjoint intervals that are not empty, inside the tensor."""
    low = np.maximum(low, 0)
    high = np.minimum(high, shape.keys)
    if shape.causal:
        high = np.minimum(high, positions[:, None] + 1)
    if low.shape[1] > 1:
        order = np.argsort(low, axis=1, kind="stable")
        low = np.take_along_axis(low, order, axis=1)
        high = np.take_along_axis(high, order, axis=1)
        seen = np.maximum.accumulate(high, axis=1)
        low[:, 1:] = np.maximum(low[:, 1:], seen[:, :-1])
    query, which = np.nonzero(high > low)
    return query, low[query, which], high[query, which]


def _whole_diagonals(
    positions: Ints,
    bq: int,
    bk: int,
    row: Ints,
    column: Ints,
    wide: Ints,
    found: Ints,
    flags: NDArray[np.uint8],
) -> Ints:
    """Which blocks have every pair at or before the query: as many as there are, as none is after
    it.
    """
    crossing = (flags == PARTIAL) & (column * bk + wide - 1 > positions[row * bq])
    (at,) = np.nonzero(crossing)
    queries = row[at, None] * bq + np.arange(bq)
    here = positions[np.minimum(queries, len(positions) - 1)]
    seen = np.clip(here - column[at, None] * bk + 1, 0, wide[at, None])
    total = np.where(queries < len(positions), seen, 0).sum(axis=1)
    whole: Ints = at[total == found[at]]
    return whole

"""Pairs of masks by row group and tile, some row groups at a time, without dense matrices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import Core
from accelgen.attention.masks.mask import (
    DIAGONAL,
    PARTIAL,
    BlockMask,
    HeadMask,
    TokenMask,
    VariableMask,
)

__all__ = ["PairCounter", "Part", "pair_counter"]

Ints = NDArray[np.int64]

_PAIRS = 1 << 26
"""About how many pairs of masks are looked at at a time."""


@dataclass(frozen=True)
class Part:
    """The row groups ``first..end`` (excluded) of ``queries`` tokens, and tiles ``0..columns``."""

    core: Core
    queries: int
    first: int
    end: int
    columns: int

    @property
    def tokens(self) -> Ints:
        """The query tokens of these row groups."""
        size = self.core.tokens
        return np.arange(self.first * size, min(self.end * size, self.queries))

    @property
    def groups(self) -> int:
        """Row groups."""
        return self.end - self.first

    def group_of(self, query: Ints) -> Ints:
        """The row group of a query, from 0 in this part."""
        return query // self.core.tokens - self.first

    def added(self, cells: Ints, weights: NDArray[Any] | None = None) -> Ints:
        """``[row groups, tiles]`` sums by number of the cell."""
        sums = np.bincount(cells, weights, minlength=self.groups * self.columns)
        return sums.astype(np.int64).reshape(self.groups, self.columns)

    def intervals(self, group: Ints, low: Ints, high: Ints, weight: Ints) -> Ints:
        """``weight`` pairs for every key ``low..high`` (excluded) of each entry, by tiles."""
        rows = self.core.numerics.rows
        some = high > low
        group, low, high, weight = group[some], low[some], high[some], weight[some]
        width = self.columns + 2
        begin, last = low // rows, high // rows
        shape = self.groups, width
        # A tile that is entered at its first key and one that is entered later differ in two
        # places, from which the rest follows by sums.
        at = np.concatenate([begin, begin + 1, last, last + 1]) + np.tile(group * width, 4)
        change = np.concatenate(
            [(begin + 1) * rows - low, low - begin * rows, high - (last + 1) * rows,
             last * rows - high]
        )  # fmt: skip
        sums = np.bincount(at, change * np.tile(weight, 4), minlength=shape[0] * width)
        grown = sums.astype(np.int32).reshape(shape)
        return np.asarray(np.cumsum(grown, axis=1, dtype=np.int32)[:, : self.columns])


class PairCounter(Protocol):
    """Counts the pairs of one mask."""

    def pairs(self, part: Part) -> Ints:
        """``[row groups, tiles]`` of a part; no pair is in later tiles."""


def pair_counter(mask: HeadMask, core: Core) -> PairCounter:
    """What counts the pairs of a mask of that form."""
    if isinstance(mask, BlockMask):
        return _Blocks(mask)
    if isinstance(mask, TokenMask):
        return _Tokens(mask)
    if isinstance(mask, VariableMask) and not mask.causal:
        return _Clusters(mask, core.numerics.rows)
    return _Dense(mask)


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Runs of FULL blocks and queries of DIAGONAL ones as intervals, PARTIAL ones by masks."""

    mask: BlockMask

    @cached_property
    def _masks_before(self) -> Ints:
        """How many PARTIAL blocks come before every block."""
        return np.concatenate([[0], np.cumsum(self.mask.flag == PARTIAL)])

    def pairs(self, part: Part) -> Ints:
        """See PairCounter."""
        mask = self.mask
        tokens, bq = part.core.tokens, mask.block_q
        rows = np.arange(part.first * tokens // bq, -(-min(part.end * tokens, mask.queries) // bq))
        start, stop = mask.row_ptr[rows[0]], mask.row_ptr[rows[-1] + 1]
        row = np.repeat(rows, np.diff(mask.row_ptr[rows[0] : rows[-1] + 2]))
        column = mask.col_idx[start:stop].astype(np.int64)
        flag = mask.flag[start:stop]
        plain = np.flatnonzero((flag != DIAGONAL) & (flag != PARTIAL))
        entries = [self._runs(part, row[plain], column[plain])]
        cut = np.flatnonzero(flag == DIAGONAL)
        if len(cut):
            query = row[cut, None] * bq + np.arange(bq)
            inside = (query < mask.queries) & (query // tokens >= part.first)
            inside &= query // tokens < part.end
            low = np.broadcast_to(column[cut, None] * mask.block_k, query.shape)
            high = np.minimum(low + mask.block_k, mask.keys)
            high = np.minimum(high, query + mask.offset + 1)
            ones = np.ones(np.count_nonzero(inside), dtype=np.int64)
            entries.append((part.group_of(query[inside]), low[inside], high[inside], ones))
        group, low, high, weight = (np.concatenate(parts) for parts in zip(*entries, strict=True))
        found = part.intervals(group, low, high, weight)
        partial = np.flatnonzero(flag == PARTIAL)
        if len(partial):
            before = int(self._masks_before[start])
            found += self._of_masks(part, row[partial], column[partial], before)
        return found

    def _runs(self, part: Part, row: Ints, column: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """Row groups, first keys, ends and queries of runs of successive blocks."""
        mask = self.mask
        new = np.ones(len(row), dtype=np.bool_)
        new[1:] = (row[1:] != row[:-1]) | (column[1:] != column[:-1] + 1)
        begin = np.flatnonzero(new)
        length = np.diff(np.append(begin, len(row)))
        low = column[begin] * mask.block_k
        high = np.minimum(low + length * mask.block_k, mask.keys)
        # A run once for every row group that its row of blocks has queries in.
        tokens = part.core.tokens
        from_query = row[begin] * mask.block_q
        to_query = np.minimum(from_query + mask.block_q, mask.queries)
        from_group = np.maximum(from_query // tokens, part.first)
        to_group = np.minimum(-(-to_query // tokens), part.end)
        times = np.maximum(to_group - from_group, 0)
        of = np.repeat(np.arange(len(begin)), times)
        group = np.arange(len(of)) - np.repeat(np.cumsum(times) - times, times) + from_group[of]
        weight = np.minimum(to_query[of], (group + 1) * tokens)
        weight = weight - np.maximum(from_query[of], group * tokens)
        return group - part.first, low[of], high[of], weight

    def _of_masks(self, part: Part, row: Ints, column: Ints, before: int) -> Ints:
        """Pairs of PARTIAL blocks, whose masks begin at number ``before``."""
        mask = self.mask
        tokens, rows = part.core.tokens, part.core.numerics.rows
        bq, bk = mask.block_q, mask.block_k
        found = np.zeros((part.groups, part.columns), dtype=np.int64)
        step = max(1, _PAIRS // (bq * bk))
        for at in range(0, len(row), step):
            here = slice(at, at + step)
            masks = mask.masks[before + at : before + at + len(row[here])]
            if bq % tokens == 0 and bk % rows == 0:
                parts = masks.reshape(len(masks), bq // tokens, tokens, bk // rows, rows)
                sums = parts.sum(axis=(2, 4), dtype=np.int64)
                group = row[here, None] * (bq // tokens) + np.arange(bq // tokens) - part.first
                tile = column[here, None] * (bk // rows) + np.arange(bk // rows)
                cell = group[:, :, None] * part.columns + tile[:, None, :]
                inside = (group >= 0) & (group < part.groups)
                known = inside[:, :, None] & (tile < part.columns)[:, None, :]
                found += part.added(cell[known], sums[known])
            else:
                block, i, j = np.nonzero(masks)
                group = part.group_of(row[here][block] * bq + i)
                cell = group * part.columns + (column[here][block] * bk + j) // rows
                cell = cell[(group >= 0) & (group < part.groups)]
                found += part.added(cell)
        return found


@dataclass(frozen=True, eq=False)
class _Tokens:
    """Key by key."""

    mask: TokenMask

    def pairs(self, part: Part) -> Ints:
        """See PairCounter."""
        mask, query = self.mask, part.tokens
        pointer = mask.row_ptr[query[0] : query[-1] + 2]
        group = np.repeat(part.group_of(query), np.diff(pointer))
        tile = mask.col_idx[pointer[0] : pointer[-1]] // part.core.numerics.rows
        return part.added(group * part.columns + tile)


@dataclass(frozen=True, eq=False)
class _Clusters:
    """Queries by cluster, times who sees whom, times keys by cluster."""

    mask: VariableMask
    rows: int

    @cached_property
    def _of_query(self) -> Ints:
        return _labels(self.mask.query_order, self.mask.query_sizes)

    @cached_property
    def _keys(self) -> NDArray[np.float64]:
        """``[clusters, tiles]`` keys of a cluster in a tile."""
        mask = self.mask
        columns, clusters = -(-mask.keys // self.rows), len(mask.key_sizes)
        at = _labels(mask.key_order, mask.key_sizes) * columns
        at += np.arange(mask.keys) // self.rows
        keys = np.bincount(at, minlength=clusters * columns)
        return keys.reshape(clusters, columns).astype(np.float64)

    def pairs(self, part: Part) -> Ints:
        """See PairCounter."""
        query = part.tokens
        kept = self.mask.kept[self._of_query[query]].astype(np.float64)
        by_group = np.add.reduceat(kept, np.arange(0, len(query), part.core.tokens), axis=0)
        # Integers below 2**53.
        return (by_group @ self._keys[:, : part.columns]).astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Dense:
    """Rows of the dense matrix, some at a time."""

    mask: HeadMask

    def pairs(self, part: Part) -> Ints:
        """See PairCounter."""
        found = np.zeros((part.groups, part.columns), dtype=np.int64)
        rows, columns = part.core.numerics.rows, -(-self.mask.keys // part.core.numerics.rows)
        for query, seen in _dense_rows(self.mask, part.tokens):
            padded = np.zeros((len(query), columns * rows), dtype=np.bool_)
            padded[:, : self.mask.keys] = seen
            sums = padded.reshape(len(query), columns, rows).sum(axis=2)
            np.add.at(found, part.group_of(query), sums[:, : part.columns])
        return found


def _labels(order: Ints, sizes: Ints) -> Ints:
    """The cluster of every token."""
    label = np.empty(len(order), dtype=np.int64)
    label[order] = np.repeat(np.arange(len(sizes)), sizes)
    return label


def _dense_rows(mask: HeadMask, queries: Ints) -> Iterator[tuple[Ints, NDArray[np.bool_]]]:
    if not isinstance(mask, VariableMask):
        yield queries, mask.dense()[queries]
        return
    of_query = _labels(mask.query_order, mask.query_sizes)
    of_key = _labels(mask.key_order, mask.key_sizes)
    step = max(1, _PAIRS // mask.keys)
    for at in range(0, len(queries), step):
        query = queries[at : at + step]
        seen = mask.kept[of_query[query]][:, of_key]
        if mask.causal:
            seen &= np.arange(mask.keys) <= query[:, None] + mask.offset
        yield query, seen

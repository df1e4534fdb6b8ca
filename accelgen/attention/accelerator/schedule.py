"""From the masks of a layer to lists of tiles: the row groups that the accelerator is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.rows import Entry, RowGroup
from accelgen.attention.accelerator.tiling import check_heads, group_rows, row_group_count
from accelgen.attention.masks.balance import balance
from accelgen.attention.masks.mask import DIAGONAL, FULL, BlockMask, HeadMask, TokenMask
from accelgen.errors import InputError
from accelgen.rtl.attention.tile_info import CAUSAL, MASKED

__all__ = ["lists_of", "row_groups", "share_out"]

Bools = NDArray[np.bool_]


def row_groups(core: Core, masks: Sequence[HeadMask], head: int = 0) -> Iterator[RowGroup]:
    """The row groups of the ``group`` heads that share the keys of KV head ``head``, in order.

    ``masks`` has a mask per query head of the layer; see :func:`lists_of`.  Raises
    :class:`InputError` for fewer masks than heads.
    """
    mine = masks[head * core.group : (head + 1) * core.group]
    if len(mine) != core.group:
        raise InputError(
            f"{len(masks)} masks, and KV head {head} has {core.group} heads", where="masks"
        )
    return lists_of(core, mine, head)


def lists_of(
    core: Core, masks: Sequence[HeadMask], head: int = 0, *, causal: bool = True
) -> Iterator[RowGroup]:
    """The row groups of at most ``group`` query heads with ``masks``, which share KV head ``head``.

    Head ``n`` is row ``n`` of every token (see Core).  Every tile with a pair is listed: without a
    flag where all its pairs are computed, CAUSAL where those up to the query are (and ``causal``
    says that this may be), else with a mask.  The rows that no query is in may compute anything.
    A row group without any pair has an empty list: its results are zeros, and it is reported.

    Exact for every form of mask.  The array takes keys in the order in which they lie in memory,
    ``rows`` at a time, and does not gather tokens: permuted and token masks are covered by tiles
    with masks, and save little where a query's keys are scattered.

    Raises :class:`InputError` for more masks than rows of a token.
    """
    check_heads(core, masks)
    rows = core.numerics.rows
    queries, keys, offset = masks[0].queries, masks[0].keys, masks[0].offset
    columns = -(-keys // rows)
    strips = [_Strips(mask) for mask in dict.fromkeys(masks)]
    which = np.array([list(dict.fromkeys(masks)).index(mask) for mask in masks])
    key = np.arange(columns * rows)
    inside = key < keys
    for number in range(row_group_count(core, queries)):
        first = number * core.tokens
        last = min(first + core.tokens, queries)
        there, of_head, token = group_rows(core, queries, len(masks), number)
        found = np.zeros((len(strips), core.tokens, columns * rows), dtype=np.bool_)
        for k, strip in enumerate(strips):
            found[k, : last - first, :keys] = strip.of(first, last)
        at = (token - first).clip(max=core.tokens - 1)
        pairs = found[which[of_head.clip(max=len(masks) - 1)], at]
        pairs &= there[:, None]
        before: Bools = key[None, :] <= (offset + token)[:, None]
        matters: Bools = there[:, None] & inside[None, :]
        same: Bools = ~(pairs ^ before)
        every = np.asarray(_by_tile(np.logical_or(pairs, ~matters), rows).all(axis=(0, 2)))
        cut = np.asarray(_by_tile(np.logical_or(same, ~matters), rows).all(axis=(0, 2)))
        kept = np.flatnonzero(_by_tile(pairs, rows).any(axis=(0, 2)))
        entries = []
        for column in kept.tolist():
            if every[column]:
                entries.append(Entry(column))
            elif causal and cut[column]:
                entries.append(Entry(column, CAUSAL))
            else:
                mask = pairs[:, column * rows : (column + 1) * rows].copy()
                entries.append(Entry(column, MASKED, mask))
        yield RowGroup(number, entries=entries, head=head)


def share_out(
    core: Core, groups: Sequence[RowGroup], tiles: Sequence[int] | None = None
) -> list[list[RowGroup]]:
    """Row groups, shared among the arrays of a core: the longest first, each to the array with the
    fewest tiles; every array takes its own in the order in which they come.  ``tiles`` are those of
    every row group, where they are not the entries of its list.
    """
    if tiles is None:
        tiles = [max(1, len(group.entries)) for group in groups]
    loads = np.array(tiles, dtype=np.int64)
    of = balance(loads, core.arrays, "longest_first").array
    return [
        [groups[n] for n in np.flatnonzero(of == array).tolist()] for array in range(core.arrays)
    ]


def _by_tile(pairs: Bools, rows: int) -> Bools:
    """``[rows, tiles, keys of a tile]``."""
    return pairs.reshape(len(pairs), -1, rows)


class _Strips:
    """A few rows of a mask at a time, as Booleans."""

    def __init__(self, mask: HeadMask) -> None:
        self.mask = mask
        if isinstance(mask, BlockMask):
            kinds = (mask.flag != FULL) & (mask.flag != DIAGONAL)
            self.partial = np.cumsum(kinds) - 1
        self.whole: Bools | None = None

    def of(self, first: int, last: int) -> Bools:
        """``[last - first, keys]``."""
        mask = self.mask
        if isinstance(mask, BlockMask):
            return self._blocks(mask, first, last)
        if isinstance(mask, TokenMask):
            result = np.zeros((last - first, mask.keys), dtype=np.bool_)
            at = slice(int(mask.row_ptr[first]), int(mask.row_ptr[last]))
            query = np.repeat(np.arange(last - first), mask.loads[first:last])
            result[query, mask.col_idx[at]] = True
            return result
        if self.whole is None:
            self.whole = mask.dense()
        return self.whole[first:last]

    def _blocks(self, mask: BlockMask, first: int, last: int) -> Bools:
        bq, bk = mask.block_q, mask.block_k
        result = np.zeros((last - first, mask.columns * bk), dtype=np.bool_)
        for row in range(first // bq, (last - 1) // bq + 1):
            begin, end = max(first, row * bq), min(last, (row + 1) * bq)
            part = result[begin - first : end - first].reshape(end - begin, mask.columns, bk)
            at = np.arange(int(mask.row_ptr[row]), int(mask.row_ptr[row + 1]))
            columns, flags = mask.col_idx[at], mask.flag[at]
            part[:, columns[flags == FULL]] = True
            position = np.arange(begin, end) + mask.offset
            cut = columns[flags == DIAGONAL]
            key = cut[:, None] * bk + np.arange(bk)
            part[:, cut] = key[None] <= position[:, None, None]
            own = (flags != FULL) & (flags != DIAGONAL)
            masks = mask.masks[self.partial[at[own]], begin - row * bq : end - row * bq]
            part[:, columns[own]] = masks.transpose(1, 0, 2)
        return result[:, : mask.keys]

"""From masks to what the list stream says: the tiles of every row group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.core import Core
from accelgen.attention.mask import HeadMask
from accelgen.attention.rows import Entry, RowGroup
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from accelgen.rtl.attention.tile_info import CAUSAL, MASKED

__all__ = ["check_masks", "group_rows", "row_group_count", "row_groups"]

Bools = NDArray[np.bool_]


def row_group_count(core: Core, shape: AttentionShape) -> int:
    """Row groups of the query heads that share a head of keys and values."""
    return -(-shape.queries // core.tokens)


def row_groups(
    core: Core, shape: AttentionShape, masks: Sequence[HeadMask], head: int = 0
) -> list[RowGroup]:
    """The row groups of the query heads with ``masks``, which share KV head ``head``.

    Head ``n`` of ``masks`` is row ``n`` of every token (see Core).  A tile in which no row of a
    query sees a key is left out; one in which all see every key has no flags; one of a causal shape
    in which all see every key up to their own is CAUSAL; others are MASKED, with the mask of all
    query heads.  The rows that no query is in may compute anything.

    Exact for every form of mask.  The array takes keys in the order in which they lie in memory,
    ``rows`` at a time, and does not gather tokens: permuted and token masks are covered by tiles
    with masks, and save little where a query's keys are scattered.  A row group that sees nothing
    has no entries; the accelerator gives zeros and reports it as ``empty``.

    Builds the dense masks: for sizes up to some thousand tokens.  Raises :class:`InputError` for
    masks of another shape, and more of them than ``core.group``.
    """
    check_masks(core, shape, masks)
    rows = core.numerics.rows
    columns = -(-shape.keys // rows)
    dense = np.zeros((len(masks), shape.queries, columns * rows), dtype=np.bool_)
    made: dict[int, Bools] = {}
    for number, mask in enumerate(masks):
        if id(mask) not in made:
            made[id(mask)] = mask.dense()
        dense[number, :, : shape.keys] = made[id(mask)]
    valid = np.arange(columns * rows) < shape.keys
    found = []
    for number in range(row_group_count(core, shape)):
        real, row_head, row_token = group_rows(core, shape, len(masks), number)
        seen = np.zeros((len(real), columns * rows), dtype=np.bool_)
        seen[real] = dense[row_head[real], row_token[real]]
        used = seen.reshape(len(real), columns, rows).any(axis=(0, 2))
        entries = []
        for column in np.flatnonzero(used).tolist():
            keys = np.arange(column * rows, (column + 1) * rows)
            tile, inside = seen[:, keys], valid[keys]
            causal = (keys <= row_token[:, None] + shape.offset) & inside
            if (tile[real] == inside).all():
                entries.append(Entry(column))
            elif shape.causal and (tile[real] == causal[real]).all():
                entries.append(Entry(column, CAUSAL))
            else:
                entries.append(Entry(column, MASKED, tile))
        found.append(RowGroup(number, entries=entries, head=head))
    return found


def group_rows(
    core: Core, shape: AttentionShape, heads: int, number: int
) -> tuple[Bools, NDArray[np.int64], NDArray[np.int64]]:
    """Of every row of row group ``number``: whether a query is in it, its head, its token."""
    rows = core.numerics.rows
    row = np.arange(core.query_tiles * rows)
    lane = row % rows
    head = lane % core.group
    token = number * core.tokens + row // rows * core.tokens_per_tile + lane // core.group
    real = (lane < core.tokens_per_tile * core.group) & (head < heads) & (token < shape.queries)
    return real, head, token


def check_masks(core: Core, shape: AttentionShape, masks: Sequence[HeadMask]) -> None:
    """Raise :class:`InputError` unless ``masks`` are of the shape and fit in a row group."""
    if not 1 <= len(masks) <= core.group:
        raise InputError(
            f"{len(masks)} query heads in row groups for {core.group}",
            where="masks",
            hint="give the masks of a part of the heads, or build the array with a larger group",
        )
    for mask in masks:
        if (mask.queries, mask.keys, mask.offset) != (shape.queries, shape.keys, shape.offset):
            raise InputError(
                f"of {mask.queries} queries and {mask.keys} keys from position {mask.offset}, in a "
                f"layer of {shape.queries} and {shape.keys} from {shape.offset}",
                where="masks",
                hint="make them with the shape of the layer",
            )

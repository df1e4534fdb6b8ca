"""Which queries are in which rows of row groups: the one place that says so of the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import Core
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["check_heads", "check_masks", "group_rows", "row_group_count", "row_tokens"]

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def row_group_count(core: Core, queries: int) -> int:
    """Row groups of the query heads that share a head of keys and values."""
    return -(-queries // core.tokens)


def row_tokens(core: Core, number: int) -> Ints:
    """``[rows of a row group]``: the query token of every row of row group ``number``.

    Rows that no query is in have one too: that of their place, or the one after their tile.
    """
    row = np.arange(core.query_tiles * core.numerics.rows)
    tile, lane = np.divmod(row, core.numerics.rows)
    token: Ints = number * core.tokens + tile * core.tokens_per_tile + lane // core.group
    return token


def group_rows(core: Core, queries: int, heads: int, number: int) -> tuple[Bools, Ints, Ints]:
    """Of every row of row group ``number``: whether a query is in it, its head (among the
    ``heads`` that share keys), its token.
    """
    token = row_tokens(core, number)
    lane = np.arange(len(token)) % core.numerics.rows
    head = lane % core.group
    real = (lane < core.tokens_per_tile * core.group) & (head < heads) & (token < queries)
    return real, head, token


def check_heads(core: Core, masks: Sequence[HeadMask]) -> None:
    """Raise :class:`InputError` unless the heads of ``masks`` fit in a row group."""
    if not 1 <= len(masks) <= core.group:
        raise InputError(
            f"{len(masks)} query heads in row groups for {core.group}",
            where="masks",
            hint="give the masks of a part of the heads, or build the array with a larger group",
        )


def check_masks(core: Core, shape: AttentionShape, masks: Sequence[HeadMask]) -> None:
    """Raise :class:`InputError` unless ``masks`` are of the shape and fit in a row group."""
    check_heads(core, masks)
    for mask in masks:
        if (mask.queries, mask.keys, mask.offset) != (shape.queries, shape.keys, shape.offset):
            raise InputError(
                f"of {mask.queries} queries and {mask.keys} keys from position {mask.offset}, in a "
                f"layer of {shape.queries} and {shape.keys} from {shape.offset}",
                where="masks",
                hint="make them with the shape of the layer",
            )

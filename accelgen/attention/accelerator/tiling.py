"""Which queries are in which rows of row groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import Core
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["check_masks", "group_rows", "row_group_count"]

Bools = NDArray[np.bool_]


def row_group_count(core: Core, shape: AttentionShape) -> int:
    """Row groups of the query heads that share a head of keys and values."""
    return -(-shape.queries // core.tokens)


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

"""How many tiles every row group has, for masks of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.tiling import check_masks, row_group_count
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.network.tile_pairs import Part, pair_counter
from accelgen.attention.shape import AttentionShape

__all__ = ["TileFigures", "tile_counts", "tile_figures"]

Ints = NDArray[np.int64]

_CELLS = 1 << 18
"""About how many tiles are counted at a time: what a cache holds."""


@dataclass(frozen=True, eq=False)
class TileFigures:
    """Per row group: ``tiles`` it has, ``masked`` ones among them, and the ``pairs`` computed of
    the ``rows * query_tiles * rows`` of each; what
    :func:`accelgen.attention.accelerator.schedule.lists_of` gives, counted.
    """

    tiles: Ints
    masked: Ints
    pairs: Ints


def tile_counts(core: Core, shape: AttentionShape, masks: Sequence[HeadMask]) -> Ints:
    """``[row groups]``: the entries of :func:`accelgen.attention.accelerator.schedule.lists_of`."""
    return tile_figures(core, shape, masks).tiles


def tile_figures(core: Core, shape: AttentionShape, masks: Sequence[HeadMask]) -> TileFigures:
    """The figures of the row groups of the query heads that share a head of keys and values.

    Pairs per tile are summed from the blocks of the masks, without the dense matrix, some row
    groups at a time.  Permuted masks of causal shapes alone are looked at pair by pair.  Raises
    what :func:`accelgen.attention.accelerator.schedule.lists_of` does.
    """
    check_masks(core, shape, masks)
    rows = core.numerics.rows
    count = row_group_count(core, shape.queries)
    weights: dict[int, int] = {}
    for mask in masks:
        weights[id(mask)] = weights.get(id(mask), 0) + 1
    counters = [(weights[id(mask)], pair_counter(mask, core)) for mask in _distinct(masks)]
    step = max(1, min(_CELLS * rows // shape.keys, count))
    tiles, masked, total = (np.zeros(count, dtype=np.int64) for _ in range(3))
    for first in range(0, count, step):
        end = min(count, first + step)
        # No key after that of the last query.
        last = min(shape.keys, end * core.tokens + shape.offset) if shape.causal else shape.keys
        part = Part(core, shape.queries, first, end, -(-last // rows))
        pairs = sum(weight * counter.pairs(part) for weight, counter in counters)
        assert not isinstance(pairs, int)
        used = pairs > 0
        here = slice(first, end)
        tiles[here] = np.count_nonzero(used, axis=1)
        total[here] = pairs.sum(axis=1)
        high = np.bincount(part.group_of(part.tokens), minlength=part.groups)
        wide = np.minimum(rows, shape.keys - np.arange(part.columns) * rows)
        group, tile = np.nonzero(used & (pairs != len(masks) * high[:, None] * wide))
        cut = np.ones(len(group), dtype=np.bool_)
        if shape.causal:
            seen = _causal_pairs(core, shape, group + first, high[group], tile)
            cut = pairs[group, tile] != len(masks) * seen
        masked[here] = np.bincount(group[cut], minlength=part.groups)
    return TileFigures(tiles, masked, total)


def _distinct(masks: Sequence[HeadMask]) -> list[HeadMask]:
    return list({id(mask): mask for mask in masks}.values())


def _causal_pairs(core: Core, shape: AttentionShape, group: Ints, high: Ints, tile: Ints) -> Ints:
    """Pairs of one head with a key up to the query, of row groups with ``high`` queries."""
    rows = core.numerics.rows
    wide = np.minimum(rows, shape.keys - tile * rows)
    # The first query sees ``least`` keys of the tile, each further one another, up to ``wide``.
    least = group * core.tokens + shape.offset + 1 - tile * rows
    # Triangular numbers; those that see none before, those that see all after.
    return _clipped_sum(least + high - 1, wide) - _clipped_sum(least - 1, wide)


def _clipped_sum(last: Ints, wide: Ints) -> Ints:
    """The sum of ``min(n, wide)`` for ``n`` in ``1..last``, 0 when that is empty."""
    last = np.maximum(last, 0)
    low = np.minimum(last, wide)
    found: Ints = low * (low + 1) // 2 + (last - low) * wide
    return found

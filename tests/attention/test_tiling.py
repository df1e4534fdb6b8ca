"""Tiles are exactly their masks, and are counted without being made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.rows import Setting, allowed, tiles_of, walk_of
from accelgen.attention.accelerator.schedule import lists_of
from accelgen.attention.accelerator.tiling import group_rows
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.network import tile_counts as counting
from accelgen.attention.network.tile_counts import tile_counts, tile_figures
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.patterns.streaming import Streaming
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from accelgen.rtl.attention.tile_info import CAUSAL, MASKED
from tests.attention.tile_cases import core_of, cores, masks, shared_shapes


@st.composite
def layers(draw: st.DrawFn) -> tuple[Core, AttentionShape, list[HeadMask]]:
    core = draw(cores())
    shape = draw(shared_shapes(draw(st.integers(1, core.group))))
    found = [draw(masks(shape)) for _ in range(shape.heads)]
    if draw(st.booleans()):
        found = found[:1] * shape.heads
    return core, shape, found


@given(layers())
@settings(deadline=None)
def test_the_union_of_the_tiles_is_the_mask(
    layer: tuple[Core, AttentionShape, list[HeadMask]],
) -> None:
    core, shape, found = layer
    rows = core.numerics.rows
    setting = Setting(shape.keys, shape.offset)
    columns = -(-shape.keys // rows)
    seen = np.zeros((shape.heads, shape.queries, columns * rows), dtype=np.int64)
    reached = np.zeros((shape.heads, shape.queries), dtype=np.int64)
    for group in lists_of(core, found, causal=shape.causal):
        real, head, token = group_rows(core, shape.queries, shape.heads, group.row)
        np.add.at(reached, (head[real], token[real]), 1)
        walk = walk_of(core, setting, group)
        assert walk.faults == (set() if group.entries else {"empty"})
        for tile in tiles_of(walk):
            if tile.column is not None:
                keys = slice(tile.column * rows, (tile.column + 1) * rows)
                pairs = allowed(core, setting, group, tile)[real]
                assert pairs.any()
                seen[head[real], token[real], keys] += pairs
    # Every query is in one row, every pair in one tile.
    assert (reached == 1).all()
    for number, mask in enumerate(found):
        assert (seen[number, :, : shape.keys] == mask.dense()).all()
    assert not seen[:, :, shape.keys :].any()


@given(layers(), st.sampled_from((1, 40, 1 << 23)))
@settings(deadline=None)
def test_counts_are_those_of_the_tiles(
    layer: tuple[Core, AttentionShape, list[HeadMask]], cells: int
) -> None:
    core, shape, found = layer
    groups = list(lists_of(core, found, causal=shape.causal))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_CELLS", cells)
        figures = tile_figures(core, shape, found)
    assert figures.tiles.tolist() == [len(group.entries) for group in groups]
    assert figures.masked.tolist() == [
        sum(bool(entry.flags & MASKED) for entry in group.entries) for group in groups
    ]
    assert int(figures.pairs.sum()) == sum(mask.nnz for mask in found)


def test_a_causal_layer_needs_no_masks() -> None:
    core, shape = core_of(8, group=2, query_tiles=2), AttentionShape(20, 30, 2, 1, 8, 8)
    groups = list(lists_of(core, Dense(16).masks(shape)))
    flags = [[entry.flags for entry in group.entries] for group in groups]
    # Queries 0..7 are at positions 10..17.
    assert flags[0] == [0, CAUSAL, CAUSAL]
    assert flags[2] == [0, 0, 0, CAUSAL]
    assert tile_counts(core, shape, Dense(16).masks(shape)).tolist() == [3, 4, 4]


def test_128k_tokens() -> None:
    shape = AttentionShape(1 << 17, 1 << 17, 4, 1, 128, 128)
    core = core_of(16, group=4, dim=128)
    found = tile_figures(core, shape, Dense().masks(shape))
    tokens = np.arange(len(found.tiles)) * 4 + 4
    assert (found.tiles == -(-tokens // 16)).all()
    assert not found.masked.any()
    window = tile_counts(core, shape, Streaming(4, 2000).masks(shape))
    # The tile of the sinks; 2003 keys that end with that of a fourth query are in 126 more.
    assert window.max() == 1 + 126


def test_wrong_masks() -> None:
    core, shape = core_of(8), AttentionShape(8, 8, 2, 1, 8, 8)
    with pytest.raises(InputError, match="masks: 2 query heads in row groups for 1"):
        list(lists_of(core, Dense().masks(shape)))
    other = Dense().masks(AttentionShape(8, 9, 1, 1, 8, 8))
    with pytest.raises(InputError, match="masks: of 8 queries and 9 keys from position 1"):
        tile_counts(core, shape, other)

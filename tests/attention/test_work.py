"""Layers whose patterns look at tensors, from a sample."""

from __future__ import annotations

import pytest

from accelgen.attention.inputs import random_inputs
from accelgen.attention.network import work as sampling
from accelgen.attention.network.scoring import scoring_note, scoring_tiles
from accelgen.attention.network.tile_counts import tile_counts
from accelgen.attention.network.work import head_work, sampled_work
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.lserve import LServe
from accelgen.attention.patterns.moba import Moba
from accelgen.attention.patterns.quest import Quest
from accelgen.attention.patterns.sparda import Sparda
from accelgen.attention.patterns.svg import Svg
from accelgen.attention.patterns.svg2 import Svg2
from accelgen.attention.patterns.xattention import XAttention
from accelgen.attention.shape import AttentionShape
from tests.attention.tile_cases import core_of

CORE = core_of(16, group=2, query_tiles=2, dim=16)
SHAPE = AttentionShape(512, 512, 10, 5, 16, 16)


def test_heads_stand_for_all() -> None:
    found = sampled_work(CORE, SHAPE, Moba(32, 3), seed=3, layer=0, batch=2)
    assert sum(one.times for one in found.work) == 2 * 5
    assert sorted(one.times for one in found.work) == [4, 6]
    assert all(one.heads == 2 for one in found.work)
    assert "2 of 5 heads of keys and values, seed 3" in found.note
    again = sampled_work(CORE, SHAPE, Moba(32, 3), seed=3, layer=0, batch=2)
    assert [one.tiles.tolist() for one in again.work] == [one.tiles.tolist() for one in found.work]


@pytest.mark.parametrize("causal", [True, False])
def test_chunks_stand_for_all_queries(causal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = AttentionShape(1024, 1024, 2, 1, 16, 16, causal)
    pattern = Moba(64, 4)
    whole = head_work(CORE, shape, pattern.masks(shape, random_inputs(shape, 7)))
    monkeypatch.setattr(sampling, "MOST_PAIRS", 1 << 10)
    monkeypatch.setattr(sampling, "CHUNK", 64)
    chunked = sampled_work(CORE, shape, pattern, seed=1, layer=0)
    assert "5 times 64 of 1024 queries" in chunked.note
    (one,), (other,) = whole, chunked.work
    assert len(one.figures.tiles) == len(other.figures.tiles)
    assert other.figures.tiles.sum() == pytest.approx(one.figures.tiles.sum(), rel=0.15)
    assert (other.figures.masked <= other.figures.tiles).all()


def test_query_heads_that_do_not_fit_read_the_keys_again() -> None:
    shape = AttentionShape(64, 64, 6, 2, 16, 16)
    pattern = Quest(dense_layers=1)
    work = head_work(CORE, shape, pattern.masks(shape))
    assert sorted((one.heads, one.times) for one in work) == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("pattern", "share"),
    [
        (Quest(page=16), 2 / 16),
        (Moba(64), 1 / 64),
        (Sparda(64), 1 / 64),
        (XAttention(stride=8), 1 / 8),
        (Svg(64, sampled=32), 1 / 16),
    ],
)
def test_the_choice_takes_tiles(pattern: Pattern, share: float) -> None:
    dense = tile_counts(CORE, SHAPE, Quest(dense_layers=1).masks(SHAPE)[:2])
    found = scoring_tiles(CORE, SHAPE, pattern, dense, layer=2)
    assert found is not None
    # Whole tiles, at least one.
    assert (found >= dense * share).all()
    assert (found < dense * share + 1).all()
    assert scoring_note(pattern)


def test_what_is_chosen_elsewhere_takes_none() -> None:
    dense = tile_counts(CORE, SHAPE, Quest(dense_layers=1).masks(SHAPE)[:2])
    assert scoring_tiles(CORE, SHAPE, Quest(), dense, layer=0) is None
    assert scoring_tiles(CORE, SHAPE, LServe(), dense) is None
    step = AttentionShape(1, 512, 2, 1, 16, 16)
    found = scoring_tiles(core_of(16, group=2), step, LServe(), dense[-1:])
    assert found is not None
    assert found.tolist() == [-(-32 * 8 // 64)]
    # 10 iterations over 512 keys and 1024 queries, in tiles of 32 x 16 pairs.
    clusters = Svg2(query_clusters=10, key_clusters=20)
    found = scoring_tiles(CORE, SHAPE, clusters, dense)
    assert found is not None
    assert found.tolist() == [-(-10 * (512 * 20 + 1024 * 10) // (512 * len(dense)))] * len(dense)

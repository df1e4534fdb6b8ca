"""What the accelerator selects is what the patterns select, on tensors of small integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.attention.accelerator.datapath.topk import SelectorShape
from accelgen.attention.accelerator.driver import longest_first, with_summaries
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.rows import RowGroup, Setting
from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.patterns.moba import Moba
from accelgen.attention.patterns.quest import Quest
from accelgen.attention.shape import AttentionShape
from accelgen.rtl.attention.lists import SELECT
from tests.tiers import examples

NUMERICS = Numerics(16, 16, 8)


def problem(
    rng: np.random.Generator,
    shape: AttentionShape,
    block: int,
    top: int,
    local: int,
    *,
    bounds: bool,
) -> tuple[Problem, AttentionInputs]:
    """Integers that the array multiplies exactly, and the same as real tensors."""
    core = Core(NUMERICS, group=shape.group, selector=SelectorShape(64, 16, NUMERICS.score_bits))
    q = rng.integers(-7, 8, (shape.kv_heads, shape.group, shape.queries, 16))
    k = rng.integers(-7, 8, (shape.kv_heads, shape.keys, 16))
    v = rng.integers(-7, 8, (shape.kv_heads, shape.keys, 16))
    blocks = -(-shape.keys // block)
    groups = [
        RowGroup(
            row,
            SELECT,
            head=head,
            blocks=blocks,
            rows=min(core.tokens, shape.queries - row * core.tokens) * core.group,
            bounds=bounds,
        )
        for head in range(shape.kv_heads)
        for row in range(-(-shape.queries // core.tokens))
    ]
    # Folded queries are the queries times what scores are divided by: scores are the products.
    setting = Setting(
        keys=shape.keys,
        offset=shape.offset,
        scale=2 << NUMERICS.score_shift,
        shift=1,
        local=local,
        top=top,
        block_shift=(block - 1).bit_length(),
    )
    made = with_summaries(Problem(core, setting, groups, q, k, v), block, bounds=bounds)
    if not bounds:
        # Sums order blocks as means do, and are integers.
        sums = k.reshape(shape.kv_heads, blocks, block, 16).sum(axis=2)
        made = Problem(core, setting, groups, q, k, v, summaries=sums[:, :, None])
    real = AttentionInputs(
        q.reshape(shape.heads, shape.queries, 16).astype(float), k.astype(float), v.astype(float)
    )
    return made, real


def pairs(made: Problem, shape: AttentionShape, block: int) -> np.ndarray:
    """``[heads, queries, keys]``: the pairs of the selected blocks, up to the query."""
    core = made.core
    found = np.zeros((shape.heads, shape.queries, shape.keys), dtype=bool)
    key = np.arange(shape.keys)
    for group, chosen in zip(made.groups, made.selected, strict=True):
        assert chosen is not None
        for row in range(group.rows):
            token = group.row * core.tokens + row // core.group
            head = group.head * core.group + row % core.group
            found[head, token] = chosen[row, key // block] & (key <= token + shape.offset)
    return found


@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 8, 16]), st.integers(1, 6), st.data())
@settings(max_examples=examples(20, 400), deadline=None)
def test_moba(seed: int, block: int, k: int, data: st.DataObject) -> None:
    blocks = data.draw(st.integers(1, 8))
    queries = data.draw(st.integers(1, blocks * block))
    group = data.draw(st.sampled_from([1, 2]))
    shape = AttentionShape(queries, blocks * block, 2 * group, 2, 16, 16)
    made, real = problem(np.random.default_rng(seed), shape, block, k, 1, bounds=False)
    masks = Moba(block=block, k=k).masks(shape, real)
    expected = np.stack([mask.dense() for mask in masks])
    assert (pairs(made, shape, block) == expected).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 4, 16]), st.integers(1, 6), st.data())
@settings(max_examples=examples(20, 400), deadline=None)
def test_quest(seed: int, page: int, k: int, data: st.DataObject) -> None:
    keys = data.draw(st.integers(1, 12 * page))
    group = data.draw(st.sampled_from([1, 4]))
    shape = AttentionShape(1, keys, 2 * group, 2, 16, 16)
    made, real = problem(np.random.default_rng(seed), shape, page, k, 0, bounds=True)
    masks = Quest(page=page, budget=k * page, least=1, dense_layers=0).masks(shape, real, layer=2)
    expected = np.stack([mask.dense() for mask in masks])
    assert (pairs(made, shape, page) == expected).all()


@pytest.mark.parametrize(("arrays", "longest"), [(1, 36), (2, 18), (3, 13)])
def test_longest_first_deals_out_every_row_group(arrays: int, longest: int) -> None:
    rng = np.random.default_rng(0)
    core = Core(NUMERICS, arrays=arrays)
    q, k = rng.integers(-9, 9, (1, 1, 64, 16)), rng.integers(-9, 9, (1, 64, 16))
    groups = [RowGroup(row, 1) for row in range(8)]
    dealt = longest_first(Problem(core, Setting(keys=64, window=64), groups, q, k, k))
    assert sorted(g.row for part in dealt for g in part.groups) == list(range(8))
    loads = [sum(map(len, part.tiles)) for part in dealt]
    assert sum(loads) == 36
    assert max(loads) == longest

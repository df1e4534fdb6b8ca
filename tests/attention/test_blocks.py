"""Block masks from random intervals and random choices of blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accelgen.attention.masks.blocks as module
from accelgen.attention.masks.blocks import Ints, interval_mask, kept_mask
from accelgen.attention.masks.grid import block_pairs, mask_grid
from accelgen.attention.masks.mask import HeadMask, TokenMask
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from tests.attention.strategies import blocks, shapes
from tests.tiers import examples

law = settings(max_examples=examples(80, 800), deadline=None)


@given(
    shapes(),
    blocks,
    blocks,
    st.integers(0, 5),
    st.integers(0, 10**6),
    st.sampled_from((50, 1 << 22)),
)
@law
def test_any_intervals(
    shape: AttentionShape, block_q: int, block_k: int, count: int, seed: int, chunk: int
) -> None:
    rng = np.random.default_rng(seed)
    low = rng.integers(-10, shape.keys + 10, (shape.queries, count))
    high = low + rng.integers(-3, 30, low.shape)

    def rule(positions: Ints) -> tuple[Ints, Ints]:
        return low[positions - shape.offset], high[positions - shape.offset]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", chunk)
        mask = interval_mask(shape, rule, block_q, block_k, max(1, count))
    mask.check()
    expected = np.zeros((shape.queries, shape.keys), dtype=np.bool_)
    for query in range(shape.queries):
        for first, end in zip(low[query], high[query], strict=True):
            expected[query, max(first, 0) : max(end, 0)] = True
    if shape.causal:
        expected &= np.tri(shape.queries, shape.keys, shape.offset, dtype=np.bool_)
    assert (mask.dense() == expected).all()
    assert mask.nnz == expected.sum() == block_pairs(mask).sum()


@given(shapes(), blocks, blocks, st.integers(0, 10**6))
@law
def test_any_choice_of_blocks(shape: AttentionShape, bq: int, bk: int, seed: int) -> None:
    rows, columns = -(-shape.queries // bq), -(-shape.keys // bk)
    kept = np.random.default_rng(seed).random((rows, columns)) < 0.5
    mask = kept_mask(shape, kept, bq, bk)
    mask.check()
    expected = np.repeat(np.repeat(kept, bq, axis=0), bk, axis=1)[: shape.queries, : shape.keys]
    if shape.causal:
        expected = expected & np.tri(shape.queries, shape.keys, shape.offset, dtype=np.bool_)
    assert (mask.dense() == expected).all()
    assert mask.nnz == expected.sum()


@given(shapes(), blocks, st.integers(1, 12), st.integers(0, 10**6), st.booleans())
@law
def test_grids_have_all_pairs(
    shape: AttentionShape, block: int, most: int, seed: int, tokens: bool
) -> None:
    rng = np.random.default_rng(seed)
    mask: HeadMask
    if tokens:
        dense = rng.random((shape.queries, shape.keys)) < 0.4
        mask = TokenMask(
            queries=shape.queries,
            keys=shape.keys,
            row_ptr=np.concatenate([[0], np.cumsum(dense.sum(axis=1))]),
            col_idx=np.nonzero(dense)[1].astype(np.int32),
        )
    else:
        kept = rng.random((-(-shape.queries // block), -(-shape.keys // block))) < 0.5
        mask = kept_mask(shape, kept, block)
    grid = mask_grid(mask, most)
    assert max(grid.share.shape) <= most
    dense = mask.dense()
    for i in range(grid.share.shape[0]):
        for j in range(grid.share.shape[1]):
            cell = dense[
                i * grid.cell_q : (i + 1) * grid.cell_q, j * grid.cell_k : (j + 1) * grid.cell_k
            ]
            assert grid.share[i, j] == pytest.approx(cell.mean())


def test_masks_of_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MASKS", 1000)

    def rule(positions: Ints) -> tuple[Ints, Ints]:
        return positions[:, None] * 0 + 1, positions[:, None] * 0 + 2

    with pytest.raises(InputError, match="token masks beyond 1000 bytes"):
        interval_mask(AttentionShape(64, 64, causal=False), rule, 16)

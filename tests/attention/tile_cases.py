"""Small arrays, shapes and masks of every form, drawn."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.attention.masks.mask import PARTIAL, BlockMask, HeadMask, TokenMask, VariableMask
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.patterns.radial import Radial
from accelgen.attention.patterns.s2 import S2
from accelgen.attention.patterns.streaming import Streaming
from accelgen.attention.shape import AttentionShape

__all__ = ["core_of", "cores", "masks", "shared_shapes"]

KINDS = ("dense", "streaming", "s2", "radial", "blocks", "tokens", "clusters")


def core_of(
    rows: int,
    group: int = 1,
    query_tiles: int = 1,
    dim: int = 8,
    *,
    key_bits: int = 64,
    query_bits: int = 64,
    output_bits: int = 64,
    list_depth: int = 4,
    mask_slots: int = 2,
) -> Core:
    return Core(
        Numerics(dim, dim, rows),
        group=group,
        query_tiles=query_tiles,
        key_bits=key_bits,
        query_bits=query_bits,
        output_bits=output_bits,
        list_depth=list_depth,
        mask_slots=mask_slots,
    )


@st.composite
def cores(draw: st.DrawFn) -> Core:
    rows = draw(st.sampled_from((8, 16)))
    return core_of(rows, draw(st.integers(1, 5)), draw(st.integers(1, 3)))


@st.composite
def shared_shapes(draw: st.DrawFn, heads: int, most: int = 90) -> AttentionShape:
    """Of heads that share one head of keys and values."""
    keys = draw(st.integers(1, most))
    causal = draw(st.booleans())
    kind = draw(st.sampled_from(("all", "decode", "some")))
    some = draw(st.integers(1, keys if causal else most))
    queries = {"all": keys, "decode": 1, "some": some}[kind]
    return AttentionShape(queries, keys, heads, 1, 8, 8, causal)


@st.composite
def masks(draw: st.DrawFn, shape: AttentionShape, kind: str | None = None) -> HeadMask:
    """One mask, of any form."""
    kind = draw(st.sampled_from(KINDS)) if kind is None else kind
    block = draw(st.sampled_from((4, 7, 8, 16, 32)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if kind == "dense":
        return Dense(block).masks(shape)[0]
    if kind == "streaming":
        return Streaming(draw(st.integers(1, 9)), draw(st.integers(1, 40)), block).masks(shape)[0]
    if kind == "s2":
        return S2(draw(st.integers(1, 3)), draw(st.integers(1, 4)), block).masks(shape)[0]
    if kind == "radial":
        return Radial(draw(st.integers(1, 20)), 0.5, True, block).masks(shape)[0]
    if kind == "clusters":
        return _clusters(shape, rng)
    share = draw(st.sampled_from((0.02, 0.3, 0.9)))
    dense = rng.random((shape.queries, shape.keys)) < share
    if shape.causal:
        position = np.arange(shape.queries)[:, None] + shape.offset
        dense &= np.arange(shape.keys) <= position
    return _tokens(shape, dense) if kind == "tokens" else _partial(shape, dense, block)


def _tokens(shape: AttentionShape, dense: NDArray[np.bool_]) -> TokenMask:
    row, column = np.nonzero(dense)
    counts = np.bincount(row, minlength=shape.queries)
    pointer = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return TokenMask(
        queries=shape.queries, keys=shape.keys, offset=shape.offset,
        row_ptr=pointer, col_idx=column.astype(np.int32),
    )  # fmt: skip


def _partial(shape: AttentionShape, dense: NDArray[np.bool_], block: int) -> BlockMask:
    """Every block with a pair as a PARTIAL one."""
    rows, columns = -(-shape.queries // block), -(-shape.keys // block)
    padded = np.zeros((rows * block, columns * block), dtype=np.bool_)
    padded[: shape.queries, : shape.keys] = dense
    parts = padded.reshape(rows, block, columns, block).transpose(0, 2, 1, 3)
    row, column = np.nonzero(parts.any(axis=(2, 3)))
    counts = np.bincount(row, minlength=rows)
    return BlockMask(
        queries=shape.queries, keys=shape.keys, offset=shape.offset, block_q=block, block_k=block,
        row_ptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        col_idx=column.astype(np.int32),
        flag=np.full(len(row), PARTIAL, dtype=np.uint8),
        masks=parts[row, column],
    )  # fmt: skip


def _clusters(shape: AttentionShape, rng: np.random.Generator) -> VariableMask:
    def sizes(count: int) -> NDArray[np.int64]:
        cuts = np.sort(rng.choice(np.arange(1, count + 1), size=min(3, count), replace=False))
        return np.diff(np.concatenate([[0], cuts[:-1], [count]]))

    query_sizes, key_sizes = sizes(shape.queries), sizes(shape.keys)
    return VariableMask(
        queries=shape.queries, keys=shape.keys, offset=shape.offset,
        query_order=rng.permutation(shape.queries), key_order=rng.permutation(shape.keys),
        query_sizes=query_sizes, key_sizes=key_sizes,
        kept=rng.random((len(query_sizes), len(key_sizes))) < 0.5, causal=shape.causal,
    )  # fmt: skip

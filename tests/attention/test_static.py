"""Every static pattern is its rule, pair by pair, in every shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.attention.masks.mask import DIAGONAL, FULL, PARTIAL, BlockMask, HeadMask
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.block_streaming import BlockStreaming
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.patterns.duo import Duo
from accelgen.attention.patterns.longlora import LongLora
from accelgen.attention.patterns.lserve import LServe
from accelgen.attention.patterns.radial import Radial
from accelgen.attention.patterns.s2 import S2
from accelgen.attention.patterns.streaming import Streaming
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from tests.attention import rules
from tests.attention.strategies import blocks, shapes
from tests.tiers import examples

law = settings(max_examples=examples(60, 600), deadline=None)


def same(mask: HeadMask, shape: AttentionShape, sees: rules.Sees) -> None:
    """The pairs are those of the rule, and every block has the flag that says most about it."""
    assert isinstance(mask, BlockMask)
    mask.check()
    dense = mask.dense()
    assert (dense == rules.matrix(shape, sees)).all()
    assert mask.nnz == dense.sum()
    every = rules.matrix(shape, lambda t, s: True)
    partial = iter(mask.masks)
    for i, j, flag in zip(mask.row_idx, mask.col_idx, mask.flag, strict=True):
        q, k = int(i) * mask.block_q, int(j) * mask.block_k
        place = np.s_[q : q + mask.block_q, k : k + mask.block_k]
        assert dense[place].any()
        kind = PARTIAL
        if dense[place].all():
            kind = FULL
        elif (dense[place] == every[place]).all():
            kind = DIAGONAL
        assert flag == kind
        if flag == PARTIAL:
            stored = next(partial).copy()
            high, wide = dense[place].shape
            assert (stored[:high, :wide] == dense[place]).all()
            stored[:high, :wide] = False
            assert not stored.any()


@given(shapes(), blocks)
@law
def test_dense(shape: AttentionShape, block: int) -> None:
    masks = Dense(block).masks(shape)
    assert masks == (masks[0],) * shape.heads
    same(masks[0], shape, lambda t, s: True)
    assert masks[0].nnz == shape.pairs


@given(shapes(), blocks, st.integers(0, 30), st.integers(1, 70))
@law
def test_streaming(shape: AttentionShape, block: int, sink: int, recent: int) -> None:
    masks = Streaming(sink, recent, block).masks(shape)
    assert masks == (masks[0],) * shape.heads
    same(masks[0], shape, rules.streaming(sink, recent))


@given(shapes(), blocks, st.integers(0, 4), st.integers(1, 6))
@law
def test_block_streaming(shape: AttentionShape, block: int, sink: int, local: int) -> None:
    masks = BlockStreaming(sink, local, block).masks(shape)
    assert masks == (masks[0],) * shape.heads
    same(masks[0], shape, rules.block_streaming(sink, local, block))


@given(shapes(), blocks, st.integers(1, 5), st.integers(1, 9))
@law
def test_s2(shape: AttentionShape, block: int, local: int, stride: int) -> None:
    masks = S2(local, stride, block).masks(shape)
    assert len(masks) == shape.heads
    for head, mask in enumerate(masks):
        same(mask, shape, rules.s2(head, shape.heads, local, stride, block))
    step = max(1, stride // shape.heads)
    different = {head * step % stride for head in range(shape.heads)}
    assert len({id(mask) for mask in masks}) == len(different)


@given(shapes(more_queries=False), blocks, st.integers(1, 7))
@law
def test_longlora(shape: AttentionShape, block: int, groups: int) -> None:
    masks = LongLora(groups, block).masks(shape)
    assert len(masks) == shape.heads
    assert len({id(mask) for mask in masks}) <= 2
    for head, mask in enumerate(masks):
        same(mask, shape, rules.longlora(head, shape.heads, groups, shape.keys))


@given(
    shapes(), blocks, st.integers(1, 70), st.sampled_from((0.0, 0.05, 0.2, 0.95, 1.0)),
    st.booleans(),
)  # fmt: skip
@law
def test_radial(shape: AttentionShape, block: int, frame: int, decay: float, sink: bool) -> None:
    masks = Radial(frame, decay, sink, block).masks(shape)
    assert masks == (masks[0],) * shape.heads
    same(masks[0], shape, rules.radial(frame, decay, sink, block))


@pytest.mark.parametrize("frame", [130, 200])
def test_radial_with_frames_longer_than_its_threshold(frame: int) -> None:
    shape = AttentionShape(5 * frame, 5 * frame, causal=False)
    masks = Radial(frame, 0.2, block=16).masks(shape)
    same(masks[0], shape, rules.radial(frame, 0.2, False, 16))
    assert 0 < masks[0].density < 0.7


@given(st.data(), shapes(40), blocks)
@law
def test_duo(data: st.DataObject, shape: AttentionShape, block: int) -> None:
    layers = data.draw(st.integers(1, 4))
    gate = st.sampled_from((0.0, 0.1, 0.5, 0.9, 1.0))
    row = st.tuples(*[gate] * shape.kv_heads)
    gates = data.draw(st.tuples(*[row] * layers))
    streams = data.draw(st.integers(0, layers * shape.kv_heads))
    layer = data.draw(st.integers(0, layers - 1))
    sparsity = streams / (layers * shape.kv_heads)
    masks = Duo(sparsity, 2, 5, gates, block).masks(shape, layer=layer)
    # Take the smallest away, of equal ones the last, until that share is gone.
    left = [(value, -n, h) for n, r in enumerate(gates) for h, value in enumerate(r)]
    left = [(value, n, -h) for value, n, h in left]
    for _ in range(streams):
        left.remove(min(left))
    kept = {-h for _, n, h in left if n == -layer}
    assert len({id(mask) for mask in masks}) <= 2
    for head, mask in enumerate(masks):
        if head * shape.kv_heads // shape.heads in kept:
            same(mask, shape, lambda t, s: True)
        else:
            same(mask, shape, rules.streaming(2, 5))


@given(shapes(40), blocks)
@law
def test_lserve_in_prefill(shape: AttentionShape, block: int) -> None:
    if shape.queries == 1:
        return
    masks = LServe(0.5, 3, 7, 4, block=block).masks(shape)
    dense = (shape.kv_heads + 1) // 2
    for head, mask in enumerate(masks):
        full = head // shape.group < dense
        same(mask, shape, (lambda t, s: True) if full else rules.streaming(3, 7))


WRONG: list[tuple[type[Pattern], dict[str, object], str]] = [
    (Dense, {"block": 0}, "dense: block: 0 is no integer in 1..4096"),
    (Streaming, {"sink": -1}, "streaming: sink: -1 is no integer in 0.."),
    (Streaming, {"recent": 0}, "streaming: recent: 0 is no integer in 1.."),
    (BlockStreaming, {"local_blocks": True}, "local_blocks: True is no integer in 1.."),
    (Duo, {"sparsity": 1.5}, "duo: sparsity: 1.5 is no number in 0..1"),
    (Duo, {"gates": ((0.1,), (0.2, 0.3))}, "rows of different length"),
    (Duo, {"gates": ((float("nan"),),)}, "finite"),
    (LServe, {"subpages": 3}, "3 does not divide the page of 64"),
    (Radial, {"frame": 0}, "radial: frame: 0 is no integer in 1.."),
    (Radial, {"decay": float("inf")}, "radial: decay: inf is no number in 0..1"),
    (Radial, {"sink": 1}, "radial: sink: 1 is neither true nor false"),
    (S2, {"stride": 0}, "s2: stride: 0 is no integer in 1.."),
    (LongLora, {"groups": 2.0}, "longlora: groups: 2.0 is no integer in 1.."),
]


@pytest.mark.parametrize(("pattern", "values", "says"), WRONG)
def test_parameters_out_of_range(
    pattern: type[Pattern], values: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError) as caught:
        pattern(**values)
    assert says in str(caught.value)


def test_shapes_without_such_a_pattern() -> None:
    with pytest.raises(InputError, match="queries have no group"):
        LongLora().masks(AttentionShape(9, 8, causal=False))
    with pytest.raises(InputError, match="needs gates"):
        Duo().masks(AttentionShape(8, 8))
    with pytest.raises(InputError, match="no layer 1 among 1"):
        Duo(gates=((0.5,),)).masks(AttentionShape(8, 8), layer=1)
    with pytest.raises(InputError, match="gates of 2 heads"):
        Duo(gates=((0.5, 0.1),)).masks(AttentionShape(8, 8))
    with pytest.raises(InputError, match="4096 x 1048576 blocks"):
        Dense(1).masks(AttentionShape(4096, 1 << 20))

"""XAttention against its rule in loops."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.attention.inputs import random_inputs
from accelgen.attention.patterns.xattention import XAttention
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from tests.attention.dynamic_cases import Case, cases, dot, reaching, same


def tile_shares(case: Case, head: int, stride: int) -> list[dict[int, float]]:
    """For every row of tiles, the share of each tile."""
    shape = case.shape
    result = []
    for a in range(0, shape.queries, stride):
        score = {}
        for b in range(0, shape.keys, stride):
            queries = range(a, min(a + stride, shape.queries))
            if not case.tokens(queries, range(b, min(b + stride, shape.keys))):
                continue
            total = 0.0
            for n in range(stride):
                t, s = a + stride - 1 - n, b + n
                if t < shape.queries and s < shape.keys:
                    total += dot(case.q[head][t], case.k[head][s])
            score[b // stride] = total / (stride * math.sqrt(shape.head_dim))
        most = max(score.values())
        weight = {b: math.exp(x - most) for b, x in score.items()}
        whole = math.fsum(weight.values())
        result.append({b: x / whole for b, x in weight.items()})
    return result


def rule(case: Case, block: int, stride: int, threshold: float) -> list[set[tuple[int, int]]]:
    shape = case.shape
    per = block // stride
    result = []
    for head in range(shape.heads):
        tiles = tile_shares(case, head, stride)
        pairs: set[tuple[int, int]] = set()
        for i in range(0, shape.queries, block):
            queries = range(i, min(i + block, shape.queries))
            mass: dict[int, list[float]] = {}
            for row in tiles[i // stride : i // stride + per]:
                for b, share in row.items():
                    mass.setdefault(b // per, []).append(share)
            forced = {0}
            if shape.causal or shape.queries == shape.keys:
                forced |= {(t + shape.offset) // block for t in queries}
            kept = reaching({j: math.fsum(x) for j, x in mass.items()}, threshold, forced)
            for j in kept:
                keys = range(j * block, min((j + 1) * block, shape.keys))
                pairs |= case.tokens(queries, keys)
        result.append(pairs)
    return result


@given(cases(tokens=28), st.integers(1, 3), st.integers(1, 3), st.integers(0, 10))
def test_rows_keep_sink_diagonal_and_the_largest(
    case: Case, stride: int, per: int, tenths: int
) -> None:
    pattern = XAttention(stride * per, stride, tenths / 10)
    found = pattern.masks(case.shape, case.inputs)
    same(found, case, rule(case, stride * per, stride, tenths / 10))


def test_all_of_the_share_is_all_blocks() -> None:
    shape = AttentionShape(300, 300)
    (mask,) = XAttention(threshold=1.0).masks(shape, random_inputs(shape))
    assert mask.nnz == shape.pairs


def test_usual_parameters() -> None:
    usual = XAttention()
    assert (usual.block, usual.stride, usual.threshold) == (128, 8, 0.9)


def test_tensors_are_needed_and_parameters_checked() -> None:
    with pytest.raises(InputError, match=r"xattention: selects"):
        XAttention().masks(AttentionShape(8, 8))
    with pytest.raises(InputError, match=r"stride: 7 does not divide the block of 128"):
        XAttention(stride=7)
    with pytest.raises(InputError, match=r"threshold: 1\.5"):
        XAttention(threshold=1.5)

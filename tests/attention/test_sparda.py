"""SparDA against its rule in loops, and its forecasts."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.attention.inputs import random_inputs
from accelgen.attention.patterns.sparda import Sparda, forecast
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from tests.attention.dynamic_cases import Case, cases, same


def rule(
    case: Case, block: int, top: int, local: int, vectors: list[list[list[float]]] | None
) -> list[set[tuple[int, int]]]:
    """``vectors`` per head of keys and values, or the queries of its heads."""
    shape = case.shape
    group = shape.heads // shape.kv_heads
    blocks = [range(j, min(j + block, shape.keys)) for j in range(0, shape.keys, block)]
    result = []
    for head in range(shape.heads):
        first = head - head % group
        pairs: set[tuple[int, int]] = set()
        for t in range(shape.queries):
            asking = [case.q[h][t] for h in range(first, first + group)]
            if vectors is not None:
                asking = [vectors[head // group][t]]
            kept, ranked = [], []
            for j, members in enumerate(blocks):
                score = Fraction(0)
                for s in members:
                    for vector in asking:
                        for x, y in zip(vector, case.k[head][s], strict=True):
                            score += Fraction(x) * Fraction(y)
                before = (t + shape.keys - shape.queries) // block - j
                if not shape.causal or before >= local:
                    ranked.append((-score / len(members), j))
                elif before >= 0:
                    kept.append(j)
            count = top if shape.causal else top + local
            kept += [j for _, j in sorted(ranked)[:count]]
            for j in kept:
                pairs |= case.tokens([t], blocks[j])
        result.append(pairs)
    return result


@given(cases(), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3), st.integers(1, 8))
def test_queries_of_the_group_stand_in(
    case: Case, block: int, top: int, local: int, query_block: int
) -> None:
    found = Sparda(block, top, local, query_block).masks(case.shape, case.inputs)
    same(found, case, rule(case, block, top, local, None))


@given(cases(), st.integers(0, 2**32 - 1))
def test_a_forecast_selects(case: Case, seed: int) -> None:
    shape = case.shape
    sizes = (shape.kv_heads, shape.queries, shape.head_dim)
    vectors = np.random.default_rng(seed).integers(-2, 3, size=sizes)
    pattern = Sparda(2, 2, 1, forecast=vectors.astype(np.float64))
    same(pattern.masks(shape, case.inputs), case, rule(case, 2, 2, 1, vectors.tolist()))


def test_a_forecast_is_a_projection_per_group() -> None:
    hidden = np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.0]])
    weights = np.array([[[1.0], [0.0]], [[2.0], [5.0]]])
    assert forecast(hidden, weights).tolist() == [[[1], [0], [3]], [[12], [-5], [6]]]
    with pytest.raises(InputError, match=r"forecast: .* do not project"):
        forecast(hidden, np.zeros((2, 3, 1)))


def test_usual_parameters() -> None:
    usual = Sparda()
    assert (usual.block, usual.top, usual.local) == (64, 64, 32)
    shape = AttentionShape(1, 8192)
    (mask,) = usual.masks(shape, random_inputs(shape))
    assert mask.nnz == 64 * (64 + 32)
    assert replace(usual, forecast=np.zeros((1, 1, 1))) == usual


def test_errors() -> None:
    shape = AttentionShape(8, 8)
    with pytest.raises(InputError, match=r"sparda: selects"):
        Sparda().masks(shape)
    with pytest.raises(InputError, match=r"forecast: has shape \(1, 8, 3\) instead of"):
        Sparda(forecast=np.zeros((1, 8, 3))).masks(shape, random_inputs(shape))
    with pytest.raises(InputError, match=r"local: 0"):
        Sparda(local=0)

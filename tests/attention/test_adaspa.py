"""AdaSpa against its rule in loops, and its cache."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.attention.inputs import random_inputs
from accelgen.attention.patterns.adaspa import AdaSpa, log_sum_exp
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from tests.attention.dynamic_cases import Case, cases, largest, same, units


def logs(case: Case, head: int) -> list[float]:
    shape = case.shape
    return [
        math.log(
            math.fsum(
                math.exp(case.score(head, t, s)) for s in range(shape.keys) if case.sees(t, s)
            )
        )
        for t in range(shape.queries)
    ]


def rule(case: Case, block: int, tenths: int, lse: list[list[float]]) -> list[set[tuple[int, int]]]:
    """``tenths``: of ten blocks, how many are kept."""
    shape = case.shape
    columns = -(-shape.keys // block)
    result = []
    for head in range(shape.heads):
        inside: dict[int, set[tuple[int, int]]] = {}
        mass: dict[int, float] = {}
        for i in range(-(-shape.queries // block)):
            queries = range(i * block, min((i + 1) * block, shape.queries))
            for j in range(columns):
                keys = range(j * block, min((j + 1) * block, shape.keys))
                pairs = case.tokens(queries, keys)
                if pairs:
                    index = i * columns + j
                    inside[index] = pairs
                    weights = [math.exp(case.score(head, t, s) - lse[head][t]) for t, s in pairs]
                    mass[index] = units(math.fsum(weights))
        kept = set(largest(mass, -(-len(mass) * tenths // 10)))
        for i in range(-(-shape.queries // block)):
            serving = {
                index: mass[index]
                for index, pairs in inside.items()
                if index // columns == i and any(t == i * block for t, _ in pairs)
            }
            if not kept & serving.keys():
                kept.update(largest(serving, 1))
        result.append(set().union(*(inside[index] for index in kept)))
    return result


@given(cases(), st.integers(1, 6), st.integers(0, 10))
def test_heads_keep_their_heaviest_blocks(case: Case, block: int, tenths: int) -> None:
    found = AdaSpa(block, (10 - tenths) / 10).masks(case.shape, case.inputs)
    exact = [logs(case, head) for head in range(case.shape.heads)]
    same(found, case, rule(case, block, tenths, exact))


@given(cases(), st.integers(0, 2**32 - 1))
def test_a_cache_is_used_as_it_is(case: Case, seed: int) -> None:
    shape = case.shape
    stale = np.random.default_rng(seed).integers(-2, 3, size=(shape.heads, shape.queries))
    found = AdaSpa(3, 0.7, stale.astype(np.float64)).masks(shape, case.inputs)
    same(found, case, rule(case, 3, 3, stale.tolist()))


@given(cases())
def test_the_cache_is_the_logarithm_of_the_sum(case: Case) -> None:
    cache = log_sum_exp(case.shape, case.inputs)
    exact = [logs(case, head) for head in range(case.shape.heads)]
    np.testing.assert_allclose(cache, exact, rtol=0, atol=1e-12)


@given(cases(tokens=30), st.floats(0, 1))
def test_every_query_sees_something(case: Case, sparsity: float) -> None:
    for mask in AdaSpa(4, sparsity).masks(case.shape, case.inputs):
        assert mask.dense().any(axis=1).all()


def test_longer_than_the_rows_held_at_a_time() -> None:
    shape = AttentionShape(700, 700, head_dim=2, value_dim=2, causal=False)
    inputs = random_inputs(shape)
    mass = AdaSpa(block=48).block_mass(shape, inputs)
    scores = inputs.q[0] @ inputs.k[0].T / math.sqrt(2)
    share = np.exp(scores - log_sum_exp(shape, inputs)[0][:, None])
    assert mass.shape == (1, 15, 15)
    assert mass[0, 12, 3] == pytest.approx(share[576:624, 144:192].sum())
    assert mass[0, 14, 14] == pytest.approx(share[672:, 672:].sum())
    assert mass.sum() == pytest.approx(700)


def test_a_cache_far_too_small_does_not_overflow() -> None:
    shape = AttentionShape(8, 8)
    pattern = AdaSpa(2, lse=np.full((1, 8), -1e6))
    (mask,) = pattern.masks(shape, random_inputs(shape))
    assert mask.dense().any(axis=1).all()


def test_usual_parameters_and_equality() -> None:
    assert (AdaSpa().block, AdaSpa().sparsity) == (64, 0.8)
    assert replace(AdaSpa(), lse=np.zeros((1, 1))) == AdaSpa()


def test_errors() -> None:
    shape = AttentionShape(8, 8)
    with pytest.raises(InputError, match=r"adaspa: selects"):
        AdaSpa().masks(shape)
    with pytest.raises(InputError, match=r"lse: has shape \(1, 7\) instead of \(1, 8\)"):
        AdaSpa(lse=np.zeros((1, 7))).masks(shape, random_inputs(shape))
    with pytest.raises(InputError, match=r"sparsity: 2"):
        AdaSpa(sparsity=2)

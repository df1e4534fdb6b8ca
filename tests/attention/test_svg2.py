"""Sparse VideoGen 2 against its rule in loops."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.mask import VariableMask
from accelgen.attention.patterns.svg2 import Svg2, cluster
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from tests.attention.dynamic_cases import Case, cases, dot, reaching, same

Points = list[list[float]]


def k_means(x: Points, clusters: int, iterations: int) -> tuple[list[int], list[list[Fraction]]]:
    clusters = min(clusters, len(x))
    exact = [[Fraction(value) for value in point] for point in x]
    centroid = [exact[len(x) * c // clusters] for c in range(clusters)]
    label: list[int] = []
    for _ in range(iterations):
        label = []
        for point in exact:
            far = [sum((a - b) ** 2 for a, b in zip(point, c, strict=True)) for c in centroid]
            label.append(far.index(min(far)))
        for c in range(clusters):
            members = [point for point, own in zip(exact, label, strict=True) if own == c]
            if members:
                centroid[c] = [sum(column) / len(members) for column in zip(*members, strict=True)]
    return label, centroid


def rule(case: Case, pattern: Svg2) -> list[set[tuple[int, int]]]:
    shape = case.shape
    result = []
    for head in range(shape.heads):
        q_label, q_c = k_means(case.q[head], pattern.query_clusters, pattern.iterations)
        k_label, k_c = k_means(case.k[head], pattern.key_clusters, pattern.iterations)
        pairs: set[tuple[int, int]] = set()
        for a in set(q_label):
            score = {
                b: dot([float(x) for x in q_c[a]], [float(x) for x in k_c[b]])
                / math.sqrt(shape.head_dim)
                for b in sorted(set(k_label))
            }
            most = max(score.values())
            weight = {b: k_label.count(b) * math.exp(x - most) for b, x in score.items()}
            whole = math.fsum(weight.values())
            kept = reaching({b: x / whole for b, x in weight.items()}, pattern.p)
            queries = [t for t, label in enumerate(q_label) if label == a]
            if shape.causal:
                kept |= {k_label[t + shape.keys - shape.queries] for t in queries}
            pairs |= case.tokens(queries, [s for s, b in enumerate(k_label) if b in kept])
        result.append(pairs)
    return result


@given(cases(tokens=14), st.integers(1, 5), st.integers(1, 7), st.integers(0, 10))
def test_clusters_of_queries_choose_among_equal_ones(
    case: Case, query_clusters: int, key_clusters: int, tenths: int
) -> None:
    """Integers and one update: equal distances and equal shares, and nothing rounded."""
    pattern = Svg2(query_clusters, key_clusters, tenths / 10, iterations=1)
    same(pattern.masks(case.shape, case.inputs), case, rule(case, pattern))


@given(cases(tokens=14, continuous=True), st.integers(1, 5), st.integers(1, 7))
def test_clusters_of_queries_choose_after_updates(
    case: Case, query_clusters: int, key_clusters: int
) -> None:
    pattern = Svg2(query_clusters, key_clusters, 0.7, iterations=4)
    same(pattern.masks(case.shape, case.inputs), case, rule(case, pattern))


def test_separate_clusters_are_found_and_contiguous() -> None:
    rng = np.random.default_rng(0)
    of = np.arange(90) % 3
    x = 10 * np.eye(3)[of] + rng.normal(size=(90, 3)) / 10
    label, centroid = cluster(x, 3, 10)
    for c in range(3):
        assert len(set(of[label == c])) == 1
        np.testing.assert_allclose(centroid[c], x[label == c].mean(axis=0))
    shape = AttentionShape(90, 90, head_dim=3, causal=False)
    inputs = AttentionInputs(x[None], x[None], np.zeros((1, 90, 64)))
    (mask,) = Svg2(3, 3).masks(shape, inputs)
    assert isinstance(mask, VariableMask)
    assert (np.diff(of[mask.key_order]) != 0).sum() == 2
    assert mask.kept.sum() == 3
    assert mask.nnz == 3 * 30 * 30


def test_more_tokens_than_are_held_at_a_time() -> None:
    x = np.random.default_rng(1).normal(size=(5000, 2))
    label, centroid = cluster(x, 7, 1)
    first = x[5000 * np.arange(7) // 7]
    far = np.square(x[:, None] - first).sum(axis=2)
    assert (label == far.argmin(axis=1)).all()
    np.testing.assert_allclose(centroid[3], x[label == 3].mean(axis=0))


@given(cases(kinds=("causal", "tail", "decode")))
def test_every_causal_query_sees_itself(case: Case) -> None:
    shape = case.shape
    for mask in Svg2(3, 4, 0.0).masks(shape, case.inputs):
        at = np.arange(shape.queries)
        assert mask.dense()[at, at + shape.offset].all()


def test_usual_parameters() -> None:
    usual = Svg2()
    assert (usual.query_clusters, usual.key_clusters, usual.p) == (300, 1000, 0.9)


def test_errors() -> None:
    with pytest.raises(InputError, match=r"svg2: selects"):
        Svg2().masks(AttentionShape(8, 8))
    with pytest.raises(InputError, match=r"p: -1"):
        Svg2(p=-1)

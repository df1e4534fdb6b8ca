"""Reference attention beside a loop over rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accelgen.attention.reference as reference
from accelgen.attention.inputs import AttentionInputs, random_inputs
from accelgen.attention.patterns.block_streaming import BlockStreaming
from accelgen.attention.reference import attention
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from tests.attention.strategies import shapes
from tests.tiers import examples


def row_by_row(inputs: AttentionInputs, allowed: np.ndarray, scale: float) -> np.ndarray:
    heads, queries, _ = inputs.q.shape
    group = heads // len(inputs.k)
    result = np.zeros((heads, queries, inputs.v.shape[2]))
    for h in range(heads):
        for t in range(queries):
            keys = [s for s in range(allowed.shape[2]) if allowed[h, t, s]]
            scores = [scale * math.fsum(inputs.q[h, t] * inputs.k[h // group, s]) for s in keys]
            total = math.fsum(math.exp(x - max(scores)) for x in scores)
            for s, x in zip(keys, scores, strict=True):
                result[h, t] += math.exp(x - max(scores)) / total * inputs.v[h // group, s]
    return result


@given(shapes(20), st.integers(0, 1000), st.sampled_from((None, 1.0, 0.3, 40.0)))
@settings(max_examples=examples(40, 400), deadline=None)
def test_any_mask(shape: AttentionShape, seed: int, scale: float | None) -> None:
    inputs = random_inputs(shape, seed)
    rng = np.random.default_rng(seed)
    allowed = rng.random((shape.heads, shape.queries, shape.keys)) < rng.choice([0.05, 0.5, 1.0])
    found = attention(inputs, list(allowed), scale)
    expected = row_by_row(
        inputs, allowed, 1 / math.sqrt(shape.head_dim) if scale is None else scale
    )
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    assert (found[~allowed.any(axis=2)] == 0).all()


def test_masks_of_patterns_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = AttentionShape(50, 70, 4, 2, 8, 5)
    inputs = random_inputs(shape)
    masks = BlockStreaming(1, 2, 8).masks(shape)
    whole = attention(inputs, masks)
    assert whole.shape == (4, 50, 5)
    monkeypatch.setattr(reference, "_CHUNK", 70 * 7)
    np.testing.assert_allclose(attention(inputs, masks), whole, rtol=1e-12)
    dense = np.stack([mask.dense() for mask in masks])
    np.testing.assert_allclose(whole, row_by_row(inputs, dense, 8**-0.5), rtol=1e-10, atol=1e-12)


def test_masks_that_do_not_fit() -> None:
    shape = AttentionShape(4, 4, 2, 2, 3, 3)
    inputs = random_inputs(shape)
    with pytest.raises(InputError, match="1 masks for 2 heads"):
        attention(inputs, [np.ones((4, 4), dtype=np.bool_)])
    with pytest.raises(InputError, match=r"mask 0: has shape \(4, 3\)"):
        attention(inputs, [np.ones((4, 3), dtype=np.bool_)] * 2)

"""Balance of rows over arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.attention.masks.balance import POLICIES, balance
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError


def test_a_causal_mask_over_16_arrays() -> None:
    """The figures of REFERENCES: 1.92, 1.23, 1.00 (64 rows of blocks)."""
    mask = Dense(128).masks(AttentionShape(8192, 8192))[0]
    ratios = [balance(mask.loads, 16, policy).ratio for policy in POLICIES]
    assert [f"{ratio:.2f}" for ratio in ratios] == ["1.92", "1.23", "1.00"]


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 9))
def test_policies(loads: list[int], arrays: int) -> None:
    for policy in POLICIES:
        found = balance(np.array(loads, dtype=np.int64), arrays, policy)
        totals = [0] * arrays
        for row, array in enumerate(found.array.tolist()):
            totals[array] += loads[row]
        assert found.totals.tolist() == totals
        assert found.ratio == pytest.approx(
            max(totals) * arrays / sum(totals) if any(loads) else 1.0
        )
        counts = np.bincount(found.array, minlength=arrays)
        if policy == "contiguous":
            assert (np.diff(found.array) >= 0).all()
        if policy == "cyclic":
            assert found.array.tolist() == [row % arrays for row in range(len(loads))]
        if policy == "longest_first":
            # Graham's bound.
            assert max(totals) * arrays <= sum(loads) + (arrays - 1) * max(loads, default=0)
        else:
            assert counts.max() - counts.min() <= 1


def test_longest_first_step_by_step() -> None:
    found = balance(np.array([2, 7, 5, 5, 1]), 2, "longest_first")
    assert found.array.tolist() == [0, 0, 1, 1, 0]
    assert found.totals.tolist() == [10, 10]


def test_no_arrays() -> None:
    with pytest.raises(InputError, match="use 1 or more"):
        balance(np.array([1]), 0, "cyclic")

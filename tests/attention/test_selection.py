"""Scores, top-k, top-p, and maps of blocks as masks, against loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.attention.masks.blocks import kept_mask
from accelgen.attention.masks.mask import DIAGONAL, FULL, PARTIAL
from accelgen.attention.masks.selection import (
    block_scores_mean,
    block_sizes,
    fixed,
    page_scores,
    row_map_mask,
    share_of,
    top_k,
    top_p,
)
from accelgen.attention.shape import AttentionShape
from tests.attention.dynamic_cases import Case, cases, dot, largest, reaching, same


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=12), st.integers(-1, 14), st.data())
def test_top_k_is_the_largest_one_by_one(row: list[int], k: int, data: st.DataObject) -> None:
    allowed = data.draw(st.lists(st.booleans(), min_size=len(row), max_size=len(row)))
    expected = largest({n: row[n] for n in range(len(row)) if allowed[n]}, k)
    for dtype in (np.int64, np.float64):
        found = top_k(np.array(row, dtype=dtype), k, np.array(allowed))
        assert np.flatnonzero(found).tolist() == sorted(expected)


def test_top_k_takes_a_number_per_row() -> None:
    found = top_k(np.array([[1, 1, 1], [1, 2, 2]]), np.array([2, 1]))
    assert found.tolist() == [[True, True, False], [False, True, False]]


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=10),
    st.integers(0, 10),
    st.data(),
)
def test_top_p_is_the_largest_until_the_share(row: list[int], p: int, data: st.DataObject) -> None:
    flags = st.lists(st.booleans(), min_size=len(row), max_size=len(row))
    allowed, forced = data.draw(flags), data.draw(flags)
    shares = np.array(row) / 16
    found = top_p(shares, p / 10, np.array(allowed), np.array(forced))
    those = {n: row[n] / 16 for n in range(len(row)) if allowed[n]}
    first = [n for n in those if forced[n]]
    assert set(np.flatnonzero(found).tolist()) == reaching(those, p / 10, first)


@pytest.mark.parametrize("tenths", range(1, 11))
def test_equal_shares_reach_exactly(tenths: int) -> None:
    assert top_p(np.full(10, 0.1), tenths / 10).sum() == tenths


def test_fixed_saturates_instead_of_overflowing() -> None:
    assert fixed(np.array([0.5, 1e300, np.inf])).tolist() == [2**31, 2**50, 2**50]


@given(cases(), st.integers(1, 7))
def test_scores_of_pages_and_blocks(case: Case, block: int) -> None:
    shape = case.shape
    q, k = case.inputs.q[0], case.inputs.k[0]
    for dtype in (np.float64, np.int64):
        pages = page_scores(q.astype(dtype), k.astype(dtype), block)
        sums = block_scores_mean(q.astype(dtype), k.astype(dtype), block)
        assert pages.dtype == sums.dtype == dtype
        for j, start in enumerate(range(0, shape.keys, block)):
            members = case.k[0][start : start + block]
            for t in range(shape.queries):
                bound = 0.0
                for d, x in enumerate(case.q[0][t]):
                    column = [key[d] for key in members]
                    bound += max(x * min(column), x * max(column))
                assert pages[t, j] == bound
                assert bound >= max(dot(case.q[0][t], key) for key in members)
                assert sums[t, j] == sum(dot(case.q[0][t], key) for key in members)


def test_a_short_last_block_has_what_is_left() -> None:
    assert block_sizes(3, 2).tolist() == [2, 1]


@given(cases(), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_a_map_of_blocks_is_its_pairs(case: Case, block_q: int, block_k: int, seed: int) -> None:
    shape = case.shape
    rows, columns = -(-shape.queries // block_q), -(-shape.keys // block_k)
    kept = np.random.default_rng(seed).random((rows, columns)) < 0.6
    mask = kept_mask(shape, kept, block_q, block_k)
    pairs = {
        (t, s)
        for t in range(shape.queries)
        for s in range(shape.keys)
        if case.sees(t, s) and kept[t // block_q, s // block_k]
    }
    same([mask] * shape.heads, case, [pairs] * shape.heads)
    for i, j, flag in zip(mask.row_idx, mask.col_idx, mask.flag, strict=True):
        block = [
            case.sees(t, s)
            for t in range(i * block_q, min((i + 1) * block_q, shape.queries))
            for s in range(j * block_k, min((j + 1) * block_k, shape.keys))
        ]
        assert any(block)
        assert flag == (FULL if all(block) else DIAGONAL)


@given(cases(), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_a_map_of_rows_is_its_pairs(case: Case, block_q: int, block_k: int, seed: int) -> None:
    shape = case.shape
    columns = -(-shape.keys // block_k)
    kept = np.random.default_rng(seed).random((shape.queries, columns)) < 0.7
    mask = row_map_mask(shape, kept, block_q, block_k)
    pairs = {
        (t, s)
        for t in range(shape.queries)
        for s in range(shape.keys)
        if case.sees(t, s) and kept[t, s // block_k]
    }
    same([mask] * shape.heads, case, [pairs] * shape.heads)
    # No mask is carried where the flag would say the same.
    for i, j, flag in zip(mask.row_idx, mask.col_idx, mask.flag, strict=True):
        inside = [
            (t, s)
            for t in range(i * block_q, min((i + 1) * block_q, shape.queries))
            for s in range(j * block_k, min((j + 1) * block_k, shape.keys))
        ]
        visible = {(t, s) for t, s in inside if case.sees(t, s)}
        assert (flag == PARTIAL) == (visible != pairs & set(inside))


def test_a_share_of_a_count_rounds_up_but_not_for_rounding_errors() -> None:
    assert share_of(1 - 0.7, 10) == 3
    assert share_of(0.31, 10) == 4
    assert share_of(0.0, 10) == 0


def test_rows_of_one_query_are_never_partial() -> None:
    shape = AttentionShape(queries=1, keys=9)
    mask = row_map_mask(shape, np.array([[True, False, True]]), 1, 4)
    assert mask.flag.tolist() == [FULL, FULL]
    assert mask.nnz == 5

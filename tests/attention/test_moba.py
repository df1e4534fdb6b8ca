"""MoBA against its rule in loops."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.attention.inputs import random_inputs
from accelgen.attention.patterns.moba import Moba
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from tests.attention.dynamic_cases import Case, cases, same


def rule(case: Case, block: int, k: int) -> list[set[tuple[int, int]]]:
    shape = case.shape
    blocks = [range(j, min(j + block, shape.keys)) for j in range(0, shape.keys, block)]
    result = []
    for head in range(shape.heads):
        pairs: set[tuple[int, int]] = set()
        for t, q in enumerate(case.q[head]):
            own = (t + shape.keys - shape.queries) // block if shape.causal else None
            ranked = []
            for j, members in enumerate(blocks):
                if own is None or j < own:
                    total = Fraction(0)
                    for s in members:
                        for x, y in zip(q, case.k[head][s], strict=True):
                            total += Fraction(x) * Fraction(y)
                    ranked.append((-total / len(members), j))
            chosen = [j for _, j in sorted(ranked)][: k if own is None else k - 1]
            chosen += [] if own is None else [own]
            for j in chosen:
                pairs |= case.tokens([t], blocks[j])
        result.append(pairs)
    return result


@given(cases(), st.integers(1, 6), st.integers(1, 4), st.integers(1, 8))
def test_every_token_keeps_its_own_block_and_the_best_before(
    case: Case, block: int, k: int, query_block: int
) -> None:
    found = Moba(block, k, query_block).masks(case.shape, case.inputs)
    same(found, case, rule(case, block, k))


@given(cases(continuous=True), st.integers(1, 6), st.integers(1, 4))
def test_of_values_that_are_no_integers(case: Case, block: int, k: int) -> None:
    same(Moba(block, k, 3).masks(case.shape, case.inputs), case, rule(case, block, k))


def test_usual_parameters() -> None:
    assert (Moba().block, Moba().k) == (512, 3)
    shape = AttentionShape(1, 4096)
    (mask,) = Moba().masks(shape, random_inputs(shape))
    assert mask.nnz == 3 * 512


def test_tensors_are_needed_and_parameters_checked() -> None:
    with pytest.raises(InputError, match=r"moba: selects"):
        Moba().masks(AttentionShape(8, 8))
    with pytest.raises(InputError, match=r"k: 0"):
        Moba(k=0)

"""Quest against its rule in loops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.attention.inputs import AttentionInputs, random_inputs
from accelgen.attention.patterns.quest import Quest
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from tests.attention.dynamic_cases import Case, cases, largest, same


def rule(case: Case, page: int, count: int) -> list[set[tuple[int, int]]]:
    shape = case.shape
    result = []
    for head in range(shape.heads):
        pairs: set[tuple[int, int]] = set()
        for t, q in enumerate(case.q[head]):
            pages: dict[int, list[int]] = {}
            for s in range(shape.keys):
                if case.sees(t, s):
                    pages.setdefault(s // page, []).append(s)
            bound = {}
            for j, members in pages.items():
                bound[j] = 0.0
                for d in range(shape.head_dim):
                    column = [case.k[head][s][d] for s in members]
                    bound[j] += max(q[d] * min(column), q[d] * max(column))
            for j in largest(bound, count):
                pairs |= {(t, s) for s in pages[j]}
        result.append(pairs)
    return result


@given(cases(), st.integers(1, 5), st.integers(1, 12), st.integers(1, 3), st.integers(1, 8))
def test_every_query_keeps_its_best_pages(
    case: Case, page: int, budget: int, least: int, query_block: int
) -> None:
    pattern = Quest(page, budget, least, query_block=query_block)
    found = pattern.masks(case.shape, case.inputs, layer=2)
    same(found, case, rule(case, page, max(least, budget // page)))


@given(cases(kinds=("causal",)), st.integers(1, 5))
def test_a_query_is_a_decode_step_of_its_own(case: Case, page: int) -> None:
    """What the last query keeps does not depend on there being others."""
    shape, inputs = case.shape, case.inputs
    pattern = Quest(page, budget=2 * page, least=1, dense_layers=0)
    step = AttentionShape(
        1, shape.keys, shape.heads, shape.kv_heads, shape.head_dim, shape.value_dim
    )
    alone = pattern.masks(step, AttentionInputs(inputs.q[:, -1:], inputs.k, inputs.v))
    for one, all_queries in zip(alone, pattern.masks(shape, inputs), strict=True):
        assert (one.dense()[0] == all_queries.dense()[-1]).all()


@given(cases(), st.integers(0, 1))
def test_the_first_two_layers_are_dense(case: Case, layer: int) -> None:
    shape = case.shape
    pairs = case.tokens(range(shape.queries), range(shape.keys))
    same(Quest().masks(shape, layer=layer), case, [pairs] * shape.heads)


def test_usual_parameters() -> None:
    assert Quest().page == 16
    assert Quest().pages == 64
    assert Quest(budget=16).pages == 3
    shape = AttentionShape(1, 3000)
    (mask,) = Quest().masks(shape, random_inputs(shape), layer=2)
    assert mask.loads.tolist() == [64]


def test_tensors_are_needed_and_parameters_checked() -> None:
    with pytest.raises(InputError, match=r"quest: selects by queries and keys"):
        Quest().masks(AttentionShape(1, 8), layer=2)
    with pytest.raises(InputError, match=r"page: 0"):
        Quest(page=0)

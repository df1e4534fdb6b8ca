"""Law 7: analytic access counts equal those of a brute-force trace."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.mapper.cost import moves
from accelgen.mapper.trace import trace
from tests.mapper.drawn import hardware, mappings, problems
from tests.tiers import examples


def check(data: st.DataObject, most: int, iterations: int) -> None:
    problem = data.draw(problems(most, iterations))
    drawn = data.draw(hardware(problem))
    mapping = data.draw(mappings(problem, drawn))
    assert moves(problem, drawn, mapping) == trace(problem, drawn, mapping)


@given(st.data())
@settings(max_examples=examples(60, 100))
def test_analytic_counts_are_those_of_the_trace(data: st.DataObject) -> None:
    check(data, 6, 200)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=1500)
def test_analytic_counts_of_many_are_those_of_the_trace(data: st.DataObject) -> None:
    check(data, 9, 2000)

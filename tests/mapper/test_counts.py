"""Law 7: analytic access counts equal those of a brute-force trace."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.affine import Workload
from accelgen.mapper.cost import moves
from accelgen.mapper.problem import problem_of
from accelgen.mapper.trace import trace
from tests.mapper.drawn import hardware, mappings, problems
from tests.tiers import examples


def check(data: st.DataObject, most: int, iterations: int) -> None:
    problem = data.draw(problems(most, iterations))
    drawn = data.draw(hardware(problem, most_levels=3))
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


@given(st.data())
@settings(max_examples=examples(10, 100))
def test_blocks_and_their_scales_are_counted(data: st.DataObject) -> None:
    types = {"A": "nvfp4", "B": "nvfp4"}
    workload = Workload("Y[m,n] += A[m,k] * B[k,n]", {"m": 3, "n": 4, "k": 80}, types)
    problem = problem_of(workload)
    assert [x.name for x in problem.operands] == ["A", "A_scale", "B", "B_scale", "Y"]
    drawn = data.draw(hardware(problem))
    mapping = data.draw(mappings(problem, drawn))
    found = moves(problem, drawn, mapping)
    assert found == trace(problem, drawn, mapping)
    for level in found:
        assert level["A"] == level["A_scale"]
        assert level["B"] == level["B_scale"]

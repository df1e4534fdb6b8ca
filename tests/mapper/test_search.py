"""Law 7: the optimum of the mapper is that of brute force."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelgen.errors import InfeasibleError
from accelgen.hardware import Hardware
from accelgen.mapper.cost import Cost
from accelgen.mapper.problem import Problem
from accelgen.mapper.search import Objective, best_mapping, exponents_of
from accelgen.mapper.space import Constraints
from tests.mapper.brute import brute_force, slides
from tests.mapper.drawn import hardware, mappings, problems
from tests.tiers import examples

OBJECTIVES: tuple[Objective, ...] = ("latency", "energy", "edp", (2.0, 1.0))


@st.composite
def cases(draw: st.DrawFn, iterations: int = 64) -> tuple[Problem, Hardware]:
    problem = draw(problems(4, iterations))
    return problem, draw(hardware(problem, most_units=3))


def value_of(found: Cost, objective: Objective) -> float:
    a, b = exponents_of(objective)
    return float(found.total_pj**a * found.cycles**b)


def check(
    problem: Problem,
    drawn: Hardware,
    objective: Objective,
    pins: Constraints = Constraints(),  # noqa: B008 - frozen
    *,
    every_order: bool = False,
) -> None:
    a, b = exponents_of(objective)
    expected = brute_force(problem, drawn, (a, b), pins, every_order=every_order)
    if expected.mapping is None:
        with pytest.raises(InfeasibleError):
            best_mapping(problem, drawn, objective, pins)
        return
    found = best_mapping(problem, drawn, objective, pins)
    assert value_of(found.cost, objective) == pytest.approx(expected.value, rel=1e-12)
    found.mapping.check(problem)
    proof = found.certificate
    proof.check()
    assert proof.bounded >= 0
    assert proof.evaluated >= 1
    if not every_order:
        assert proof.covered == expected.covered
        assert proof.too_large <= expected.too_large


@given(cases(), st.sampled_from(OBJECTIVES))
@settings(max_examples=examples(25, 50))
def test_no_mapping_of_the_space_is_better(
    case: tuple[Problem, Hardware], objective: Objective
) -> None:
    check(*case, objective)


@pytest.mark.slow
@given(cases(), st.sampled_from(OBJECTIVES))
@settings(max_examples=1000)
def test_no_mapping_of_many_spaces_is_better(
    case: tuple[Problem, Hardware], objective: Objective
) -> None:
    check(*case, objective)


@st.composite
def deep(draw: st.DrawFn) -> tuple[Problem, Hardware, Constraints]:
    """Several levels of buffers, or one whose tensors may be held of different boxes."""
    problem = draw(problems(4, draw(st.sampled_from((6, 12, 24)))).filter(few_mappings))
    drawn = draw(hardware(problem, most_units=3, most_levels=2, files=(8, 24)))
    return problem, drawn, Constraints(uneven=len(drawn.levels) == 2)


def few_mappings(problem: Problem) -> bool:
    """Brute force over two boxes has a limit."""
    return len(problem.groups) <= 3 and sum(n > 1 for n in problem.bounds) <= 3


@given(deep(), st.sampled_from(OBJECTIVES))
@settings(max_examples=examples(10, 50))
def test_no_mapping_with_boxes_in_boxes_is_better(
    case: tuple[Problem, Hardware, Constraints], objective: Objective
) -> None:
    problem, drawn, pins = case
    check(problem, drawn, objective, pins)


@pytest.mark.slow
@given(deep(), st.sampled_from(OBJECTIVES))
@settings(max_examples=500)
def test_no_mapping_with_boxes_in_boxes_of_many_is_better(
    case: tuple[Problem, Hardware, Constraints], objective: Objective
) -> None:
    problem, drawn, pins = case
    check(problem, drawn, objective, pins)


@given(st.one_of(deep(), cases().map(lambda case: (*case, Constraints()))), st.data())
@settings(max_examples=examples(25, 300))
def test_every_mapping_evaluated_gives_the_same(
    case: tuple[Problem, Hardware, Constraints], data: st.DataObject
) -> None:
    problem, drawn, pins = case
    objective = data.draw(st.sampled_from(OBJECTIVES))
    try:
        found = best_mapping(problem, drawn, objective, pins)
    except InfeasibleError:
        assume(False)
    every = best_mapping(problem, drawn, objective, pins, exhaustive=True)
    assert value_of(every.cost, objective) == pytest.approx(
        value_of(found.cost, objective), rel=1e-12
    )
    proof = every.certificate
    proof.check()
    assert proof.covered == found.certificate.covered
    assert (proof.bounded, proof.bounds) == (0, 0)
    assert proof.too_large >= found.certificate.too_large


@given(cases(24), st.sampled_from(OBJECTIVES))
@settings(max_examples=examples(10, 300))
def test_no_order_of_loops_is_better(case: tuple[Problem, Hardware], objective: Objective) -> None:
    assume(not slides(*case))
    check(*case, objective, every_order=True)


@given(st.data(), cases(), st.sampled_from(OBJECTIVES))
@settings(max_examples=examples(25, 500))
def test_the_best_mapping_does_not_depend_on_where_the_search_begins(
    data: st.DataObject, case: tuple[Problem, Hardware], objective: Objective
) -> None:
    problem, drawn = case
    starts = [data.draw(mappings(problem, drawn))]
    try:
        expected = best_mapping(problem, drawn, objective)
        others = data.draw(st.sampled_from(OBJECTIVES))
        starts += [expected.mapping, best_mapping(problem, drawn, others).mapping]
        other = data.draw(hardware(problem, most_units=3))
        starts.append(best_mapping(problem, other, objective).mapping)
    except InfeasibleError:
        assume(len(starts) > 1)
    # Of these some are mappings of the space, others are not, and may be better.
    for start in starts:
        found = best_mapping(problem, drawn, objective, start=start)
        assert found.mapping == expected.mapping
        assert found.cost == expected.cost
        assert found.certificate.covered == expected.certificate.covered
        found.certificate.check()

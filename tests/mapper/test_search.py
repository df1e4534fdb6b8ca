"""Law 7: the optimum of the mapper is that of brute force."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.affine import Workload
from accelgen.errors import InfeasibleError
from accelgen.hardware import Hardware, Level
from accelgen.mapper.cost import cost
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Problem, problem_of
from accelgen.mapper.search import Objective, best_mapping, value_of
from accelgen.mapper.trace import trace
from tests.tiers import examples

EXPRESSIONS = {
    "Y[m,n] += A[m,k] * B[k,n]": "mnk",
    "Y[k,p] += X[c,p + r] * W[k,c,r]": "kcpr",
    "Y[k,p] += X[c,2*p + r] * W[k,c,r]": "kcpr",
    "Y[b,m] += A[b,m,k] * B[b,k]": "bmk",
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[Problem, Hardware]:
    """A small problem, and hardware whose buffer takes some of it."""
    expression = draw(st.sampled_from(sorted(EXPRESSIONS)))
    most = 3 if len(EXPRESSIONS[expression]) > 3 else 4
    bounds = {loop: draw(st.integers(1, most)) for loop in EXPRESSIONS[expression]}
    partial = draw(st.sampled_from((None, 32)))
    problem = problem_of(Workload(expression, bounds), partial_bits=partial)
    array = {"i": draw(st.integers(1, 3)), "j": draw(st.integers(1, 3))}
    buffer = Level(
        "buffer",
        draw(st.integers(8, 200)),
        draw(st.sampled_from((None, 1.0, 4.0))),
        draw(st.sampled_from((0.1, 1.0))),
        draw(st.sampled_from((0.1, 1.0))),
        draw(st.sampled_from((1, 2))),
    )
    memory = Level("dram", None, draw(st.sampled_from((0.5, 1.0, 4.0))), 10.0, 12.0)
    return problem, Hardware("drawn", array, (buffer, memory), 0.5)


def every_mapping(problem: Problem, hardware: Hardware) -> Iterator[Mapping]:
    """The space as it is stated, without any of the search's shortcuts but one: of loops over
    tiles of a single step the order makes no difference.
    """
    loops = range(len(problem.bounds))
    for i, j in product([None, *loops], repeat=2):
        if i is not None and i == j:
            continue
        step = [1] * len(problem.bounds)
        for axis, loop in (("i", i), ("j", j)):
            if loop is not None:
                step[loop] = min(hardware.array[axis], problem.bounds[loop])
        sizes = []
        for bound, s in zip(problem.bounds, step, strict=True):
            smallest: dict[int, int] = {}
            for size in range(s, bound + s, s):
                smallest.setdefault(-(-bound // size), min(size, bound))
            sizes.append(list(smallest.values()))
        for tile in product(*sizes):
            if not fits(problem, hardware, tile):
                continue
            moving_in = [d for d in loops if tile[d] > step[d]]
            moving_out = [d for d in loops if problem.bounds[d] > tile[d]]
            for inner in permutations(moving_in):
                for outer in permutations(moving_out):
                    yield Mapping(
                        (tuple(step), tile, problem.bounds),
                        (whole(inner, problem), whole(outer, problem)),
                    )


def whole(order: tuple[int, ...], problem: Problem) -> tuple[int, ...]:
    return (*[d for d in range(len(problem.bounds)) if d not in order], *order)


def fits(problem: Problem, hardware: Hardware, tile: tuple[int, ...]) -> bool:
    buffer = hardware.levels[0]
    bits = 0
    for operand in problem.operands:
        changes = any(tile[d] < problem.bounds[d] for d in operand.loops)
        elements = int(operand.footprint(np.array([tile]))[0])
        bits += elements * operand.partial_bits * (buffer.buffers if changes else 1)
    assert buffer.size is not None
    return bits <= 8 * buffer.size


@given(cases(), st.sampled_from(("latency", "energy", "edp")))
@settings(max_examples=8, deadline=None)
def test_no_mapping_of_the_space_is_better(
    case: tuple[Problem, Hardware], objective: Objective
) -> None:
    check(case, objective)


@pytest.mark.slow
@given(cases(), st.sampled_from(("latency", "energy", "edp")))
@settings(max_examples=500, deadline=None)
def test_no_mapping_of_many_spaces_is_better(
    case: tuple[Problem, Hardware], objective: Objective
) -> None:
    check(case, objective)


def check(case: tuple[Problem, Hardware], objective: Objective) -> None:
    problem, hardware = case
    values = [
        value_of(cost(problem, hardware, mapping), objective)
        for mapping in every_mapping(problem, hardware)
    ]
    if not values:
        with pytest.raises(InfeasibleError, match="the smallest tiles need"):
            best_mapping(problem, hardware, objective)
        return
    found = best_mapping(problem, hardware, objective)
    found.certificate.check()
    assert value_of(found.cost, objective) == pytest.approx(min(values))


@given(cases())
@settings(max_examples=examples(15, 100), deadline=None)
def test_energy_is_that_of_the_traced_moves(case: tuple[Problem, Hardware]) -> None:
    problem, hardware = case
    try:
        found = best_mapping(problem, hardware)
    except InfeasibleError:
        return
    moves = trace(problem, found.mapping)
    buffer, memory = hardware.levels
    expected = {"mac": problem.iterations * 0.5, "buffer": 0.0, "dram": 0.0}
    for operand in problem.operands:
        elements = int(operand.footprint(np.array([problem.bounds]))[0])
        for below in (0, 1):
            entered, left = moves[below][operand.name]
            partial = operand.partial_bits
            down = entered * (partial if operand.is_output else operand.bits)
            up = left * partial - elements * (partial - operand.bits) if operand.is_output else 0
            if below:
                expected["dram"] += down * memory.read_pj + up * memory.write_pj
                expected["buffer"] += down * buffer.write_pj + up * buffer.read_pj
            else:
                expected["buffer"] += down * buffer.read_pj + up * buffer.write_pj
    assert dict(found.cost.energy_pj) == pytest.approx(expected)

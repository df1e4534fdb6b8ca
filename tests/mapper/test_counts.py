"""Law 7: analytic access counts equal those of a brute-force trace."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.affine import Workload
from accelgen.mapper.counts import least_moved, moved
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Problem, problem_of
from accelgen.mapper.trace import trace
from tests.tiers import examples

EXPRESSIONS = (
    "Y[m,n] += A[m,k] * B[k,n]",
    "Y[k,p] += X[c,p + r] * W[k,c,r]",
    "Y[k,p] += X[c,2*p + r] * W[k,c,r]",
    "Y[k,p] += X[c,3*p + 2*r] * W[k,c,r]",
    "Y[c,p,q] += X[c,p + r,2*q + s] * W[c,r,s]",
    "Y[b,m] += A[b,m,k] * B[b,k]",
)


@st.composite
def mapped(draw: st.DrawFn) -> tuple[Problem, Mapping]:
    """A small problem and any mapping of it on one to three levels."""
    expression = draw(st.sampled_from(EXPRESSIONS))
    loops = [x for x in "bmnkcpqrs" if x in expression.replace("Y", "").lower().replace("[", ",")]
    used = [x for x in loops if any(x in part for part in expression.split("[")[1:])]
    bounds = {loop: draw(st.integers(1, 5)) for loop in used}
    problem = problem_of(Workload(expression, bounds))
    tiles = [problem.bounds]
    for _ in range(draw(st.integers(1, 3))):
        inner = []
        for extent, bound in zip(tiles[0], problem.bounds, strict=True):
            fits = [n for n in range(1, extent + 1) if extent % n == 0 or extent == bound]
            inner.append(draw(st.sampled_from(fits)))
        tiles.insert(0, tuple(inner))
    every = list(range(len(problem.bounds)))
    orders = tuple(tuple(draw(st.permutations(every))) for _ in tiles[1:])
    mapping = Mapping(tuple(tiles), orders)
    mapping.check(problem)
    return problem, mapping


@given(mapped())
@settings(max_examples=examples(100, 500))
def test_analytic_counts_are_those_of_the_trace(drawn: tuple[Problem, Mapping]) -> None:
    problem, mapping = drawn
    for level, traced in enumerate(trace(problem, mapping)):
        for operand in problem.operands:
            assert moved(problem, mapping, level, operand) == traced[operand.name]


@given(mapped())
@settings(max_examples=examples(100, 500))
def test_the_bound_is_one_and_mostly_tight(drawn: tuple[Problem, Mapping]) -> None:
    problem, mapping = drawn
    tiles = [np.array([tile], dtype=np.int64) for tile in mapping.tiles]
    lonely = any(
        (problem.bounds[d] - 1) % outer[d] + 1 <= inner[d] < outer[d]
        for inner, outer in zip(mapping.tiles, mapping.tiles[1:], strict=False)
        for d in range(len(problem.bounds))
    )
    for level in range(len(mapping.orders)):
        for operand in problem.operands:
            bound = least_moved(problem, tiles[level:-1], mapping.orders[level:], operand)
            exact = max(moved(problem, mapping, level, operand))
            assert bound[0] <= exact
            assert lonely or bound[0] == exact

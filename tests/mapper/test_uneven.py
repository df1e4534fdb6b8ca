"""The rules of uneven mappings leave out nothing better: beside every mapping with two boxes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.affine import Workload
from accelgen.hardware import Hardware, Level, Memory
from accelgen.mapper.branch import array_energy, crossing_energy
from accelgen.mapper.counts import scratch_of
from accelgen.mapper.problem import Problem, problem_of
from accelgen.mapper.search import Objective, best_mapping, exponents_of, value_of
from accelgen.mapper.sizes import fits
from accelgen.mapper.space import Constraints
from accelgen.mapper.tables import Nest, Tables, config_of, tables_of
from accelgen.mapper.walk import total_cycles, walk_of
from accelgen.names import FrozenMap
from tests.mapper.test_search import OBJECTIVES
from tests.tiers import examples

EXPRESSIONS = {
    "Y[m,n] += A[m,k] * B[k,n]": "mnk",
    "Y[b,m] += A[b,m,k] * B[b,k]": "bmk",
    "Y[k,p] += X[p + r] * W[k,r]": "kpr",
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[Problem, Hardware]:
    """Bounds of which every size of a tile is a divisor, on one unit under one buffer."""
    expression = draw(st.sampled_from(sorted(EXPRESSIONS)))
    bounds = {loop: draw(st.sampled_from((2, 4))) for loop in EXPRESSIONS[expression]}
    problem = problem_of(
        Workload(expression, bounds), output_bits=8, partial_bits=draw(st.sampled_from((8, 16)))
    )
    buffer = Memory(
        "sram",
        draw(st.integers(8, 32)),
        draw(st.sampled_from((None, 2.0))),
        *draw(st.sampled_from(((0.1, 0.1), (1.0, 0.5)))),
        buffers=draw(st.sampled_from((1, 2))),
    )
    outer = Memory("dram", None, draw(st.sampled_from((0.5, 1.0, 4.0))), 10.0, 10.0)
    levels = Level("sram", (buffer,)), Level("dram", (outer,))
    return problem, Hardware("toy", FrozenMap({"i": 1}), levels, FrozenMap({"any": 1.0}))


def nests(problem: Problem, t: Tables) -> Iterator[Nest]:
    """Every nest of two boxes that fits, whatever is held of either; single steps come first."""
    loops, one = range(len(problem.bounds)), (1,) * len(problem.bounds)
    config = config_of(problem, np.array(one), np.array(one), 0)
    chains = [
        [(a, b) for b in (1, 2, 4) if n % b == 0 for a in (1, 2, 4) if b % a == 0]
        for n in problem.bounds
    ]
    for sizes in product(*chains):
        boxes = one, *zip(*sizes, strict=True), problem.bounds
        several = []
        for inside, around in pairwise(boxes):
            still = tuple(d for d in loops if inside[d] == around[d])
            moving = [d for d in loops if d not in still]
            several.append([np.array(still + order) for order in permutations(moving)])
        tiles = np.array(boxes[1:-1])
        for held in product((1, 2), repeat=len(problem.operands)):
            nest = Nest(tiles, np.array([loops] * 3), np.array([held]))
            if fits(t, config, nest, 1, tiles[0], tiles[0]):
                for orders in product(*several):
                    yield nest._replace(orders=np.array(orders))


@given(cases(), st.sampled_from(OBJECTIVES))
@settings(max_examples=examples(15, 300))
def test_no_mapping_of_two_boxes_is_better(
    case: tuple[Problem, Hardware], objective: Objective
) -> None:
    problem, hardware = case
    t = tables_of(problem, hardware)
    one = np.ones(len(problem.bounds), dtype=np.int64)
    config = config_of(problem, one, one, 0)
    bits, carried = np.zeros((2, len(problem.operands))), np.zeros(len(t.carried))
    scratch, walk = scratch_of(2, len(problem.bounds)), walk_of(t, 2)
    energy, latency = exponents_of(objective)
    least = np.inf
    for nest in nests(problem, t):
        picojoule = t.spent + array_energy(t, config, nest, 3, bits[0], bits[1], scratch)
        picojoule += crossing_energy(t, config, nest, bits[0], carried, scratch)
        least = min(least, picojoule**energy * total_cycles(t, config, nest, walk) ** latency)
    assert least < np.inf
    found = best_mapping(problem, hardware, objective, Constraints(uneven=True))
    assert value_of(found.cost, objective) == pytest.approx(least, rel=1e-9)

"""Cycles of a mapping: as a walk over all tiles adds them up."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.affine import Workload
from accelgen.hardware import Hardware, Level
from accelgen.mapper.cost import cost
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Operand, Problem, problem_of
from tests.tiers import examples

Box = tuple[tuple[int, int], ...]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Problem, Hardware, Mapping]:
    """A mapping with up to nine tiles along each loop."""
    expression = draw(
        st.sampled_from(("Y[m,n] += A[m,k] * B[k,n]", "Y[m,p] += X[k,2*p + r] * W[m,k,r]"))
    )
    bounds = {d: draw(st.integers(1, 9)) for d in "mnkpr" if d in expression}
    problem = problem_of(Workload(expression, bounds), output_bits=8, partial_bits=24)
    tile = tuple(draw(st.sampled_from([1, min(2, n), n])) for n in problem.bounds)
    every = list(range(len(tile)))
    step = tuple(1 for _ in tile)
    orders = (tuple(every), tuple(draw(st.permutations(every))))
    levels = (
        Level("sram", None, None, 1, 1, draw(st.sampled_from((1, 2)))),
        Level("dram", None, draw(st.sampled_from((0.5, 2.0))), 1, 1),
    )
    hardware = Hardware("drawn", {"i": 1}, levels, 1)
    return problem, hardware, Mapping((step, tile, problem.bounds), orders)


def walk(problem: Problem, mapping: Mapping) -> list[Box]:
    tile, order = mapping.tiles[1], mapping.orders[1]
    starts = [range(0, problem.bounds[d], tile[d]) for d in order]
    boxes = []
    for point in product(*starts):
        at = dict(zip(order, point, strict=True))
        boxes.append(tuple((at[d], min(tile[d], n - at[d])) for d, n in enumerate(problem.bounds)))
    return boxes


def size(operand: Operand, box: Box) -> int:
    return int(operand.footprint(np.array([[n for _, n in box]]))[0])


@given(cases())
@settings(max_examples=examples(60, 400), deadline=None)
def test_cycles_are_those_of_a_walk_over_all_tiles(
    case: tuple[Problem, Hardware, Mapping],
) -> None:
    problem, hardware, mapping = case
    boxes = walk(problem, mapping)
    loads, stores = [0.0] * len(boxes), [0.0] * len(boxes)
    for operand in problem.operands:
        where = [tuple(box[d] for d in sorted(operand.loops)) for box in boxes]
        visits: dict[object, int] = {}
        total = {at: _runs(where, at) for at in set(where)}
        for i, box in enumerate(boxes):
            bits = size(operand, box)
            if i == 0 or where[i] != where[i - 1]:
                visits[where[i]] = visits.get(where[i], 0) + 1
                if not operand.is_output:
                    loads[i] += bits * operand.bits
                elif visits[where[i]] > 1:
                    loads[i] += bits * operand.partial_bits
            if operand.is_output and (i + 1 == len(boxes) or where[i] != where[i + 1]):
                done = visits[where[i]] == total[where[i]]
                stores[i] += bits * (operand.bits if done else operand.partial_bits)
    bandwidth = hardware.levels[1].bandwidth
    assert bandwidth is not None
    rate = 8 * bandwidth
    compute = [prod(n for _, n in box) for box in boxes]
    if hardware.levels[0].buffers == 1:
        expected = sum(compute) + (sum(loads) + sum(stores)) / rate
    else:
        expected = (loads[0] + stores[-1]) / rate
        for i, cycles in enumerate(compute):
            after = loads[i + 1] if i + 1 < len(boxes) else 0
            before = stores[i - 1] if i else 0
            expected += max(cycles, (after + before) / rate)
    assert cost(problem, hardware, mapping).cycles == pytest.approx(expected)


def _runs(where: list[tuple[tuple[int, int], ...]], at: object) -> int:
    return sum(1 for i, x in enumerate(where) if x == at and (i == 0 or where[i - 1] != at))

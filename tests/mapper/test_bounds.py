"""No mapping is below a bound by which the search leaves it out."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelgen.affine import Workload
from accelgen.hardware import Hardware, Level, Memory
from accelgen.mapper.bounds import floor_of, node_bound, order_bound
from accelgen.mapper.branch import array_energy
from accelgen.mapper.cost import cost
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import problem_of
from accelgen.mapper.relaxed import least_outside
from accelgen.mapper.search import exponents_of
from accelgen.mapper.space import Constraints
from accelgen.mapper.tables import config_of, tables_of
from tests.mapper.brute import configurations, fits_buffer, inner_orders, outer_orders, smallest
from tests.mapper.drawn import hardware, problems
from tests.mapper.test_search import OBJECTIVES, value_of
from tests.tiers import examples

ANY = Constraints()


def test_the_last_tile_of_a_window_has_more_than_its_share() -> None:
    bounds = {"k": 10, "c": 1, "p": 9, "r": 3}
    problem = problem_of(Workload("Y[k,p] += X[c,p + r] * W[k,c,r]", bounds))
    read = Memory("a", None, None, 1, 0, ("inputs",))
    free = Memory("b", None, None, 0, 0, ("weights", "outputs"))
    buffer = Level("buffer", (read, free))
    outer = Level("dram", (Memory("dram", None, None, 0, 0),))
    t = tables_of(problem, Hardware("h", {"i": 4}, (buffer, outer), {"any": 0.0}))
    # Four of p at once, and all of r; eight of p in the buffer, and one that is left.
    c = config_of(problem, np.array([1, 1, 4, 1]), np.array([1, 1, 1, 3]), 0)
    tile, order = np.array([10, 1, 8, 3]), np.array([1, 3, 0, 2])
    bits = np.zeros(3), np.zeros(3)
    energy = array_energy(t, c, tile, order, np.arange(4), *bits)
    # Twice 6 of the tile of 8 for each of k, and 3 that stay.
    assert energy == 8 * (10 * (6 + 6) + 3)
    floor = floor_of(t, c, order[np.newaxis])
    assert order_bound(t, c, floor, tile, np.array([1, 1, 2, 1]), order) <= energy


def check(data: st.DataObject, most: int, iterations: int) -> None:
    problem = data.draw(problems(most, iterations))
    drawn = data.draw(hardware(problem, most_units=6, files=(8, 200)))
    objective = data.draw(st.sampled_from(OBJECTIVES))
    every = list(configurations(problem, drawn, ANY))
    assume(every)
    chosen = data.draw(st.sampled_from(every))
    named = zip(problem.bounds, chosen.spread, chosen.inner, strict=True)
    step = tuple(min(n, s * i) for n, s, i in named)
    tile = tuple(
        data.draw(st.sampled_from(smallest(n, s)))
        for n, s in zip(problem.bounds, step, strict=True)
    )
    assume(fits_buffer(problem, drawn, step, tile))
    inners = inner_orders(problem, drawn, chosen.stationary, ANY, every_order=False)
    outers = outer_orders(problem, ANY, every_order=False)
    inner, number = (
        data.draw(st.sampled_from(inners)),
        data.draw(st.sampled_from(range(len(outers)))),
    )
    mapping = Mapping(
        (step, tile, problem.bounds), (inner, outers[number]), chosen.unrolling, chosen.inner
    )
    found = cost(problem, drawn, mapping)
    value = value_of(found, objective) * (1 + 1e-9)

    t = tables_of(problem, drawn)
    c = config_of(problem, np.array(chosen.spread), np.array(chosen.inner), chosen.fill)
    exponents, every_outer = np.array(exponents_of(objective)), np.array(outers)
    floor = floor_of(t, c, every_outer)
    free = np.zeros(len(tile), dtype=np.int64)
    sums, finished = t.partial[-1], t.bits[-1]
    again, once = sums * t.outside[-1].sum(), finished * t.outside[-1, 1]
    floor[3] = least_outside(t, every_outer, free, t.bits * t.outside[:, 0], again, once)
    floor[4] = least_outside(t, every_outer, free, t.bits, 2 * sums, finished)
    between = found.energy_pj["dram"] + found.energy_pj["buffer"]
    assert floor[3] <= between * (1 + 1e-9)
    if drawn.levels[1].memories[0].bandwidth is not None:
        assert floor[4] <= found.port_cycles["dram"] * t.rate * (1 + 1e-9)
    into = np.empty((len(outers), 3 + len(t.bits)))
    own = np.zeros((2, len(tile)), dtype=np.int64)
    bits = np.zeros(len(t.bits)), np.zeros(len(t.bits))
    arrays = np.array(tile), np.array(inner), every_outer[number]
    inside = array_energy(t, c, *arrays, *bits) * (1 + 1e-9)
    alone = array_energy(t, c, *arrays[:2], every_outer[0][:0], *bits)
    parts = -(-t.bounds // arrays[0])
    assert order_bound(t, c, floor, arrays[0], parts, arrays[1]) <= alone * (1 + 1e-9)
    assert alone <= inside
    # Loops have their size one after the other, in any order.
    for has_size in product((False, True), repeat=len(tile)):
        most_tile = np.array(
            [x if h else n for h, x, n in zip(has_size, tile, problem.bounds, strict=True)]
        )
        least_tile = np.array([x if h else n for h, x, n in zip(has_size, tile, step, strict=True)])
        lowest = node_bound(
            t, c, floor, most_tile, least_tile, every_outer, every_outer, exponents, into, own
        )
        assert lowest <= into[number, 0] <= value


@given(st.data())
@settings(max_examples=examples(40, 100))
def test_no_mapping_is_below_a_bound(data: st.DataObject) -> None:
    check(data, 6, 150)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=3000)
def test_no_mapping_of_many_is_below_a_bound(data: st.DataObject) -> None:
    check(data, 12, 3000)

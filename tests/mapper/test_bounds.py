"""No mapping is below a bound by which the search leaves it out."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelgen.affine import Workload
from accelgen.hardware import Hardware, Level, Memory
from accelgen.mapper.bounds import around_of, floor_of, node_bound, order_bound, work_of
from accelgen.mapper.branch import array_energy
from accelgen.mapper.cost import cost, moves
from accelgen.mapper.counts import scratch_of
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.outside import outside_table
from accelgen.mapper.problem import Problem, problem_of
from accelgen.mapper.relaxed import least_outside
from accelgen.mapper.search import exponents_of
from accelgen.mapper.sizes import fits
from accelgen.mapper.space import Constraints
from accelgen.mapper.tables import Floats, Integers, Nest, Tables, config_of, tables_of
from tests.mapper.brute import (
    configurations,
    fits_buffers,
    holdings,
    inner_orders,
    nested,
    outer_orders,
)
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
    bits = np.zeros(3), np.zeros(3), scratch_of(1, 4)
    nest = Nest(tile[np.newaxis], np.stack([order, np.arange(4)]), np.ones((1, 3), dtype=np.int64))
    energy = array_energy(t, c, nest, 2, *bits)
    # Twice 6 of the tile of 8 for each of k, and 3 that stay.
    assert energy == 8 * (10 * (6 + 6) + 3)
    bound = np.empty(1)
    parts, table = np.array([1, 1, 2, 1]), outside_table(t, order[np.newaxis])
    order_bound(t, c, floor_of(t, c), tile, parts, table, work_of(t), bound)
    assert bound[0] <= energy


def check(data: st.DataObject, most: int, iterations: int) -> None:
    problem = data.draw(problems(most, iterations))
    drawn = data.draw(hardware(problem, most_units=6, files=(8, 200), most_levels=2))
    objective = data.draw(st.sampled_from(OBJECTIVES))
    every = list(configurations(problem, drawn, ANY))
    assume(every)
    chosen = data.draw(st.sampled_from(every))
    named = zip(problem.bounds, chosen.spread, chosen.inner, strict=True)
    step = tuple(min(n, s * i) for n, s, i in named)
    pins = Constraints(uneven=len(drawn.levels) == 2)
    held = data.draw(st.sampled_from(list(holdings(problem, drawn, pins))))
    boxes = max(map(max, held))
    along = [
        data.draw(st.sampled_from(list(nested(problem, drawn, pins, held, d, step[d], boxes, n))))
        for d, n in enumerate(problem.bounds)
    ]
    tiles: list[tuple[int, ...]] = list(zip(*along, strict=True))
    assume(fits_buffers(problem, drawn, step, tiles, held))
    inners = inner_orders(problem, drawn, chosen.stationary, ANY, every_order=False)
    outers = outer_orders(problem, ANY, every_order=False)
    numbers = [data.draw(st.sampled_from(range(len(outers)))) for _ in range(boxes)]
    orders = (data.draw(st.sampled_from(inners)), *(outers[number] for number in numbers))
    mapping = Mapping(
        (step, *tiles, problem.bounds), orders, chosen.unrolling, chosen.inner, "", held
    )
    found = cost(problem, drawn, mapping)
    value = value_of(found, objective) * (1 + 1e-9)

    t = tables_of(problem, drawn)
    c = config_of(problem, np.array(chosen.spread), np.array(chosen.inner), chosen.fill)
    exponents, every_outer = np.array(exponents_of(objective)), np.array(outers)
    floor, table = floor_of(t, c), outside_table(t, every_outer)
    nest = Nest(np.array(tiles), np.array(orders), np.array(held))
    least_pj, least_bits = crossing(t, table, held)
    for p, crossed in enumerate(crossed_pj(problem, drawn, mapping)):
        assert least_pj[p] <= crossed * (1 + 1e-9)
    if drawn.levels[-1].memories[0].bandwidth is not None:
        assert least_bits <= found.port_cycles["dram"] * t.carried[0] * (1 + 1e-9)
    own = np.zeros((2, len(step)), dtype=np.int64)
    bits = np.zeros(len(t.bits)), np.zeros(len(t.bits)), scratch_of(boxes, len(step))
    inside = array_energy(t, c, nest, boxes + 1, *bits) * (1 + 1e-9)
    alone = array_energy(t, c, nest, 1, *bits)
    parts = -(-t.bounds // nest.tiles[0])
    bound, within = np.empty(1), outside_table(t, nest.orders[:1])
    order_bound(t, c, floor, nest.tiles[0], parts, within, work_of(t), bound)
    assert bound[0] <= alone * (1 + 1e-9)
    assert alone <= inside
    # Larger boxes first; loops have their size one after the other, in any order.
    for j in range(boxes, 0, -1):
        into = np.empty((len(outers), 3))
        around = problem.bounds if j == boxes else tiles[j]
        known = around_of(t, c, nest, j, least_pj, least_bits)
        for has_size in product((False, True), repeat=len(step)):
            sized = list(zip(has_size, tiles[j - 1], around, step, strict=True))
            most_tile = np.array([x if h else n for h, x, n, _ in sized])
            least_tile = np.array([x if h else s for h, x, _, s in sized])
            assert fits(t, c, nest, j, most_tile, least_tile)
            lowest = node_bound(
                t, c, floor, nest, known, most_tile, least_tile, table, table, exponents, into,
                own, work_of(t),
            )  # fmt: skip
            assert lowest <= into[numbers[j - 1], 0] <= value


def crossing(t: Tables, table: Integers, held: tuple[tuple[int, ...], ...]) -> tuple[Floats, float]:
    """Least pJ across every boundary, and bits of the outermost memory, of even mappings."""
    free = np.zeros(len(t.bounds), dtype=np.int64)
    sums, finished = t.partial[-1], t.bits[-1]
    least_pj, least_bits = np.zeros(len(held)), 0.0
    if any(len(set(level)) > 1 for level in held):
        return least_pj, least_bits
    for p in range(len(held)):
        again, once = sums * t.outside[p, -1].sum(), finished * t.outside[p, -1, 1]
        inputs = t.bits * t.outside[p, :, 0]
        least_pj[p] = least_outside(t, p, table, free, inputs, again, once)
    least_bits = least_outside(t, len(held) - 1, table, free, t.bits, 2 * sums, finished)
    return least_pj, least_bits


def crossed_pj(problem: Problem, drawn: Hardware, mapping: Mapping) -> list[float]:
    """PJ of what crosses every boundary; nothing of what streams, which is the array's."""
    whole = int(problem.operands[-1].footprint(np.array([problem.bounds]))[0])
    found = []
    for p, moved in enumerate(moves(problem, drawn, mapping)[1:]):
        total = 0.0
        for x in problem.operands:
            below, above = (level.memory(x.role) for level in drawn.levels[p : p + 2])
            if below.streams:
                continue
            down = moved[x.name].entered * x.partial_bits
            up = down + whole * x.bits if x.is_output else 0
            down = down if x.is_output else moved[x.name].entered * x.bits
            total += down * (above.read_pj + below.write_pj)
            total += up * (above.write_pj + below.read_pj)
        found.append(total)
    return found


@given(st.data())
@settings(max_examples=examples(40, 100))
def test_no_mapping_is_below_a_bound(data: st.DataObject) -> None:
    check(data, 6, 150)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=3000)
def test_no_mapping_of_many_is_below_a_bound(data: st.DataObject) -> None:
    check(data, 12, 3000)

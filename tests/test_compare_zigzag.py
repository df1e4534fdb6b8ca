"""Mappings of both sides in the forms of the other, in benchmarks.compare_zigzag."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.affine import Workload
from accelgen.hardware import Hardware, load_hardware
from accelgen.mapper import Constraints, Mapping, Problem, best_mapping, cost, moves, problem_of
from benchmarks.compare_zigzag import TENSORS, Theirs, nest_of
from benchmarks.peers.referee import Nest, _Visits, cycles, room
from tests.mapper.drawn import mappings
from tests.tiers import examples

HARDWARE = load_hardware("array16_64k")


def gemm(bounds: dict[str, int]) -> Problem:
    work = Workload("Y[m,n] += A[m,k] * B[k,n]", bounds)
    return problem_of(work, output_bits=8, partial_bits=8)


def moved(nest: Nest) -> list[tuple[int, int]]:
    """Elements of every tensor that the referee loads and stores."""
    starts = list(nest.starts())
    visits = [_Visits.of(tensor, nest, starts) for tensor in nest.tensors]
    return [(sum(x.loads), sum(x.stores)) for x in visits]


def counted(problem: Problem, hardware: Hardware, mapping: Mapping) -> list[tuple[int, int]]:
    """The same, by the mapper."""
    across = moves(problem, hardware, mapping)[-1]
    return [(across[x.name].entered, across[x.name].left) for x in problem.operands]


@st.composite
def ours(draw: st.DrawFn) -> tuple[Problem, Mapping]:
    problem = gemm({x: draw(st.integers(1, 9)) for x in "mnk"})
    return problem, draw(mappings(problem, HARDWARE))


@given(ours())
@settings(max_examples=examples(100, 1000))
def test_the_referee_walks_our_mappings(case: tuple[Problem, Mapping]) -> None:
    problem, mapping = case
    nest = nest_of(problem, mapping)
    assert moved(nest) == counted(problem, HARDWARE, mapping)
    # Without registers a step of the array is a cycle.
    if not mapping.inner or set(mapping.inner) == {1}:
        computed = sum(nest.compute(start) for start in nest.starts())
        assert computed == cost(problem, HARDWARE, mapping).compute_cycles


@st.composite
def theirs(draw: st.DrawFn) -> Theirs:
    """Loops of two and three steps in any order, each tensor held from a loop of its own."""
    loops = draw(
        st.lists(st.tuples(st.sampled_from("mnk"), st.sampled_from((2, 3))), max_size=6).map(tuple)
    )
    unrolled = {x: draw(st.sampled_from((1, 2, 4))) for x in "mnk"}
    unrolled[draw(st.sampled_from("mnk"))] = 1
    bounds = {x: unrolled[x] * prod(n for index, n in loops if index == x) for x in "mnk"}
    held = {name: draw(st.integers(0, len(loops))) for name in TENSORS}
    return Theirs(bounds, unrolled, loops, held)


@given(theirs())
@settings(max_examples=examples(100, 1000))
def test_every_mapping_of_theirs_has_a_form_here(found: Theirs) -> None:
    problem = gemm(dict(found.bounds))
    mapping = found.as_ours(problem)
    mapping.check(problem)
    here = cost(problem, HARDWARE, mapping)
    assert here.total_pj == pytest.approx(sum(found.energy(HARDWARE).values()), rel=1e-9)
    assert here.port_cycles["dram"] == pytest.approx(found.traffic() / 8)
    one, other = found.nest(), nest_of(problem, mapping)
    assert room(one) == room(other)
    assert moved(one) == moved(other)
    assert cycles(one, 4.0) == pytest.approx(cycles(other, 4.0))


def test_tensors_held_from_three_places_are_three_boxes() -> None:
    loops = (("k", 2), ("m", 3), ("n", 2), ("k", 3), ("m", 2), ("n", 3))
    bounds = {"m": 6, "n": 6, "k": 6}
    found = Theirs(bounds, dict.fromkeys("mnk", 1), loops, {"A": 1, "B": 3, "Y": 5})
    mapping = found.as_ours(gemm(bounds))
    assert mapping.tiles == ((1, 1, 1), (1, 1, 2), (3, 2, 2), (6, 2, 6), (6, 6, 6))
    assert mapping.held == ((1, 2, 3),)
    assert mapping.orders[1:] == ((2, 1, 0), (1, 0, 2), (0, 2, 1))


@pytest.mark.parametrize("uneven", [False, True])
def test_our_optimum_takes_about_as_long_for_the_referee(uneven: bool) -> None:
    problem = gemm({"m": 64, "n": 96, "k": 128})
    found = best_mapping(problem, HARDWARE, constraints=Constraints(uneven=uneven))
    nest = nest_of(problem, found.mapping)
    assert room(nest) <= 65536
    assert cycles(nest, 8.0) == pytest.approx(found.cost.cycles, rel=0.05)

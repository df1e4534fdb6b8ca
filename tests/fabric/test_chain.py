"""Shift chains: what goes in one after the other arrives where and when it is wanted."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.errors import InputError
from accelgen.fabric.chain import Chain, choose_chain
from accelgen.fabric.space import Grid

Flow = Literal["load", "drain"]


@st.composite
def arrays(draw: st.DrawFn) -> tuple[Grid, list[int], tuple[int, ...]]:
    grid = Grid(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    everyone = list(range(grid.size))
    members = draw(st.lists(st.sampled_from(everyone), min_size=1, unique=True))
    if draw(st.booleans()):
        members = everyone
    return grid, members, draw(st.tuples(*[st.integers(-2, 2)] * len(grid.extents)))


def offsets_of(grid: Grid, skew: tuple[int, ...]) -> dict[int, int]:
    plain = [sum(c * x for c, x in zip(skew, s, strict=True)) for s in grid.points.tolist()]
    return {u: offset - min(plain) for u, offset in enumerate(plain)}


def made(
    grid: Grid, members: list[int], skew: tuple[int, ...], flow: Flow, residency: int = 1
) -> Chain | None:
    place = {u: grid.coordinates(u) for u in members}
    offsets = offsets_of(grid, skew)
    return choose_chain(members, place, offsets, skew=skew, residency=residency, flow=flow)


@given(arrays(), st.sampled_from(("load", "drain")))
@settings(max_examples=100)
def test_elements_travel_without_meeting(
    array: tuple[Grid, list[int], tuple[int, ...]], flow: Flow
) -> None:
    grid, members, skew = array
    offsets = offsets_of(grid, skew)
    chain = made(grid, members, skew, flow, residency=1000)
    if chain is None:
        pairs = [(grid.points[a] - grid.points[b]) for a in members for b in members]
        assert not any(abs(p).sum() == 1 for p in pairs), "there are neighbours to chain"
        return
    chain.check()
    assert sorted(u for run in chain.runs for u in run) == sorted(members)
    for number, (run, arrivals) in enumerate(zip(chain.runs, chain.arrivals, strict=True)):
        steps = [grid.points[b] - grid.points[a] for a, b in pairwise(run)]
        for step in steps:
            assert step[chain.axis] == chain.direction
            assert abs(step).sum() == 1
        hops = chain.hops(number)
        assert all(hop >= 1 for hop in hops)
        n, spacing = len(run), chain.spacing
        assert chain.cycles > spacing * (n - 1)
        if flow == "load":
            assert all(a <= offsets[u] for u, a in zip(run, arrivals, strict=True))
            # Member p's element enters p places early: all hand over at the switch.
            for p in range(n):
                assert -p * spacing + arrivals[0] + sum(hops[:p]) == arrivals[p]
        else:
            assert all(a >= offsets[u] for u, a in zip(run, arrivals, strict=True))
            # All are taken at the switch, and leave one after the other, the last member first.
            for p in range(n):
                leaves = arrivals[p] + sum(hops[p:])
                assert leaves == arrivals[-1] + (n - 1 - p) * spacing


@given(arrays(), st.integers(1, 6))
@settings(max_examples=100)
def test_no_axis_stretches_the_schedule_less(
    array: tuple[Grid, list[int], tuple[int, ...]], residency: int
) -> None:
    grid, members, skew = array
    chain = made(grid, members, skew, "load", residency)
    place = {u: grid.coordinates(u) for u in members}
    for axis in range(len(skew)):
        try:
            other = choose_chain(
                members,
                place,
                offsets_of(grid, skew),
                skew=skew,
                residency=residency,
                flow="load",
                pinned=axis,
            )
        except InputError:
            continue
        assert other is not None
        assert other.axis == axis
        if chain is None:
            assert other.cycles > residency, "a chain would have cost nothing"
            continue
        cost = (max(0, chain.cycles - residency), len(chain.runs))
        assert cost <= (max(0, other.cycles - residency), len(other.runs))


@pytest.mark.parametrize(("side", "expected"), [(8, None), (9, 9)])
def test_few_members_get_ports_rather_than_a_chain_that_outlasts_a_tile(
    side: int, expected: int | None
) -> None:
    grid = Grid((side, side))
    chain = made(grid, list(range(grid.size)), (0, 0), "drain", residency=side - 1)
    assert (chain.length if chain else None) == expected
    pinned = choose_chain(
        range(grid.size),
        {u: grid.coordinates(u) for u in range(grid.size)},
        dict.fromkeys(range(grid.size), 0),
        skew=(0, 0),
        residency=side - 1,
        flow="drain",
        pinned=1,
    )
    assert pinned is not None
    assert pinned.axis == 1


def test_an_axis_without_neighbours_cannot_be_named() -> None:
    grid = Grid((3, 1))
    place = {u: grid.coordinates(u) for u in range(3)}
    with pytest.raises(InputError, match=r"chain of B: no two neighbours .* name another axis"):
        choose_chain(
            range(3),
            place,
            dict.fromkeys(range(3), 0),
            skew=(0, 0),
            residency=9,
            flow="load",
            pinned=1,
            where="chain of B",
        )

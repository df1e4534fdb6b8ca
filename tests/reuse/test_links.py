"""Reuse links against enumeration of every step in time."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelgen.affine import Description, SpaceTime, load_description
from accelgen.affine.spacetime import TensorAccess
from accelgen.reuse import Link, Schedule, candidate_links, chain_pads, spatial_links
from tests.affine.strategies import descriptions


def steps_in_time(kernel: SpaceTime) -> NDArray[np.int64]:
    """Every difference of two points of the loop nest, one per row."""
    widths = [2 * n - 1 for n in kernel.time_extents]
    assume(prod(widths) <= 200_000)
    middle = np.array(kernel.time_extents, dtype=np.int64) - 1
    every: NDArray[np.int64] = np.indices(widths).reshape(len(widths), -1).T - middle
    return every


def reuses(kernel: SpaceTime, tensor: TensorAccess, link: Link) -> bool:
    moved = kernel.along_time(tensor) @ np.array(link.dt, dtype=np.int64)
    moved = moved + kernel.along_space(tensor) @ np.array(link.ds, dtype=np.int64)
    return not moved.any()


def hop(kernel: SpaceTime, ds: tuple[int, ...]) -> int:
    return int(np.dot(kernel.skew, ds))


def nearest(extents: tuple[int, ...]) -> list[tuple[int, ...]]:
    """No displacement, and by one unit along each axis that has room."""
    axes = range(len(extents))
    steps = [(a, sign) for a in axes if extents[a] > 1 for sign in (1, -1)]
    return [tuple(0 for _ in axes), *(tuple(s * (a == b) for b in axes) for a, s in steps)]


@given(descriptions(), st.integers(1, 9), st.data())
@settings(max_examples=60)
def test_links_reuse_an_element_and_are_as_short_as_can_be(
    description: Description, chain: int, data: st.DataObject
) -> None:
    kernel = description.lower()
    level = data.draw(st.integers(0, len(kernel.time)))
    schedule = chain_pads(kernel, {level: chain})
    every = steps_in_time(kernel)
    cycles = every @ np.array(schedule.strides, dtype=np.int64)
    for tensor in kernel.inputs:
        moves = every @ kernel.along_time(tensor).T
        links = candidate_links(kernel, tensor, schedule)
        assert len({(k.dt, k.ds) for k in links}) == len(links)
        for link in links:
            assert reuses(kernel, tensor, link)
            assert link.depth == schedule.flat(link.dt) + hop(kernel, link.ds) >= 0
            assert link.predicated == any(link.dt)
            assert all(abs(d) < n for d, n in zip(link.dt, kernel.time_extents, strict=True))
            assert all(abs(d) < n for d, n in zip(link.ds, kernel.space_extents, strict=True))
        # Through time: the shallowest of all steps with that displacement, if there is any, for
        # the unit itself and its direct neighbours and for whatever else was found.
        found = {k.ds: k for k in links if k.predicated}
        for ds in {*found, *nearest(kernel.space_extents)}:
            needed = -kernel.along_space(tensor) @ np.array(ds, dtype=np.int64)
            possible = (moves == needed).all(axis=1) & every.any(axis=1)
            depths = cycles[possible] + hop(kernel, ds)
            depths = depths[depths >= 1]
            assert (ds in found) == (depths.size > 0)
            if depths.size:
                assert found[ds].depth == depths.min()


@given(descriptions())
@settings(max_examples=60)
def test_links_in_space_reach_every_unit_that_shares_an_element(description: Description) -> None:
    """Units that need the same element in the same iteration are joined through links."""
    kernel = description.lower()
    points = np.indices(kernel.space_extents).reshape(len(kernel.space), -1).T
    for tensor in kernel.tensors:
        links = spatial_links(kernel, tensor)
        assert [k.depth for k in links] == sorted(k.depth for k in links)
        assert all(reuses(kernel, tensor, k) and not k.predicated for k in links)
        assert {tuple(-x for x in k.ds) for k in links if k.depth == 0} == {
            k.ds for k in links if k.depth == 0
        }
        element = {tuple(p): tuple(kernel.along_space(tensor) @ p) for p in points.tolist()}
        for start, needs in element.items():
            neighbours = [
                tuple(a + sign * b for a, b in zip(start, k.ds, strict=True))
                for k in links
                for sign in (1, -1)
            ]
            direct = {
                p
                for p, other in element.items()
                if other == needs and sum(abs(a - b) for a, b in zip(p, start, strict=True)) == 1
            }
            assert direct <= set(neighbours)


@pytest.mark.parametrize(
    ("name", "ds", "dt", "depth"),
    [
        ("conv2d_strided", (0, -1), {"s": 2}, 2),
        ("conv2d_strided", (-1, 0), {"r": 2}, 6),
        ("conv2d_dilated", (0, -2), {"s": 1}, 1),
        ("conv2d_os_shidiannao", (0, -1), {"s": 1}, 1),
    ],
)
def test_strides_and_dilation_are_found(
    name: str, ds: tuple[int, ...], dt: dict[str, int], depth: int
) -> None:
    kernel = load_description(name).lower()
    links = candidate_links(kernel, kernel.inputs[0], chain_pads(kernel, {}))
    assert Link(tuple(dt.get(t, 0) for t in kernel.time), ds, depth) in links


def test_a_stretched_schedule_deepens_the_links_through_its_loops() -> None:
    kernel = load_description("conv2d_os_shidiannao").lower()
    tensor = kernel.inputs[0]
    r = kernel.time.index("r")
    straight = chain_pads(kernel, {})
    stretched = chain_pads(kernel, {kernel.time.index("s"): 5})

    def depth(schedule: Schedule) -> int:
        links = candidate_links(kernel, tensor, schedule)
        return next(k.depth for k in links if k.ds == (-1, 0) and k.dt[r] == 1)

    assert (depth(straight), depth(stretched)) == (3, 5)


def test_the_share_in_which_a_link_holds() -> None:
    link = Link((0, 1, -2), (1,), 4)
    assert link.share_held((5, 4, 3)) == pytest.approx(1 * 3 / 4 * 1 / 3)
    assert not Link((0, 0), (1,), 1).predicated

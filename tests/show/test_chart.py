from __future__ import annotations

from itertools import pairwise, product

import pytest

from accelgen.affine import load_description
from accelgen.affine.spacetime import IntVector
from accelgen.content import content_path, list_content
from accelgen.fabric.build import build_fabric
from accelgen.fabric.fabric import Fabric
from accelgen.show.chart import UNIT_ROWS, Chart, Lane, make_chart
from accelgen.show.excerpt import Excerpt


def fabric_of(
    name: str, bounds: dict[str, int] | None = None, space: dict[str, int] | None = None
) -> Fabric:
    description = load_description(content_path("dataflows", name))
    return build_fabric(description.with_overrides(bounds=bounds, space=space).lower())


def cycles(lane: Lane) -> dict[int, tuple[int, bool]]:
    """Per cycle of a lane its tile and whether it is active."""
    found = {bar.start + k: (bar.tile, bar.active) for bar in lane.bars for k in range(bar.cycles)}
    assert len(found) == sum(bar.cycles for bar in lane.bars)
    return found


def shown(chart: Chart, cycle: int) -> bool:
    return any(first <= cycle < end for first, end in chart.windows)


def active(fabric: Fabric, t: IntVector, s: IntVector) -> bool:
    kernel = fabric.kernel
    return all(
        0 <= sum(a * b for a, b in zip((*time, *space), (*t, *s), strict=True)) + offset < bound
        for time, space, offset, bound in zip(
            kernel.time_matrix, kernel.space_matrix, kernel.offset, kernel.bounds, strict=True
        )
    )


@pytest.mark.parametrize("name", [name.removesuffix(".yaml") for name in list_content("dataflows")])
def test_unit_lanes_are_the_schedule(name: str) -> None:
    fabric = fabric_of(name)
    chart = make_chart(fabric)
    lanes = [lane for lane in chart.lanes if lane.kind == "unit"]
    assert 1 <= len(lanes) <= UNIT_ROWS
    schedule = fabric.schedule
    last, level = chart.windows[-1][1], len(chart.tile_loops)
    nest = product(*(range(n) for n in schedule.extents))
    times = [t for t in nest if schedule.flat(t) < last]
    for lane in (lanes[0], lanes[-1]):
        expected = {}
        for t in times:
            cycle = schedule.flat(t) + schedule.offset(lane.place)
            if shown(chart, cycle):
                tile = 0
                for index, extent in zip(t[:level], schedule.extents, strict=False):
                    tile = tile * extent + index
                expected[cycle] = (tile, active(fabric, t, lane.place))
    assert cycles(lane) == expected


@pytest.mark.parametrize("name", [name.removesuffix(".yaml") for name in list_content("dataflows")])
def test_memory_lanes_are_the_access_patterns(name: str) -> None:
    fabric = fabric_of(name)
    chart = make_chart(fabric)
    lanes = {lane.label.split()[1]: lane for lane in chart.lanes if lane.kind != "unit"}
    for pattern in (*(plan.pattern for plan in fabric.inputs), fabric.output.pattern):
        nest = product(*(range(n) for n in pattern.extents))
        accesses = {
            pattern.start + sum(a * b for a, b in zip(t, pattern.strides, strict=True))
            for t in nest
        }
        assert set(cycles(lanes[pattern.tensor])) == {c for c in accesses if shown(chart, c)}


def test_loading_before_the_first_issue_is_shown() -> None:
    chart = make_chart(fabric_of("gemm_ws_broadcast"))
    assert chart.windows[0][0] == chart.span[0] == -7
    assert [lane.kind for lane in chart.lanes[:2]] == ["read", "load"]
    assert chart.lanes[1].bars[0].start == -7


def test_long_tiles_are_cut_in_the_middle() -> None:
    chart = make_chart(fabric_of("gemm_os_systolic", {"k": 5000}))
    (first, end), (start, stop) = chart.windows
    assert first == 0
    assert end < start <= 5000 < stop < chart.span[1]
    assert not chart.whole


def test_a_problem_of_one_long_tile_has_one_colour() -> None:
    chart = make_chart(fabric_of("gemm_os_systolic", {"m": 16, "n": 16, "k": 500}))
    assert chart.tile_loops == ()
    assert {bar.tile for lane in chart.lanes for bar in lane.bars} == {0}


def test_large_arrays_show_the_ends_of_every_axis() -> None:
    chart = make_chart(fabric_of("gemm_os_broadcast", space={"i": 16, "j": 16}))
    places = [lane.place for lane in chart.lanes if lane.kind == "unit"]
    assert len(places) <= UNIT_ROWS
    assert {(0, 0), (0, 15), (15, 0), (15, 15)} <= set(places)


@pytest.mark.parametrize(("size", "limit"), [(1, 8), (8, 8), (9, 8), (64, 8), (40, 12), (6, 5)])
def test_excerpts_keep_order_and_leave_room(size: int, limit: int) -> None:
    excerpt = Excerpt.of(size, limit)
    assert excerpt.cut == (size > limit)
    assert {0, size - 1} <= set(excerpt.shown)
    assert len(excerpt.shown) <= limit
    places = [excerpt.at(index) for index in excerpt.shown]
    assert all(b - a >= 1 for a, b in pairwise(places))
    for index in set(range(size)) - set(excerpt.shown):
        assert places[excerpt.first - 1] < excerpt.at(index) < places[excerpt.first]

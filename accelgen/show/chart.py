"""What a space-time diagram shows: when each unit works, and when each memory is accessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.spacetime import IntVector, SpaceTime
from accelgen.fabric.access import AccessPattern
from accelgen.fabric.fabric import Fabric, InputPlan, OutputPlan

__all__ = ["CELLS", "UNIT_ROWS", "Bar", "Chart", "Lane", "make_chart"]

CELLS = 72
"""Most cycles that are drawn as one cell each."""
UNIT_ROWS = 16
"""Most units that are shown."""
ONE_WINDOW = 176
"""Most cycles shown without a break."""
PART = 56
"""Cycles shown before a break."""


@dataclass(frozen=True)
class Bar:
    """``cycles`` consecutive cycles from ``start`` on, all for one ``tile``.

    ``active`` is false for iterations outside the bounds, which the unit computes but does not
    add; ``step`` is the index of the innermost loop in the first cycle.
    """

    start: int
    cycles: int
    tile: int
    active: bool = True
    step: int = 0


@dataclass(frozen=True)
class Lane:
    """The bars of the unit at ``place``, or of one tensor's memory accesses."""

    label: str
    kind: Literal["unit", "read", "load", "write", "drain"]
    bars: tuple[Bar, ...]
    place: IntVector = ()


@dataclass(frozen=True)
class Chart:
    """Lanes over ``windows`` of cycles ``(first, end)``, cut from the cycles ``span``.

    Cycle 0 is the issue of the first iteration; pipeline registers are left out.  A tile is one
    iteration of ``tile_loops``; ``tiles`` are their indices by number, as far as they are shown.
    ``innermost`` is the innermost loop and its extent.
    """

    lanes: tuple[Lane, ...]
    windows: tuple[tuple[int, int], ...]
    span: tuple[int, int]
    tile_loops: tuple[str, ...]
    tiles: tuple[tuple[int, IntVector], ...]
    innermost: tuple[str, int]
    units: int

    @property
    def whole(self) -> bool:
        """Whether the windows show everything."""
        return self.windows == (self.span,)


def make_chart(fabric: Fabric) -> Chart:
    """The first tiles of a fabric: filling, computing, loading and draining."""
    kernel, schedule = fabric.kernel, fabric.schedule
    plans: list[InputPlan | OutputPlan] = [*fabric.inputs, fabric.output]
    level = _tile_level(fabric)
    first = min(0, *(plan.pattern.start for plan in plans))
    last = max(schedule.last + max(fabric.offsets), *(plan.pattern.last for plan in plans))
    windows = _windows(fabric, level, first, last + 1)
    lanes = [
        *(_access_lane(plan, level, schedule.extents, windows) for plan in fabric.inputs),
        *(_unit_lane(fabric, unit, level, windows) for unit in _sample(kernel)),
        _access_lane(fabric.output, level, schedule.extents, windows),
    ]
    shown = sorted({b.tile for lane in lanes if lane.kind == "unit" for b in lane.bars})
    extents = schedule.extents[:level]
    tiles = tuple(
        (tile, tuple(int(x) for x in np.unravel_index(tile, extents)) if extents else ())
        for tile in shown
    )
    return Chart(
        tuple(lanes),
        windows,
        (first, last + 1),
        kernel.time[:level],
        tiles,
        (kernel.time[-1], kernel.time_extents[-1]) if kernel.time else ("", 1),
        kernel.units,
    )


def _tile_level(fabric: Fabric) -> int:
    """The number of outer loops whose iterations are the tiles.

    A tile is what runs between two changes of the most stationary tensor that changes at all.
    Without one it is an iteration of the outermost loop, unless these are too many to tell apart.
    """
    loops = len(fabric.kernel.time)
    holds = [fabric.output.hold, *(plan.hold for plan in fabric.inputs)]
    if changing := [hold for hold in holds if hold]:
        return min(changing)
    if all(hold is None for hold in holds) and loops > 1:
        return 1
    return min(1, loops) if fabric.schedule.last < CELLS else 0


def _windows(fabric: Fabric, level: int, first: int, end: int) -> tuple[tuple[int, int], ...]:
    """Two tiles with all that hangs over; of long ones the beginning, and the end of the first."""
    if end - first <= ONE_WINDOW:
        return ((first, end),)
    strides = fabric.schedule.strides
    tile = strides[level - 1] if level else fabric.schedule.last + 1
    pattern = fabric.output.pattern
    chain = fabric.output.chain
    written = pattern.start + (chain.cycles if chain is not None else 1)
    overhang = max(max(fabric.offsets), written - tile) + 1
    two = min(end, 2 * tile + overhang)
    if two - first <= ONE_WINDOW:
        stop = two
        while stop + tile <= min(end, first + CELLS):
            stop += tile
        return ((first, stop),)
    if tile + overhang - first <= ONE_WINDOW:
        return ((first, min(end, first + ONE_WINDOW)),)
    head = (first, first + PART)
    start = max(head[1] + 1, min(tile, end) - PART // 4)
    return head, (start, min(end, start + 2 * PART))


def _sample(kernel: SpaceTime) -> list[int]:
    """Units that show every axis: the first indices along each and the last one."""
    counts = list(kernel.space_extents)
    while prod(counts) > UNIT_ROWS:
        counts[counts.index(max(counts))] -= 1
    axes = [
        [*range(count - 1), extent - 1]
        for count, extent in zip(counts, kernel.space_extents, strict=True)
    ]
    numbers = np.arange(kernel.units).reshape(kernel.space_extents)[np.ix_(*axes)]
    return [int(x) for x in numbers.ravel()]


def _unit_lane(fabric: Fabric, unit: int, level: int, windows: Sequence[tuple[int, int]]) -> Lane:
    kernel, schedule = fabric.kernel, fabric.schedule
    place = tuple(int(x) for x in np.unravel_index(unit, kernel.space_extents))
    times, points = _nest(schedule.extents, schedule.strides, fabric.offsets[unit], windows)
    where = np.array(kernel.space_matrix, dtype=np.int64).reshape(len(kernel.loops), -1) @ np.array(
        place, dtype=np.int64
    ) + np.array(kernel.offset, dtype=np.int64)
    matrix = np.array(kernel.time_matrix, dtype=np.int64).reshape(len(kernel.loops), -1)
    index = points @ matrix.T + where
    inside = (index >= 0) & (index < np.array(kernel.bounds))
    active: NDArray[np.bool_] = np.logical_and.reduce(inside, axis=1)
    tiles = _numbers(points, schedule.extents, level)
    steps = points[:, -1] if points.shape[1] else np.zeros(len(points), dtype=np.int64)
    label = ", ".join(map(str, place))
    return Lane(label, "unit", _bars(times, tiles, active, steps), place)


def _access_lane(
    plan: InputPlan | OutputPlan,
    level: int,
    extents: IntVector,
    windows: Sequence[tuple[int, int]],
) -> Lane:
    """The accesses of one tensor's memory ports; tile -1 where one access serves many tiles."""
    pattern: AccessPattern = plan.pattern
    times, points = _nest(pattern.extents, pattern.strides, pattern.start, windows)
    loops = len(pattern.extents) - (plan.chain is not None)
    if loops >= level and (plan.hold is None or plan.hold >= level):
        tiles = _numbers(points, extents, level)
    else:
        tiles = np.full(len(times), -1, dtype=np.int64)
    always = np.ones(len(times), dtype=bool)
    name = plan.tensor.name
    bars = _bars(times, tiles, always, np.zeros(len(times), dtype=np.int64))
    if isinstance(plan, InputPlan):
        return (
            Lane(f"read {name}", "read", bars)
            if plan.hold is None
            else Lane(f"load {name}", "load", bars)
        )
    return (
        Lane(f"drain {name}", "drain", bars) if plan.chain else Lane(f"write {name}", "write", bars)
    )


def _nest(
    extents: Sequence[int],
    strides: Sequence[int],
    start: int,
    windows: Sequence[tuple[int, int]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cycles inside the windows in which a loop nest runs, and its indices there."""
    cycles = np.concatenate([np.arange(a, b, dtype=np.int64) for a, b in windows])
    rest = cycles - start
    runs = rest >= 0
    points = np.zeros((len(cycles), len(extents)), dtype=np.int64)
    for loop, (extent, stride) in enumerate(zip(extents, strides, strict=True)):
        # Strides are at least as long as what they contain: greedy division is exact.
        points[:, loop] = np.minimum(rest // stride, extent - 1)
        rest = rest - points[:, loop] * stride
    runs &= rest == 0
    return cycles[runs], points[runs]


def _numbers(points: NDArray[np.int64], extents: Sequence[int], level: int) -> NDArray[np.int64]:
    number = np.zeros(len(points), dtype=np.int64)
    for loop in range(level):
        number = number * extents[loop] + points[:, loop]
    return number


def _bars(
    times: NDArray[np.int64],
    tiles: NDArray[np.int64],
    active: NDArray[np.bool_],
    steps: NDArray[np.int64],
) -> tuple[Bar, ...]:
    """Runs of consecutive cycles that are alike."""
    if not len(times):
        return ()
    breaks = (np.diff(times) != 1) | (np.diff(tiles) != 0) | (active[1:] != active[:-1])
    starts = [0, *(np.flatnonzero(breaks) + 1).tolist()]
    ends = [*starts[1:], len(times)]
    return tuple(
        Bar(int(times[a]), b - a, int(tiles[a]), bool(active[a]), int(steps[a]))
        for a, b in zip(starts, ends, strict=True)
    )

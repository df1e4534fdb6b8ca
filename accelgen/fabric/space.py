"""Coordinates of the functional units: numbering, neighbours, runs along an axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.spacetime import IntVector

__all__ = ["Grid", "runs_along"]


class Grid:
    """The box of unit coordinates, numbered row-major from 0."""

    def __init__(self, extents: Sequence[int]) -> None:
        self.extents = tuple(extents)
        self.size = int(np.prod(self.extents, dtype=np.int64))

    @cached_property
    def points(self) -> NDArray[np.int64]:
        """All coordinates, one row per unit."""
        return np.indices(self.extents).reshape(len(self.extents), -1).T.astype(np.int64)

    def coordinates(self, unit: int) -> IntVector:
        """Coordinates of one unit."""
        return tuple(int(x) for x in self.points[unit])

    def shifted(self, ds: Sequence[int]) -> NDArray[np.int64]:
        """For every unit the number of the unit at ``s - ds``, or -1 outside the array."""
        moved = self.points - np.array(ds, dtype=np.int64)
        inside = ((moved >= 0) & (moved < np.array(self.extents))).all(axis=1)
        numbers = np.ravel_multi_index(
            tuple(np.where(inside, column, 0) for column in moved.T), self.extents
        )
        return np.where(inside, numbers, -1)


def runs_along(
    members: Iterable[int], place: Mapping[int, IntVector], axis: int, direction: int
) -> list[list[int]]:
    """Split members into maximal runs of neighbours along one axis, each in walking order."""
    at = {place[m]: m for m in members}

    def neighbour(position: IntVector, step: int) -> IntVector:
        return (*position[:axis], position[axis] + step, *position[axis + 1 :])

    runs = []
    for position, member in sorted(at.items()):
        if neighbour(position, -direction) in at:
            continue
        run, here = [member], neighbour(position, direction)
        while here in at:
            run.append(at[here])
            here = neighbour(here, direction)
        runs.append(run)
    return runs

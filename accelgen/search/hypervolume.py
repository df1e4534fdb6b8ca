"""Hypervolume: how much of the space of objectives a front dominates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from accelgen.sweep.front import non_dominated

__all__ = ["Volume", "hypervolume", "logarithms"]

Floats = NDArray[np.float64]

_SETTLED = 16
"""Values after which the reference point of :class:`Volume` is fixed."""

_LEAST = 1e-300
"""Objectives below are taken as this: the logarithm of 0 is none."""


def hypervolume(values: Floats, reference: Sequence[float]) -> float:
    """The volume between the points (rows) and the reference, of which less is better.

    Points that are not below the reference everywhere add nothing.  Exact, by slices along the
    last objective; the time grows with the number of points to the power of the objectives.
    """
    limit = np.asarray(reference, dtype=np.float64)
    inside = values[(values < limit).all(axis=1)]
    if not len(inside):
        return 0.0
    front = np.unique(inside[non_dominated(inside)], axis=0)
    return _volume(front, limit)


def _volume(front: Floats, limit: Floats) -> float:
    if front.shape[1] == 1:
        return float(limit[0] - front[:, 0].min())
    # From the best to the worst last objective: of each slice what all points so far dominate.
    order = np.argsort(front[:, -1], kind="stable")
    front = front[order]
    ends = np.append(front[1:, -1], limit[-1])
    total = 0.0
    for number, end in enumerate(ends):
        depth = end - front[number, -1]
        if depth > 0:
            so_far = front[: number + 1, :-1]
            total += depth * _volume(so_far[non_dominated(so_far)], limit[:-1])
    return total


class Volume:
    """The hypervolume of what a search has found so far, of the logarithms of objectives.

    A factor of e in one objective is a length of 1, so that units do not matter.  The reference is
    the worst of each objective among the first 16 feasible designs: the same for the same search.
    Until then the volume counts as 0.  A ``reference`` (logarithms) that is given counts from the
    beginning.
    """

    def __init__(self, objectives: int, reference: tuple[float, ...] | None = None) -> None:
        self.value = 0.0
        self.reference = reference
        self._front = np.empty((0, objectives))

    def add(self, values: Sequence[float]) -> None:
        """Take another feasible design's objectives into account."""
        point = logarithms(np.array([values], dtype=np.float64))
        front, self._front = self._front, np.concatenate([self._front, point])
        if self.reference is None:
            if len(self._front) == _SETTLED:
                self.reference = tuple(float(x) for x in self._front.max(axis=0))
                self.value = hypervolume(self._front, self.reference)
                self._front = self._front[non_dominated(self._front)]
            return
        if (front <= point).all(axis=1).any():
            self._front = front
            return
        limit = np.array(self.reference)
        if (point < limit).all():
            # What it dominates alone: its box, less what the others dominate of it.
            shared = hypervolume(np.maximum(front, point), self.reference)
            self.value += float((limit - point).prod()) - shared
        self._front = self._front[non_dominated(self._front)]


def logarithms(values: Floats) -> Floats:
    """Of objectives; of a maximised one, which is negative (-0.0 for 0), minus that of its size."""
    return np.where(np.signbit(values), -1.0, 1.0) * np.log(np.maximum(np.abs(values), _LEAST))

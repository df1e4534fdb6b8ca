"""Shift chains that load stationary operands and drain finished sums along one space axis.

Hops take one cycle more than the skew between neighbours, so that elements which enter the
chain in consecutive cycles reach their units exactly when these switch to the next tile; the
chain itself is the shadow register and needs no enable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

from accelgen.affine.spacetime import IntVector
from accelgen.errors import InputError
from accelgen.fabric.space import runs_along

__all__ = ["Chain", "choose_chain"]


@dataclass(frozen=True)
class Chain:
    """Chains along ``axis`` in ``direction`` (+1 or -1), in the order of flow.

    ``runs`` holds the members of each chain; loading chains start at their memory port,
    draining chains end there.  ``arrivals`` gives for each member the offset, in cycles behind
    the issue, at which the chain hands over (loading) or takes (draining) its element; the
    hop from one member to the next takes one cycle more than the difference.
    """

    axis: int
    direction: int
    runs: tuple[IntVector, ...]
    arrivals: tuple[IntVector, ...]

    @property
    def length(self) -> int:
        """Cycles the longest chain needs to load or drain."""
        return max(len(run) for run in self.runs)

    def check(self) -> None:
        """Assert that elements neither overtake nor collide."""
        for run, arrivals in zip(self.runs, self.arrivals, strict=True):
            assert len(run) == len(arrivals)
            assert all(a <= b for a, b in pairwise(arrivals))


def choose_chain(
    members: Sequence[int],
    place: Mapping[int, IntVector],
    offsets: Mapping[int, int],
    *,
    skew: IntVector,
    residency: int,
    flow: Literal["load", "drain"],
    pinned: int | None = None,
    where: str = "chain",
) -> Chain | None:
    """The chain that stretches the schedule least, then needs the fewest ports.

    ``residency`` is the number of cycles a tile lasts (a chain that is longer stretches it).
    Returns ``None`` when no two members are neighbours along any allowed axis.
    """
    candidates = []
    axes = range(len(skew)) if pinned is None else [pinned]
    for axis in axes:
        direction = 1 if skew[axis] >= 0 else -1
        runs = runs_along(members, place, axis, direction)
        length = max(len(run) for run in runs)
        if length > 1:
            candidates.append((max(0, length - residency), len(runs), axis, direction, runs))
    if not candidates:
        if pinned is not None:
            raise InputError(
                "no two neighbours along the axis named for the shift chain have elements of "
                "their own",
                where=where,
                hint="name another axis, or leave the choice to accelgen",
            )
        return None
    _, _, axis, direction, runs = min(candidates, key=lambda c: c[:3])
    arrivals = tuple(tuple(_arrivals([offsets[m] for m in run], flow)) for run in runs)
    return Chain(axis, direction, tuple(map(tuple, runs)), arrivals)


def _arrivals(offsets: list[int], flow: Literal["load", "drain"]) -> list[int]:
    """Non-decreasing offsets: not after use when loading, not before the sum when draining."""
    if flow == "drain":
        return list(accumulate(offsets, max))
    return list(accumulate(reversed(offsets), min))[::-1]

"""Shift chains that load stationary operands and drain finished sums along one space axis.

With skew c between neighbours, elements ``spacing`` cycles apart move ``spacing + c`` cycles per
hop (c counted along the flow), and so each is at its unit exactly when that switches to the next
tile; the chain itself is the shadow register and needs no enable.  Flowing with the skew, one
element per cycle, a hop takes 1 + c registers; flowing against it, one element every 1 + c cycles,
a single register will do, at the same latency, where a tile lasts long enough for that.
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

MOST_PORTS = 64
"""Members up to which ports of their own are preferred to waiting for a chain."""


@dataclass(frozen=True)
class Chain:
    """Chains along ``axis`` in ``direction`` (+1 or -1), in the order of flow.

    ``runs`` holds the members of each chain; loading chains start at their memory port,
    draining chains end there.  ``arrivals`` gives for each member the offset, in cycles behind
    the issue, at which the chain hands over (loading) or takes (draining) its element; ports
    load or drain one element every ``spacing`` cycles.
    """

    axis: int
    direction: int
    spacing: int
    runs: tuple[IntVector, ...]
    arrivals: tuple[IntVector, ...]

    @property
    def length(self) -> int:
        """Members of the longest chain."""
        return max(len(run) for run in self.runs)

    @property
    def registers(self) -> int:
        """Registers of all chains."""
        return sum(sum(self.hops(run)) for run in range(len(self.runs)))

    @property
    def cycles(self) -> int:
        """Cycles the longest chain is busy with one tile."""
        return self.spacing * (self.length - 1) + 1

    def hops(self, run: int) -> list[int]:
        """Cycles from each member of a run to the next."""
        return [self.spacing + b - a for a, b in pairwise(self.arrivals[run])]

    def check(self) -> None:
        """Assert that every hop moves on and that ports handle distinct members one by one."""
        assert self.spacing >= 1
        for number, (run, arrivals) in enumerate(zip(self.runs, self.arrivals, strict=True)):
            assert len(run) == len(arrivals)
            assert all(hop >= 1 for hop in self.hops(number))


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
    prefer: tuple[int, int] | None = None,
) -> Chain | None:
    """The chain that stretches the schedule least, then has the fewest ports, then registers.

    ``residency`` is the number of cycles a tile lasts (a chain that is busy for longer
    stretches it).  Where they stretch alike and have as many ports, chains along the axis and in
    the direction ``prefer`` come before those of fewer registers.  Returns ``None``, for a memory
    port per member, when no two members are neighbours along any allowed axis, and, unless an
    axis is ``pinned``, when every chain would stretch the schedule and there are at most
    ``MOST_PORTS`` members.
    """
    candidates = []
    for axis in range(len(skew)) if pinned is None else [pinned]:
        forward = 1 if skew[axis] >= 0 else -1
        spaced = {(forward, 1), (-forward, 1 + abs(skew[axis]))}
        for direction, spacing in sorted(spaced, reverse=True):
            runs = runs_along(members, place, axis, direction)
            arrivals = tuple(
                tuple(_arrivals([offsets[m] for m in run], spacing, flow)) for run in runs
            )
            chain = Chain(axis, direction, spacing, tuple(map(tuple, runs)), arrivals)
            stretch = max(0, chain.cycles - residency)
            if chain.length > 1:
                away = prefer is not None and (axis, direction) != prefer
                candidates.append(((stretch, len(runs), away, chain.registers, axis), chain))
    if not candidates:
        if pinned is not None:
            raise InputError(
                "no two neighbours along the axis named for the shift chain have elements of "
                "their own",
                where=where,
                hint="name another axis, or leave the choice to accelgen",
            )
        return None
    (stretch, *_), chain = min(candidates, key=lambda candidate: candidate[0])
    if stretch and pinned is None and len(members) <= MOST_PORTS:
        return None
    return chain


def _arrivals(offsets: list[int], spacing: int, flow: Literal["load", "drain"]) -> list[int]:
    """Offsets as close to the members' own as hops of one cycle at least allow.

    Not after use when loading, not before the sum is there when draining.
    """
    least = 1 - spacing  # the least difference between a member's offset and the previous one's
    if flow == "drain":
        return list(accumulate(offsets, lambda before, own: max(own, before + least)))
    late_first = accumulate(reversed(offsets), lambda after, own: min(own, after - least))
    return list(late_first)[::-1]

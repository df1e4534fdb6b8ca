"""The cycle in which each iteration is issued, and how long each tensor stays in a unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from accelgen.affine.spacetime import IntVector, SpaceTime, TensorAccess

__all__ = ["Schedule", "chain_pads", "hold_level"]


@dataclass(frozen=True)
class Schedule:
    """Unit ``s`` executes ``t`` at cycle ``flat(t) + offset(s)``, counted from the issue of t = 0.

    ``strides[l]`` is the number of cycles between two steps of time loop ``l``.  Without
    shift chains that do not fit behind compute it is the mixed radix of the inner extents;
    a chain longer than the time its tensor stays stretches exactly the difference.
    """

    extents: IntVector
    strides: IntVector
    skew: IntVector
    skew_base: int

    def flat(self, t: Sequence[int]) -> int:
        """Issue cycle of iteration ``t`` (or the cycle distance of a step ``dt``)."""
        return sum(a * b for a, b in zip(t, self.strides, strict=True))

    def offset(self, s: Sequence[int]) -> int:
        """Cycles by which unit ``s`` runs behind the issue; 0 for the earliest unit."""
        return sum(a * b for a, b in zip(s, self.skew, strict=True)) - self.skew_base

    @property
    def last(self) -> int:
        """Issue cycle of the last iteration."""
        return self.flat([n - 1 for n in self.extents])

    def check(self) -> None:
        """Assert that no two iterations are issued in the same cycle, in loop order."""
        length = 1
        for extent, stride in zip(reversed(self.extents), reversed(self.strides), strict=True):
            assert stride >= length
            length = stride * extent


def hold_level(kernel: SpaceTime, tensor: TensorAccess) -> int:
    """The first of the innermost time loops that do not index ``tensor``.

    The tensor element of a unit stays the same while loops ``hold_level..`` run;
    ``len(kernel.time)`` when even the innermost loop changes it.
    """
    moves = kernel.along_time(tensor)
    level = len(kernel.time)
    while level and (kernel.time_extents[level - 1] == 1 or not moves[:, level - 1].any()):
        level -= 1
    # Loops of one iteration never count as holding by themselves.
    while level < len(kernel.time) and kernel.time_extents[level] == 1:
        level += 1
    return level


def residency(kernel: SpaceTime, level: int) -> int:
    """Iterations for which a tensor of that hold level stays in its unit."""
    return prod(kernel.time_extents[level:])


def chain_pads(kernel: SpaceTime, chains: Mapping[int, int]) -> Schedule:
    """The schedule in which every shift chain fits: ``chains[level]`` is the longest chain
    of the tensors held from that loop level on.
    """
    strides = [0] * len(kernel.time)
    length = 1
    for level in reversed(range(len(kernel.time))):
        length = max(length, chains.get(level + 1, 1)) if level + 1 in chains else length
        strides[level] = length
        length *= kernel.time_extents[level]
    lows = (min(0, c * (n - 1)) for c, n in zip(kernel.skew, kernel.space_extents, strict=True))
    return Schedule(kernel.time_extents, tuple(strides), kernel.skew, sum(lows))

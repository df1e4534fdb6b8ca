"""What goes in and out of the memories of a tensor while a layer runs, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from accelgen.affine.spacetime import IntMatrix, IntVector
from accelgen.fabric.banks import BankedAccess
from accelgen.fabric.layout import Layout

__all__ = ["Accesses", "Traffic", "accesses_of", "traffic_of"]


@dataclass(frozen=True)
class Accesses:
    """``count`` of them; ``moves``: those at another index than the one before, the first of all
    among them; ``changes``: how many of them a memory has another address for, on average over the
    memories and over where the first is.
    """

    count: int
    moves: int
    changes: float


@dataclass(frozen=True)
class Traffic:
    """Of a tensor: it is streamed in (or out) as ``layout`` has it; the array makes ``accesses``,
    each of ``slots`` elements at once, through rotators where it ``turns``.
    """

    layout: Layout
    slots: int
    turns: bool
    accesses: Accesses


@lru_cache(maxsize=1 << 12)
def accesses_of(extents: IntVector, steps: IntMatrix, moduli: IntVector) -> Accesses:
    """Of loops of ``extents``, outermost first, which step by ``steps`` (a row per dimension of the
    layout, a column per loop) through memories banked modulo ``moduli``.

    When a loop runs on, the index moves by its step less what the loops inside of it take back.
    A memory holds every ``moduli``-th index of a dimension: a move of ``d`` there is another
    address in ``d`` of ``moduli`` of them, in all where it is farther.
    """
    moves, changes, before = 1, 1.0, 1
    back = _taken_back(extents, steps)
    for loop, extent in enumerate(extents):
        if extent == 1:
            continue
        count = before * (extent - 1)
        before *= extent
        same, still = 1.0, True
        for row, inner, modulus in zip(steps, back, moduli, strict=True):
            moved = abs(row[loop] - inner[loop])
            same *= 1 - min(1.0, moved / modulus)
            still = still and not moved
        moves += 0 if still else count
        changes += count * (1 - same)
    return Accesses(before, moves, changes)


def _taken_back(extents: Sequence[int], steps: IntMatrix) -> list[list[int]]:
    """By dimension and loop, how far the loops inside of it go from first to last."""
    found = []
    for row in steps:
        inner, far = [0] * len(row), 0
        for loop in reversed(range(len(row))):
            inner[loop] = far
            far += (extents[loop] - 1) * row[loop]
        found.append(inner)
    return found


def traffic_of(access: BankedAccess) -> Traffic:
    """Of an access pattern."""
    layout = access.layout
    accesses = accesses_of(access.extents, access.steps, layout.moduli)
    return Traffic(layout, len(access.slots), access.turns, accesses)

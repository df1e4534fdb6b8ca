"""How often the addresses of banked memories change while a tensor is accessed, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from accelgen.fabric.banks import BankedAccess

__all__ = ["Accesses", "accesses_of"]


@dataclass(frozen=True)
class Accesses:
    """``moves``: accesses at another index than the one before, the first of all among them;
    ``changes``: how many of them a memory has another address for, on average over the memories
    and over where the first is.
    """

    moves: int
    changes: float


@lru_cache(maxsize=4096)
def accesses_of(access: BankedAccess) -> Accesses:
    """Of an access pattern.

    When a loop runs on, the index moves by its step less what the loops inside of it take back.
    A memory holds every ``moduli``-th index of a dimension: a move of ``d`` there is another
    address in ``d`` of ``moduli`` of them, in all where it is farther.
    """
    moves, changes, before = 1, 1.0, 1
    for loop, extent in enumerate(access.extents):
        count = before * (extent - 1)
        before *= extent
        same, still = 1.0, True
        for steps, modulus in zip(access.steps, access.layout.moduli, strict=True):
            inner = zip(access.extents[loop + 1 :], steps[loop + 1 :], strict=True)
            moved = abs(steps[loop] - sum((n - 1) * step for n, step in inner))
            same *= 1 - min(1.0, moved / modulus)
            still = still and not moved
        moves += 0 if still else count
        changes += count * (1 - same)
    return Accesses(moves, changes)

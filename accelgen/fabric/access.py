"""The elements of one tensor that the array reads or writes in each cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accelgen.affine.spacetime import IntMatrix, IntVector

__all__ = ["AccessPattern"]


@dataclass(frozen=True)
class AccessPattern:
    """In cycle ``start + sum(t * strides)`` slot ``p`` accesses ``origin + steps @ t + slots[p]``.

    Cycles count from the issue of the first iteration, before any pipeline registers; loads of
    stationary tensors start early (``start < 0``).  The loop nest may be empty: one access.
    Slots are pairwise different, so each cycle accesses every element at most once.
    """

    tensor: str
    extents: IntVector
    strides: IntVector
    start: int
    steps: IntMatrix
    origin: IntVector
    slots: tuple[IntVector, ...]

    @property
    def last(self) -> int:
        """Cycle of the last access."""
        return self.start + sum(
            (n - 1) * s for n, s in zip(self.extents, self.strides, strict=True)
        )

    @property
    def gaps(self) -> IntVector:
        """Idle cycles between the last access before a step of loop ``l`` and the next one."""
        gaps = []
        inner = 0
        for extent, stride in zip(reversed(self.extents), reversed(self.strides), strict=True):
            gaps.append(stride - inner - 1)
            inner += (extent - 1) * stride
        return tuple(reversed(gaps))

    def range(self, dimension: int) -> tuple[int, int]:
        """Smallest and largest index any slot accesses along one tensor dimension."""
        reach = [(n - 1) * c for n, c in zip(self.extents, self.steps[dimension], strict=True)]
        slots = [slot[dimension] for slot in self.slots]
        base = self.origin[dimension]
        return (
            base + sum(min(0, r) for r in reach) + min(slots),
            base + sum(max(0, r) for r in reach) + max(slots),
        )

    def check(self) -> None:
        """Assert that slots differ and that the nest never issues two accesses in a cycle."""
        assert len(set(self.slots)) == len(self.slots)
        assert all(gap >= 0 for gap in self.gaps)

    def element(self, t: Sequence[int], slot: int) -> IntVector:
        """The tensor index slot ``slot`` accesses at loop indices ``t``."""
        moved = np.array(self.steps, dtype=np.int64).reshape(len(self.origin), -1) @ np.array(
            t, dtype=np.int64
        )
        return tuple(
            int(a) + b + c for a, b, c in zip(moved, self.origin, self.slots[slot], strict=True)
        )

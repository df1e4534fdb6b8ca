"""Where the elements of a tensor live: memories, addresses and stream order."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """Modular banking of a row-major tensor that is streamed ``per_beat`` elements at a time.

    Element ``d`` is in the memory with coordinates ``d[j] % moduli[j]`` (memories are numbered
    row-major over those coordinates) at the row-major address of ``d[j] // moduli[j]`` over the
    extents ``ceil(shape[j] / moduli[j])``.  Adjacent dimensions that need no banks of their own
    have been merged, so ``shape`` may have fewer dimensions than the tensor (never none).

    The stream handles one *segment* per cycle: the longest run of elements that lies in one beat
    and in one row (a row is the last dimension).  ``moduli[-1] >= min(per_beat, shape[-1])``, so
    the elements of a segment are always in different memories.
    """

    shape: tuple[int, ...]
    moduli: tuple[int, ...]
    element_bits: int
    per_beat: int
    words: int | None = None
    """Words of each memory where the shape is that of one problem of many (else ``None``)."""

    @property
    def memories(self) -> int:
        """Number of memories."""
        return prod(self.moduli)

    @property
    def extents(self) -> tuple[int, ...]:
        """Address extents per dimension: ``ceil(shape / moduli)``."""
        return tuple(-(-n // b) for n, b in zip(self.shape, self.moduli, strict=True))

    @property
    def strides(self) -> tuple[int, ...]:
        """Address distance of one step of ``d[j] // moduli[j]``."""
        extents = self.extents
        return tuple(prod(extents[j + 1 :]) for j in range(len(extents)))

    @property
    def depth(self) -> int:
        """Words the tensor takes in each memory (one element each)."""
        return prod(self.extents)

    @property
    def elements(self) -> int:
        """Elements of the tensor."""
        return prod(self.shape)

    @property
    def beats(self) -> int:
        """Beats of one packet."""
        return -(-self.elements // self.per_beat)

    @property
    def segments(self) -> int:
        """Cycles one packet takes at one segment per cycle: beats, plus one for every row that
        ends inside a beat.
        """
        rows, row = self.elements // self.shape[-1], self.shape[-1]
        period = self.per_beat // gcd(row, self.per_beat)
        return self.beats + (rows - 1) - (rows - 1) // period

    @property
    def aligned(self) -> bool:
        """Whether every row starts at the first element of a beat, whatever the shape is."""
        return self.words is None and self.shape[-1] % self.per_beat == 0

    def check(self) -> None:
        """Assert what the stream units rely on."""
        assert len(self.shape) == len(self.moduli) >= 1
        assert all(n >= 1 for n in self.shape + self.moduli)
        assert self.moduli[-1] >= min(self.per_beat, self.shape[-1])

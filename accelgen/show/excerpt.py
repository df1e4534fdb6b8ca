"""Which part of a long axis a picture shows, and where each index lands on paper."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

__all__ = ["Excerpt"]


@dataclass(frozen=True)
class Excerpt:
    """The indices ``0 .. first-1`` and ``size-last .. size-1`` of an axis.

    Positions are measured in steps from index 0; all hidden indices share the position of the
    ellipsis, so that lines into the hidden part end there.  It takes ``gap`` steps.
    """

    size: int
    first: int
    last: int
    gap: float = 1.0

    @classmethod
    def of(cls, size: int, limit: int, last: int = 2, gap: float = 1.0) -> Excerpt:
        """The whole axis when it has at most ``limit`` indices, else ``limit - 2`` of them."""
        if size <= limit:
            return cls(size, size, 0)
        return cls(size, limit - 2 - last, last, gap)

    @property
    def cut(self) -> bool:
        """Whether indices are hidden."""
        return self.first + self.last < self.size

    @cached_property
    def shown(self) -> tuple[int, ...]:
        """The visible indices, ascending."""
        return (*range(self.first), *range(self.size - self.last, self.size))

    def visible(self, index: int) -> bool:
        """Whether the index is shown."""
        return index < self.first or index >= self.size - self.last

    @property
    def ellipsis(self) -> float:
        """Position of the ellipsis; meaningful when ``cut``."""
        return self.first - 0.5 + self.gap / 2

    @property
    def length(self) -> float:
        """Position of the last visible index."""
        return self.at(self.size - 1)

    def at(self, index: int) -> float:
        """Position of an index."""
        if index < self.first:
            return float(index)
        if not self.visible(index):
            return self.ellipsis
        return index - (self.size - self.last) + self.first + self.gap

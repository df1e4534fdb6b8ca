"""What the stream units derive from a layout: lanes, shifts, addresses, live memories."""

from __future__ import annotations

from functools import cached_property
from itertools import product
from math import gcd

from accelgen.fabric.layout import Layout

__all__ = ["StreamGeometry", "address_bits", "bank_depth", "live_memories"]

Coordinates = tuple[int, ...]


def bank_depth(layout: Layout) -> int:
    """Words of one page of a memory; at least 2, so that an address always has a bit."""
    return max(2, layout.depth if layout.words is None else layout.words)


def address_bits(layout: Layout) -> int:
    """Width of an address within a page; address arithmetic is modulo two to this power."""
    return (bank_depth(layout) - 1).bit_length()


def live_memories(layout: Layout) -> tuple[Coordinates, ...]:
    """Coordinates of the memories that hold elements, row-major; no other memory is built."""
    extents = (min(m, n) for m, n in zip(layout.moduli, layout.shape, strict=True))
    return tuple(product(*(range(extent) for extent in extents)))


class StreamGeometry:
    """How lanes of a beat meet memories (along the last dimension) and rows.

    With ``start`` the lane and ``column`` the last index at which a segment starts, the element
    of lane ``l`` is in column ``column + l - start``.  The walker keeps
    ``shift = (column - start) mod ring``, a multiple of ``step``; the last memory coordinate
    ``b`` meets lane ``(b - shift) mod ring``.
    """

    def __init__(self, layout: Layout) -> None:
        layout.check()
        self.layout = layout
        self.lanes = layout.per_beat
        self.row = layout.shape[-1]
        self.rows = layout.elements // self.row
        self.modulus = layout.moduli[-1]
        self.flexible = layout.words is not None
        """Whether the shape comes with each packet, within that of the layout."""

    @property
    def starts_at_zero(self) -> bool:
        """Whether every segment starts at lane 0 (aligned rows, or only one row)."""
        return not self.flexible and (self.layout.aligned or self.rows == 1)

    @property
    def ring(self) -> int:
        """The modulus of ``shift``: of the last dimension, or a beat when a whole row is less."""
        return self.modulus if self.modulus >= self.lanes else self.lanes

    @property
    def step(self) -> int:
        """Every shift is a multiple of this divisor of ``ring``."""
        if self.flexible:
            return 1
        if self.rows == 1:
            return gcd(self.lanes, self.ring)
        return gcd(self.lanes, self.row, self.ring)

    @property
    def shifts(self) -> int:
        """Number of different shifts, 1 when lanes and memories are wired straight."""
        return self.ring // self.step if self.row > self.lanes or not self.starts_at_zero else 1

    @property
    def straight(self) -> bool:
        """Whether memory ``b`` always meets lane ``b mod lanes``: data needs no rotation."""
        return self.shifts == 1 or self.step % self.lanes == 0

    @property
    def wraps(self) -> bool:
        """Whether a segment may straddle two addresses."""
        if self.flexible:
            return True
        if self.row <= self.modulus:
            return False
        return not (self.starts_at_zero and self.modulus % self.lanes == 0)

    @property
    def columns(self) -> int:
        """Number of live memories along the last dimension."""
        return min(self.modulus, self.row)

    @property
    def data_lanes(self) -> int:
        """Different data words on the way between lanes and memories."""
        return min(self.columns, self.lanes) if self.straight else self.columns

    @property
    def addresses(self) -> int:
        """Different addresses on the way to the memories."""
        return self.columns if self.wraps else 1

    @cached_property
    def outer(self) -> tuple[Coordinates, ...]:
        """Coordinates of the live memories in all dimensions but the last."""
        layout = self.layout
        extents = [min(m, n) for m, n in zip(layout.moduli, layout.shape, strict=True)]
        return tuple(product(*(range(extent) for extent in extents[:-1])))

    @property
    def memories(self) -> int:
        """Number of live memories."""
        return len(self.outer) * self.columns

    def memory(self, outer: int, column: int) -> int:
        """Number of a live memory: position in :func:`live_memories`."""
        return outer * self.columns + column

    @property
    def row_extent(self) -> int:
        """Addresses one row takes."""
        return self.layout.extents[-1]

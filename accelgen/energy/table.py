"""Costs of memories between the sizes and port widths that a table has."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from accelgen.errors import InputError

__all__ = ["Row", "SizeTable"]


@dataclass(frozen=True)
class Row:
    """A memory of ``size`` bytes with a port of ``width`` bits: pJ per access of the whole port,
    leakage in mW, area in mm2 (``None``: not known).
    """

    size: int
    width: int
    read_pj: float
    write_pj: float
    leakage_mw: float
    area_mm2: float | None


@dataclass(frozen=True)
class SizeTable:
    """Memories by size and width.

    Between two sizes of one width every figure is a power of the size (a straight line in
    logarithms); outside, the nearest two sizes are continued.  With ``banks`` a memory above the
    largest size is so many of the largest, one of which is accessed.  Between two widths the same
    holds for the width; outside, the energy per bit is that of the nearest width, and leakage and
    area are.  For one width, no figure becomes less as the size grows, if none does in the table.
    """

    rows: tuple[Row, ...]
    banks: bool = False

    def __post_init__(self) -> None:
        if not self.rows:
            raise InputError("no row", hint="give [bytes, bits, read, write, leakage, area]")
        for row in self.rows:
            figures = [row.size, row.width, row.read_pj, row.write_pj]
            if not all(0 < figure < math.inf for figure in figures):
                raise InputError(f"size, width and energies {figures}", hint="use more than 0")
            if not 0 <= row.leakage_mw < math.inf:
                raise InputError(f"a leakage of {row.leakage_mw} mW", hint="use 0 or more")
            if row.area_mm2 is not None and not 0 < row.area_mm2 < math.inf:
                raise InputError(f"an area of {row.area_mm2} mm2", hint="use more than 0, or ~")
        for what, given in (
            ("leakage", [row.leakage_mw > 0 for row in self.rows]),
            ("area", [row.area_mm2 is not None for row in self.rows]),
        ):
            if any(given) and not all(given):
                raise InputError(f"{what} in some rows only", hint="give it in all or in none")
        for width, curve in self.curves:
            sizes = [row.size for row in curve]
            if len(set(sizes)) < max(2, len(sizes)):
                raise InputError(
                    f"the rows of width {width} have sizes {sizes}",
                    hint="give at least two sizes, each once",
                )

    @property
    def curves(self) -> list[tuple[int, list[Row]]]:
        """The rows of every width, sorted by size."""
        rows = sorted(self.rows, key=lambda row: (row.width, row.size))
        return [(width, list(group)) for width, group in groupby(rows, lambda row: row.width)]

    def read_pj(self, size: int, width: int) -> float:
        """Energy of reading the whole port of a memory."""
        return self._energy(lambda row: row.read_pj, size, width)

    def write_pj(self, size: int, width: int) -> float:
        """Energy of writing the whole port of a memory."""
        return self._energy(lambda row: row.write_pj, size, width)

    def leakage_mw(self, size: int, width: int) -> float:
        """Leakage of a memory in mW."""
        if not any(row.leakage_mw for row in self.rows):
            return 0.0
        return self._all_banks(lambda row: row.leakage_mw, size, width)

    def area_mm2(self, size: int, width: int) -> float | None:
        """Area of a memory in mm2; ``None`` when the table has none."""
        if self.rows[0].area_mm2 is None:
            return None
        return self._all_banks(lambda row: row.area_mm2 or 0.0, size, width)

    def _energy(self, figure: Callable[[Row], float], size: int, width: int) -> float:
        nearest = self._nearest(width)
        return _power_law(self._by_width(figure, size), nearest) * width / nearest

    def _all_banks(self, figure: Callable[[Row], float], size: int, width: int) -> float:
        values = [
            (bits, value * self._count(bits, size)) for bits, value in self._by_width(figure, size)
        ]
        return _power_law(values, self._nearest(width))

    def _nearest(self, width: int) -> int:
        widths = [row.width for row in self.rows]
        return min(max(width, min(widths)), max(widths))

    def _by_width(self, figure: Callable[[Row], float], size: int) -> list[tuple[int, float]]:
        """The figure at ``size`` for each width of the table, of one bank."""
        values = []
        for width, rows in self.curves:
            at = min(size, rows[-1].size) if self.banks else size
            values.append((width, _power_law([(row.size, figure(row)) for row in rows], at)))
        return values

    def _count(self, width: int, size: int) -> int:
        largest = max(row.size for row in self.rows if row.width == width)
        return max(1, math.ceil(size / largest)) if self.banks else 1


def _power_law(points: Sequence[tuple[int, float]], at: int) -> float:
    """Through the two ``points`` around ``at`` or, outside, through the nearest two.

    Exactly the value of a point where ``at`` is one, and of the only one.
    """
    if len(points) == 1:
        return points[0][1]
    place = bisect_right([x for x, _ in points], at)
    low = min(max(place - 1, 0), len(points) - 2)
    (x0, y0), (x1, y1) = points[low], points[low + 1]
    slope = math.log(y1 / y0) / math.log(x1 / x0)
    x, y = points[min(max(place - 1, 0), len(points) - 1)]
    return float(y * (at / x) ** slope)

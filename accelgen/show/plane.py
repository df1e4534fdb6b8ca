"""Where units, adder trees and slices of an array lie on paper, in steps between units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from accelgen.affine.spacetime import IntVector
from accelgen.show.excerpt import Excerpt
from accelgen.show.scene import Scene, Sum

__all__ = ["Plane", "Point"]

Point = tuple[float, float]

HALF = 0.31
"""Half the side of a unit."""
SLICE_GAP = 1.3
"""Room between the slices of a three-dimensional array."""


@dataclass(frozen=True)
class Plane:
    """A single axis runs to the right; of more the first runs down, the second to the right,
    and a third gives slices side by side.

    A long axis is shown in excerpts: hidden units share the place of the ellipsis.
    """

    extents: IntVector
    rows: Excerpt
    columns: Excerpt
    slices: Excerpt

    @classmethod
    def of(cls, scene: Scene) -> Plane:
        """The excerpts in which an array of these extents stays readable."""
        extents = scene.extents
        if len(extents) == 1:
            return cls(extents, Excerpt.of(1, 1), Excerpt.of(extents[0], 12), Excerpt.of(1, 1))
        if len(extents) == 2:
            return cls(
                extents, Excerpt.of(extents[0], 8), Excerpt.of(extents[1], 8), Excerpt.of(1, 1)
            )
        return cls(
            extents,
            Excerpt.of(extents[0], 5, 1),
            Excerpt.of(extents[1], 5, 1),
            Excerpt.of(extents[2], 5, 1, gap=0.25),
        )

    @property
    def width(self) -> float:
        """From the first to the last column of a slice."""
        return self.columns.length

    @property
    def height(self) -> float:
        """From the first to the last row."""
        return self.rows.length

    @property
    def pitch(self) -> float:
        """From one slice to the next."""
        return self.width + 1 + SLICE_GAP

    def index(self, unit: int) -> tuple[int, int, int]:
        """Row, column and slice of a unit."""
        place = [int(x) for x in np.unravel_index(unit, self.extents)]
        if len(place) == 1:
            return 0, place[0], 0
        return place[0], place[1], place[2] if len(place) > 2 else 0

    def shown(self, unit: int) -> bool:
        """Whether the unit itself is drawn."""
        row, column, layer = self.index(unit)
        return (
            self.rows.visible(row) and self.columns.visible(column) and self.slices.visible(layer)
        )

    def at(self, unit: int) -> Point:
        """Centre of a unit, or of the ellipsis that stands for it."""
        row, column, layer = self.index(unit)
        return self.columns.at(column) + self.slices.at(layer) * self.pitch, -self.rows.at(row)

    @cached_property
    def units(self) -> tuple[int, ...]:
        """The units that are drawn, ascending."""
        shown = (self.rows.shown, self.columns.shown, self.slices.shown)
        return tuple(
            int(np.ravel_multi_index((r, c, s)[: len(self.extents)], self.extents))
            if len(self.extents) > 1
            else c
            for r in shown[0]
            for c in shown[1]
            for s in shown[2]
        )

    def crosses(self, ends: IntVector) -> bool:
        """Whether the units lie in more than one slice."""
        return len({self.index(unit)[2] for unit in ends}) > 1

    def sum_at(self, tree: Sum) -> Point:
        """Centre of an adder: outside the array behind its last unit, else in a gap."""
        row, column, _ = self.index(tree.ends[-1])
        x, y = self.at(tree.ends[-1])
        if self.crosses(tree.ends):
            first = self.index(tree.ends[0])
            return self.columns.at(first[1]) + self.sum_slice, -self.rows.at(first[0])
        rows = sorted({self.index(unit)[0] for unit in tree.ends})
        columns = sorted({self.index(unit)[1] for unit in tree.ends})
        if len(rows) == 1 and column == self.columns.size - 1:
            return x + 1.0, y
        if len(columns) == 1 and row == self.rows.size - 1:
            return x, y - 1.0
        if len(tree.ends) == len(rows) * len(columns) and column == self.columns.size - 1:
            return x + 1.0, -(self.rows.at(rows[0]) + self.rows.at(rows[-1])) / 2
        _, before = self.index(tree.ends[-2])[:2]
        return (x + 0.5 if column >= before else x - 0.5), y - 0.5

    def sum_shown(self, tree: Sum) -> bool:
        """Whether the adder is drawn: not when all its units are hidden."""
        if self.crosses(tree.ends):
            row, column, _ = self.index(tree.ends[0])
            return self.rows.visible(row) and self.columns.visible(column)
        return any(self.shown(unit) for unit in tree.ends)

    @property
    def sum_slice(self) -> float:
        """Where the slice with the adders of trees across slices begins."""
        return (self.slices.length + 1) * self.pitch

    def right(self, scene: Scene) -> float:
        """Position of the rightmost centre of any unit or adder."""
        edge = self.slices.length * self.pitch + self.width
        for panel in scene.panels:
            for tree in panel.sums:
                edge = max(edge, self.sum_at(tree)[0])
        return edge

    def bottom(self, scene: Scene) -> float:
        """Position of the lowest centre of any unit or adder."""
        edge = -self.height
        for panel in scene.panels:
            for tree in panel.sums:
                edge = min(edge, self.sum_at(tree)[1])
        return edge

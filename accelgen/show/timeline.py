"""Draws a space-time diagram: one row per unit, one column per cycle, one colour per tile."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb

from accelgen.show.chart import CELLS, Bar, Chart, Lane
from accelgen.show.style import FAINT, GREY, INK, LINE, TILES

__all__ = ["INACTIVE", "UNTILED", "Timeline", "tile_colour"]

UNTILED = "#c4cad1"
"""Accesses that serve more than one tile."""
INACTIVE = "#d8dde2"
"""Legend colour of iterations outside the bounds."""
WINDOW_GAP = 5.0
GROUP_GAP = 0.6
ROW_GAP, JUMP_GAP = 0.4, 0.25


def tile_colour(tile: int) -> str:
    """The colour of a tile; neighbours differ."""
    return TILES[tile % len(TILES)] if tile >= 0 else UNTILED


class Timeline:
    """The layout of a chart; ``rows`` is its height in lanes, ``cycles`` its width."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self.starts: list[float] = []
        x = 0.0
        for first, end in chart.windows:
            self.starts.append(x)
            x += end - first + WINDOW_GAP
        self.cycles = x - WINDOW_GAP
        self.tops: list[float] = []
        y = 0.0
        for lane, before in zip(chart.lanes, (None, *chart.lanes), strict=False):
            if before is not None:
                if (lane.kind == "unit") != (before.kind == "unit"):
                    y += GROUP_GAP
                elif lane.place[:-1] != before.place[:-1]:
                    y += ROW_GAP
                elif lane.kind == "unit" and lane.place[-1] != before.place[-1] + 1:
                    y += JUMP_GAP
            self.tops.append(y)
            y += 1.0
        self.rows = y

    @property
    def in_cells(self) -> bool:
        """Whether every cycle is a cell of its own, with the index of the innermost loop."""
        return self.cycles <= CELLS

    def draw(self, axes: Axes, *, indices: bool = True) -> None:
        """Lanes, ticks and what is cut away; ``indices`` inside the cells or not."""
        axes.set_xlim(-0.3, self.cycles + 0.3)
        axes.set_ylim(self.rows + 0.1, -0.1)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        cells = self.in_cells
        polygons: list[list[tuple[float, float]]] = []
        colours: list[object] = []
        for lane, top in zip(self.chart.lanes, self.tops, strict=True):
            if lane.kind == "unit":
                for start, (first, end) in zip(self.starts, self.chart.windows, strict=True):
                    polygons.append(_box(start, start + end - first, top + 0.06, top + 0.94))
                    colours.append(to_rgb(FAINT))
            for bar in self._cells(lane) if cells else lane.bars:
                x = self.at(bar.start)
                inset = 0.06 if lane.kind == "unit" else 0.2
                polygons.append(_box(x, x + bar.cycles, top + inset, top + 1 - inset))
                colours.append(_shade(bar))
                if cells and indices and lane.kind == "unit" and bar.active:
                    axes.text(
                        x + 0.5,
                        top + 0.53,
                        str(bar.step),
                        fontsize=5,
                        ha="center",
                        va="center",
                        color="#30363d",
                    )
        axes.add_collection(
            PolyCollection(
                polygons,
                facecolors=colours,
                edgecolors="white",
                linewidths=0.5 if cells else 0.3,
                zorder=1,
            )
        )
        self._labels(axes)

    def at(self, cycle: int) -> float:
        """Position of the beginning of a cycle that lies in a window."""
        for start, (first, end) in zip(self.starts, self.chart.windows, strict=True):
            if first <= cycle < end:
                return start + cycle - first
        raise ValueError(f"cycle {cycle} is not shown")

    def _cells(self, lane: Lane) -> Iterator[Bar]:
        extent = self.chart.innermost[1]
        for bar in lane.bars:
            for k in range(bar.cycles):
                yield Bar(bar.start + k, 1, bar.tile, bar.active, (bar.step + k) % extent)

    def _labels(self, axes: Axes) -> None:
        axes.set_yticks([top + 0.5 for top in self.tops], [lane.label for lane in self.chart.lanes])
        axes.tick_params(axis="y", length=0, pad=2)
        for label, lane in zip(axes.get_yticklabels(), self.chart.lanes, strict=True):
            label.set_fontsize(6.5 if lane.kind == "unit" else 7)
            label.set_color(GREY if lane.kind == "unit" else INK)
        shown = sum(end - first for first, end in self.chart.windows)
        step = next(s for s in (4, 8, 16, 32, 64) if shown / s <= 18)
        ticks, names = [], []
        for first, end in self.chart.windows:
            for cycle in range(-(-first // step) * step, end, step):
                ticks.append(self.at(cycle) + 0.5)
                names.append(str(cycle).replace("-", "\N{MINUS SIGN}"))
        axes.set_xticks(ticks, names)
        for start, (first, end) in zip(self.starts[:-1], self.chart.windows, strict=False):
            middle = start + end - first + WINDOW_GAP / 2
            axes.text(middle, self.rows / 2, "···", ha="center", va="center", color=GREY)
            axes.plot(
                [middle - 1.6, middle + 1.6],
                [self.rows + 0.1] * 2,
                color="white",
                linewidth=2,
                clip_on=False,
                zorder=6,
            )
        if any(first < 0 <= end for first, end in self.chart.windows):
            zero = self.at(0)
            axes.plot([zero, zero], [-0.1, self.rows], color=LINE, linewidth=0.6, zorder=3)
        axes.set_xlabel(self._caption(), labelpad=4)

    def _caption(self) -> str:
        text = "cycle, from the first issue, without pipeline registers"
        if self.chart.whole:
            return text
        first, last = self.chart.span[0], self.chart.span[1] - 1
        parts = " and ".join(f"{a} to {b - 1}" for a, b in self.chart.windows)
        cut = f"{text}; shown are {parts} of {first} to {last}"
        return cut.replace("-", "\N{MINUS SIGN}")


def _box(left: float, right: float, top: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _shade(bar: Bar) -> tuple[float, ...]:
    colour = to_rgb(tile_colour(bar.tile))
    if bar.active:
        return colour
    return tuple(0.72 + 0.28 * c for c in colour)

"""Lays out a picture on one sheet: heading, array panels, legend, space-time diagram."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from accelgen.errors import InputError
from accelgen.show.array import ArrayPanel, stroke
from accelgen.show.chart import Chart, make_chart
from accelgen.show.plane import Plane
from accelgen.show.scene import KINDS, Kind, Panel, Scene, make_scene
from accelgen.show.style import (
    FAINT,
    GREY,
    INK,
    KEPT,
    check_suffix,
    plain_settings,
    save,
    text_width,
    wrap,
)
from accelgen.show.timeline import INACTIVE, UNTILED, Timeline, tile_colour

if TYPE_CHECKING:
    from accelgen.pipeline import Design

__all__ = ["Sheet", "What", "draw"]

What = Literal["array", "spacetime", "both"]

WIDTH = 9.6
"""Width of a sheet in inches."""
MARGIN = 0.3
LEFT, RIGHT = 1.75, 1.05
"""Room beside the first and last unit of a panel, in steps, for indices and ports."""
LARGEST_STEP, SMALLEST_STEP = 0.5, 0.27
"""Distance between units in inches."""
LINE_HEIGHT = 0.165
LANE = 0.15
MOST_TILES = 8


def draw(design: Design, path: Path | str, *, what: What = "both") -> Path:
    """Write a picture of a design and return its path.

    ``path`` ends in ``.svg`` or ``.png``; missing folders are made.  ``what`` chooses the array
    (one panel per tensor, its links coloured by kind), the space-time diagram, or both, one
    below the other.  Long axes and long schedules are shown in excerpts, and say so.  The same
    design gives the same bytes.

    Raises:
        InputError: another suffix, an unknown ``what``, or a file that cannot be written.
    """
    path = Path(path)
    check_suffix(path)
    if what not in get_args(What):
        raise InputError(
            f"there is no picture {what!r}", where="what", hint="use array, spacetime or both"
        )
    with plain_settings():
        sheet = Sheet()
        sheet.heading(design)
        if what != "spacetime":
            sheet.array(make_scene(design.fabric))
        if what != "array":
            sheet.spacetime(make_chart(design.fabric), design.kernel.space)
        save(sheet.finish(), path)
    return path


class Sheet:
    """A figure that grows downwards; all lengths are inches."""

    def __init__(self, width: float = WIDTH) -> None:
        self.width = width
        self.figure = Figure(figsize=(width, 1.0))
        self.height = 0.0
        self._placed: list[tuple[Axes, float, float, float, float]] = []

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes at a distance ``top`` below the upper edge."""
        made = self.figure.add_axes((0, 0, 1, 1))
        self._placed.append((made, left, top, width, height))
        self.height = max(self.height, top + height)
        return made

    def blank(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes without frame whose units are inches, y downwards."""
        made = self.axes(left, top, width, height)
        made.set_axis_off()
        made.set_xlim(0, width)
        made.set_ylim(height, 0)
        return made

    def finish(self) -> Figure:
        """The figure, as high as what was put on it."""
        height = self.height + 0.15
        self.figure.set_size_inches(self.width, height)
        for axes, left, top, width, tall in self._placed:
            axes.set_position(
                (
                    left / self.width,
                    1 - (top + tall) / height,
                    width / self.width,
                    tall / height,
                )
            )
        return self.figure

    def heading(self, design: Design) -> None:
        """The expression, and under it the dataflow, the array and the skew."""
        flow, kernel = design.description.dataflow, design.kernel
        axes = self.blank(MARGIN, 0.14, self.width - 2 * MARGIN, 0.55)
        axes.text(
            0, 0.16, design.description.workload.expression, fontsize=11, weight="bold", va="center"
        )
        size = " \N{MULTIPLICATION SIGN} ".join(map(str, kernel.space_extents))
        skew = ", ".join(f"{a} {c}" for a, c in zip(kernel.space, kernel.skew, strict=True) if c)
        parts = [
            design.description.name,
            f"{size} units ({', '.join(kernel.space)})",
            f"skew {skew}" if skew else "no skew",
            f"time loops {', '.join(flow.time_loops)}",
            f"compute {design.cycles.compute_cycles}, total {design.cycles.total_cycles} cycles",
        ]
        axes.text(0, 0.41, "   ·   ".join(parts), fontsize=8, color=GREY, va="center")

    def array(self, scene: Scene) -> None:
        """The panels of a scene, as many beside each other as stay readable, and the legend."""
        plane = Plane.of(scene)
        right, bottom = plane.right(scene), plane.bottom(scene)
        layered = len(scene.extents) > 2
        top = 1.85 if layered else 1.3
        below = 1.25 if layered else 1.0
        across, down = right + LEFT + RIGHT, top - bottom + below
        room = self.width - 2 * MARGIN
        columns = next(
            (c for c in range(len(scene.panels), 1, -1) if room / c / across >= SMALLEST_STEP), 1
        )
        step = min(LARGEST_STEP, room / columns / across)
        notes = [_Note.of(panel, room / columns - 0.15) for panel in scene.panels]
        noted = LINE_HEIGHT * max(len(note.lines) for note in notes) + 0.1
        begin = self.height + 0.1
        for number, panel in enumerate(scene.panels):
            left = MARGIN + (number % columns) * room / columns
            high = begin + (number // columns) * (noted + down * step + 0.1)
            notes[number].write(self.blank(left, high, room / columns, noted))
            axes = self.axes(left, high + noted, across * step, down * step)
            axes.set_axis_off()
            axes.set_xlim(-LEFT, right + RIGHT)
            axes.set_ylim(bottom - below, top)
            ArrayPanel(axes, plane, scene, panel).draw()
        self._kinds(scene)

    def _kinds(self, scene: Scene) -> None:
        legend = Legend(self.width - 2 * MARGIN)
        for kind in scene.kinds:
            legend.line(kind)
        if any(panel.held and not panel.is_output for panel in scene.panels):
            legend.swatch(KEPT, "register", edge=INK)
        if any(p.is_output and (p.held or any(t.held for t in p.sums)) for p in scene.panels):
            legend.swatch(KEPT, "Σ accumulator", edge=INK)
        legend.write(self.blank(MARGIN, self.height, self.width - 2 * MARGIN, legend.height))

    def spacetime(self, chart: Chart, names: tuple[str, ...]) -> None:
        """The chart with its legend."""
        timeline = Timeline(chart)
        top, left = self.height + 0.42, 0.95
        height = timeline.rows * LANE
        timeline.draw(self.axes(left, top, self.width - left - MARGIN, height))
        units = sum(lane.kind == "unit" for lane in chart.lanes)
        shown = "" if units == chart.units else f": {units} of {chart.units}"
        title = f"Units ({', '.join(names)}) over time{shown}"
        self.blank(MARGIN, top - 0.28, 4.0, 0.2).text(
            0, 0.1, title, fontsize=8, weight="bold", va="center"
        )
        self._tiles(chart, timeline, top + height + 0.45)

    def _tiles(self, chart: Chart, timeline: Timeline, top: float) -> None:
        legend = Legend(self.width - 2 * MARGIN)
        if chart.tile_loops:
            legend.text(f"tile ({', '.join(chart.tile_loops)})", gap=0.1)
            for tile, index in chart.tiles[:MOST_TILES]:
                legend.swatch(tile_colour(tile), ", ".join(map(str, index)), gap=0.13)
            if len(chart.tiles) > MOST_TILES:
                legend.text("…", gap=0.2)
        else:
            legend.swatch(tile_colour(0), "at work")
        bars = [bar for lane in chart.lanes for bar in lane.bars]
        if any(bar.tile < 0 for bar in bars):
            legend.swatch(UNTILED, "for several tiles")
        legend.swatch(FAINT, "idle")
        if any(not bar.active for bar in bars):
            legend.swatch(INACTIVE, "pale: outside the bounds")
        if timeline.in_cells and chart.innermost[0]:
            legend.text(f"numbers: {chart.innermost[0]}")
        legend.write(self.blank(MARGIN, top, self.width - 2 * MARGIN, legend.height))


class _Note:
    """What is written above a panel: the tensor, how long it stays, what it is connected by."""

    def __init__(self, panel: Panel, lines: list[tuple[float, str, float, str]]) -> None:
        self.panel = panel
        self.lines = lines

    @classmethod
    def of(cls, panel: Panel, width: float) -> _Note:
        """Broken into lines of at most ``width`` inches, each with its indent and style."""
        indent = text_width(panel.tensor, 10, bold=True) + 0.1
        staying = wrap([panel.format, *panel.note.split(", ")], ", ", width - indent, 7.5)
        counts = [
            f"{count} {KINDS[kind][1 if count == 1 else 2]}" for kind, count in panel.counts.items()
        ]
        return cls(
            panel,
            [
                *((indent, text, 7.5, INK) for text in staying),
                *((0.0, text, 7.0, GREY) for text in wrap(counts, " · ", width, 7)),
            ],
        )

    def write(self, axes: Axes) -> None:
        """Put the lines on axes whose units are inches."""
        axes.text(0, 0.1, self.panel.tensor, fontsize=10, weight="bold", va="center")
        for number, (x, text, size, colour) in enumerate(self.lines):
            y = 0.105 + number * LINE_HEIGHT
            axes.text(x, y, text, fontsize=size, color=colour, va="center")


class Legend:
    """Entries that flow from left to right and continue on the next line when it is full."""

    def __init__(self, width: float) -> None:
        self.width = width
        self._x = 0.0
        self._row = 0
        self._entries: list[tuple[float, int, str, Kind | None, tuple[str, str | None] | None]] = []

    @property
    def height(self) -> float:
        """Inches needed."""
        return 0.21 * (self._row + 1) + 0.03

    def line(self, kind: Kind) -> None:
        """An arrow of a kind and its name."""
        self._add(0.34, KINDS[kind][0], 0.22, kind=kind)

    def swatch(self, colour: str, text: str, *, edge: str | None = None, gap: float = 0.2) -> None:
        """A coloured box and its meaning."""
        self._add(0.19, text, gap, box=(colour, edge))

    def text(self, text: str, gap: float = 0.2) -> None:
        """Words alone."""
        self._add(0.0, text, gap)

    def _add(
        self,
        sign: float,
        text: str,
        gap: float,
        *,
        kind: Kind | None = None,
        box: tuple[str, str | None] | None = None,
    ) -> None:
        needed = sign + text_width(text, 7)
        if self._x and self._x + needed > self.width:
            self._x, self._row = 0.0, self._row + 1
        self._entries.append((self._x, self._row, text, kind, box))
        self._x += needed + gap

    def write(self, axes: Axes) -> None:
        """Put the entries on axes whose units are inches."""
        for x, row, text, kind, box in self._entries:
            y = 0.12 + 0.21 * row
            start = x
            if kind is not None:
                stroke(axes, kind, (x, y), (x + 0.27, y), head=kind != "wire", width=1.3)
                start = x + 0.34
            elif box is not None:
                colour, edge = box
                axes.add_patch(
                    Rectangle(
                        (x, y - 0.065),
                        0.14,
                        0.13,
                        facecolor=colour,
                        edgecolor=edge or "none",
                        linewidth=0.7,
                    )
                )
                start = x + 0.19
            axes.text(start, y + 0.003, text, fontsize=7, va="center", color=INK)

"""Draws ``gemm.svg``, the picture of README: a description, its array, and its cycles.

Run ``python docs/pictures/make.py`` from the checkout; it generates and simulates the design.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from accelgen.affine import Description, load_description
from accelgen.cosim.verify import verify
from accelgen.pipeline import Design, generate
from accelgen.show.array import ArrayPanel
from accelgen.show.chart import make_chart
from accelgen.show.draw import Sheet
from accelgen.show.plane import Plane
from accelgen.show.scene import make_scene
from accelgen.show.style import GREY, INK, LINE, plain_settings, save
from accelgen.show.timeline import Timeline

SPACE: Mapping[str, int] = {"i": 4, "j": 4}
BOUNDS: Mapping[str, int] = {"m": 8, "n": 8, "k": 8}
WIDTH = 9.6
PICTURE = Path(__file__).parent / "gemm.svg"


def main() -> None:
    """Generate, verify, draw."""
    with tempfile.TemporaryDirectory() as folder:
        made = generate(example(), Path(folder) / "gemm")
        report = verify(Path(folder) / "gemm")
    assert report.passed, report.faults
    draw_overview(made, (report.measured_compute, report.measured_total), PICTURE)


def example() -> Description:
    """What is drawn."""
    shipped = load_description("gemm_os_systolic")
    return shipped.with_overrides(space=SPACE, bounds=BOUNDS)


def draw_overview(made: Design, measured: tuple[int, int | None], path: Path) -> None:
    """Three columns: what one writes, what comes out, and how long it takes.

    ``measured`` are the compute and total cycles of a simulation.
    """
    with plain_settings():
        _draw(made, measured, path)


def _draw(made: Design, measured: tuple[int, int | None], path: Path) -> None:
    sheet = Sheet(WIDTH)
    columns = ((0.2, 2.9), (3.72, 2.4), (6.5, 2.9))
    titles = ("an affine description", "a spatial array, in Verilog", "its cycles, exactly")
    for (left, width), title in zip(columns, titles, strict=True):
        axes = sheet.blank(left, 0.1, width, 0.3)
        axes.text(0, 0.15, title, fontsize=9, weight="bold", va="center")
    _listing(sheet.blank(0.2, 0.45, 3.0, 2.6), made.description)
    _array(sheet.axes(3.55, 0.42, 2.65, 2.65), made)
    _cycles(sheet, made, measured)
    arrows = sheet.blank(0, 0, WIDTH, 3.1)
    for x in (3.26, 6.06):
        arrows.add_patch(
            FancyArrowPatch(
                (x, 1.5), (x + 0.26, 1.5), arrowstyle="-|>", mutation_scale=11, color=GREY
            )
        )
    save(sheet.finish(), path)


def _listing(axes: Axes, description: Description) -> None:
    """The description as YAML, without the comment that says where the idea comes from."""
    text = str(replace(description, comment=""))
    axes.add_patch(
        FancyBboxPatch(
            (0.03, 0.03),
            2.95,
            2.5,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="#f6f8fa",
            edgecolor=LINE,
            linewidth=0.7,
        )
    )
    for number, line in enumerate(text.strip().splitlines()):
        key, colon, value = line.partition(":")
        y = 0.28 + 0.285 * number
        axes.text(0.14, y, key + colon, fontsize=7, family="monospace", color="#0b5394")
        start = 0.14 + 0.0585 * (len(key) + 2)
        axes.text(start, y, value.strip(), fontsize=7, family="monospace", color=INK)


def _array(axes: Axes, made: Design) -> None:
    """All tensors on one array; the drain of Y runs beside B and is left to its ports."""
    scene = make_scene(made.fabric)
    plane = Plane.of(scene)
    axes.set_axis_off()
    axes.set_xlim(-1.15, 4.15)
    axes.set_ylim(-4.2, 1.1)
    *inputs, output = scene.panels
    for panel in inputs:
        ArrayPanel(axes, plane, scene, panel).draw(indices=False)
    sums = replace(output, arrows=())
    ArrayPanel(axes, plane, scene, sums).draw(indices=False)
    axes.text(-1.02, -1.0, "A", fontsize=10, weight="bold", ha="center", va="center")
    axes.text(1.5, 0.98, "B", fontsize=10, weight="bold", ha="center", va="center")
    axes.text(1.5, -3.75, "Σ  sums of Y stay, then drain", fontsize=7.5, ha="center", va="center")


def _cycles(sheet: Sheet, made: Design, measured: tuple[int, int | None]) -> None:
    """The space-time diagram, and predicted beside measured cycles."""
    timeline = Timeline(make_chart(made.fabric))
    axes = sheet.axes(6.85, 0.47, 2.55, 1.72)
    timeline.draw(axes, indices=False)
    axes.set_xlabel("cycle", fontsize=7.5, labelpad=2)
    axes.tick_params(labelsize=6)
    table = sheet.blank(6.35, 2.53, 3.05, 0.55)
    rows = (
        ("", "predicted", "measured"),
        ("compute_cycles", made.cycles.compute_cycles, measured[0]),
        ("total_cycles", made.cycles.total_cycles, measured[1]),
    )
    for number, (name, *values) in enumerate(rows):
        y = 0.12 + 0.17 * number
        table.text(0.45, y, name, fontsize=7.5, family="monospace", va="center")
        for x, value in zip((2.2, 2.95), values, strict=True):
            table.text(
                x,
                y,
                str(value),
                fontsize=7.5,
                ha="right",
                va="center",
                color=INK if number else GREY,
                weight="bold" if number else "normal",
            )


if __name__ == "__main__":
    main()

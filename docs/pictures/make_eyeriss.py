"""Draws ``eyeriss.svg``: AlexNet on the chip and by the model, latency and buffer traffic.

Run ``python docs/pictures/make_eyeriss.py`` from the checkout.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from accelgen.hardware import load_hardware
from accelgen.show.style import FAINT, GREY, INK, TILES, plain_settings, save
from benchmarks.eyeriss import PUBLISHED, Row, as_on_chip

PICTURE = Path(__file__).parent / "eyeriss.svg"
WIDTH = 0.38
TIMES = {
    "PEs multiply": ("multiply", "idle", "padding"),
    "add others' sums": ("sums",),
    "wait for filters, buffer": ("fill", "wait"),
}
TRAFFIC = {"inputs": "inputs", "weights": "filters", "outputs": "sums"}


def main() -> None:
    """Both panels."""
    hardware = load_hardware("eyeriss")
    rows = [as_on_chip(hardware, layer) for layer in PUBLISHED]
    with plain_settings():
        figure = Figure(figsize=(8.4, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        chip = [PUBLISHED[row.layer] for row in rows]
        times = {
            name: [row.processing_ms * sum(row.shares[x] for x in parts) for row in rows]
            for name, parts in TIMES.items()
        }
        errors = [row.processing_error for row in rows]
        _panel(left, rows, [x.processing_ms for x in chip], times, errors)
        left.set_ylabel("processing latency, ms")
        moved = {name: [row.buffer_by_role[x] for row in rows] for x, name in TRAFFIC.items()}
        errors = [row.buffer_error for row in rows]
        _panel(right, rows, [x.buffer_mb for x in chip], moved, errors)
        right.set_ylabel("buffer traffic, MB")
        save(figure, PICTURE)


def _panel(
    axes: Axes,
    rows: list[Row],
    chip: list[float],
    parts: dict[str, list[float]],
    errors: list[float],
) -> None:
    """Bars of the chip and, stacked by part, of the model, with its errors above."""
    places = range(len(rows))
    axes.bar([x - WIDTH / 2 for x in places], chip, width=WIDTH, color=GREY, label="chip")
    below = [0.0] * len(rows)
    for (name, values), colour in zip(parts.items(), TILES, strict=False):
        right = [x + WIDTH / 2 for x in places]
        axes.bar(right, values, width=WIDTH, bottom=below, color=colour, label=f"model: {name}")
        below = [a + b for a, b in zip(below, values, strict=True)]
    for x, top, error in zip(places, map(max, below, chip), errors, strict=True):
        axes.annotate(
            f"{error:+.1f} %", (x, top), textcoords="offset points", xytext=(0, 3), ha="center",
            fontsize=7, color=INK,
        )  # fmt: skip
    axes.set_xticks(list(places), [row.layer.upper() for row in rows])
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=7)


if __name__ == "__main__":
    main()

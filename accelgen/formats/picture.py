"""The errors of formats as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from matplotlib.figure import Figure

from accelgen.formats.metrics import Comparison
from accelgen.show.style import COLOURS, FAINT, GREY, check_suffix, plain_settings, save

__all__ = ["draw_comparison"]


def draw_comparison(rows: Sequence[Comparison], title: str, path: Path) -> Path:
    """Write bars of the signal-to-noise ratio of each format to an .svg or .png file.

    Beside each bar: the ratio in decibels, the bits per element, the largest error.
    """
    check_suffix(path)
    with plain_settings():
        figure = Figure(figsize=(6.4, 0.9 + 0.28 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        heights = [max(0.0, r.errors.sqnr_db) if isfinite(r.errors.sqnr_db) else 0.0 for r in rows]
        places = range(len(rows))
        axes.barh(places, heights, height=0.62, color=COLOURS["wire"])
        for place, height, row in zip(places, heights, rows, strict=True):
            text = (
                f" {row.errors.sqnr_db:.2f} dB, {row.bits_per_element:.3g} bits, "
                f"largest error {row.errors.max_abs:.3g}"
                if row.errors.count
                else " every element is lost"
            )
            axes.text(height, place, text, va="center", fontsize=7, color=GREY)
        axes.set_yticks(list(places), [row.format for row in rows])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.75 * max([1.0, *heights]))
        axes.set_xlabel("signal-to-quantisation-noise ratio in dB (longer is better)")
        axes.set_title(title, fontsize=8, loc="left")
        axes.grid(axis="x", color=FAINT)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        save(figure, path)
    return path

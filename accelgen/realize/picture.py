"""A picture of the energy of an inference: every layer by part, estimated and by what switched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter

from accelgen.realize.activity import PARTS
from accelgen.realize.estimate import Estimate
from accelgen.show.scene import Kind
from accelgen.show.style import COLOURS, FAINT, GREY, INK, check_suffix, plain_settings, save

__all__ = ["draw_energies"]

_KINDS: tuple[Kind, ...] = ("wire", "partial", "load", "hop", "fifo", "drain", "fallback")
_WIDTH = 0.36
_LAYER = 0.62
"""Inches per layer."""


def draw_energies(estimate: Estimate, activity: Estimate, path: Path, title: str = "") -> Path:
    """Draw both energies of every layer of an inference side by side, stacked by part and without
    leakage, as SVG or PNG by the suffix of ``path``, which is returned: on the left what is
    estimated, hatched, on the right what switched.

    Raises :class:`accelgen.errors.InputError` for another suffix.
    """
    check_suffix(path)
    names = [layer.name for layer in estimate.layers]
    colours = [COLOURS[kind] for kind in _KINDS]
    with plain_settings():
        figure = Figure(figsize=(3.2 + _LAYER * len(names), 3.6), layout="constrained")
        axes = figure.add_subplot()
        for found, shift, hatch in ((estimate, -0.5, "////"), (activity, 0.5, None)):
            places = np.arange(len(names)) + shift * (_WIDTH + 0.02)
            below = np.zeros(len(names))
            for part, colour in zip(PARTS, colours, strict=True):
                joules = _joules(found, part)
                axes.bar(
                    places, joules, bottom=below, width=_WIDTH, color=colour, hatch=hatch,
                    edgecolor="white", linewidth=0,
                )  # fmt: skip
                below += joules
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.set_ylabel("energy of an inference, without leakage")
        axes.yaxis.set_major_formatter(EngFormatter("J"))
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_title(title, fontsize=9, loc="left", color=INK)
        handles = [Patch(color=colour) for colour in colours]
        handles += [
            Patch(facecolor=GREY, hatch=hatch, edgecolor="white", linewidth=0)
            for hatch in ("////", None)
        ]
        figure.legend(
            handles, [*PARTS, "estimated", "by what switched"], frameon=False, fontsize=7,
            loc="outside right upper",
        )  # fmt: skip
        save(figure, path)
    return path


def _joules(found: Estimate, part: str) -> Sequence[float]:
    return [1e-12 * layer.energy_pj.get(part, 0.0) for layer in found.layers]

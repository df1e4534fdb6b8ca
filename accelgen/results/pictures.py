"""Pictures of a result: energy and latency of its layers, and their place under the roofs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter

from accelgen.results.scenes import (
    EnergyScene,
    LatencyScene,
    RooflinePoint,
    RooflineScene,
    energy_scene,
    latency_scene,
    roofline_scene,
)
from accelgen.show.style import COLOURS, FAINT, GREY, INK, check_suffix, plain_settings, save
from accelgen.simulation import NetworkResult

__all__ = ["draw_energy", "draw_latency", "draw_roofline"]

_PALETTE = tuple(COLOURS[kind] for kind in ("wire", "partial", "load", "hop", "fifo", "drain"))
"""Colours of levels and limits, in their order."""

_HEIGHT = 4.2
_BAR = 0.17
"""Inches per bar, while there is room."""
_NARROWEST, _WIDEST = 5.6, 12.8
_MOST_LABELS = 120
"""Most bars that have a name below; of more every second, third, ... has."""
_MOST_NAMED = 12
"""Most points of a roofline that have a name, those that take most cycles."""


def draw_energy(found: NetworkResult, path: str | Path) -> Path:
    """Energy of every layer, stacked by level, as SVG or PNG by the suffix of ``path``.

    Like all pictures: equal layers are one bar, the same result gives the same bytes, the file
    is written whole or not at all.  Raises :class:`InputError` for another suffix and where nothing
    can be written.
    """
    return _picture(path, lambda: _energy(energy_scene(found)))


def draw_latency(found: NetworkResult, path: str | Path) -> Path:
    """Cycles of every layer beside their lower bound, coloured by what limits the layer.

    The bound is :attr:`accelgen.simulation.LayerResult.least_cycles`.  See :func:`draw_energy`.
    """
    return _picture(path, lambda: _latency(latency_scene(found)))


def draw_roofline(found: NetworkResult, path: str | Path) -> Path:
    """MACs per cycle of every layer over MACs per byte of the outermost memory, both as mapped,
    under the roofs of units and bandwidth; see :func:`draw_energy`.
    """
    return _picture(path, lambda: _roofline(roofline_scene(found)))


def _picture(path: str | Path, make: Callable[[], Figure]) -> Path:
    path = Path(path)
    check_suffix(path)
    with plain_settings():
        save(make(), path)
    return path


def _energy(scene: EnergyScene) -> Figure:
    figure, axes = _bars(scene.title, scene.labels)
    places = range(len(scene.labels))
    below = [0.0] * len(scene.labels)
    for number, level in enumerate(scene.levels):
        joules = [1e-12 * entry[number] for entry in scene.picojoule]
        colour = _PALETTE[number % len(_PALETTE)]
        axes.bar(places, joules, bottom=below, width=0.78, color=colour, label=level)
        below = [a + b for a, b in zip(below, joules, strict=True)]
    axes.set_ylabel("energy")
    axes.yaxis.set_major_formatter(EngFormatter("J"))
    handles, names = axes.get_legend_handles_labels()
    _legend(axes, handles[::-1], names[::-1])
    return figure


def _latency(scene: LatencyScene) -> Figure:
    figure, axes = _bars(scene.title, scene.labels)
    colours = _colours(scene.limits)
    places = range(len(scene.labels))
    axes.bar(places, scene.cycles, width=0.78, color=[colours[limit] for limit in scene.limits])
    axes.hlines(
        scene.least,
        [x - 0.39 for x in places],
        [x + 0.39 for x in places],
        color=INK,
        linewidth=1.1,
    )
    axes.set_ylabel("cycles")
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    handles = [Patch(color=colour) for colour in colours.values()]
    bound = Line2D([], [], color=INK, linewidth=1.1)
    names = [f"limited by {limit}" for limit in colours]
    _legend(axes, [*handles, bound], [*names, "lower bound"])
    return figure


def _roofline(scene: RooflineScene) -> Figure:
    figure = Figure(figsize=(6.4, _HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.set_yscale("log")
    colours = _colours([point.limit for point in scene.points])
    for limit, colour in colours.items():
        here = [point for point in scene.points if point.limit == limit]
        axes.scatter(
            [point.intensity for point in here], [point.rate for point in here],
            s=[12 + 160 * point.share for point in here], c=colour, alpha=0.65, linewidths=0,
        )  # fmt: skip
    left = min(point.intensity for point in scene.points) / 2
    right = max(point.intensity for point in scene.points) * 3
    knee = [scene.rate / scene.bandwidth] if scene.bandwidth is not None else []
    right = max([right, *(2 * x for x in knee)])
    corners = [left, *(x for x in knee if left < x < right), right]
    axes.plot(corners, [scene.roof(x) for x in corners], color=INK, linewidth=1.1)
    axes.set_xlim(left, right)
    lowest = min([scene.roof(left), *(point.rate for point in scene.points)])
    axes.set_ylim(lowest / 1.6, scene.rate * 1.8)
    axes.annotate(
        f"{scene.units} units", (right, scene.rate), textcoords="offset points", xytext=(-4, 4),
        ha="right", fontsize=7, color=INK,
    )  # fmt: skip
    if scene.bandwidth is not None and left < knee[0]:
        # Above the slope there are no points.
        middle = math.sqrt(left * knee[0])
        axes.annotate(
            f"{scene.memory}: {scene.bandwidth:.4g} B per cycle", (middle, scene.roof(middle)),
            textcoords="offset points", xytext=(-8, 5), ha="right", fontsize=7, color=INK,
        )  # fmt: skip
    _name_points(figure, axes, scene.points)
    axes.set_xlabel(f"MACs per byte of {scene.memory}, as mapped")
    axes.set_ylabel("MACs per cycle")
    axes.set_title(scene.title, fontsize=9, loc="left", color=INK)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    handles = [Patch(color=colour) for colour in colours.values()]
    names = [f"limited by {limit}" for limit in colours]
    axes.legend(handles, names, frameon=False, fontsize=7, loc="lower right")
    return figure


def _name_points(figure: Figure, axes: Axes, points: Sequence[RooflinePoint]) -> None:
    """Names beside the points that take most cycles, where they do not cover another name."""
    width, height = 72 * figure.get_figwidth() * 0.86, 72 * figure.get_figheight() * 0.8
    place = axes.transAxes.inverted()
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda point: -point.share)[:_MOST_NAMED]:
        x, y = place.transform(axes.transData.transform((point.intensity, point.rate)))
        left, middle, length = x * width + 5, y * height - 6, 3.6 * len(point.label)
        if any(
            abs(middle - other) < 7 and left < end and start < left + length
            for start, end, other in taken
        ):
            continue
        taken.append((left, left + length, middle))
        axes.annotate(
            point.label, (point.intensity, point.rate), textcoords="offset points", xytext=(5, -9),
            fontsize=6, color=GREY,
        )  # fmt: skip


def _bars(title: str, labels: Sequence[str]) -> tuple[Figure, Axes]:
    """A figure with an axis of layers below, as wide as they need."""
    width = min(_WIDEST, max(_NARROWEST, 1.3 + _BAR * len(labels)))
    figure = Figure(figsize=(width, _HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    step = -(-len(labels) // _MOST_LABELS)
    shown = range(0, len(labels), step)
    axes.set_xticks(
        list(shown), [labels[n] for n in shown], rotation=90, fontsize=6.5 if width < 9 else 6
    )
    axes.set_xlim(-0.7, len(labels) - 0.3)
    axes.set_title(title, fontsize=9, loc="left", color=INK)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend(axes: Axes, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """Beside the bars, where it covers none of them."""
    axes.legend(
        handles, names, frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0)
    )


def _colours(limits: Sequence[str]) -> Mapping[str, str]:
    """A colour per limit, the units first."""
    names = sorted(set(limits), key=lambda name: (name != "compute", name))
    return {name: _PALETTE[number % len(_PALETTE)] for number, name in enumerate(names)}

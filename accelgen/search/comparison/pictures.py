"""Pictures of a comparison: fronts, hypervolume over evaluations, what decides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from accelgen.search.comparison.compare import Comparison
from accelgen.search.comparison.strategies import Strategy, front_of, objectives_of
from accelgen.search.pictures import draw_importance, has_enough
from accelgen.show.style import COLOURS, FAINT, INK, check_suffix, plain_settings, save
from accelgen.sweep.metrics import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_comparison", "draw_fronts", "draw_volumes"]

_LOOKS: dict[Strategy, tuple[str, str]] = {
    "joint": (COLOURS["wire"], "o"),
    "sequential": (COLOURS["hop"], "s"),
    "greedy": (COLOURS["fifo"], "D"),
    "sizing": (COLOURS["partial"], "^"),
}
"""Colour and marker of a strategy."""


def draw_comparison(found: Comparison, folder: Path) -> list[Path]:
    """Draw what there is to draw into the folder, as SVG; returns the files."""
    drawn = [draw_volumes(found, folder / "convergence.svg")]
    if len(found.search.objectives) > 1:
        drawn.append(draw_fronts(found, folder / "fronts.svg"))
    joint = found.runs["joint"][0].phases[0].result
    if has_enough(joint):
        drawn.append(draw_importance(joint, folder / "importance.svg"))
    return drawn


def draw_fronts(found: Comparison, path: Path) -> Path:
    """Draw the front of every strategy, of all seeds together: a panel per further objective over
    the first one; returns ``path``.
    """
    check_suffix(path)
    names = found.search.objectives
    with plain_settings():
        figure = Figure(figsize=(4.6 * (len(names) - 1), 3.8), layout="constrained")
        for number, name in enumerate(names[1:]):
            axes = figure.add_subplot(1, len(names) - 1, number + 1)
            for strategy, runs in found.runs.items():
                steps = [step for run in runs for step in run.steps]
                front = list(front_of(found.search, steps))
                points = np.abs(objectives_of(found.search, steps)[front])
                colour, marker = _LOOKS[strategy]
                axes.scatter(
                    points[:, 0], points[:, number + 1], s=14, c=colour, marker=marker,
                    linewidths=0, alpha=0.75, label=f"{strategy}: {len(points)} points",
                )  # fmt: skip
            axes.set_xlabel(label(names[0]))
            axes.set_ylabel(label(name))
            axes.set_yscale("log")
            _plain(axes)
        figure.axes[0].legend(frameon=False, fontsize=7)
        figure.suptitle(f"{_title(found)}, fronts of all seeds", fontsize=9, color=INK)
        save(figure, path)
    return path


def draw_volumes(found: Comparison, path: Path) -> Path:
    """Draw the hypervolume after every evaluation: the median over seeds as a line, the least and
    the most as a band; returns ``path``.
    """
    check_suffix(path)
    with plain_settings():
        figure = Figure(figsize=(5.6, 3.4), layout="constrained")
        axes = figure.add_subplot()
        at = np.arange(1, found.search.evaluations + 1)
        for strategy, curves in found.curves.items():
            colour, _ = _LOOKS[strategy]
            axes.fill_between(
                at, curves.min(axis=0), curves.max(axis=0), step="post", color=colour, alpha=0.15,
                linewidth=0,
            )  # fmt: skip
            axes.step(at, np.median(curves, axis=0), where="post", c=colour, label=strategy)
        axes.set_xlabel("evaluations")
        axes.set_ylabel("hypervolume (logarithms)")
        figure.legend(frameon=False, fontsize=7, loc="outside right upper")
        _plain(axes)
        figure.suptitle(f"{_title(found)}, median and range", fontsize=9, color=INK)
        save(figure, path)
    return path


def _title(found: Comparison) -> str:
    count = len(found.seeds)
    return f"{found.search.name}: {found.search.method}, {count} seed{'s'[: count > 1]}"


def _plain(axes: Axes) -> None:
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)

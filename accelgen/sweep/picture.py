"""A picture of the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterMathtext, NullFormatter, ScalarFormatter

from accelgen.errors import InputError
from accelgen.show.style import COLOURS, FAINT, GREY, INK, LINE, check_suffix, plain_settings, save
from accelgen.sweep.front import objective_names, pareto_front
from accelgen.sweep.metrics import ACCURACY_FROM, label
from accelgen.sweep.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_front"]

_MOST_NAMED = 12
"""Most points of the front that carry their number."""

_LOG_FROM = 8.0
"""An axis is logarithmic when its values spread over a larger factor."""


def draw_front(
    results: Results,
    path: Path,
    objectives: Sequence[str] | None = None,
    chosen: int | None = None,
) -> Path:
    """Draw all points over the first objective, a panel for each further one; returns ``path``.

    The front is highlighted, infeasible points are grey, the ``chosen`` point is ringed.  Raises
    :class:`InputError` for fewer than two objectives, and where nothing can be written.
    """
    check_suffix(path)
    names = objective_names(results, objectives)
    if len(names) < 2:
        raise InputError(f"one objective, {names[0]}", hint="a picture needs two: latency,energy")
    if chosen is not None:
        results.row(chosen)
    front = np.array(pareto_front(results, names))
    with plain_settings():
        figure = Figure(figsize=(4.6 * (len(names) - 1), 3.8), layout="constrained")
        for number, name in enumerate(names[1:]):
            axes = figure.add_subplot(1, len(names) - 1, number + 1)
            _panel(axes, results, (names[0], name), front, chosen, plane=len(names) == 2)
        figure.axes[0].legend(frameon=False, fontsize=7)
        figure.suptitle(
            f"{results.name}: {len(front)} of {len(results)} points on the front",
            fontsize=9, color=INK,
        )  # fmt: skip
        save(figure, path)
    return path


def _panel(
    axes: Axes,
    results: Results,
    names: tuple[str, str],
    front: np.ndarray[tuple[int], np.dtype[np.int64]],
    chosen: int | None,
    *,
    plane: bool,
) -> None:
    x, y = results.numbers(names[0]), results.numbers(names[1])
    feasible = results.feasible
    if not feasible.all():
        axes.scatter(
            x[~feasible], y[~feasible], s=6, c=LINE, alpha=0.5, linewidths=0, label="infeasible"
        )
    axes.scatter(
        x[feasible], y[feasible], s=8, c=COLOURS["tree"], alpha=0.45, linewidths=0, label="feasible"
    )
    # With further objectives the front is no line in this plane.
    style = "o-" if plane else "o"
    order = front[np.argsort(x[front], kind="stable")]
    axes.plot(
        x[order], y[order], style, c=COLOURS["hop"], markersize=3.5, linewidth=0.9, label="front"
    )
    if len(front) <= _MOST_NAMED:
        places: dict[tuple[float, float], list[str]] = {}
        for number in front:
            places.setdefault((float(x[number]), float(y[number])), []).append(str(number))
        for place, numbers in places.items():
            text = ", ".join(numbers[:3]) + (", ..." if len(numbers) > 3 else "")
            axes.annotate(
                text, place, textcoords="offset points", xytext=(4, 4),
                fontsize=6.5, color=GREY,
            )  # fmt: skip
    if chosen is not None:
        axes.plot(
            x[[chosen]], y[[chosen]], "o", c=INK, markersize=9, fillstyle="none",
            label=f"point {chosen}",
        )  # fmt: skip
    for axis, values, name in ((axes.xaxis, x, names[0]), (axes.yaxis, y, names[1])):
        axis.set_label_text(_titled(results, name))
        if np.nanmin(values) > 0 and np.nanmax(values) > _LOG_FROM * np.nanmin(values):
            (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
            wide = np.nanmax(values) > 1e3 * np.nanmin(values)
            axis.set_major_formatter(LogFormatterMathtext() if wide else ScalarFormatter())
            axis.set_minor_formatter(NullFormatter())
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _titled(results: Results, name: str) -> str:
    """The label of an axis; of accuracies with their kind: measured, predicted, ..."""
    if name != "accuracy":
        return label(name)
    judged = {str(x).partition(":")[0] for x in results.columns.get(ACCURACY_FROM, ()) if x}
    return f"{label(name)} ({', '.join(sorted(judged))})" if judged else label(name)

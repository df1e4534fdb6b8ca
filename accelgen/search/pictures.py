"""Pictures of a search: the front, how it converged, and which genes matter."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from accelgen.search.hypervolume import Volume, logarithms
from accelgen.search.results import SearchResult
from accelgen.show.style import COLOURS, FAINT, GREY, INK, check_suffix, plain_settings, save
from accelgen.sweep.metrics import is_maximised, label
from accelgen.sweep.picture import draw_front

__all__ = ["draw_all", "draw_convergence", "draw_importance", "gene_importance", "has_enough"]

_ENOUGH = 20
"""Feasible designs from which importances are told."""

_BARS = 20


def draw_all(result: SearchResult, folder: Path) -> list[Path]:
    """Draw what there is to draw into the folder, as SVG; returns the files."""
    found = [draw_convergence(result, folder / "convergence.svg")]
    if len(result.search.objectives) > 1:
        found.append(draw_front(result.table, folder / "front.svg", result.search.objectives))
    if has_enough(result):
        found.append(draw_importance(result, folder / "importance.svg"))
    return found


def has_enough(result: SearchResult) -> bool:
    """Whether importances can be told from the designs."""
    return int(result.table.feasible.sum()) >= _ENOUGH


def draw_convergence(result: SearchResult, path: Path) -> Path:
    """Draw the best of every objective so far over the number of designs, and of several the
    hypervolume; returns ``path``.
    """
    check_suffix(path)
    names = result.search.objectives
    panels: list[tuple[str, NDArray[np.float64], bool]] = [
        (label(name), np.abs(column), not is_maximised(name))
        for name, column in zip(names, result.convergence.T, strict=True)
    ]
    if len(names) > 1:
        panels.append(("hypervolume (logarithms)", _volumes(result), False))
    with plain_settings():
        figure = Figure(figsize=(4.2 * len(panels), 3.2), layout="constrained")
        for number, (name, column, log) in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), number + 1)
            axes.step(np.arange(1, len(column) + 1), column, where="post", c=COLOURS["wire"])
            known = column[~np.isnan(column)]
            if log and len(known) and known.min() > 0:
                axes.set_yscale("log")
            axes.set_xlabel("designs")
            axes.set_ylabel(name)
            axes.grid(color=FAINT, linewidth=0.6)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
        title = f"{result.search.name}: {result.search.method}, seed {result.search.seed}"
        figure.suptitle(title, fontsize=9, color=INK)
        save(figure, path)
    return path


def _volumes(result: SearchResult) -> NDArray[np.float64]:
    """The hypervolume after every design; NaN while there is none."""
    volume, found = Volume(len(result.search.objectives)), []
    for row in result.values:
        if not np.isnan(row).any():
            volume.add(row.tolist())
        found.append(np.nan if volume.reference is None else volume.value)
    return np.array(found)


def gene_importance(result: SearchResult) -> dict[str, float]:
    """The part of every gene in what separates the best tenth of the feasible designs from the
    others, adding up to 1 (PED-ANOVA, arXiv 2304.10255, as Optuna has it), largest first; of
    several objectives that of their product.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    genes = [gene.name for gene in result.search.space.genes]
    values = logarithms(result.values).sum(axis=1)
    unit = optuna.distributions.FloatDistribution(0.0, 1.0)
    study = optuna.create_study(direction="minimize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=dict(zip(genes, step.vector, strict=True)),
                distributions=dict.fromkeys(genes, unit),
                value=float(value),
            )
            for step, value in zip(result.steps, values, strict=True)
            if not np.isnan(value)
        ]
    )
    with warnings.catch_warnings():
        # It is called experimental.
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(value) for name, value in found.items()}


def draw_importance(result: SearchResult, path: Path) -> Path:
    """Draw the most important genes as bars; returns ``path``."""
    check_suffix(path)
    found: Sequence[tuple[str, float]] = list(gene_importance(result).items())[:_BARS][::-1]
    with plain_settings():
        figure = Figure(figsize=(4.6, 0.8 + 0.2 * len(found)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh([name for name, _ in found], [value for _, value in found], color=COLOURS["tree"])
        axes.set_xlabel("importance (PED-ANOVA, best tenth)")
        axes.tick_params(axis="y", labelcolor=GREY)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        figure.suptitle(f"{result.search.name}: what decides", fontsize=9, color=INK)
        save(figure, path)
    return path

"""Strategies side by side, at the same number of evaluations and below one reference point.

The reference is common to all runs: the worst value of every objective on any of their fronts, and
a tenth of the range farther (Ishibuchi et al. 2018, doi.org/10.1162/evco_a_00226), in logarithms.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InfeasibleError
from accelgen.output_file import write_text
from accelgen.search.comparison.strategies import (
    Run,
    Strategy,
    front_of,
    objectives_of,
    run_strategy,
    shifted,
    strategies_of,
)
from accelgen.search.hypervolume import Volume, logarithms
from accelgen.search.search import Search
from accelgen.search.study import Progress
from accelgen.sweep.metrics import is_maximised

__all__ = ["SCHEMA", "Comparison", "Reached", "compare"]

SCHEMA = 1
"""Schema of the JSON of a comparison."""

_MARGIN = 0.1
"""The reference point is beyond the worst of all fronts by this part of their range."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reached:
    """Of every seed the evaluations that the joint search needs for the hypervolume that another
    strategy ends with (``None``: it never gets there); ``fraction`` is the median of these as part
    of all evaluations, ``None`` where half of the seeds never get there.
    """

    evaluations: tuple[int | None, ...]
    fraction: float | None


@dataclass(frozen=True, eq=False)
class Comparison:
    """The ``runs`` of a search, by strategy and in these the order of ``seeds``; hypervolumes are
    below ``reference_point`` (logarithms of the objectives; ``None``: see the module).
    """

    search: Search
    seeds: tuple[int, ...]
    runs: Mapping[Strategy, tuple[Run, ...]]
    reference_point: tuple[float, ...] | None = None

    @cached_property
    def reference(self) -> tuple[float, ...]:
        """The reference point of all hypervolumes, in logarithms of the objectives.

        Raises :class:`InfeasibleError` when no run found anything feasible.
        """
        if self.reference_point is not None:
            return self.reference_point
        fronts = []
        for run in (run for runs in self.runs.values() for run in runs):
            values = objectives_of(self.search, run.steps)
            fronts.append(values[list(front_of(self.search, run.steps))])
        points = logarithms(np.concatenate(fronts))
        if not len(points):
            raise InfeasibleError(
                "no strategy found anything feasible",
                where=self.search.name,
                hint="ease the constraints, or allow more evaluations",
            )
        best, worst = points.min(axis=0), points.max(axis=0)
        spread = np.where(worst > best, worst - best, 1.0)
        return tuple(float(x) for x in worst + _MARGIN * spread)

    @cached_property
    def curves(self) -> Mapping[Strategy, Floats]:
        """The hypervolume after every evaluation: a row per seed.  A run that ended with fewer,
        because there was nothing left to find or nothing feasible, stays where it was.
        """
        return {
            strategy: np.stack([self._curve(run) for run in runs])
            for strategy, runs in self.runs.items()
        }

    def _curve(self, run: Run) -> Floats:
        volume = Volume(len(self.search.objectives), self.reference)
        found = np.zeros(self.search.evaluations)
        for number, row in enumerate(objectives_of(self.search, run.steps)):
            if not np.isnan(row).any():
                volume.add(row.tolist())
            found[number:] = volume.value
        return found

    def reached(self, strategy: Strategy) -> Reached:
        """How soon the joint search has what ``strategy`` ends with, seed by seed."""
        needed: list[int | None] = []
        for own, other in zip(self.curves["joint"], self.curves[strategy], strict=True):
            there = np.flatnonzero(own >= other[-1])
            needed.append(int(there[0]) + 1 if len(there) else None)
        middle = statistics.median([float("inf") if x is None else x for x in needed])
        fraction = None if middle == float("inf") else middle / self.search.evaluations
        return Reached(tuple(needed), fraction)

    def to_json(self) -> dict[str, object]:
        """Everything that the table and the pictures show."""
        signs = [-1.0 if is_maximised(name) else 1.0 for name in self.search.objectives]
        point = [float(np.exp(s * x)) for s, x in zip(signs, self.reference, strict=True)]
        return {
            "schema": SCHEMA,
            "kind": "comparison",
            "name": self.search.name,
            "about": self.search.subject.about,
            "objectives": list(self.search.objectives),
            "constraints": [str(constraint) for constraint in self.search.constraints],
            "optimiser": self.search.method,
            "evaluations": self.search.evaluations,
            "seeds": list(self.seeds),
            "reference": dict(zip(self.search.objectives, point, strict=True)),
            "strategies": {name: self._strategy_json(name) for name in self.runs},
        }

    def _strategy_json(self, strategy: Strategy) -> dict[str, object]:
        finals = [float(x) for x in self.curves[strategy][:, -1]]
        found: dict[str, object] = {
            "hypervolume": {
                "median": statistics.median(finals),
                "least": min(finals),
                "most": max(finals),
                "by_seed": finals,
            },
            "designs": [len(run.steps) for run in self.runs[strategy]],
            "fronts": [
                [self._point(run.steps[k].figures) for k in front_of(self.search, run.steps)]
                for run in self.runs[strategy]
            ],
            "ended": [run.ended for run in self.runs[strategy]],
            "folders": [[str(x.folder) for x in run.phases] for run in self.runs[strategy]],
        }
        if strategy != "joint":
            reached = self.reached(strategy)
            found["joint_needs"] = {
                "evaluations": list(reached.evaluations),
                "fraction": reached.fraction,
            }
        return found

    def _point(self, figures: Mapping[str, float | None]) -> dict[str, float | None]:
        return {name: figures.get(name) for name in self.search.objectives}

    def write(self, folder: Path) -> list[Path]:
        """Write ``results.json``, and the results of every phase of every run into its folder.

        Raises :class:`accelgen.errors.InputError` where nothing can be.
        """
        text = json.dumps(self.to_json(), indent=1)
        written = [write_text(folder / "results.json", f"{text}\n")]
        for run in (run for runs in self.runs.values() for run in runs):
            for phase in run.phases:
                if phase.result.table.feasible.any():
                    written += phase.result.write(phase.folder)
        return written


def compare(
    search: Search,
    folder: Path,
    seeds: Sequence[int],
    *,
    strategies: Sequence[Strategy] | None = None,
    progress: Progress | None = None,
    **options: Any,  # noqa: ANN401 - those of accelgen.search.study.run
) -> Comparison:
    """Run every strategy (``None``: all that make sense) with every seed, journals in ``folder``.

    ``progress`` is told of all of them together.  Raises what
    :func:`accelgen.search.comparison.strategies.run_strategy` raises.
    """
    names = tuple(strategies or strategies_of(search))
    total = len(names) * len(seeds) * search.evaluations
    runs: dict[Strategy, tuple[Run, ...]] = {}
    for number, name in enumerate(names):
        found: list[Run] = []
        for place, seed in enumerate(seeds):
            begin = (number * len(seeds) + place) * search.evaluations
            told = None if progress is None else shifted(progress, begin, total)
            where = folder / f"{name}_{seed}"
            found.append(
                run_strategy(replace(search, seed=seed), name, where, progress=told, **options)
            )
        runs[name] = tuple(found)
    return Comparison(search, tuple(seeds), runs)

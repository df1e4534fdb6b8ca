"""How close the generated designs come to the ideal number of cycles, and the model to the RTL.

    python -m benchmarks.cycle_quality [--simulate] > RESULT.json

The ideal is one multiply-accumulate per unit and cycle: points of the iteration domain over
units.  Rows are GEMM 256 x 256 x 256 on 16 x 16, for which a mark is set, and every shipped
dataflow as shipped.  ``parts`` splits the predicted compute cycles: ``iterations`` of the time
loops, ``stretch`` (waiting for shift chains of stationary tensors that compute does not hide),
``skew_and_drain`` (the dataflow's own run-out) and ``pipeline`` (registers for the clock).  With
``--simulate`` each design is generated, verified against NumPy in all phases of the bench, and its
cycles measured.  The exit code is 1 when a mark is missed or a measured figure differs from the
prediction.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path

from accelgen.affine import Description, load_description
from accelgen.content import list_content
from accelgen.cosim.verify import VerifyReport, verify
from accelgen.pipeline import generate, predict
from benchmarks.record import Mark, emit, header, progress, table

LIMIT = 1.02
"""Compute cycles over the ideal for the marked GEMM."""


@dataclass(frozen=True)
class Row:
    """One design: its ideal, its predicted cycles, and its measured ones when simulated."""

    name: str
    bounds: dict[str, int]
    space: dict[str, int]
    ideal: float
    parts: dict[str, int]
    predicted_compute: int
    predicted_total: int
    measured_compute: int | None = None
    measured_total: int | None = None
    verified: bool | None = None

    @property
    def ratio(self) -> float:
        """Predicted compute cycles over the ideal."""
        return self.predicted_compute / self.ideal

    @property
    def agrees(self) -> bool:
        """Whether nothing measured speaks against the model."""
        return self.verified is None or (
            self.verified
            and self.measured_compute == self.predicted_compute
            and self.measured_total == self.predicted_total
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulate", action="store_true", help="measure the RTL as well")
    options = parser.parse_args()
    result = header("cycle_quality")
    gemm = load_description("gemm_os_systolic")
    designs = {
        "gemm_os_systolic 256": gemm.with_overrides(
            bounds={"m": 256, "n": 256, "k": 256}, space={"i": 16, "j": 16}
        )
    }
    for file in list_content("dataflows"):
        name = file.removesuffix(".yaml")
        designs[name] = load_description(name)
    rows = []
    for name, description in designs.items():
        progress(f"{name} ...")
        rows.append(measure(name, description, options.simulate))
    mark = Mark("compute cycles over the ideal, GEMM 256 on 16 x 16", LIMIT, rows[0].ratio, "x")
    progress(show(rows))
    progress(str(mark))
    agree = sum(row.agrees for row in rows)
    if options.simulate:
        progress(f"model == RTL, RTL == NumPy: {agree} of {len(rows)} designs")
    emit(
        {
            **result,
            "parameters": {"simulate": options.simulate},
            "designs": [
                {**asdict(row), "ratio": round(row.ratio, 4), "agrees": row.agrees} for row in rows
            ],
            "marks": [mark.to_json()],
        }
    )
    return 0 if mark.met and agree == len(rows) else 1


def measure(name: str, description: Description, simulate: bool) -> Row:
    """Predict one design, and simulate it when asked to."""
    kernel = description.lower()
    cycles = predict(description)
    iterations = prod(kernel.time_extents)
    report = _simulated(description) if simulate else None
    return Row(
        name,
        dict(description.workload.bounds),
        dict(description.dataflow.space),
        prod(kernel.bounds) / kernel.units,
        {
            "iterations": iterations,
            "stretch": cycles.issue - iterations,
            "skew_and_drain": cycles.skew_and_drain,
            "pipeline": cycles.pipeline,
        },
        cycles.compute_cycles,
        cycles.total_cycles,
        report.measured_compute if report else None,
        report.measured_total if report else None,
        report.passed if report else None,
    )


def show(rows: list[Row]) -> str:
    """The table for people."""

    def cell(value: object) -> object:
        return "-" if value is None else value

    heads = "design units ideal stretch compute measured ratio total measured RTL"
    return table(
        heads.split(),
        [
            [
                row.name,
                prod(row.space.values()),
                f"{row.ideal:g}",
                row.parts["stretch"],
                row.predicted_compute,
                cell(row.measured_compute),
                f"{row.ratio:.3f}",
                row.predicted_total,
                cell(row.measured_total),
                "-" if row.verified is None else "equal" if row.agrees else "DIFFERS",
            ]
            for row in rows
        ],
    )


def _simulated(description: Description) -> VerifyReport:
    with tempfile.TemporaryDirectory(prefix="accelgen-") as folder:
        output = Path(folder) / "out"
        generate(description, output)
        report = verify(output, problems=2)
    for fault in report.faults:
        progress(f"{description.name}: {fault}")
    return report


if __name__ == "__main__":
    sys.exit(main())

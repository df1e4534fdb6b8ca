"""Energy of realised points at gate level, and the factors of the estimate fitted to them.

    python -m benchmarks.realised_energy RESULTS --points N ... --liberty FILE ... > RESULT.json

RESULTS is a folder of ``accelgen codesign``.  Of every point the network runs on its own
accelerator, whose gates are simulated; the array and all else are a row each.  The factors of
:mod:`accelgen.realize.estimate` are those of least squares of errors relative to the point, held
to the ones in use where the rows say little.  ``ratio`` is the estimate with the factors in use
over gate level, ``left_out`` that with factors fitted to all points but this one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from accelgen.digits.data import digits
from accelgen.energy import load_energies
from accelgen.quantised.run import image_codes
from accelgen.realize.activity import IMAGES, measure_energy
from accelgen.realize.estimate import FACTORS, PARTS, Factors, energy_of
from accelgen.realize.point import read_point
from accelgen.realize.realize import Realised, build
from accelgen.realize.structure import structure_of
from benchmarks.record import emit, header, progress

PRIOR = 0.03
"""Weight of the factors in use, of relative changes beside relative errors."""

NAMES = tuple(field.name for field in fields(Factors))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """The layers of a point: nanojoules at gate level, and what is estimated as a constant and a
    coefficient for each factor.  ``array`` of the nanojoules are those of the array, for which the
    estimate has ``array_coefficients``.
    """

    point: int
    technology: str
    measured: Floats
    constant: Floats
    coefficients: Floats
    array: float
    array_coefficients: Floats

    def ratio(self, factors: Floats) -> float:
        """Estimated over measured, of all layers."""
        return float((self.constant + self.coefficients @ factors).sum() / self.measured.sum())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--points", type=int, nargs="+", required=True)
    parser.add_argument("--liberty", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    result = header("realised_energy")
    rows = [measured(options.results, number, options.liberty) for number in options.points]
    used = np.array(astuple(FACTORS))
    points = []
    for row in rows:
        others = fit([other for other in rows if other is not row])
        points.append(
            {
                "point": row.point,
                "measured_nj": [round(x, 3) for x in row.measured.tolist()],
                "array_nj": round(row.array, 3),
                "ratio": round(row.ratio(used), 4),
                "left_out": round(row.ratio(others), 4),
            }
        )
        progress(str(points[-1]))
    fitted = dict(zip(NAMES, fit(rows).round(3).tolist(), strict=True))
    progress(str(fitted))
    errors = [abs(row.ratio(used) - 1) for row in rows]
    emit(
        {
            **result,
            "technology": sorted({row.technology for row in rows}),
            "points": points,
            "factors": {"used": dict(zip(NAMES, used.tolist(), strict=True)), "fitted": fitted},
            "errors": {"median": statistics.median(errors), "most": max(errors)},
        }
    )
    return 0


def measured(results: Path, number: int, liberty: Sequence[Path]) -> Rows:
    """A point at gate level."""
    point, _ = read_point(results, number)
    with tempfile.TemporaryDirectory() as folder:
        chip = build(point, Path(folder) / "chip")
        codes = image_codes(chip.program.network, digits("validation").images[:IMAGES])
        found = measure_energy(chip, codes, tuple(liberty))
    progress(f"point {number}: {found.measured_nj:.1f} nJ, {found.estimated_nj:.1f} estimated")
    array = sum(
        group.total * problem.period * problem.run.cycles * 1e-3
        for problem in found.power.problems
        for group in problem.groups
        if group.group == "array"
    )
    return rows_of(
        number, chip, [x.cycles for x in found.layers], [x.measured_nj for x in found.layers], array
    )


def rows_of(
    number: int,
    chip: Realised,
    cycles: Sequence[int],
    measured_nj: Sequence[float],
    array_nj: float = 0.0,
) -> Rows:
    """The estimate is linear in the factors: it is asked for none and for one of each.  Leakage,
    which gate level has too, is a constant.
    """
    energies = load_energies(chip.point.technology)
    structure = structure_of(chip.design, energies)
    asked = np.vstack([np.zeros(len(NAMES)), np.eye(len(NAMES))])
    found = np.array(
        [
            [
                list(energy_of(chip.program.kernel, step, structure, energies, count,
                               Factors(*one.tolist())).values())
                for one in asked
            ]
            for step, count in zip(chip.program.steps, cycles, strict=True)
        ]
    ) / 1e3  # fmt: skip
    parts = found[:, 1:] - found[:, :1]
    array = parts[:, :, PARTS.index("products")].sum(axis=0)
    array[NAMES.index("bit")] += structure.lines * energies.link_pj * sum(cycles) / 1e3
    estimate = chip.estimate
    leakage = estimate.leakage_mw * estimate.period_ns * np.array(cycles) / 1e3
    return Rows(
        number,
        chip.point.technology,
        np.array(measured_nj),
        found[:, 0].sum(axis=1) + leakage,
        parts.sum(axis=2),
        array_nj,
        array,
    )


def fit(rows: Sequence[Rows]) -> Floats:
    """Every point counts the same."""
    used = np.array(astuple(FACTORS))
    lines, targets = [], []
    for row in rows:
        whole = row.measured.sum()
        rest = row.coefficients.sum(axis=0) - row.array_coefficients
        lines += [row.array_coefficients * used / whole, rest * used / whole]
        targets += [row.array / whole, (whole - row.array - row.constant.sum()) / whole]
    lines += list(PRIOR * np.eye(len(used)))
    targets += [PRIOR] * len(used)
    solution = lsq_linear(np.array(lines), np.array(targets), bounds=(0.0, np.inf))
    return np.asarray(solution.x * used, dtype=np.float64)


if __name__ == "__main__":
    raise SystemExit(main())

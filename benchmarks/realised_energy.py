"""Energy of realised points at gate level, and the factors of the estimate fitted to them.

    python -m benchmarks.realised_energy POINT ... --liberty FILE ... > RESULT.json

POINT is FOLDER:N, a point of what ``accelgen codesign`` wrote, or a result of this script: all of
its points again (``benchmarks/results/realised_energy.json``).  Of every point the network runs on
its own accelerator, whose gates are simulated.  The factors of :mod:`accelgen.realize.estimate` are
those of least squares of errors relative to the point, of its array, its buffers and all else each,
held to the ones in use where these say little.  ``ratio`` is the estimate with the factors in use
over gate level, ``left_out`` that with factors fitted to all points but this one.
"""

from __future__ import annotations

import argparse
import json
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
from accelgen.realize.estimate import FACTORS, Factors, energy_of, waiting_pj
from accelgen.realize.point import Point, point_of, read_point
from accelgen.realize.realize import Realised, build
from accelgen.realize.structure import structure_of
from benchmarks.record import emit, header, progress

PRIOR = 0.03
"""Weight of the factors in use, of relative changes beside relative errors."""

GROUPS = ("array", "buffers", "others")
GROUP_OF = {"products": "array", "output": "others"}
"""Of the parts of an estimate; all others are in buffers."""

NAMES = tuple(field.name for field in fields(Factors))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """A point: nanojoules at gate level by group of modules (GROUPS), and what is estimated, as a
    constant and a coefficient for each factor [groups x factors].
    """

    name: str
    point: Point
    measured: Floats
    constant: Floats
    coefficients: Floats

    def ratio(self, factors: Floats) -> float:
        """Estimated over measured, of all groups."""
        return float((self.constant + self.coefficients @ factors).sum() / self.measured.sum())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("points", nargs="+", metavar="POINT")
    parser.add_argument("--liberty", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    result = header("realised_energy")
    asked = [one for given in options.points for one in points_of(given)]
    rows = [measured(name, point, options.liberty) for name, point in asked]
    used = np.array(astuple(FACTORS))
    points = []
    for row in rows:
        others = fit([other for other in rows if other is not row])
        points.append(
            {
                "name": row.name,
                "point": row.point.to_json(),
                "measured_nj": _by_group(row.measured),
                "estimated_nj": _by_group(row.constant + row.coefficients @ used),
                "ratio": round(row.ratio(used), 4),
                "left_out": round(row.ratio(others), 4),
            }
        )
        progress(f"{row.name}: {points[-1]['ratio']}, left out {points[-1]['left_out']}")
    fitted = dict(zip(NAMES, fit(rows).round(3).tolist(), strict=True))
    progress(str(fitted))
    errors = [abs(row.ratio(used) - 1) for row in rows]
    emit(
        {
            **result,
            "technology": sorted({row.point.technology for row in rows}),
            "points": points,
            "factors": {"used": dict(zip(NAMES, used.tolist(), strict=True)), "fitted": fitted},
            "errors": {"median": statistics.median(errors), "most": max(errors)},
        }
    )
    return 0


def points_of(given: str) -> list[tuple[str, Point]]:
    """Points with names: of a folder and number, or of a result of this script."""
    folder, _, number = given.rpartition(":")
    if folder and number.isdecimal():
        return [(number, read_point(Path(folder), int(number))[0])]
    found = json.loads(Path(given).read_text(encoding="utf-8"))["points"]
    return [(one["name"], point_of(one["point"])) for one in found]


def measured(name: str, point: Point, liberty: Sequence[Path]) -> Rows:
    """A point at gate level."""
    with tempfile.TemporaryDirectory() as folder:
        chip = build(point, Path(folder) / "chip")
        codes = image_codes(chip.program.network, digits("validation").images[:IMAGES])
        found = measure_energy(chip, codes, tuple(liberty))
    progress(f"{name}: {found.measured_nj:.1f} nJ, {found.estimated_nj:.1f} estimated")
    energies = dict.fromkeys(GROUPS, 0.0)
    for problem in found.power.problems:
        for group in problem.groups:
            part = group.group if group.group in GROUPS else "others"
            energies[part] += group.total * problem.period * problem.run.cycles * 1e-3
    return rows_of(name, chip, [layer.cycles for layer in found.layers], list(energies.values()))


def rows_of(name: str, chip: Realised, cycles: Sequence[int], measured_nj: Sequence[float]) -> Rows:
    """The estimate is linear in the factors: it is asked for none and for one of each.  Leakage,
    which gate level has too, is a constant.
    """
    energies = load_energies(chip.point.technology)
    structure = structure_of(chip.design, energies)

    def estimated(factors: Factors) -> Floats:
        """Nanojoules by group, without leakage."""
        found = {
            group: pj * sum(cycles)
            for group, pj in waiting_pj(structure, energies, factors).items()
        }
        for step, count in zip(chip.program.steps, cycles, strict=True):
            parts = energy_of(chip.program.kernel, step, structure, energies, count, factors)
            for part, pj in parts.items():
                if part != "clock":
                    found[GROUP_OF.get(part, "buffers")] += pj
        return np.array([found[group] for group in GROUPS]) / 1e3

    constant = estimated(Factors(*np.zeros(len(NAMES)).tolist()))
    ones = [estimated(Factors(*one.tolist())) - constant for one in np.eye(len(NAMES))]
    leakage = chip.estimate.leakage_mw * chip.estimate.period_ns * sum(cycles) / 1e3
    share = np.array([0.0, 1.0, 0.0])  # nearly all of it is in memories
    return Rows(
        name, chip.point, np.array(measured_nj), constant + leakage * share, np.transpose(ones)
    )


def fit(rows: Sequence[Rows]) -> Floats:
    """Every point counts the same."""
    used = np.array(astuple(FACTORS))
    lines, targets = [], []
    for row in rows:
        whole = row.measured.sum()
        lines += list(row.coefficients * used / whole)
        targets += ((row.measured - row.constant) / whole).tolist()
    lines += list(PRIOR * np.eye(len(used)))
    targets += [PRIOR] * len(used)
    solution = lsq_linear(np.array(lines), np.array(targets), bounds=(0.0, np.inf))
    return np.asarray(solution.x * used, dtype=np.float64)


def _by_group(values: Floats) -> dict[str, float]:
    return dict(zip(GROUPS, values.round(3).tolist(), strict=True))


if __name__ == "__main__":
    raise SystemExit(main())

"""Energy of realised points at gate level, and the factors of the estimate fitted to them.

    python -m benchmarks.realised_energy POINT ... [--liberty FILE ...] > RESULT.json

POINT is FOLDER:N, a point of what ``accelgen codesign`` wrote, or a result of this script: all of
its points (``benchmarks/results/realised_energy.json``).  Of every point the network runs on its
own accelerator, whose gates are simulated; without ``--liberty`` what results have is taken as it
is, and the factors are fitted anew.

The factors of :mod:`accelgen.realize.estimate` are those of least squares of errors relative to the
point, of its array, its buffers and all else each, held to the ones in use where these say little;
``outside``, in which the estimate is not linear, is the best of a few.  ``ratio`` is the estimate
with the factors in use over gate level, ``left_out`` that with factors fitted to all points but
this one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from accelgen.digits.data import digits
from accelgen.energy import load_energies
from accelgen.errors import InputError
from accelgen.quantised.run import image_codes
from accelgen.realize.activity import IMAGES, measure_energy
from accelgen.realize.estimate import FACTORS, Factors, area_of, energy_of, waiting_pj
from accelgen.realize.point import Point, point_of, read_point
from accelgen.realize.program import compile_network, design_kernel, largest_bounds
from accelgen.realize.realize import build
from accelgen.realize.structure import structure_of
from benchmarks.record import emit, header, progress

PRIOR = 0.03
"""Weight of the factors in use, of relative changes beside relative errors."""

GROUPS = ("array", "buffers", "others")
GROUP_OF = {"products": "array", "output": "others"}
"""Of the parts of an estimate; all others are in buffers."""

NAMES = tuple(field.name for field in fields(Factors) if field.name != "outside")
OUTSIDE = tuple(k / 40 for k in range(41))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A point at gate level: cycles of every layer, nanojoules of an inference by group."""

    name: str
    point: Point
    cycles: tuple[int, ...]
    nanojoules: Floats


@dataclass(frozen=True)
class Rows:
    """What is estimated of a point, beside what is measured: nanojoules by group as a constant, and
    a coefficient for each factor [groups x factors].
    """

    measured: Floats
    constant: Floats
    coefficients: Floats

    def ratio(self, factors: Floats) -> float:
        """Estimated over measured, of all groups."""
        return float((self.constant + self.coefficients @ factors).sum() / self.measured.sum())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("points", nargs="+", metavar="POINT")
    parser.add_argument("--liberty", type=Path, nargs="+", default=[])
    options = parser.parse_args()
    result = header("realised_energy")
    found = [one for given in options.points for one in points_of(given, options.liberty)]
    used = np.array([getattr(FACTORS, name) for name in NAMES])
    rows = [rows_of(one) for one in found]
    points: list[dict[str, object]] = []
    left_out = []
    for one, row in zip(found, rows, strict=True):
        others = row.ratio(fit([other for other in rows if other is not row]))
        left_out.append(abs(others - 1))
        points.append(
            {
                "name": one.name,
                "point": one.point.to_json(),
                "cycles": one.cycles,
                "measured_nj": _by_group(one.nanojoules),
                "estimated_nj": _by_group(row.constant + row.coefficients @ used),
                "ratio": round(row.ratio(used), 4),
                "left_out": round(others, 4),
            }
        )
        progress(f"{one.name}: {points[-1]['ratio']}, left out {points[-1]['left_out']}")
    outside = min(OUTSIDE, key=lambda share: misfit([rows_of(one, share) for one in found]))
    factors = fit([rows_of(one, outside) for one in found])
    fitted = {**dict(zip(NAMES, factors.round(3).tolist(), strict=True)), "outside": outside}
    progress(str(fitted))
    errors = [abs(row.ratio(used) - 1) for row in rows]
    emit(
        {
            **result,
            "technology": sorted({one.point.technology for one in found}),
            "points": points,
            "factors": {"used": asdict(FACTORS), "fitted": fitted},
            "errors": {"median": statistics.median(errors), "most": max(errors)},
            "errors_left_out": {"median": statistics.median(left_out), "most": max(left_out)},
        }
    )
    return 0


def points_of(given: str, liberty: Sequence[Path]) -> list[Measured]:
    """Those of a folder and number, or of a result of this script, at gate level."""
    folder, _, number = given.rpartition(":")
    if folder and number.isdecimal():
        if not liberty:
            raise InputError("is not measured yet", where=given, hint="give --liberty")
        name = f"{Path(folder).name}:{number}"
        return [measured(name, read_point(Path(folder), int(number))[0], liberty)]
    found = json.loads(Path(given).read_text(encoding="utf-8"))["points"]
    if liberty:
        return [measured(one["name"], point_of(one["point"]), liberty) for one in found]
    return [
        Measured(
            one["name"],
            point_of(one["point"]),
            tuple(one["cycles"]),
            np.array([one["measured_nj"][group] for group in GROUPS]),
        )
        for one in found
    ]


def measured(name: str, point: Point, liberty: Sequence[Path]) -> Measured:
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
    cycles = tuple(layer.cycles for layer in found.layers)
    return Measured(name, point, cycles, np.array(list(energies.values())))


def rows_of(one: Measured, outside: float = FACTORS.outside) -> Rows:
    """The estimate is linear in the other factors: it is asked for none and for one of each.
    Leakage, which gate level has too, is a constant.
    """
    point, energies = one.point, load_energies(one.point.technology)
    network = point.network()
    design = design_kernel(point.kernel, largest_bounds([network], point.kernel))
    program = compile_network(network, point.kernel, design)
    structure = structure_of(design, energies)

    def estimated(values: Sequence[float]) -> Floats:
        """Nanojoules by group, without leakage."""
        factors = Factors(outside=outside, **dict(zip(NAMES, values, strict=True)))
        waiting = waiting_pj(structure, energies, factors)
        found = {group: pj * sum(one.cycles) for group, pj in waiting.items()}
        for step, count in zip(program.steps, one.cycles, strict=True):
            parts = energy_of(point.kernel, step, structure, energies, count, factors)
            for part, pj in parts.items():
                if part != "clock":
                    found[GROUP_OF.get(part, "buffers")] += pj
        return np.array([found[group] for group in GROUPS]) / 1e3

    constant = estimated([0.0] * len(NAMES))
    ones = [estimated(row) - constant for row in np.eye(len(NAMES)).tolist()]
    _, leakage = area_of(point.kernel, structure, energies)
    # Nearly all of it is in memories.
    constant[GROUPS.index("buffers")] += leakage * point.period_ns * sum(one.cycles) / 1e3
    return Rows(one.nanojoules, constant, np.transpose(ones))


def fit(rows: Sequence[Rows]) -> Floats:
    """Every point counts the same."""
    used = np.array([getattr(FACTORS, name) for name in NAMES])
    lines, targets = [], []
    for row in rows:
        whole = row.measured.sum()
        lines += list(row.coefficients * used / whole)
        targets += ((row.measured - row.constant) / whole).tolist()
    lines += list(PRIOR * np.eye(len(used)))
    targets += [PRIOR] * len(used)
    solution = lsq_linear(np.array(lines), np.array(targets), bounds=(0.0, np.inf))
    return np.asarray(solution.x * used, dtype=np.float64)


def misfit(rows: Sequence[Rows]) -> float:
    """Of the factors that fit best: the mean square of errors of groups relative to the point."""
    factors = fit(rows)
    errors = [
        (row.constant + row.coefficients @ factors - row.measured) / row.measured.sum()
        for row in rows
    ]
    return float(np.square(errors).mean())


def _by_group(values: Floats) -> dict[str, float]:
    return dict(zip(GROUPS, values.round(3).tolist(), strict=True))


if __name__ == "__main__":
    raise SystemExit(main())

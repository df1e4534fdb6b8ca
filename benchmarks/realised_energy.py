"""Energy of realised points at gate level, and what is fitted to them.

    python -m benchmarks.realised_energy POINT ... [--liberty FILE ...] > RESULT.json

POINT is FOLDER:N, a point of what ``accelgen codesign`` wrote, or a result of this script: all of
its points (``benchmarks/results/realised_energy.json``).  Of every point the network runs on its
own accelerator, whose gates are simulated; without ``--liberty`` what results have is taken as it
is, and the fits are made anew.

Two figures stand beside gate level: the ``estimate`` (:mod:`accelgen.realize.estimate`, in closed
form) and ``activity`` (:mod:`accelgen.realize.activity`, what switched in the Verilog).  Their
factors and prices are those of least squares of errors relative to what they are part of, of the
array, the buffers and all else each: of the point for the estimate, of every layer for the
activity; held to the ones in use where these say little.  ``outside`` and ``empty``, in which the
estimate is not linear, are the best of some.  ``ratio`` is a figure as in use over gate level,
``left_out`` that with what is fitted to all points but this one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from accelgen.digits.data import digits
from accelgen.energy import load_energies
from accelgen.errors import InputError
from accelgen.quantised.run import image_codes
from accelgen.realize.activity import PRICES, Prices, parts_of
from accelgen.realize.estimate import FACTORS, Factors, area_of, energy_of, waiting_pj
from accelgen.realize.gates import IMAGES, MEASURED, measure_energy
from accelgen.realize.point import Point, point_of, read_point
from accelgen.realize.program import Program, compile_network, design_kernel, largest_bounds
from accelgen.realize.realize import Realised, build
from accelgen.realize.structure import Structure, structure_of
from accelgen.silicon.toggles import Toggles
from benchmarks.record import emit, header, progress

PRIOR = 0.03
"""Weight of the values in use, of relative changes beside relative errors."""

GROUPS = ("array", "buffers", "others")
GROUP_OF = {"products": "array", "output": "others", "control": "others"}
"""Of the parts of an energy; all others are in buffers."""

SHARES = ("outside", "empty")
"""Factors of factors."""

FACTOR_NAMES = tuple(field.name for field in fields(Factors) if field.name not in SHARES)
CLOCKS = ("bit", "gate", "stage")
PRICE_NAMES = tuple(field.name for field in fields(Prices) if field.name != "clock")
TRIED = tuple(k / 20 for k in range(21))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Energies at gate level in nanojoules, what is estimated of each as a constant and a
    coefficient for every value that is fitted, and the ``whole`` that errors are relative to.
    """

    measured: Floats
    constant: Floats
    coefficients: Floats
    whole: Floats

    def estimated(self, values: Floats) -> Floats:
        """With such values."""
        return np.asarray(self.constant + self.coefficients @ values, np.float64)

    def ratio(self, values: Floats) -> float:
        """Estimated over measured, of all."""
        return float(self.estimated(values).sum() / self.measured.sum())


@dataclass(frozen=True)
class Measured:
    """A point at gate level: its layers, their cycles, nanojoules [layers x groups], and the rows
    of its activity (layer by layer, in each the groups).
    """

    name: str
    point: Point
    layers: tuple[str, ...]
    cycles: tuple[int, ...]
    nanojoules: Floats
    activity: Rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("points", nargs="+", metavar="POINT")
    parser.add_argument("--liberty", type=Path, nargs="+", default=[])
    options = parser.parse_args()
    result = header("realised_energy")
    found = [one for given in options.points for one in points_of(given, options.liberty)]
    factors = np.array([getattr(FACTORS, name) for name in FACTOR_NAMES])
    prices = np.array([*(getattr(PRICES.clock, name) for name in CLOCKS),
                       *(getattr(PRICES, name) for name in PRICE_NAMES)])  # fmt: skip
    estimates = [rows_of(one) for one in found]
    activities = [one.activity for one in found]
    points: list[dict[str, object]] = []
    for number, one in enumerate(found):
        compared = {
            "estimate": judged(estimates, number, factors),
            "activity": judged(activities, number, prices),
        }
        points.append({**to_json(one), **compared})
        progress(f"{one.name}: {compared}")
    outside, empty = min(
        product(TRIED, TRIED),
        key=lambda shares: misfit([rows_of(one, *shares) for one in found], factors),
    )
    fitted = {
        **named(FACTOR_NAMES, fit([rows_of(one, outside, empty) for one in found], factors)),
        "outside": outside,
        "empty": empty,
    }
    priced = named((*CLOCKS, *PRICE_NAMES), fit(activities, prices))
    progress(f"{fitted}\n{priced}")
    emit(
        {
            **result,
            "technology": sorted({one.point.technology for one in found}),
            "points": points,
            "factors": {"used": asdict(FACTORS), "fitted": fitted},
            "prices": {"used": named((*CLOCKS, *PRICE_NAMES), prices), "fitted": priced},
            "errors": {
                "estimate": {
                    **errors(points, "estimate"), "layers": spread(by_layer(found, estimated_nj)),
                },
                "activity": {
                    **errors(points, "activity"),
                    "layers": spread(by_layer(found, lambda one: switched_nj(one, prices))),
                },
            },
        }
    )  # fmt: skip
    return 0


def judged(rows: Sequence[Rows], number: int, used: Floats) -> dict[str, float]:
    """A point with the values in use, and with those of all others."""
    others = fit([row for k, row in enumerate(rows) if k != number], used)
    return {
        "ratio": round(rows[number].ratio(used), 4),
        "left_out": round(rows[number].ratio(others), 4),
    }


def errors(points: Sequence[Mapping[str, object]], figure: str) -> dict[str, object]:
    """Of a figure over all points."""
    found: dict[str, object] = {}
    for key in ("ratio", "left_out"):
        pairs = [point[figure] for point in points]
        found[key] = spread([pair[key] for pair in pairs if isinstance(pair, dict)])
    return found


def spread(ratios: Sequence[float]) -> dict[str, float]:
    """How far ratios are from one."""
    away = [abs(ratio - 1) for ratio in ratios]
    return {"median": round(statistics.median(away), 4), "most": round(max(away), 4)}


def by_layer(found: Sequence[Measured], figure: Callable[[Measured], Floats]) -> list[float]:
    """A figure [layers] over gate level, of all layers of all points."""
    return [float(ratio) for one in found for ratio in figure(one) / one.nanojoules.sum(axis=1)]


def estimated_nj(one: Measured) -> Floats:
    """Every layer as estimated."""
    return np.asarray(estimates_of(one, FACTORS).sum(axis=1), np.float64)


def switched_nj(one: Measured, prices: Floats) -> Floats:
    """Every layer by what switched."""
    estimated = one.activity.estimated(prices)
    return np.asarray(estimated.reshape(len(one.layers), -1).sum(axis=1), np.float64)


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
    return [of_json(one) for one in found]


def measured(name: str, point: Point, liberty: Sequence[Path]) -> Measured:
    """A point whose network runs on its accelerator."""
    with tempfile.TemporaryDirectory() as folder:
        chip = build(point, Path(folder) / "chip")
        codes = image_codes(chip.program.network, digits("validation").images[:IMAGES])
        found = measure_energy(chip, codes, tuple(liberty))
    progress(
        f"{name}: {found.measured_nj:.1f} nJ, {found.estimated_nj:.1f} estimated, "
        f"{found.activity_nj:.1f} of activity"
    )
    layers = len(found.layers)
    energies = np.zeros((layers, len(GROUPS)))
    for number, problem in enumerate(found.power.problems):
        for group in problem.groups:
            part = group.group if group.group in GROUPS else "others"
            nj = group.total * problem.period * problem.run.cycles * 1e-3 / MEASURED
            energies[number % layers, GROUPS.index(part)] += nj
    return Measured(
        name,
        point,
        tuple(layer.name for layer in found.layers),
        tuple(layer.cycles for layer in found.layers),
        energies,
        activity_rows(chip, found.toggles, energies),
    )


def activity_rows(chip: Realised, toggles: Toggles, measured_nj: Floats) -> Rows:
    """What switched at the prices zero and one."""
    energies = load_energies(chip.point.technology)
    structure = structure_of(chip.design, energies)
    cycles = np.array([layer.cycles for layer in chip.estimate.layers])

    def switched(values: Sequence[float]) -> Floats:
        """Nanojoules [layers x groups], without leakage."""
        clock = replace(PRICES.clock, **dict(zip(CLOCKS, values, strict=False)))
        others = dict(zip(PRICE_NAMES, values[len(CLOCKS) :], strict=True))
        prices = Prices(clock=clock, **others)
        found = {group: pj * cycles for group, pj in waiting_pj(structure, energies, clock).items()}
        for part, pj in parts_of(chip.program, chip.design, energies, toggles, prices).items():
            group = GROUP_OF.get(part, "buffers")
            found[group] = found[group] + pj / MEASURED
        return np.stack([found[group] for group in GROUPS], axis=1) / 1e3

    number = len(CLOCKS) + len(PRICE_NAMES)
    constant = switched([0.0] * number)
    ones = [(switched(row) - constant).reshape(-1) for row in np.eye(number).tolist()]
    leakage = chip.estimate.leakage_mw * chip.estimate.period_ns * cycles / 1e3
    constant[:, GROUPS.index("buffers")] += leakage
    whole = np.repeat(measured_nj.sum(axis=1), len(GROUPS))
    return Rows(measured_nj.reshape(-1), constant.reshape(-1), np.transpose(ones), whole)


@lru_cache(maxsize=64)
def planned(point: Point) -> tuple[Program, Structure, float]:
    """The program of a point, what its design consists of, and leakage in mW."""
    network = point.network()
    design = design_kernel(point.kernel, largest_bounds([network], point.kernel))
    energies = load_energies(point.technology)
    structure = structure_of(design, energies)
    _, leakage = area_of(point.kernel, structure, energies)
    return compile_network(network, point.kernel, design), structure, leakage


def estimates_of(one: Measured, factors: Factors) -> Floats:
    """Nanojoules [layers x groups] in closed form; nearly all leakage is in memories."""
    point, energies = one.point, load_energies(one.point.technology)
    program, structure, leakage = planned(point)
    waiting = waiting_pj(structure, energies, factors)
    found = []
    for step, cycles in zip(program.steps, one.cycles, strict=True):
        groups = {group: pj * cycles for group, pj in waiting.items()}
        groups["buffers"] += leakage * point.period_ns * cycles
        parts = energy_of(point.kernel, step, structure, energies, cycles, factors)
        for part, pj in parts.items():
            if part != "clock":
                groups[GROUP_OF.get(part, "buffers")] += pj
        found.append([groups[group] / 1e3 for group in GROUPS])
    return np.array(found)


def rows_of(one: Measured, outside: float = FACTORS.outside, empty: float = FACTORS.empty) -> Rows:
    """The estimate of all layers is linear in the other factors: it is asked for none and for one
    of each.
    """

    def estimated(values: Sequence[float]) -> Floats:
        """Nanojoules by group."""
        factors = Factors(
            outside=outside, empty=empty, **dict(zip(FACTOR_NAMES, values, strict=True))
        )
        return np.asarray(estimates_of(one, factors).sum(axis=0), np.float64)

    constant = estimated([0.0] * len(FACTOR_NAMES))
    ones = [estimated(row) - constant for row in np.eye(len(FACTOR_NAMES)).tolist()]
    groups = one.nanojoules.sum(axis=0)
    return Rows(groups, constant, np.transpose(ones), np.full(len(GROUPS), groups.sum()))


def fit(rows: Sequence[Rows], used: Floats) -> Floats:
    """Every row counts the same."""
    lines = [row.coefficients * used / row.whole[:, None] for row in rows]
    targets = [(row.measured - row.constant) / row.whole for row in rows]
    held = PRIOR * np.eye(len(used))
    solution = lsq_linear(
        np.vstack([*lines, held]),
        np.concatenate([*targets, np.full(len(used), PRIOR)]),
        bounds=(0.0, np.inf),
    )
    return np.asarray(solution.x * used, dtype=np.float64)


def misfit(rows: Sequence[Rows], used: Floats) -> float:
    """Of the values that fit best: the mean square of relative errors."""
    values = fit(rows, used)
    away = [(row.estimated(values) - row.measured) / row.whole for row in rows]
    return float(np.square(away).mean())


def named(names: Sequence[str], values: Floats) -> dict[str, float]:
    return dict(zip(names, values.round(3).tolist(), strict=True))


def to_json(one: Measured) -> dict[str, object]:
    """What :func:`of_json` reads: of the activity the constant and the coefficients that are not
    zero, by value.
    """
    names = (*CLOCKS, *PRICE_NAMES)
    return {
        "name": one.name,
        "point": one.point.to_json(),
        "layers": list(one.layers),
        "cycles": list(one.cycles),
        "measured_nj": [named(GROUPS, groups) for groups in one.nanojoules],
        "activity_constant_nj": one.activity.constant.round(4).tolist(),
        "activity_nj_per_price": {
            name: column.round(4).tolist()
            for name, column in zip(names, one.activity.coefficients.T, strict=True)
            if column.any()
        },
    }


def of_json(one: Mapping[str, Any]) -> Measured:
    energies = np.array([[layer[group] for group in GROUPS] for layer in one["measured_nj"]])
    constant = np.array(one["activity_constant_nj"])
    columns = [
        np.array(one["activity_nj_per_price"].get(name, np.zeros(len(constant))))
        for name in (*CLOCKS, *PRICE_NAMES)
    ]
    whole = np.repeat(energies.sum(axis=1), len(GROUPS))
    return Measured(
        one["name"],
        point_of(one["point"]),
        tuple(one["layers"]),
        tuple(one["cycles"]),
        energies,
        Rows(energies.reshape(-1), constant, np.stack(columns, axis=1), whole),
    )


if __name__ == "__main__":
    raise SystemExit(main())

"""How far first estimates of kernels are from their designs, and what of these is not estimated.

    python -m benchmarks.first_estimates [--points N] > benchmarks/results/first_estimates.json

Points at random of the search ``digits``: networks, formats and kernels.  Of cycles, energy and its
parts the logarithms of what the design has over the first estimate
(:func:`accelgen.realize.forecast.forecast_of`): mean, standard deviation, least and most; and the
time of a first estimate over that of a design.  ``register_bits`` are those of a unit beside the
registers of chains, by multiplier, whether sums stay in it and whether units add up (``plain, stay,
add``): the median, the least and the most of kernels in lockstep, and ``skewed``, what there is
more for every skewed axis.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from math import exp, log

import numpy as np

from accelgen.energy import load_energies
from accelgen.errors import AccelgenError
from accelgen.realize.estimate import PARTS, estimate
from accelgen.realize.forecast import forecast_of
from accelgen.realize.kernel import LOOPS
from accelgen.realize.point import Point
from accelgen.realize.program import compile_network, design_kernel, largest_bounds
from accelgen.realize.sketch import OUTPUT, sketch_of
from accelgen.realize.structure import structure_of
from accelgen.search import load_search
from accelgen.search.vector import Rejected
from benchmarks.record import emit, header, progress

_LEAST_PJ = 1e-3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = header("first_estimates")
    off: dict[str, list[float]] = defaultdict(list)
    bits: dict[str, list[tuple[int, float]]] = defaultdict(list)
    shares = []
    refused = 0
    for number, point in enumerate(points(options.points, options.seed)):
        try:
            share, logarithms, kind, skewed, unit = compared(point)
        except AccelgenError:
            refused += 1  # a kernel that cannot be built
            continue
        shares.append(share)
        for name, value in logarithms.items():
            off[name].append(value)
        bits[kind].append((skewed, unit))
        if number % 50 == 49:
            progress(f"{number + 1} points")
    emit(
        {
            **result,
            "parameters": {"points": options.points, "seed": options.seed, "refused": refused},
            "time_ratio": round(statistics.median(shares), 5),
            "logarithms": {name: spread(values) for name, values in off.items()},
            "register_bits": {kind: registers(found) for kind, found in sorted(bits.items())},
        }
    )
    return 0


def points(count: int, seed: int) -> list[Point]:
    """Of random vectors those that stand for a design."""
    search = load_search("digits", evaluations=1)
    draws = np.random.default_rng(seed)
    found: list[Point] = []
    while len(found) < count:
        vector = tuple(draws.random(len(search.space.genes)).tolist())
        candidate = search.candidate(0, vector)
        if not isinstance(candidate, Rejected):
            assert isinstance(candidate.design, Point)
            found.append(candidate.design)
    return found


def compared(point: Point) -> tuple[float, dict[str, float], str, int, float]:
    """The time of the estimate over that of the design; logarithms by name; what kind its units
    are, along how many axes they are skewed, and their register bits.
    """
    begin = time.perf_counter()
    traits, first = forecast_of(point)
    between = time.perf_counter()
    kernel, network = point.kernel, point.network()
    largest = largest_bounds([network], kernel)
    design = design_kernel(kernel, largest)
    known = estimate(
        compile_network(network, kernel, design), design, point.technology, point.period_ns
    )
    share = (between - begin) / (time.perf_counter() - between)
    logarithms = {
        "cycles": log(known.cycles / first["cycles"]),
        "energy": log(known.energy_nj / 1e3 / first["energy_uj"]),
        **{
            part: log(max(known.energy_pj[part], _LEAST_PJ) / exp(traits[f"energy_{part}"]))
            for part in PARTS
        },
    }
    sketch = sketch_of(kernel, largest)
    structure = structure_of(design, load_energies(point.technology))
    chains = sum(x.chain.registers * x.bits for x in (*sketch.inputs, sketch.output))
    kind = [kernel.multiplier]
    kind += ["stay"] * (sketch.output.level < len(LOOPS))
    kind += ["add"] * any(loop not in OUTPUT and n > 1 for loop, n in kernel.space)
    skewed = sum(skew and n > 1 for (_, n), skew in zip(kernel.space, kernel.skewed, strict=True))
    return share, logarithms, ", ".join(kind), skewed, (structure.lines - chains) / kernel.units


def spread(values: Sequence[float]) -> dict[str, float]:
    """Of logarithms."""
    found = {
        "mean": statistics.fmean(values),
        "deviation": statistics.pstdev(values),
        "least": min(values),
        "most": max(values),
    }
    return {name: round(value, 4) for name, value in found.items()}


def registers(found: Sequence[tuple[int, float]]) -> dict[str, float | int | None]:
    """Of kernels of a kind: skewed axes and register bits of a unit."""
    lockstep = [unit for skewed, unit in found if not skewed]
    if not lockstep:
        return {"points": len(found), "median": None}
    base = statistics.median(lockstep)
    more = [(unit - base) / skewed for skewed, unit in found if skewed]
    return {
        "points": len(found),
        "median": round(base, 1),
        "least": round(min(lockstep), 1),
        "most": round(max(lockstep), 1),
        "skewed": round(statistics.median(more), 1) if more else None,
    }


if __name__ == "__main__":
    raise SystemExit(main())

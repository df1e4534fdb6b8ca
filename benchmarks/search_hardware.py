"""Searched hardware beside fixed designs at their own resources, on the same cost model.

    python -m benchmarks.search_hardware [--evaluations N] [--seeds S ...] [--designs NAME ...]
        [--spaces SPACE ...] [--jobs N] [-o DIR] > benchmarks/results/search_hardware_NAME.json

Of every design: the search by importance encoding, by index encoding, and of sizes alone (with the
connections of the design), each with N evaluations for EDP; latency, energy and EDP of the best
beside the fixed design, geometric means over three networks.  ``least_latency`` is what nothing
with these units and this DRAM is below: every unit busy in every cycle, every tensor moved once;
``least_energy`` is that of the multiplications and of moving every tensor once from or to the DRAM.
``cpu`` are CPU seconds per evaluated design.  Solved mappings of the fixed designs are kept in the
user's cache (those of Eyeriss take six minutes of CPU time).  With -o journals are kept, and the
same command goes on from them.  Results are kept in a file per design, for some take longer than
others.  The exit code is 1 when a mark is missed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from accelgen.hardware import load_hardware
from accelgen.mapper.cache import open_solved
from accelgen.networks import load_network
from accelgen.search import SearchResult, make_search, run
from accelgen.simulation import NetworkResult, simulate
from accelgen.sweep.run import default_jobs
from benchmarks.record import Mark, emit, header, progress, table

SMALL = ("mobilenet_v2", "squeezenet", "mnasnet")
LARGE = ("vgg16", "resnet50", "unet")
DESIGNS = {
    "nvdla_256": (SMALL, 1.7, 1.4),
    "shidiannao": (SMALL, 4.4, 4.9),
    "nvdla_1024": (LARGE, 2.2, 1.1),
    "eyeriss": (SMALL, 4.4, 2.1),
}
"""Networks, and the speed and energy over the fixed design to reach."""

SPACES = ("importance", "index", "sizing")
EDP_OVER_SIZING = 1.4
INDEX_OVER_IMPORTANCE = 1.4
CPU_SECONDS = 1.8

Entry = dict[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--designs", nargs="+", choices=list(DESIGNS), default=list(DESIGNS))
    parser.add_argument("--spaces", nargs="+", choices=SPACES, default=list(SPACES))
    parser.add_argument("--jobs", type=int, default=default_jobs())
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    result = header("search_hardware")
    found: dict[str, object] = {}
    marks: list[Mark] = []
    rows: list[Sequence[object]] = []
    for name in options.designs:
        networks, speed, energy = DESIGNS[name]
        fixed = baseline(name, networks)
        progress(f"{name}: {fixed}")
        searches: dict[str, list[Entry]] = {}
        for space in options.spaces:
            # Not even one sizing of Eyeriss is mapped in a minute: four loops on an axis.
            if (name, space) == ("eyeriss", "sizing"):
                continue
            runs = [
                searched(
                    name, networks, space, options.evaluations, seed, options.jobs, options.output
                )
                for seed in options.seeds
            ]
            searches[space] = runs
            progress(f"{name}, {space}: {runs}")
            rows.append((name, space, *(f"{x:.3g}" for x in gains(fixed, runs))))
        found[name] = {"networks": networks, "fixed": fixed, "searches": searches}
        marks += marks_of(name, fixed, searches, speed, energy)
    progress(table(("design", "space", "speed", "energy", "EDP"), rows))
    for mark in marks:
        progress(str(mark))
    emit(
        {
            **result,
            "parameters": {
                "evaluations": options.evaluations,
                "seeds": options.seeds,
                "jobs": options.jobs,
            },
            "designs": found,
            "marks": [mark.to_json() for mark in marks],
        }
    )
    return 0 if all(mark.met for mark in marks) else 1


def baseline(name: str, networks: Sequence[str]) -> Entry:
    """The fixed design: geometric means of cycles and pJ, and what cycles are not below."""
    hardware, solved = load_hardware(name), open_solved()
    results = [simulate(load_network(x), hardware, solved=solved) for x in networks]
    microsecond = hardware.clock_mhz
    return {
        "latency_ms": geomean([x.cycles / microsecond / 1e3 for x in results]),
        "energy_uj": geomean([sum(x.energy_pj.values()) / 1e6 for x in results]),
        "least_latency_ms": geomean(
            [sum(y.least_cycles for y in x.layers) / microsecond / 1e3 for x in results]
        ),
        "least_energy_uj": geomean([least_energy(x) / 1e6 for x in results]),
        "utilisation": statistics.mean(x.utilisation for x in results),
    }


def least_energy(result: NetworkResult) -> float:
    """Of all multiplications and of every tensor of every layer moved once, in pJ."""
    dram = result.hardware.levels[-1].memories[0]
    total = 0.0
    for x in result.layers:
        whole = np.array([x.problem.bounds], dtype=np.int64)
        one = x.problem.iterations * result.hardware.mac_energy(x.problem.number_format)
        for operand in x.problem.operands:
            bits = int(operand.footprint(whole)[0]) * operand.bits
            one += bits * (dram.write_pj if operand.is_output else dram.read_pj)
        total += x.layer.repeats * one
    return total


def searched(
    name: str,
    networks: Sequence[str],
    space: str,
    evaluations: int,
    seed: int,
    jobs: int,
    kept: Path | None,
) -> Entry:
    """The best design of a search for EDP."""
    search = make_search(
        {
            "name": f"{name}_{space}",
            "networks": list(networks),
            "hardware": {"space": space, "baseline": name},
            "evaluations": evaluations,
            "seed": seed,
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        journal = (kept or Path(folder)) / f"{search.name}_{seed}.journal"
        outcome = run(search, journal, jobs=jobs)
    return entry(outcome.result, seed)


def entry(result: SearchResult, seed: int) -> Entry:
    row = result.table.row(result.best)
    cpu = [float(str(step.record["cpu_seconds"])) for step in result.steps]
    best = result.convergence[:, 0]
    reached = int((best <= best[-1] * 1.05).argmax()) + 1
    return {
        "seed": seed,
        **{key: float(str(row[key])) for key in ("latency_ms", "energy_uj", "utilisation")},
        "cpu": statistics.mean(cpu),
        "within_5_percent_after": reached,
        "feasible": int(result.table.feasible.sum()),
    }


def gains(fixed: Entry, runs: Sequence[Entry]) -> tuple[float, float, float]:
    """Speed, energy and EDP over the fixed design: medians over the seeds."""
    speed = statistics.median(fixed["latency_ms"] / x["latency_ms"] for x in runs)
    energy = statistics.median(fixed["energy_uj"] / x["energy_uj"] for x in runs)
    product = fixed["latency_ms"] * fixed["energy_uj"]
    return speed, energy, statistics.median(product / edp(x) for x in runs)


def edp(entry: Entry) -> float:
    return entry["latency_ms"] * entry["energy_uj"]


def marks_of(
    name: str, fixed: Entry, searches: dict[str, list[Entry]], speed: float, energy: float
) -> list[Mark]:
    """Ratios of what should be less to what should be more, beside the inverse of the figures."""
    found = []
    best = searches.get("importance", [])
    if best:
        reached = gains(fixed, best)
        for what, wanted, got in (("latency", speed, reached[0]), ("energy", energy, reached[1])):
            title = f"{what} of searched over {name}"
            found.append(Mark(title, round(1 / wanted, 4), round(1 / got, 4), ""))
        cpu = round(statistics.mean(x["cpu"] for x in best), 3)
        # Of three networks.
        title = f"CPU seconds per design at the resources of {name}, three networks"
        found.append(Mark(title, 3 * CPU_SECONDS, cpu, "s"))
    for space, wanted in (("sizing", EDP_OVER_SIZING), ("index", INDEX_OVER_IMPORTANCE)):
        if best and space in searches:
            ratio = statistics.median(map(edp, best)) / statistics.median(map(edp, searches[space]))
            title = f"EDP of importance over {space}, {name}"
            found.append(Mark(title, round(1 / wanted, 4), round(ratio, 4), ""))
    return found


def geomean(values: Sequence[float]) -> float:
    return math.exp(statistics.mean(map(math.log, values)))


if __name__ == "__main__":
    raise SystemExit(main())

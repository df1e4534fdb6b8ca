"""How long a search of hardware takes: 1000 designs with the resources of Eyeriss, MobileNetV2.

    python -m benchmarks.search_time [--evaluations N] [--jobs N]
        > benchmarks/results/search_time.json

Runs the shipped search ``eyeriss_mobilenet_v2`` from nothing, each design with the optimal mapping
of every layer; ``cpu_seconds`` are those of a design.  ``eyeriss_edp_over_found`` is Eyeriss itself
over the best design, on the same cost model.  For figures the machine has to be quiet.  The exit
code is 1 when the mark is missed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from accelgen.hardware import load_hardware
from accelgen.mapper.cache import open_solved
from accelgen.networks import load_network
from accelgen.search import load_search, run
from accelgen.simulation import simulate
from accelgen.sweep.run import default_jobs
from benchmarks.record import Mark, emit, header, progress

SEARCH, NETWORK, BASELINE = "eyeriss_mobilenet_v2", "mobilenet_v2", "eyeriss"
MINUTES = 15.0
"""For 1000 designs on two cores."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=default_jobs())
    options = parser.parse_args()
    result = header("search_time")
    search = load_search(SEARCH, evaluations=options.evaluations)
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(search, Path(folder) / "journal", jobs=options.jobs)
    found = outcome.result
    row = found.table.row(found.best)
    fixed = simulate(load_network(NETWORK), load_hardware(BASELINE), solved=open_solved())
    edp = float(str(row["edp_js"]))
    fixed_edp = fixed.cycles / fixed.hardware.clock_mhz / 1e6 * sum(fixed.energy_pj.values()) / 1e12
    cpu = [float(str(step.record["cpu_seconds"])) for step in found.steps]
    minutes = outcome.seconds / 60
    mark = Mark(
        f"minutes for {outcome.evaluated} designs, {options.jobs} processes", MINUTES,
        round(minutes, 2), "min",
    )  # fmt: skip
    progress(str(mark))
    emit(
        {
            **result,
            "parameters": {
                "evaluations": options.evaluations,
                "jobs": options.jobs,
                "seed": search.seed,
            },
            "minutes": round(minutes, 3),
            "evaluated": outcome.evaluated,
            "feasible": int(found.table.feasible.sum()),
            "cpu_seconds": {
                "mean": round(statistics.mean(cpu), 3),
                "median": round(statistics.median(cpu), 3),
                "most": round(max(cpu), 3),
            },
            "best": {key: row[key] for key in ("edp_js", "latency_ms", "energy_uj", "utilisation")},
            "eyeriss_edp_over_found": round(fixed_edp / edp, 3),
            "marks": [mark.to_json()],
        }
    )
    return 0 if mark.met else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""Time of a sweep of 10,000 hardware points over MobileNetV2, and what a point costs beside it.

    python -m benchmarks.sweep [--jobs N] [--points N] > RESULT.json

``overhead`` is the sweep with an evaluation that takes no time: keys, claims, messages to and from
processes, journal, results.  ``resume`` is the same command again, with everything in the journal.
The sweep itself is ``mobilenet_v2_10k``; with ``--points`` that many of it are drawn, and the limit
is as much smaller.  Times are wall time; CPU time is that of all processes.  The exit code is 1
when a mark is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from accelgen.sweep import Outcome, Point, Sweep, load_sweep, pareto_front, run
from accelgen.sweep.executors import Record
from accelgen.sweep.run import default_jobs
from benchmarks.record import Mark, emit, header, progress

NAME = "mobilenet_v2_10k"
SECONDS, CORES = 600.0, 2
OVERHEAD_MS = 1.0


@dataclass(frozen=True)
class Timed:
    """Wall and CPU seconds of something, and what it gave."""

    wall: float
    cpu: float
    outcome: Outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=min(CORES, default_jobs()))
    parser.add_argument("--points", type=int, help="draw so many (all)")
    options = parser.parse_args()
    result = header("sweep")
    sweep = every = load_sweep(NAME)
    if options.points is not None:
        sweep = replace(sweep, random=options.points)
    with tempfile.TemporaryDirectory() as folder:
        names = ("idle", "whole", "results.parquet")
        first, journal, table = (Path(folder) / name for name in names)
        idle = timed(lambda: empty(every, first, options.jobs))
        resumed = timed(lambda: empty(every, first, options.jobs))
        whole = timed(lambda: run(sweep, journal, jobs=options.jobs, progress=told()))
        whole.outcome.results.write(table)
        sizes = [path.stat().st_size for path in (journal, table)]
    points, results = len(whole.outcome.results), whole.outcome.results
    busy = sum(float(str(x)) for x in results.columns["seconds"] if x is not None)
    overhead = 1e3 * idle.cpu / len(idle.outcome.results)
    limit = SECONDS * points / 10_000
    marks = [
        Mark("overhead of a point", OVERHEAD_MS, round(overhead, 4), "ms"),
        Mark(
            f"{points} points of {NAME}, {options.jobs} processes",
            limit,
            round(whole.wall, 2),
            "s",
            round(whole.cpu, 2),
        ),
    ]
    for mark in marks:
        progress(str(mark))
    emit(
        {
            **result,
            "parameters": {"sweep": NAME, "points": points, "jobs": options.jobs},
            "overhead": {"wall": round(idle.wall, 3), "cpu": round(idle.cpu, 3)},
            "resume": {"wall": round(resumed.wall, 3), "cpu": round(resumed.cpu, 3)},
            "sweep": {
                "wall": round(whole.wall, 3),
                "cpu": round(whole.cpu, 3),
                "in_evaluations": round(busy, 3),
                "feasible": int(results.feasible.sum()),
                "front": len(pareto_front(results)),
                "journal_bytes": sizes[0],
                "parquet_bytes": sizes[1],
            },
            "marks": [mark.to_json() for mark in marks],
        }
    )
    return 0 if all(mark.met for mark in marks) else 1


def nothing(point: Point) -> Record:
    """Figures out of thin air."""
    figures: Record = {"cycles": 1.0 + point.number, "clock_mhz": 250.0, "energy_pj": {"mac": 1.0}}
    return {**figures, "utilisation": 1.0, "area_mm2": 1.0, "seconds": 0.0}


def empty(sweep: Sweep, journal: Path, jobs: int) -> Outcome:
    """The sweep without evaluations; workers import the task by the name of this module."""
    from benchmarks.sweep import nothing as task

    return run(sweep, journal, jobs=jobs, task=task)


def timed(work: Callable[[], Outcome]) -> Timed:
    wall, before = time.perf_counter(), os.times()
    outcome = work()
    after = os.times()
    return Timed(time.perf_counter() - wall, sum(after[:4]) - sum(before[:4]), outcome)


def told() -> Callable[[int, int, int], None]:
    """A line for every tenth."""
    said = [-1]

    def tell(done: int, total: int, evaluated: int) -> None:
        if 10 * done // total > said[0]:
            said[0] = 10 * done // total
            progress(f"{done} of {total} points")

    return tell


if __name__ == "__main__":
    sys.exit(main())

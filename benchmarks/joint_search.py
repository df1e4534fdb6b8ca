"""Joint search of network, bits and kernels beside the same evaluations spent part after part.

    python -m benchmarks.joint_search [--evaluations N] [--seeds S ...] [--jobs N] [-o DIR]
        > benchmarks/results/joint_search.json

The shipped search ``digits`` with each of four strategies: joint, sequential (network, then bits,
then kernels, each with a third of the evaluations; phases hand on whole fronts), greedy (the same,
phases hand on one design, as pipelines of tools do), sizes alone.
``joint_needs`` has the evaluations after which the joint search has the hypervolume that another
strategy of the same seed ends with, and the median over seeds as part of all; all hypervolumes are
below one reference point.  The mark is asked of both sequences.  ``encodings`` are joint searches
with the bits of every layer as genes, as shipped, and with a budget, at a quarter of the
evaluations.  With -o journals, results and pictures are kept.  The exit code is 1 when a mark is
missed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from accelgen.search import Search, load_search
from accelgen.search.comparison.compare import Comparison, compare
from accelgen.search.comparison.pictures import draw_comparison
from accelgen.search.comparison.strategies import Strategy
from accelgen.sweep.run import default_jobs
from benchmarks.record import Mark, emit, header, progress, table

FRACTION = 0.25
"""Part of the evaluations at which the joint search should be where the sequential one ends."""

SEQUENCES: tuple[Strategy, ...] = ("sequential", "greedy")

FORMATS = {"weights": ["int2", "int4", "int8"], "activations": ["uint2", "uint4", "uint8"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--jobs", type=int, default=default_jobs())
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    result = header("joint_search")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.output or Path(temporary)
        search = load_search("digits", evaluations=options.evaluations)
        found = compare(search, folder, options.seeds, jobs=options.jobs)
        found.write(folder)
        draw_comparison(found, folder)
        encodings = encoded(search, found, folder, options.jobs)
    rows = [(name, *row(found, name)) for name in found.runs]
    progress(table(("strategy", "hypervolume", "least", "most", "designs", "joint needs"), rows))
    marks = [mark_of(found, name) for name in SEQUENCES]
    for mark in marks:
        progress(str(mark))
    written = found.to_json()
    for key in ("schema", "kind"):
        del written[key]
    strategies = written["strategies"]
    assert isinstance(strategies, dict)
    for strategy in strategies.values():
        del strategy["folders"]
    emit(
        {
            **result,
            "parameters": {"seeds": options.seeds, "jobs": options.jobs},
            **written,
            "curves": {
                name: [[round(float(x), 4) for x in curve[:: max(1, len(curve) // 40)]]
                       for curve in curves]
                for name, curves in found.curves.items()
            },
            "encodings": encodings,
            "marks": [mark.to_json() for mark in marks],
        }
    )  # fmt: skip
    return 0 if all(mark.met for mark in marks) else 1


def mark_of(found: Comparison, name: Strategy) -> Mark:
    """Seeds that never get there count as all evaluations and more."""
    needed = found.reached(name).fraction
    what = f"evaluations of joint search for the hypervolume of {name} search, of all"
    return Mark(what, FRACTION, round(2.0 if needed is None else needed, 4), "")


def row(found: Comparison, name: Strategy) -> tuple[str, ...]:
    """A strategy in the table."""
    finals = sorted(found.curves[name][:, -1])
    needed = "" if name == "joint" else str(found.reached(name).evaluations)
    designs = max(len(run.steps) for run in found.runs[name])
    shown = (f"{x:.4g}" for x in (statistics.median(finals), finals[0], finals[-1]))
    return (*shown, str(designs), needed)


def encoded(
    search: Search, found: Comparison, folder: Path, jobs: int
) -> dict[str, dict[str, object]]:
    """Hypervolumes of joint searches with both encodings of bits, at a quarter of the evaluations,
    below the reference of ``found``.
    """
    quarter = search.evaluations // 4
    space = load_search("digits", bits={"by": "budget", **FORMATS}).space
    other = replace(search, space=space, evaluations=quarter)
    runs = compare(other, folder / "bits_budget", found.seeds, jobs=jobs, strategies=["joint"])
    curves = {
        "layers": found.curves["joint"],
        "budget": replace(runs, reference_point=found.reference).curves["joint"],
    }
    result: dict[str, dict[str, object]] = {}
    for by, rows in curves.items():
        finals = [round(float(x), 4) for x in rows[:, quarter - 1]]
        result[by] = {
            "evaluations": quarter,
            "hypervolume": statistics.median(finals),
            "by_seed": finals,
        }
        progress(f"bits by {by}: {result[by]}")
    return result


if __name__ == "__main__":
    raise SystemExit(main())

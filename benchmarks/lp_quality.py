"""What the linear program of delay matching saves, over the shipped dataflows.

    python -m benchmarks.lp_quality > RESULT.json

Register bits of every shipped dataflow at its own size, placed by the linear program and with
everything as early as possible (greedy), for the same latency; how many linear programs were
solved, and how many of them had to be solved again as integer programs.  The exit code is 1 when a
mark is missed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import mean

from accelgen.content import list_content
from accelgen.passes.delay_problem import formulate, greedy
from accelgen.passes.delay_solver import solve
from accelgen.passes.timing import TimingModel
from accelgen.pipeline import design
from benchmarks.record import Mark, emit, header, progress

MOST = 0.85
"""Register bits of the linear program over greedy ones, on average."""


def main() -> int:
    names = [Path(file).stem for file in list_content("dataflows")]
    rows = []
    for name in names:
        progress(name)
        made = design(name)
        pipeline = made.pipeline
        problem = formulate(pipeline.netlist, TimingModel(made.technology, pipeline.period))
        solution = solve(problem)
        early = problem.cost(greedy(problem))
        fewest = problem.cost(solution.positions)
        assert fewest == pipeline.bits
        rows.append(
            {
                "dataflow": name,
                "lp_bits": fewest,
                "greedy_bits": early,
                "ratio": round(fewest / early, 4) if early else 1.0,
                "programs": solution.programs,
                "integer_fallbacks": solution.fallbacks,
            }
        )
    ratios = [float(str(row["ratio"])) for row in rows]
    marks = [
        Mark("largest ratio to greedy", 1.0, max(ratios), "x"),
        Mark("mean ratio to greedy", MOST, round(mean(ratios), 4), "x"),
    ]
    result = header("lp_quality") | {
        "rows": rows,
        "mean_ratio": round(mean(ratios), 4),
        "programs": sum(int(str(row["programs"])) for row in rows),
        "integer_fallbacks": sum(int(str(row["integer_fallbacks"])) for row in rows),
        "marks": [mark.to_json() for mark in marks],
    }
    emit(result)
    for mark in marks:
        progress(str(mark))
    return 0 if all(mark.met for mark in marks) else 1


if __name__ == "__main__":
    sys.exit(main())

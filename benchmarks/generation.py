"""Time and memory from YAML to Verilog, per stage, as the array grows.

    python -m benchmarks.generation [--sizes 8,16,32,64] [--repeats N] > RESULT.json

The design is ``gemm_os_systolic`` (int8) on a square array of ``size`` x ``size`` units with
m = n = 4 * size and k = 64.  Every run is a fresh process that loads the description and calls
:func:`accelgen.pipeline.generate`; ``whole`` counts from the start of its interpreter to its end,
``stages`` are the steps in between, as the pipeline announces them.  The linear program is solved
once more on its own, in another process.  ``fused`` is the array of four dataflows of
``benchmarks.passes_silicon`` with all passes, written once, up to 32 x 32.  Times are seconds:
``wall``, and ``cpu`` of the process and its children, which other work on the machine disturbs
less.  Peak memory is the largest sum of the resident sets of the process and its descendants,
sampled (Linux).  The exit code is 1 when a mark is missed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from unittest.mock import patch

from benchmarks.record import Mark, emit, header, progress, table

if TYPE_CHECKING:
    from accelgen.affine import Description

SAMPLE_SECONDS = 0.05
MOST_FUSED = 32
FUSED_SECONDS = {16: 60.0, 32: 300.0}
"""Seconds in which four dataflows on one array are to be generated, by size."""


class Stopwatch:
    """Wall and processor seconds of stages that follow one another."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}
        self._stage = ""
        self._start = (0.0, 0.0)

    def enter(self, stage: str) -> None:
        """End the stage before, begin this one (the empty name: none)."""
        now = time.perf_counter(), cpu_seconds()
        if self._stage:
            self.stages[self._stage] = {
                clock: round(end - begin, 4)
                for clock, begin, end in zip(("wall", "cpu"), self._start, now, strict=True)
            }
        self._stage, self._start = stage, (time.perf_counter(), cpu_seconds())


@dataclass(frozen=True)
class Finished:
    """A process that ended: what it printed, what it took."""

    output: str
    wall: float
    cpu: float
    peak_bytes: int


@dataclass(frozen=True)
class Fused:
    """A fused design of one size: seconds, bytes at the peak, bytes of Verilog."""

    size: int
    wall: float
    cpu: float
    peak_bytes: int
    verilog_bytes: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="8,16,32,64", help="array sizes, comma between")
    parser.add_argument("--repeats", type=int, default=3, help="processes per figure; the median")
    parser.add_argument("--worker", choices=["generate", "solve", "fused"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    if options.worker:
        work = {"generate": generate_in_stages, "solve": solve_only, "fused": fuse}[options.worker]
        print(json.dumps(work(sizes[0])))
        return 0
    result = header("generation")
    results = [measure(size, options.repeats) for size in sizes]
    fused = [measure_fused(size) for size in sizes if size <= MOST_FUSED]
    marks = judge(dict(zip(sizes, results, strict=True)))
    marks += [
        Mark(f"four dataflows to Verilog, {found.size} x {found.size}", FUSED_SECONDS[found.size],
             found.wall, "s", found.cpu)
        for found in fused if found.size in FUSED_SECONDS
    ]  # fmt: skip
    progress(show(results))
    for mark in marks:
        progress(str(mark))
    emit(
        {
            **result,
            "parameters": {
                "description": "gemm_os_systolic",
                "types": "int8",
                "bounds": "m = n = 4 * size, k = 64",
                "repeats": options.repeats,
                "statistic": "median of each figure; peak_bytes: maximum",
            },
            "sizes": results,
            "fused": [asdict(found) for found in fused],
            "growth_of_cpu": growth(results),
            "marks": [mark.to_json() for mark in marks],
        }
    )
    return 0 if all(mark.met for mark in marks) else 1


def measure(size: int, repeats: int) -> dict[str, object]:
    """All figures of one size."""
    runs = []
    for number in range(repeats):
        progress(f"{size} x {size}: run {number + 1} of {repeats}")
        runs.append(_run_worker("generate", size))
    seen = [json.loads(run.output) for run in runs]
    if len({result["verilog_sha256"] for result in seen}) > 1:
        raise SystemExit(f"size {size}: two runs wrote different Verilog")
    return {
        "size": size,
        "units": size * size,
        "whole": {
            "wall": round(median(run.wall for run in runs), 3),
            "cpu": round(median(run.cpu for run in runs), 3),
            "peak_bytes": max(run.peak_bytes for run in runs),
        },
        "stages": {
            stage: {
                clock: round(median(result["stages"][stage][clock] for result in seen), 4)
                for clock in ("wall", "cpu")
            }
            for stage in seen[0]["stages"]
        },
        "linear_program": json.loads(_run_worker("solve", size).output),
        "verilog_bytes": seen[0]["verilog_bytes"],
        "verilog_sha256": seen[0]["verilog_sha256"],
    }


def measure_fused(size: int) -> Fused:
    """The time and memory of one fused design."""
    progress(f"{size} x {size}: four dataflows")
    run = _run_worker("fused", size)
    return Fused(size, round(run.wall, 3), round(run.cpu, 3), run.peak_bytes, int(run.output))


def judge(results: Mapping[int, Mapping[str, object]]) -> list[Mark]:
    """The figures to reach, for the sizes that were run."""
    marks = []
    for size, seconds in ((16, 5.0), (64, 60.0)):
        if size in results:
            wall, cpu = (_number(results[size], "whole", clock) for clock in ("wall", "cpu"))
            marks.append(Mark(f"YAML to Verilog, {size} x {size}", seconds, wall, "s", cpu))
    if 64 in results:
        peak = _number(results[64], "whole", "peak_bytes")
        marks.append(Mark("peak memory, 64 x 64", 2.0, round(peak / 2**30, 3), "GiB"))
        # The whole stage, not only the solver inside it.
        wall, cpu = (
            _number(results[64], "stages", "match delays", clock) for clock in ("wall", "cpu")
        )
        marks.append(Mark("delay matching by LP, 64 x 64", 15.0, wall, "s", cpu))
    return marks


def growth(results: list[dict[str, object]]) -> list[dict[str, object]]:
    """Ratios of processor time (and of bytes) from each size to the next."""
    rows: list[dict[str, object]] = []
    for small, large in pairwise(results):
        stages = small["stages"]
        assert isinstance(stages, dict)
        ratios = {
            name: round(_number(large, "stages", name, "cpu") / max(seconds["cpu"], 1e-4), 2)
            for name, seconds in stages.items()
        }
        ratios["whole"] = _ratio(small, large, "whole", "cpu")
        ratios["peak_bytes"] = _ratio(small, large, "whole", "peak_bytes")
        ratios["verilog_bytes"] = _ratio(small, large, "verilog_bytes")
        units = _ratio(small, large, "units")
        rows.append({"from": small["size"], "to": large["size"], "units": units, **ratios})
    return rows


def show(results: list[dict[str, object]]) -> str:
    """The table for people: seconds of processor time per stage and size."""
    names = results[0]["stages"]
    assert isinstance(names, dict)
    rows: list[list[object]] = [
        [name, *(f"{_number(r, 'stages', name, 'cpu'):.3f}" for r in results)] for name in names
    ]
    rows.append(["whole, cpu", *(f"{_number(r, 'whole', 'cpu'):.2f}" for r in results)])
    rows.append(["whole, wall", *(f"{_number(r, 'whole', 'wall'):.2f}" for r in results)])
    rows.append(
        ["peak MiB", *(f"{_number(r, 'whole', 'peak_bytes') / 2**20:.0f}" for r in results)]
    )
    rows.append(["Verilog kB", *(f"{_number(r, 'verilog_bytes') / 1000:.0f}" for r in results)])
    return table(["cpu seconds", *(f"{r['size']} x {r['size']}" for r in results)], rows)


def generate_in_stages(size: int) -> dict[str, object]:
    """One call of the pipeline, in this process."""
    watch = Stopwatch()
    watch.enter("imports")
    from accelgen.pipeline import generate
    from accelgen.rtl.library import UnitLibrary

    class Announcing(UnitLibrary):
        """The units of a design, telling when they are all there and are to be printed."""

        def verilog(self) -> str:
            watch.enter("print Verilog")
            text = super().verilog()
            watch.enter("write files")
            return text

    names = {"write Verilog": "elaborate"}
    watch.enter("parse")
    description = describe(size)
    watch.enter("load technology")
    with (
        patch("accelgen.emit.UnitLibrary", Announcing),
        tempfile.TemporaryDirectory(prefix="accelgen-") as folder,
    ):
        output = Path(folder) / "out"
        generate(description, output, progress=lambda stage: watch.enter(names.get(stage, stage)))
        watch.enter("")
        verilog = (output / f"{description.name}.v").read_bytes()
    return {
        "stages": watch.stages,
        "verilog_bytes": len(verilog),
        "verilog_sha256": sha256(verilog).hexdigest(),
    }


def solve_only(size: int) -> dict[str, object]:
    """The linear program of a design and the time to solve it, in this process."""
    from accelgen.passes.delay_problem import formulate
    from accelgen.passes.delay_solver import solve
    from accelgen.passes.timing import TimingModel
    from accelgen.pipeline import design

    made = design(describe(size))
    model = TimingModel(made.technology, made.pipeline.period)
    problem = formulate(made.pipeline.netlist, model)
    watch = Stopwatch()
    watch.enter("solve")
    positions = solve(problem).positions
    watch.enter("")
    return {
        "nodes": len(made.pipeline.netlist.nodes),
        "positions": len(problem.groups),
        "delay_lines": len(problem.lines),
        "constraints": len(problem.differences),
        "register_bits": problem.cost(positions),
        **watch.stages["solve"],
    }


def fuse(size: int) -> int:
    """Write an array of four dataflows, in this process; the bytes of its Verilog."""
    from accelgen.processor.generate import generate_processor
    from benchmarks.passes_silicon import DATAFLOWS, suite

    with tempfile.TemporaryDirectory(prefix="accelgen-") as folder:
        generate_processor(suite(size, DATAFLOWS), Path(folder) / "out", name="fused")
        return (Path(folder) / "out" / "fused.v").stat().st_size


def describe(size: int) -> Description:
    """The design of one size."""
    from accelgen.affine import load_description

    return load_description("gemm_os_systolic").with_overrides(
        space={"i": size, "j": size}, bounds={"m": 4 * size, "n": 4 * size, "k": 64}
    )


def _run_worker(kind: str, size: int) -> Finished:
    """Run this module in a fresh process and watch the memory of its tree."""
    command = [sys.executable, "-m", "benchmarks.generation", "--worker", kind]
    start, cpu = time.perf_counter(), cpu_seconds(own=False)
    peak = 0
    with subprocess.Popen(
        [*command, "--sizes", str(size)], stdout=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None:
            peak = max(peak, sum(_resident_sets(process.pid)))
            time.sleep(SAMPLE_SECONDS)
        wall = time.perf_counter() - start
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"size {size}: the {kind} process ended with code {process.returncode}")
    return Finished(output, wall, cpu_seconds(own=False) - cpu, peak)


def _resident_sets(root: int) -> Iterator[int]:
    """Resident bytes of a process and of every descendant."""
    queue = [(root, b"")]
    while queue:
        process, starter = queue.pop()
        folder = Path(f"/proc/{process}")
        try:
            command = (folder / "cmdline").read_bytes()
            pages = int((folder / "statm").read_text().split()[1])
            children = [
                int(child)
                for task in (folder / "task").iterdir()
                for child in (task / "children").read_text().split()
            ]
        except OSError:
            continue  # ended meanwhile
        # Between vfork and exec a child still shows the memory of its parent.
        if command != starter:
            yield pages * resource.getpagesize()
        queue += [(child, command) for child in children]


def cpu_seconds(*, own: bool = True) -> float:
    """Processor seconds of the children this process has waited for, and its ``own``."""
    who = [resource.RUSAGE_CHILDREN, *([resource.RUSAGE_SELF] if own else [])]
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, who))


def _number(result: Mapping[str, object], *path: str) -> float:
    value: object = result
    for key in path:
        assert isinstance(value, Mapping)
        value = value[key]
    assert isinstance(value, int | float)
    return value


def _ratio(small: Mapping[str, object], large: Mapping[str, object], *path: str) -> float:
    return round(_number(large, *path) / _number(small, *path), 2)


if __name__ == "__main__":
    sys.exit(main())

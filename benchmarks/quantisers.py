"""How fast the block quantisers are on one core.

    python -m benchmarks.quantisers > benchmarks/results/quantisers.json

Each format quantises normal FP32 numbers along the last axis, and takes them back.  The figure is
the best of several runs, in nanoseconds per element; marks are set for four formats (50 ns are 20
million elements a second).  Nothing uses more than one thread.  The exit code is 1 when a mark is
missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from accelgen.formats import BlockFormat, errors, format_names, get_format
from benchmarks.record import Mark, emit, header, progress, table

LIMITS = {"nvfp4": 50.0, "mxfp4": 50.0, "nvfp4_4over6": 200.0, "if4": 200.0}
"""Nanoseconds per element that must not be exceeded."""


RUN_SECONDS = 0.5


@dataclass(frozen=True)
class Row:
    """A format: nanoseconds per element, and the ratio of signal to noise that it achieved."""

    format: str
    quantise_ns: float
    quantise_cpu_ns: float
    dequantise_ns: float
    quantise_per_second: float
    sqnr_db: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--elements", type=int, default=1 << 22, help="a multiple of 4096")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    result = header("quantisers")
    shape = (options.elements // 4096, 4096)
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    forms = [form for name in format_names() if isinstance(form := get_format(name), BlockFormat)]
    rows = [measure(form, values, options.runs) for form in forms]
    marks = [
        Mark(f"quantise to {row.format}", LIMITS[row.format], row.quantise_ns, "ns/element",
             row.quantise_cpu_ns)
        for row in rows
        if row.format in LIMITS
    ]  # fmt: skip
    progress(show(rows))
    for mark in marks:
        progress(str(mark))
    emit(
        {
            **result,
            "parameters": {"shape": shape, "runs": options.runs},
            "formats": [asdict(row) for row in rows],
            "marks": [mark.to_json() for mark in marks],
        }
    )
    return 0 if all(mark.met for mark in marks) else 1


def measure(form: BlockFormat, values: np.ndarray[tuple[int, int], np.dtype[np.float32]],
            runs: int) -> Row:  # fmt: skip
    """Time one format."""
    tensor = form.quantise(values)
    wall, cpu = best(lambda: form.quantise(values), runs)
    back, _ = best(tensor.dequantise, runs)
    scale = 1e9 / values.size
    return Row(
        form.name,
        round(wall * scale, 2),
        round(cpu * scale, 2),
        round(back * scale, 2),
        round(values.size / wall),
        round(errors(values, tensor.dequantise()).sqnr_db, 3),
    )


def best(act: Callable[[], object], runs: int) -> tuple[float, float]:
    """The least wall time of several runs, and the least processor time, in seconds per call.

    A run repeats the call for about :data:`RUN_SECONDS`, since the processor's clock may be coarse.
    """
    start = time.perf_counter()
    act()
    calls = max(1, round(RUN_SECONDS / (time.perf_counter() - start)))
    walls, cpus = [], []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(calls):
            act()
        cpus.append((time.process_time() - cpu) / calls)
        walls.append((time.perf_counter() - wall) / calls)
    return min(walls), min(cpus)


def show(rows: list[Row]) -> str:
    """The table for people."""
    return table(
        ["format", "quantise ns", "cpu ns", "M/s", "dequantise ns", "SQNR dB"],
        [
            [
                row.format,
                f"{row.quantise_ns:.1f}",
                f"{row.quantise_cpu_ns:.1f}",
                f"{row.quantise_per_second / 1e6:.1f}",
                f"{row.dequantise_ns:.1f}",
                f"{row.sqnr_db:.2f}",
            ]
            for row in rows
        ],
    )


if __name__ == "__main__":
    sys.exit(main())

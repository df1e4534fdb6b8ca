"""How long the accuracy of a digits network takes, in integers on all held-out images.

    python -m benchmarks.accuracy_time [--repeats N] > benchmarks/results/accuracy_time.json

The smallest and the largest sub-network at the narrowest and the widest integers, and the largest
with weights in block formats: milliseconds to quantise the network and to run it, the median of
``--repeats`` after one that is not counted; ``cpu_ms`` beside it.  The exit code is 1 when the mark
is missed.
"""

from __future__ import annotations

import argparse
import statistics
import time

from accelgen.accuracy.measured import MeasuredDigits
from accelgen.accuracy.source import LayerBits
from accelgen.digits.data import digits
from benchmarks.record import Mark, emit, header, progress

MILLISECONDS = 20.0

CASES = (
    ("smallest", "int2", "uint2"),
    ("smallest", "int8", "uint8"),
    ("largest", "int2", "uint2"),
    ("largest", "int8", "uint8"),
    ("largest", "nvfp4", "uint8"),
    ("largest", "nvint4", "uint8"),
    ("largest", "if4", "uint8"),
    ("largest", "mxfp4", "uint8"),
)
"""Sub-networks, with the formats of their weights and activations."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=21)
    options = parser.parse_args()
    result = header("accuracy_time")
    images = digits("validation")
    rows, marks = [], []
    for case in CASES:
        row = measured(*case, options.repeats)
        rows.append(row)
        name = f"{case[0]}, {case[1]} x {case[2]}, {len(images)} images"
        marks.append(
            Mark(name, MILLISECONDS, float(str(row["ms"])), "ms", cpu=float(str(row["cpu_ms"])))
        )
        progress(str(marks[-1]))
    emit(
        {
            **result,
            "parameters": {"repeats": options.repeats, "images": len(images)},
            "networks": rows,
            "marks": [mark.to_json() for mark in marks],
        }
    )
    return 0 if all(mark.met for mark in marks) else 1


def measured(size: str, weights: str, activations: str, repeats: int) -> dict[str, object]:
    """A network: its accuracy, and the median time of measuring it."""
    source = MeasuredDigits()
    space = source.supernet.space
    architecture = space.largest if size == "largest" else space.smallest
    bits = {x.name: LayerBits(weights, activations) for x in space.layers(architecture)}
    found = source.accuracy(architecture, bits)
    wall, cpu = [], []
    for _ in range(repeats):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        source.accuracy(architecture, bits)
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - begin_cpu)
    return {
        "network": size,
        "weights": weights,
        "activations": activations,
        "accuracy": round(found.value, 4),
        "ms": round(1e3 * statistics.median(wall), 2),
        "cpu_ms": round(1e3 * statistics.median(cpu), 2),
    }


if __name__ == "__main__":
    raise SystemExit(main())

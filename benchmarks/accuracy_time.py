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
    for size, weights, activations in CASES:
        accuracy, wall, cpu = measured(size, weights, activations, options.repeats)
        rows.append(
            {
                "network": size,
                "weights": weights,
                "activations": activations,
                "accuracy": round(accuracy, 4),
                "ms": wall,
                "cpu_ms": cpu,
            }
        )
        name = f"{size}, {weights} x {activations}, {len(images)} images"
        marks.append(Mark(name, MILLISECONDS, wall, "ms", cpu=cpu))
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


def measured(size: str, weights: str, activations: str, repeats: int) -> tuple[float, float, float]:
    """A network: its accuracy, and the median of wall and CPU milliseconds to measure it."""
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
    median_wall, median_cpu = (round(1e3 * statistics.median(x), 2) for x in (wall, cpu))
    return found.value, median_wall, median_cpu


if __name__ == "__main__":
    raise SystemExit(main())

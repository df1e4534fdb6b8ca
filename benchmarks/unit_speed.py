"""How many vectors per second Verilator simulates, through each arithmetic unit.

    python -m benchmarks.unit_speed [--vectors N] > benchmarks/results/unit_speed.json

A vector is one clock cycle of random inputs, from NumPy and its outputs back into NumPy: what
exhaustive and random verification costs.  Elaboration and compilation are left out: they are the
time of a call with a single vector, ``start_seconds``.  One thread; the best of several runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from amaranth.lib.wiring import In

from accelgen.formats import IntFormat, block_format
from accelgen.golden import element_of
from accelgen.rtl.arithmetic import (
    Bf16MultiplyAccumulate,
    BitSerialDot,
    BlockDot,
    ComposableMac,
    ElementDot,
    FixedToFloat,
    Fp32Adder,
    IntegerDot,
    MultiFormatDot,
    MultiplyAccumulate,
)
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from benchmarks.record import emit, header, progress, table
from tests.rtl.arithmetic.vectors import Vectors, simulate


@dataclass(frozen=True)
class Row:
    """A unit: bits of its inputs, seconds until it runs, vectors per second then."""

    unit: str
    input_bits: int
    start_seconds: float
    vectors_per_second: int
    vectors_per_cpu_second: int


def units() -> dict[str, ArithmeticUnit]:
    """All units, with 16 lanes where they have lanes."""
    int8 = IntFormat(8)
    e4m3 = element_of(block_format("mxfp8_e4m3"))  # type: ignore[arg-type]
    blocks = {name: block_format(name) for name in ("nvfp4", "if4", "mxfp4", "mxfp8_e4m3")}
    return {
        "int8 MAC": MultiplyAccumulate(int8, int8, IntFormat(32)),
        "int8 dot": IntegerDot(int8, int8),
        "composable MAC": ComposableMac(32, 1),
        "bit-serial dot": BitSerialDot(16, 8, 32),
        "e4m3 products": ElementDot(e4m3, e4m3, 16),
        **{f"{name} dot": BlockDot(form, form) for name, form in blocks.items()},
        "nvfp4 dot, fp32 sums": BlockDot(blocks["nvfp4"], blocks["nvfp4"], accumulate="fp32"),
        "multi-format dot": MultiFormatDot(),
        "bf16 MAC": Bf16MultiplyAccumulate(),
        "fp32 adder": Fp32Adder(3),
        "fixed to fp32": FixedToFloat(62, 20, stages=2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    result = header("unit_speed")
    rows = [measure(name, unit, options.vectors, options.runs) for name, unit in units().items()]
    heads = ["unit", "input bits", "start s", "vectors/s", "per CPU s"]
    progress(table(heads, [list(asdict(row).values()) for row in rows]))
    emit(
        {
            **result,
            "parameters": {"vectors": options.vectors, "runs": options.runs},
            "units": [asdict(row) for row in rows],
        }
    )
    return 0


def measure(name: str, unit: ArithmeticUnit, count: int, runs: int) -> Row:
    """Time one unit."""
    draw = np.random.default_rng(0)
    widths = {
        "__".join(map(str, path)): len(value)
        for path, member, value in unit.signature.flatten(unit)
        if member.flow == In
    }
    inputs = {}
    for port, width in widths.items():
        words = draw.integers(0, 1 << min(width, 63), (-(-width // 63), count))
        parts = words if width <= 63 else words.astype(object)
        inputs[port] = sum(part << (63 * k) for k, part in enumerate(parts)) & ((1 << width) - 1)
    single = {port: values[:1] for port, values in inputs.items()}
    simulate(unit, single)  # compiles, unless that has been done before
    start_wall, start_cpu = best(unit, single, runs)
    wall, cpu = best(unit, inputs, runs)
    return Row(
        name,
        sum(widths.values()),
        round(start_wall, 3),
        round(count / (wall - start_wall)),
        round(count / (cpu - start_cpu)),
    )


def best(unit: ArithmeticUnit, inputs: Mapping[str, Vectors], runs: int) -> tuple[float, float]:
    """The least wall time of several runs, and the least processor time, in seconds."""
    walls, cpus = [], []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        simulate(unit, inputs)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


if __name__ == "__main__":
    sys.exit(main())

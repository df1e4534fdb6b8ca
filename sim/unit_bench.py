"""The cocotb bench of a unit without a protocol: a row of inputs goes in and of outputs comes out
in every clock cycle.

The environment variable ``ACCELGEN_PLAN`` names a JSON file: clock, reset, the ports, and the
phases, whose inputs are rows of bytes in an ``.npz`` file beside it, one array per phase and port.
The outputs of every cycle go to another; the library judges them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from numpy.typing import NDArray

PERIOD = 10
"""Length of a clock cycle in simulator steps (ns)."""


@cocotb.test()
async def run_plan(dut: Any) -> None:  # noqa: ANN401
    """Run every phase of the plan, each after a reset, and write down all outputs."""
    path = Path(os.environ["ACCELGEN_PLAN"])
    plan = json.loads(path.read_text(encoding="utf-8"))
    with np.load(path.parent / plan["inputs_file"]) as archive:
        rows = {name: to_integers(archive[name]) for name in archive.files}
    clock, reset = getattr(dut, plan["clock"]), getattr(dut, plan["reset"])
    inputs = {name: getattr(dut, name) for name in plan["inputs"]}
    outputs = {name: getattr(dut, name) for name in plan["outputs"]}
    reset.value = 1
    for port in inputs.values():
        port.value = 0
    Clock(clock, PERIOD, unit="step").start()
    found: dict[str, NDArray[np.uint8]] = {}
    for number in range(plan["phases"]):
        reset.value = 1
        await ClockCycles(clock, 4)
        reset.value = 0
        phase = {name: rows[f"{number}.{name}"] for name in inputs}
        seen: dict[str, list[int]] = {name: [] for name in outputs}
        for row in zip(*phase.values(), strict=True):
            for port, value in zip(inputs.values(), row, strict=True):
                port.value = value
            # What the clock's rising edge will take has settled by now.
            await FallingEdge(clock)
            for name, port in outputs.items():
                seen[name].append(int(port.value))
            await RisingEdge(clock)
        for name, values in seen.items():
            found[f"{number}.{name}"] = to_bytes(values, len(outputs[name]))
    np.savez(path.parent / plan["outputs_file"], **found)  # type: ignore[arg-type]
    (path.parent / "results.json").write_text("{}", encoding="utf-8")


def to_integers(rows: NDArray[np.uint8]) -> list[int]:
    """Rows of bytes, least significant first, as integers."""
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def to_bytes(values: Sequence[int], bits: int) -> NDArray[np.uint8]:
    """The inverse of :func:`to_integers`."""
    width = (bits + 7) // 8
    joined = b"".join(value.to_bytes(width, "little") for value in values)
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(values), width)

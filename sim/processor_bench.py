"""Cocotb bench of a design whose bounds are registers: a plan of problems in, observations out.

The environment variable ``ACCELGEN_PLAN`` names a JSON file: the ports, and the phases to run.  A
phase is a sequence of problems, each with the registers to write, and the packets to stream once it
was started; one that is to be refused has none.  What was seen goes to a JSON and an ``.npz`` file;
the library judges it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, SimTimeoutError, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamFrame
from kernel_bench import (  # type: ignore[import-not-found]  # beside this file
    PERIOD,
    SETTLE,
    Bench,
    Watch,
    collect,
    cycle,
    disturb,
    to_octets,
    to_words,
    watch_busy,
    watch_first_input,
)
from numpy.typing import NDArray


@cocotb.test()
async def run_plan(dut: Any) -> None:  # noqa: ANN401
    """Run every phase of the plan and write down what was seen."""
    path = Path(os.environ["ACCELGEN_PLAN"])
    plan = json.loads(path.read_text(encoding="utf-8"))
    with np.load(path.parent / plan["packets"]) as archive:
        packets = {name: archive[name] for name in archive.files}
    bench = Bench(dut, plan)
    bench.reset.value = 1
    Clock(bench.clock, PERIOD, unit="step").start()
    host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, plan["registers"]), bench.clock, bench.reset)
    frames: dict[str, NDArray[np.uint8]] = {}
    results = []
    hung = True
    for number, phase in enumerate(plan["phases"]):
        if phase["reset"] or hung:
            await bench.restart()
        result, outputs = await run_phase(bench, host, plan, phase, packets)
        hung = result["hung"]
        width = (len(bench.sink.bus.tdata) + 7) // 8
        for position, output in enumerate(outputs):
            frames[f"{number}.{position}"] = to_octets(output, width)
        results.append(result)
    np.savez(path.parent / plan["outputs"], **frames)  # type: ignore[arg-type]
    (path.parent / plan["results"]).write_text(json.dumps(results), encoding="utf-8")


async def run_phase(
    bench: Bench,
    host: AxiLiteMaster,
    plan: Mapping[str, Any],
    phase: Mapping[str, Any],
    packets: Mapping[str, NDArray[np.uint8]],
) -> tuple[dict[str, Any], list[Sequence[int]]]:
    """Describe the problems one by one, stream their packets, collect the outputs."""
    seen = Watch()
    error_before = int(bench.error.value)
    tasks = [
        cocotb.start_soon(watch_first_input(bench, seen)),
        cocotb.start_soon(watch_busy(bench, seen)),
    ]
    disturbance = None
    if phase["pause_in"] or phase["pause_out"]:
        disturbance = cocotb.start_soon(disturb(bench, phase, seen))
    refused: list[int] = []
    tasks.append(cocotb.start_soon(describe(bench, host, plan, phase, packets, refused)))
    outputs: list[AxiStreamFrame] = []
    try:
        await with_timeout(
            collect(bench, phase["outputs"], outputs), PERIOD * phase["limit"], "step"
        )
        hung = False
    except SimTimeoutError:
        hung = True
    if disturbance is not None:
        disturbance.cancel()
    bench.resume()
    await ClockCycles(bench.clock, SETTLE)
    pending = sum(source.count() + source.active for source in bench.sources.values())
    while not bench.sink.empty():
        outputs.append(bench.sink.recv_nowait(compact=False))
    for task in tasks:
        task.cancel()
    last = outputs[phase["outputs"] - 1].sim_time_end if outputs and not hung else None
    total = None
    if last is not None and seen.first_input is not None:
        total = cycle(last) - seen.first_input + 1
    result = {
        "hung": hung,
        "total_cycles": total,
        "busy_spans": seen.busy_spans,
        "busy_at_end": seen.busy_since is not None,
        "error_before": error_before,
        "error_after": int(bench.error.value),
        "packets_left": int(pending),
        "outputs": len(outputs),
        "refused": refused,
        "violations": seen.violations,
    }
    return result, [frame.tdata for frame in outputs]


async def describe(
    bench: Bench,
    host: AxiLiteMaster,
    plan: Mapping[str, Any],
    phase: Mapping[str, Any],
    packets: Mapping[str, NDArray[np.uint8]],
    refused: list[int],
) -> None:
    """What a driver does: wait until the registers can be written, write, start, stream.

    ``refused`` gets, for every problem, the register that its start was refused for, else 0.
    """
    offsets = plan["offsets"]
    for problem in phase["problems"]:
        while not await host.read_dword(offsets["status"]) & 1:
            pass
        for offset, value in problem["writes"]:
            await host.write_dword(offset, value)
        await host.write_dword(offsets["control"], 1)
        if await host.read_dword(offsets["status"]) & 4:
            refused.append(await host.read_dword(offsets["refused"]))
            continue
        refused.append(0)
        for prefix, name in problem["packets"].items():
            bench.sources[prefix].send_nowait(AxiStreamFrame(to_words(packets[name])))

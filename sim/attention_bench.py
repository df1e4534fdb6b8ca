"""Cocotb bench of an attention accelerator: registers, tiles and lists in, results out.

As ``kernel_bench``, but every phase begins with the registers of its problem, and the requests
for tiles are taken and written down beside the results.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
)
from kernel_bench import (  # type: ignore[import-not-found]  # beside this file
    Bench,
    run_phases,
    to_words,
)
from numpy.typing import NDArray

SETTLE = 8
"""Cycles after which a problem that was started has been taken."""


async def watch_malformed(dut: Any, answers: list[dict[str, Any]]) -> None:  # noqa: ANN401
    """Note to what ``malformed`` rises in the present phase."""
    while True:
        await dut.malformed.value_change
        answers[-1]["malformed"] |= int(dut.malformed.value)


@cocotb.test()
async def run_plan(dut: Any) -> None:  # noqa: ANN401
    """Run every phase of the plan and write down what was seen."""
    host: AxiLiteMaster | None = None
    requests: AxiStreamSink | None = None
    answers: list[dict[str, Any]] = []

    async def describe(
        bench: Bench, phase: Mapping[str, Any], packets: Mapping[str, NDArray[np.uint8]]
    ) -> None:
        """Write the registers, start, then offer everything at once."""
        nonlocal host, requests
        plan = bench.plan
        if host is None:
            bus = AxiLiteBus.from_prefix(dut, plan["registers"])
            host = AxiLiteMaster(bus, bench.clock, bench.reset)
            cocotb.start_soon(watch_malformed(dut, answers))
            requests = AxiStreamSink(
                AxiStreamBus.from_prefix(dut, plan["requests"]),
                bench.clock,
                bench.reset,
                byte_lanes=1,
            )
        assert requests is not None
        requests.clear()
        while not await host.read_dword(plan["offsets"]["status"]) & 1:
            pass
        for offset, value in phase["writes"]:
            await host.write_dword(offset, value)
        await host.write_dword(plan["offsets"]["control"], 1)
        answer: dict[str, Any] = {"refused": 0, "requests": [], "malformed": 0}
        answers.append(answer)
        if await host.read_dword(plan["offsets"]["status"]) & 4:
            answer["refused"] = await host.read_dword(plan["offsets"]["refused"])
        await ClockCycles(bench.clock, SETTLE)
        for prefix, names in phase["packets"].items():
            for name in names:
                bench.sources[prefix].send_nowait(AxiStreamFrame(to_words(packets[name])))
        while True:
            frame = await requests.recv(compact=False)
            answer["requests"].append([int(word) for word in frame.tdata])

    await run_phases(dut, describe)
    beside = Path(os.environ["ACCELGEN_PLAN"]).with_name("answers.json")
    beside.write_text(json.dumps(answers), encoding="utf-8")

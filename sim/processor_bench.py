"""Cocotb bench of a design whose bounds are registers: a plan of problems in, observations out.

As ``kernel_bench``, but a phase is a sequence of problems, each with the registers to write, and
the packets to stream once it was started.  What the status register said of every start, the offset
that it was refused for or 0, goes to a file beside the plan.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamFrame
from kernel_bench import (  # type: ignore[import-not-found]  # beside this file
    Bench,
    run_phases,
    to_words,
)
from numpy.typing import NDArray


@cocotb.test()
async def run_plan(dut: Any) -> None:  # noqa: ANN401
    """Run every phase of the plan and write down what was seen."""
    host: AxiLiteMaster | None = None
    refused: list[list[int]] = []

    async def describe(
        bench: Bench, phase: Mapping[str, Any], packets: Mapping[str, NDArray[np.uint8]]
    ) -> None:
        """What a driver does: wait until registers can be written, write, start, stream."""
        nonlocal host
        if host is None:
            bus = AxiLiteBus.from_prefix(dut, bench.plan["registers"])
            host = AxiLiteMaster(bus, bench.clock, bench.reset)
        offsets = bench.plan["offsets"]
        refused.append([])
        for problem in phase["problems"]:
            while not await host.read_dword(offsets["status"]) & 1:
                pass
            for offset, value in problem["writes"]:
                await host.write_dword(offset, value)
            await host.write_dword(offsets["control"], 1)
            if await host.read_dword(offsets["status"]) & 4:
                refused[-1].append(await host.read_dword(offsets["refused"]))
                continue
            refused[-1].append(0)
            for prefix, name in problem["packets"].items():
                bench.sources[prefix].send_nowait(AxiStreamFrame(to_words(packets[name])))

    await run_phases(dut, describe)
    beside = Path(os.environ["ACCELGEN_PLAN"]).with_name("refused.json")
    beside.write_text(json.dumps(refused), encoding="utf-8")

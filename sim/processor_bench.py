"""Cocotb bench of a design whose bounds are registers: a plan of problems in, observations out.

As ``kernel_bench``, but a phase is a sequence of problems, each with the registers to write, and
the packets to stream once it was started; some are cancelled then.  What the status register said
goes to a file beside the plan: of every start the offset that it was refused for or 0, of every
cancel whether it found a problem that waits.
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
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamFrame
from kernel_bench import (  # type: ignore[import-not-found]  # beside this file
    Bench,
    run_phases,
    to_words,
)
from numpy.typing import NDArray

BEGIN = 4
"""Cycles after which the first beat of every packet has been taken, where there is room."""


async def cancel(host: AxiLiteMaster, offsets: Mapping[str, int]) -> bool:
    """Cancel the problem that waits for its packets; whether there was one."""
    await host.write_dword(offsets["control"], 2)
    return bool(await host.read_dword(offsets["status"]) & 8)


@cocotb.test()
async def run_plan(dut: Any) -> None:  # noqa: ANN401
    """Run every phase of the plan and write down what was seen."""
    host: AxiLiteMaster | None = None
    answers: list[dict[str, list[int]]] = []

    async def describe(
        bench: Bench, phase: Mapping[str, Any], packets: Mapping[str, NDArray[np.uint8]]
    ) -> None:
        """What a driver does: wait until registers can be written, write, start, stream."""
        nonlocal host
        if host is None:
            bus = AxiLiteBus.from_prefix(dut, bench.plan["registers"])
            host = AxiLiteMaster(bus, bench.clock, bench.reset)
        offsets = bench.plan["offsets"]
        refused: list[int] = []
        cancelled: list[int] = []
        answers.append({"refused": refused, "cancelled": cancelled})
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
            for prefix, names in problem["packets"].items():
                for name in names:
                    bench.sources[prefix].send_nowait(AxiStreamFrame(to_words(packets[name])))
            if problem["cancel"] is not None:
                if problem["cancel"] == "at the end":
                    for source in bench.sources.values():
                        await source.wait()
                # Packets that have not begun would be those of the next problem.
                await ClockCycles(bench.clock, BEGIN)
                cancelled.append(int(await cancel(host, offsets)))

    await run_phases(dut, describe)
    beside = Path(os.environ["ACCELGEN_PLAN"]).with_name("answers.json")
    beside.write_text(json.dumps(answers), encoding="utf-8")

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
from cocotb.queue import Queue
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


class ArraysBench(Bench):
    """A bench with a sink for the results of every array, and one for its requests.

    The sinks act as one.
    """

    def __init__(self, dut: Any, plan: Mapping[str, Any]) -> None:  # noqa: ANN401
        """Connect to the ports that the plan names."""
        super().__init__(dut, plan)
        first: AxiStreamSink = self.sink
        self.requests = {prefix: self._sink(dut, prefix) for prefix in plan["requests"]}
        self.sink: Any = Sinks(
            [first, *(self._sink(dut, prefix) for prefix in plan["outputs_beside"])],
            list(self.requests.values()),
        )
        self.asked: dict[str, list[int]] = {}
        for prefix, sink in self.requests.items():
            cocotb.start_soon(self._take(prefix, sink))

    def _sink(self, dut: Any, prefix: str) -> AxiStreamSink:  # noqa: ANN401
        bus = AxiStreamBus.from_prefix(dut, prefix)
        return AxiStreamSink(bus, self.clock, self.reset, byte_lanes=1)

    def resume(self) -> None:
        """End all pauses, also of the requests."""
        super().resume()
        for sink in self.requests.values():
            sink.pause = False

    async def _take(self, prefix: str, sink: AxiStreamSink) -> None:
        while True:
            frame = await sink.recv(compact=False)
            self.asked[prefix] += [int(word) for word in frame.tdata]


class Sinks:
    """Several sinks as one, with what ``kernel_bench`` uses of a sink."""

    def __init__(self, sinks: list[AxiStreamSink], behind: list[AxiStreamSink]) -> None:
        """Receive from all; ``origins`` takes the number of the sink of every frame.

        Sinks ``behind`` pause when these did the time before.
        """
        self._sinks = sinks
        self._behind = behind
        self.origins: list[int] = []
        self._frames: Queue[tuple[int, AxiStreamFrame]] = Queue()
        self.bus = sinks[0].bus
        for number, sink in enumerate(sinks):
            cocotb.start_soon(self._take(number, sink))

    async def _take(self, number: int, sink: AxiStreamSink) -> None:
        while True:
            await self._frames.put((number, await sink.recv(compact=False)))

    @property
    def pause(self) -> bool:
        """Whether they take nothing."""
        return bool(self._sinks[0].pause)

    @pause.setter
    def pause(self, value: bool) -> None:
        for sink in self._behind:
            sink.pause = self.pause
        for sink in self._sinks:
            sink.pause = value

    def clear(self) -> None:
        """Drop what was received."""
        for sink in self._sinks:
            sink.clear()
        while not self._frames.empty():
            self._frames.get_nowait()

    def empty(self) -> bool:
        """Whether no frame waits."""
        return bool(self._frames.empty())

    def recv_nowait(self, *, compact: bool = True) -> AxiStreamFrame:
        """A frame that waits; frames are whole, whatever ``compact`` says."""
        number, frame = self._frames.get_nowait()
        self.origins.append(number)
        return frame

    async def recv(self, *, compact: bool = True) -> AxiStreamFrame:
        """The next frame of any."""
        number, frame = await self._frames.get()
        self.origins.append(number)
        return frame


async def watch_malformed(dut: Any, answers: list[dict[str, Any]]) -> None:  # noqa: ANN401
    """Note to what ``malformed`` rises in the present phase."""
    while True:
        await dut.malformed.value_change
        answers[-1]["malformed"] |= int(dut.malformed.value)


@cocotb.test()
async def run_plan(dut: Any) -> None:  # noqa: ANN401
    """Run every phase of the plan and write down what was seen."""
    host: AxiLiteMaster | None = None
    answers: list[dict[str, Any]] = []

    async def describe(
        bench: Bench, phase: Mapping[str, Any], packets: Mapping[str, NDArray[np.uint8]]
    ) -> None:
        """Write the registers, start, then offer everything at once."""
        nonlocal host
        plan = bench.plan
        if host is None:
            bus = AxiLiteBus.from_prefix(dut, plan["registers"])
            host = AxiLiteMaster(bus, bench.clock, bench.reset)
            cocotb.start_soon(watch_malformed(dut, answers))
        offsets = plan["offsets"]
        while not await host.read_dword(offsets["status"]) & 1:
            pass
        for offset, value in phase["writes"]:
            await host.write_dword(offset, value)
        refused_first = 0
        if phase["refused"]:
            await host.write_dword(*phase["refused"])
            await host.write_dword(offsets["control"], 1)
            if await host.read_dword(offsets["status"]) & 4:
                refused_first = await host.read_dword(offsets["refused"])
            right = dict(phase["writes"])
            await host.write_dword(phase["refused"][0], right[phase["refused"][0]])
        await host.write_dword(offsets["control"], 1)
        assert isinstance(bench, ArraysBench)
        bench.asked = {prefix: [] for prefix in bench.requests}
        bench.sink.origins = []
        answer: dict[str, Any] = {
            "refused": 0,
            "refused_first": refused_first,
            "requests": list(bench.asked.values()),
            "origins": bench.sink.origins,
            "malformed": 0,
        }
        answers.append(answer)
        if await host.read_dword(offsets["status"]) & 4:
            answer["refused"] = await host.read_dword(offsets["refused"])
        await ClockCycles(bench.clock, SETTLE)
        for prefix, names in phase["packets"].items():
            for name in names:
                bench.sources[prefix].send_nowait(AxiStreamFrame(to_words(packets[name])))

    await run_phases(dut, describe, ArraysBench)
    beside = Path(os.environ["ACCELGEN_PLAN"]).with_name("answers.json")
    beside.write_text(json.dumps(answers), encoding="utf-8")

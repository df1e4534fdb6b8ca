"""The cocotb bench of a stream kernel: it drives what the plan says and records what it sees.

The environment variable ``ACCELGEN_PLAN`` names a JSON file: the ports, the phases to run, and
the packets of each phase as beats in an ``.npz`` file beside it.  What was seen (output packets,
cycles, ``busy`` and ``error``) goes to a JSON and an ``.npz`` file; the library judges it.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, SimTimeoutError, with_timeout
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource
from numpy.typing import NDArray

PERIOD = 10
"""Length of a clock cycle in simulator steps (ns)."""

SETTLE = 12
"""Cycles watched after the last expected output: nothing more may come."""


@dataclass
class Watch:
    """What the monitors of one phase saw; times are in clock cycles."""

    first_input: int | None = None
    busy_since: int | None = None
    busy_cycles: int = 0
    busy_spans: list[tuple[int, int]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


class Bench:
    """The device under test with a source on every input and a sink on the output."""

    def __init__(self, dut: Any, plan: Mapping[str, Any]) -> None:  # noqa: ANN401
        """Connect to the ports that the plan names; ``dut`` is cocotb's handle of the top."""
        self.dut = dut
        ports = plan["ports"]
        self.clock = getattr(dut, ports["clock"])
        self.reset = getattr(dut, ports["reset"])
        self.busy = getattr(dut, ports["busy"])
        self.error = getattr(dut, ports["error"])
        # Only designs with block formats have this one.
        self.bad_number = getattr(dut, ports["bad_number"]) if ports["bad_number"] else None
        # One lane as wide as the bus: one Python object per beat instead of one per byte.
        self.sources = {
            prefix: AxiStreamSource(
                AxiStreamBus.from_prefix(dut, prefix), self.clock, self.reset, byte_lanes=1
            )
            for prefix in plan["inputs"]
        }
        self.plan = plan
        self.output = plan["output"]
        self.sink = AxiStreamSink(
            AxiStreamBus.from_prefix(dut, self.output), self.clock, self.reset, byte_lanes=1
        )

    def resume(self) -> None:
        """End all pauses."""
        for endpoint in (*self.sources.values(), self.sink):
            endpoint.pause = False

    async def restart(self) -> None:
        """Reset the design and everything connected to it, and wait until it is idle."""
        self.resume()
        self.reset.value = 1
        await ClockCycles(self.clock, 4)
        for endpoint in (*self.sources.values(), self.sink):
            endpoint.clear()
        self.reset.value = 0
        await ClockCycles(self.clock, 4)


@cocotb.test()
async def run_plan(dut: Any) -> None:  # noqa: ANN401
    """Run every phase of the plan and write down what was seen."""
    await run_phases(dut, offer)


Feed = Callable[
    ["Bench", Mapping[str, Any], Mapping[str, NDArray[np.uint8]]], Coroutine[Any, Any, None]
]
"""What gives a design the packets of a phase."""


async def run_phases(
    dut: Any,  # noqa: ANN401
    feed: Feed,
    make: Callable[[Any, Mapping[str, Any]], Bench] = Bench,
) -> None:
    """Run every phase of the plan as ``feed`` gives it to the design; write down what was seen.

    ``make`` connects a bench to the design.
    """
    path = Path(os.environ["ACCELGEN_PLAN"])
    plan = json.loads(path.read_text(encoding="utf-8"))
    with np.load(path.parent / plan["packets"]) as archive:
        packets = {name: archive[name] for name in archive.files}
    bench = make(dut, plan)
    bench.reset.value = 1
    Clock(bench.clock, PERIOD, unit="step").start()
    frames: dict[str, NDArray[np.uint8]] = {}
    results = []
    hung = True
    for number, phase in enumerate(plan["phases"]):
        if phase["reset"] or hung:
            await bench.restart()
        result, outputs = await run_phase(bench, phase, feed(bench, phase, packets))
        hung = result["hung"]
        width = (len(bench.sink.bus.tdata) + 7) // 8
        for position, output in enumerate(outputs):
            frames[f"{number}.{position}"] = to_octets(output, width)
        results.append(result)
    np.savez(path.parent / plan["outputs"], **frames)  # type: ignore[arg-type]
    (path.parent / plan["results"]).write_text(json.dumps(results), encoding="utf-8")


async def offer(
    bench: Bench, phase: Mapping[str, Any], packets: Mapping[str, NDArray[np.uint8]]
) -> None:
    """Offer every packet of the phase at once."""
    for prefix, names in phase["packets"].items():
        for name, user in names:
            frame = AxiStreamFrame(to_words(packets[name]), tuser=user)
            bench.sources[prefix].send_nowait(frame)


async def run_phase(
    bench: Bench, phase: Mapping[str, Any], feed: Coroutine[Any, Any, None]
) -> tuple[dict[str, Any], list[Sequence[int]]]:
    """Give the design what the phase has and collect the outputs."""
    seen = Watch()
    error_before = int(bench.error.value)
    tasks = [
        cocotb.start_soon(watch_first_input(bench, seen)),
        cocotb.start_soon(watch_busy(bench, seen)),
    ]
    disturbance = None
    if phase["pause_in"] or phase["pause_out"]:
        disturbance = cocotb.start_soon(disturb(bench, phase, seen))
    tasks.append(cocotb.start_soon(feed))
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
    last = outputs[phase["outputs"] - 1].sim_time_end if not hung else None
    total = None
    if last is not None and seen.first_input is not None:
        total = cycle(last) - seen.first_input + 1
    result = {
        "hung": hung,
        "total_cycles": total,
        "busy_cycles": seen.busy_cycles,
        "busy_at_end": seen.busy_since is not None,
        "busy_spans": seen.busy_spans,
        "error_before": error_before,
        "error_after": int(bench.error.value),
        "bad_number_after": int(bench.bad_number.value) if bench.bad_number is not None else 0,
        "packets_left": int(pending),
        "outputs": len(outputs),
        "violations": seen.violations,
        "output_ends": [cycle(frame.sim_time_end) for frame in outputs],
    }
    return result, [frame.tdata for frame in outputs]


async def collect(bench: Bench, count: int, outputs: list[AxiStreamFrame]) -> None:
    """Receive ``count`` packets."""
    for _ in range(count):
        outputs.append(await bench.sink.recv(compact=False))


async def watch_first_input(bench: Bench, seen: Watch) -> None:
    """Note the cycle in which any input accepts its first beat."""
    edge = RisingEdge(bench.clock)
    buses = [source.bus for source in bench.sources.values()]
    while seen.first_input is None:
        await edge
        if any(bus.tvalid.value and bus.tready.value for bus in buses):
            seen.first_input = cycle(get_sim_time("step"))


async def watch_busy(bench: Bench, seen: Watch) -> None:
    """Add up the cycles in which ``busy`` is high, from its edges."""
    change = bench.busy.value_change
    if bench.busy.value:
        seen.busy_since = cycle(get_sim_time("step"))
    while True:
        await change
        now = cycle(get_sim_time("step"))
        if bench.busy.value:
            seen.busy_since = now
        elif seen.busy_since is not None:
            seen.busy_cycles += now - seen.busy_since
            if now > seen.busy_since:
                seen.busy_spans.append((seen.busy_since, now))
            seen.busy_since = None


async def disturb(bench: Bench, phase: Mapping[str, Any], seen: Watch) -> None:
    """Pause every port at random, and see that the output keeps to the handshake meanwhile.

    A beat that was offered and not accepted must be offered again, unchanged.
    """
    edge = RisingEdge(bench.clock)
    ports = [Pauses(bench.sink, random.Random(phase["seed"]), phase["pause_out"])]
    for number, source in enumerate(bench.sources.values()):
        ports.append(Pauses(source, random.Random(phase["seed"] + number + 1), phase["pause_in"]))
    bus = bench.sink.bus
    offered: tuple[int, int] | None = None
    while True:
        for port in ports:
            port.step()
        await edge
        valid, ready = bool(bus.tvalid.value), bool(bus.tready.value)
        if offered is None and (ready or not valid):
            continue
        beat = (int(bus.tdata.value), int(bus.tlast.value)) if valid else None
        if offered not in (None, beat) and not seen.violations:
            at = cycle(get_sim_time("step"))
            seen.violations.append(
                f"{bench.output}: a beat that was not accepted "
                f"{'changed' if valid else 'was withdrawn'} at cycle {at}"
            )
        offered = None if ready else beat


@dataclass
class Pauses:
    """Bursts of pauses that fill about ``share`` of the cycles of one source or sink."""

    endpoint: AxiStreamSource | AxiStreamSink
    chooser: random.Random
    share: float
    left: int = 0

    def step(self) -> None:
        """Go on by one cycle."""
        self.left -= 1
        if self.left < 0:
            self.endpoint.pause = self.chooser.random() < self.share
            self.left = self.chooser.choice((0, 0, 1, 2, 6))


def cycle(time: float) -> int:
    """The clock cycle of a simulation time."""
    return int(time) // PERIOD


def to_words(beats: NDArray[np.uint8]) -> list[int]:
    """Beats (rows of bytes, least significant first) as integers."""
    return [int.from_bytes(row.tobytes(), "little") for row in beats]


def to_octets(words: Sequence[int], width: int) -> NDArray[np.uint8]:
    """The inverse of :func:`to_words`."""
    joined = b"".join(int(word).to_bytes(width, "little") for word in words)
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(words), width)

"""Problems on a generated attention accelerator: run in the simulator, and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import SCALE_BUS, TENSORS, Core
from accelgen.attention.accelerator.cycles import AttentionCycles, combined_cycles
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.registers import registers
from accelgen.attention.accelerator.rows import list_packet
from accelgen.cosim.model import Model, build_model
from accelgen.cosim.packing import pack, unpack
from accelgen.cosim.plan import Plan, phase_plan
from accelgen.cosim.programmed import listed, ports_of, programmed, run_plan
from accelgen.cosim.runtime import Trace
from accelgen.cosim.toolchain import find_toolchain
from accelgen.formats import IntFormat
from accelgen.rtl.attention.engine import streams_in
from accelgen.rtl.attention.kernel import suffixes
from accelgen.rtl.attention.lists import FAULTS

__all__ = ["AttentionPhase", "AttentionSeen", "build_attention", "packets_of", "simulate_attention"]


@dataclass(frozen=True, eq=False)
class AttentionPhase:
    """A problem per array, with how much of the time ports pause, and packets that are wrong.

    ``wrong`` are beats by stream (q, k, v, and their scales) that come to the first array before
    the right packets and must be dropped.  ``reset``: the design is reset before.  ``refused`` is a
    register and a value it must not take: a start with it comes first, and must be refused.
    """

    problems: Sequence[Problem]
    name: str = ""
    pause_in: float = 0.0
    pause_out: float = 0.0
    wrong: Mapping[str, Sequence[NDArray[np.uint8]]] = field(default_factory=dict)
    reset: bool = True
    refused: tuple[str, int] | None = None

    @property
    def timed(self) -> bool:
        """Whether its cycles are predicted: nothing pauses, no packet is dropped."""
        return not (self.pause_in or self.pause_out or self.wrong)


@dataclass(frozen=True)
class AttentionSeen:
    """What was wrong, and the cycles: computing, and from first input to last output, with those
    predicted.
    """

    faults: tuple[str, ...]
    busy: int
    total: int | None
    predicted: AttentionCycles


def build_attention(core: Core, verilog: Path, top: str, trace: Trace = "none") -> Model:
    """Compile the Verilog of an accelerator for the bench."""
    names = [*(f"s_axis_{n}" for n in streams_in(core)), "m_axis_o", "m_axis_request"]
    prefixes = [f"{name}{end}" for end in suffixes(core) for name in names]
    ports = ports_of(["busy", "error", "malformed"], prefixes)
    return build_model(find_toolchain(), [verilog], top, ports, trace)


def simulate_attention(
    core: Core,
    model: Model,
    phases: Sequence[AttentionPhase],
    *,
    seed: int = 0,
    waves: Path | None = None,
) -> list[AttentionSeen]:
    """Simulate problems one after the other, and judge each.

    ``waves`` takes the trace, of a model built with one.
    """
    seen = run_plan(model, "attention_bench.py", _plan(core, phases, seed), seed=seed, waves=waves)
    return [
        _judge(core, phase, found, outputs)
        for phase, (found, outputs) in zip(phases, seen, strict=True)
    ]


def packets_of(problem: Problem) -> dict[str, list[NDArray[np.uint8]]]:
    """What every stream of an array carries for a problem, as beats."""
    core = problem.core
    packets: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in streams_in(core)}
    bits = {tensor: core.decoding(tensor).code_bits for tensor in TENSORS}
    for group, tiles in zip(problem.groups, problem.tiles, strict=True):
        packets["list"].append(list_packet(core, group))
        packets["q"].append(pack(problem.query_rows(group), bits["q"], core.query_bits))
        if "q" in problem.scales:
            rows = problem.query_rows(group, problem.scales["q"])
            packets["q_scale"].append(pack(rows, core.decoding("q").scale_bits, SCALE_BUS))
        for tile in tiles:
            if tile.column is None:
                continue
            if tile.summary:
                rows = problem.summary_rows(group, tile)
                packets["k"].append(pack(rows, bits["k"], core.key_bits))
                if "summary" in problem.scales:
                    rows = problem.summary_rows(group, tile, scales=True)
                    scale_bits = core.decoding("k").scale_bits
                    packets["k_scale"].append(pack(rows, scale_bits, SCALE_BUS))
                continue
            for name, tensor in (("k", problem.k), ("v", problem.v)):
                values = problem.key_rows(tensor, group.head, tile.column)
                packets[name].append(pack(values, bits[name], core.key_bits))
                if name in problem.scales:
                    rows = problem.key_rows(problem.scales[name], group.head, tile.column)
                    scale_bits = core.decoding(name).scale_bits
                    packets[f"{name}_scale"].append(pack(rows, scale_bits, SCALE_BUS))
    return packets


def _plan(core: Core, phases: Sequence[AttentionPhase], seed: int) -> Plan:
    arrays: dict[str, NDArray[np.uint8]] = {}
    plans = []
    for number, phase in enumerate(phases):
        names: dict[str, list[str]] = {}
        for engine, (end, problem) in enumerate(zip(suffixes(core), phase.problems, strict=True)):
            for stream, beats in packets_of(problem).items():
                offered = [*(phase.wrong.get(stream, ()) if engine == 0 else ()), *beats]
                prefix = f"s_axis_{stream}{end}"
                names[prefix] = [f"{number}.{prefix}.{i}" for i in range(len(offered))]
                arrays |= dict(zip(names[prefix], offered, strict=True))
        paused = phase.pause_in or phase.pause_out
        offsets = {register.name: register.offset for register in registers(core)}
        predicted = combined_cycles(phase.problems).total
        held = asdict(phase.problems[0].setting)
        plans.append(
            {
                "writes": [(r.offset, held[r.name] & ((1 << r.bits) - 1)) for r in registers(core)],
                "refused": phase.refused and (offsets[phase.refused[0]], phase.refused[1]),
                "packets": names,
                **phase_plan(
                    number,
                    phase,
                    outputs=sum(len(problem.groups) for problem in phase.problems),
                    limit=5000 + (40 if paused else 3) * predicted,
                    reset=phase.reset,
                    seed=seed,
                ),
            }
        )
    ends = suffixes(core)
    inputs = [f"s_axis_{name}{end}" for end in ends for name in streams_in(core)]
    design = {
        **programmed(inputs, f"m_axis_o{ends[0]}"),
        "requests": [f"m_axis_request{end}" for end in ends],
        "outputs_beside": [f"m_axis_o{end}" for end in ends[1:]],
    }
    return Plan(design, plans, arrays)


def _judge(
    core: Core,
    phase: AttentionPhase,
    seen: Mapping[str, object],
    outputs: Sequence[NDArray[np.uint8]],
) -> AttentionSeen:
    problems = phase.problems
    faults = [str(violation) for violation in listed(seen["violations"])]
    if seen["refused"]:
        faults.append(f"the start was refused for the register at {seen['refused']}")
    if phase.refused:
        offset = next(r.offset for r in registers(core) if r.name == phase.refused[0])
        if seen["refused_first"] != offset:
            faults.append(f"a start with {phase.refused[0]} = {phase.refused[1]} was not refused")
    expected = sum(len(problem.groups) for problem in problems)
    if seen["hung"] or len(outputs) != expected:
        faults.append(f"{len(outputs)} of {expected} row groups came")
    origins = [int(str(origin)) for origin in listed(seen["origins"])]
    for engine, problem in enumerate(problems):
        mine = [beats for origin, beats in zip(origins, outputs, strict=True) if origin == engine]
        faults += _output_faults(core, engine, problem, mine)
        words = [int(str(w)) for w in listed(listed(seen["requests"])[engine])]
        asked = [(word & 0xFFFFFF, word >> 49) for word in words]
        wanted = [
            (t.column, t.summary) for tiles in problem.tiles for t in tiles if t.column is not None
        ]
        if asked != wanted:
            faults.append(f"array {engine}: tiles {asked} were requested instead of {wanted}")
    found = set().union(*(problem.faults for problem in problems))
    status = sum(1 << k for k, name in enumerate(FAULTS) if name in found)
    if seen["malformed"] != status:
        faults.append(f"malformed is {seen['malformed']} instead of {status}")
    if bool(seen["error_after"]) != bool(phase.wrong):
        faults.append(f"error is {seen['error_after']}")
    if seen["busy_at_end"]:
        faults.append("busy is still high after the last result")
    if seen["packets_left"]:
        faults.append(f"{seen['packets_left']} packets were not accepted")
    busy, total = int(str(seen["busy_cycles"])), seen["total_cycles"]
    total = None if total is None else int(str(total))
    predicted = combined_cycles(problems)
    if phase.timed:
        if busy != predicted.busy:
            faults.append(f"busy for {busy} cycles instead of {predicted.busy}")
        if total != predicted.total:
            faults.append(f"total_cycles {total} instead of {predicted.total}")
    return AttentionSeen(tuple(faults), busy, total, predicted)


def _output_faults(
    core: Core, engine: int, problem: Problem, outputs: Sequence[NDArray[np.uint8]]
) -> list[str]:
    """What is wrong with the results of an array, at most one fault per row group."""
    n = core.numerics
    faults = []
    for number, (beats, values) in enumerate(zip(outputs, problem.outputs(), strict=False)):
        which = f"array {engine}, row group {number}: "
        if len(beats) * core.outputs_per_beat != values.size:
            faults.append(f"{which}{len(beats)} beats for {values.size} elements")
            continue
        got, _ = unpack(beats, values.size, IntFormat(n.OUTPUT_BITS), core.output_bits)
        wrong = np.flatnonzero(got != values.reshape(-1))
        if len(wrong):
            row, element = divmod(int(wrong[0]), n.value_dim)
            faults.append(
                f"{which}row {row}, element {element} is {got[wrong[0]]} instead of"
                f" {values[row, element]} ({len(wrong)} differ)"
            )
    return faults

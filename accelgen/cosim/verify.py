"""Prove a generated design right by simulation: its results, its cycles, its ports."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.affine import Workload
from accelgen.cosim.model import build_model
from accelgen.cosim.packing import unpack
from accelgen.cosim.phases import Phase, make_phases
from accelgen.cosim.plan import stream_signals
from accelgen.cosim.runtime import Trace
from accelgen.cosim.simulate import Observation, run_bench
from accelgen.cosim.stimuli import stimuli_of
from accelgen.cosim.toolchain import doctor, find_toolchain
from accelgen.cosim.verdict import PhaseVerdict, Verdict
from accelgen.errors import InputError
from accelgen.manifest import Manifest, StreamSpec

__all__ = ["PhaseResult", "VerifyReport", "port_names", "verify"]


@dataclass(frozen=True, kw_only=True)
class PhaseResult(PhaseVerdict):
    """The verdict on one phase; ``faults`` is empty when all is as it must be.

    ``busy_cycles`` counts all problems of the phase; ``total_cycles`` is ``None`` when the phase
    does not define it (pauses, several problems) or the design hung.
    """

    problems: int
    busy_cycles: int
    total_cycles: int | None


@dataclass(frozen=True, kw_only=True)
class VerifyReport(Verdict):
    """The verdict on a design, with predicted and measured cycles of the first problem."""

    predicted_compute: int
    predicted_total: int
    measured_compute: int
    measured_total: int | None
    phases: tuple[PhaseResult, ...]

    def to_json(self) -> dict[str, object]:
        """All figures as JSON values."""
        compute = {"predicted": self.predicted_compute, "measured": self.measured_compute}
        total = {"predicted": self.predicted_total, "measured": self.measured_total}
        return self.framed({"compute_cycles": compute, "total_cycles": total})


def verify(
    directory: Path | str, *, seed: int = 0, problems: int = 3, waves: bool = False
) -> VerifyReport:
    """Simulate the design in ``directory`` and compare it with NumPy and the cycle model.

    ``problems`` (2 or more) are queued back to back.  ``waves`` writes ``waves.fst`` into
    ``directory`` where the headers of lz4 are present, else ``waves.vcd``.  A design that is wrong
    gives a report that did not pass, not an error.

    Raises:
        InputError: there is no usable manifest or Verilog.
        MissingToolError: a tool is missing.
        AccelgenError: the Verilog does not compile, or the simulator crashes.
    """
    if problems < 2:
        raise InputError(f"{problems} problems cannot be queued", hint="use at least 2")
    directory = Path(directory)
    manifest = Manifest.read(directory)
    types = {s.tensor: s.format for s in manifest.streams if s.kind == "elements"}
    workload = Workload(manifest.expression, manifest.bounds, types)
    stimuli = stimuli_of(manifest, workload.product)
    phases = tuple(make_phases(manifest, stimuli, workload.evaluate, seed, problems))
    tools = find_toolchain()
    trace: Trace = trace_format() if waves else "none"
    sources = [directory / name for name in manifest.verilog]
    model = build_model(tools, sources, manifest.top, port_names(manifest), trace)
    target = directory / f"waves.{trace}" if waves else None
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="accelgen-") as folder:
        limits = [_limit(manifest, phase) for phase in phases]
        seen = run_bench(
            tools, model, manifest, phases, limits, Path(folder), seed=seed, waves=target
        )
    results = tuple(_judge(manifest, *pair) for pair in zip(phases, seen, strict=True))
    return VerifyReport(
        name=manifest.name,
        seed=seed,
        predicted_compute=manifest.predicted.compute_cycles,
        predicted_total=manifest.predicted.total_cycles,
        measured_compute=seen[0].busy_cycles,
        measured_total=seen[0].total_cycles,
        phases=results,
        build_seconds=model.seconds,
        simulate_seconds=time.monotonic() - start,
        waves=target,
    )


def trace_format() -> Trace:
    """The trace that can be written here: smaller ones need the headers of lz4."""
    fst = any(finding.name == "lz4 headers" and finding.found for finding in doctor())
    return "fst" if fst else "vcd"


def port_names(manifest: Manifest) -> list[str]:
    """The ports that the bench of a kernel uses."""
    ports = manifest.ports
    streams = stream_signals(s.prefix for s in manifest.streams)
    streams += [f"{s.prefix}_tuser" for s in manifest.streams if s.user_bits]
    flags = [ports.bad_number] if ports.bad_number else []
    return [ports.clock, ports.reset, ports.busy, ports.error, *flags, *streams]


def _limit(manifest: Manifest, phase: Phase) -> int:
    """Cycles after which the design counts as hung: generous, so that a slow one is measured."""
    beats = sum(len(packet) for packets in phase.packets.values() for packet in packets)
    beats += len(phase.problems) * manifest.output.beats
    per_beat = 30 if phase.paused else 3
    return 1000 + 3 * len(phase.problems) * manifest.predicted.total_cycles + per_beat * beats


def _judge(manifest: Manifest, phase: Phase, seen: Observation) -> PhaseResult:
    """Compare what was seen in ``phase`` with what must be."""
    faults = [*_output_faults(manifest.output, phase, seen), *seen.violations]
    faults += _port_faults(manifest, phase, seen)
    if not seen.hung and not phase.paused:
        faults += _cycle_faults(manifest, phase, seen)
    return PhaseResult(
        name=phase.name,
        problems=len(phase.problems),
        busy_cycles=seen.busy_cycles,
        total_cycles=seen.total_cycles if phase.timed else None,
        faults=tuple(faults),
    )


def _output_faults(stream: StreamSpec, phase: Phase, seen: Observation) -> list[str]:
    faults = []
    if seen.hung:
        faults.append(
            f"{len(seen.outputs)} of {len(phase.problems)} results came, then the design hung"
        )
    elif len(seen.outputs) > len(phase.problems):
        faults.append(f"{len(seen.outputs)} results came for {len(phase.problems)} problems")
    for number, (problem, beats) in enumerate(zip(phase.problems, seen.outputs, strict=False)):
        which = f"result {number + 1} of {len(phase.problems)}: "
        if len(beats) != stream.beats:
            faults.append(f"{which}{len(beats)} beats instead of {stream.beats}")
            continue
        values, clean = unpack(beats, stream.elements, stream.number, stream.bus_bits)
        if fault := _difference(stream, values.reshape(stream.shape), problem.output):
            faults.append(which + fault)
        if not clean:
            faults.append(f"{which}unused bits of {stream.prefix}_tdata are not zero")
    return faults


def _difference(
    stream: StreamSpec, values: NDArray[np.int64], expected: NDArray[np.int64]
) -> str | None:
    wrong = np.argwhere(values != expected)
    if not len(wrong):
        return None
    index = tuple(int(i) for i in wrong[0])
    return (
        f"{stream.tensor}{list(index)} is {values[index]} instead of {expected[index]} "
        f"({len(wrong)} of {values.size} elements differ)"
    )


def _port_faults(manifest: Manifest, phase: Phase, seen: Observation) -> list[str]:
    ports = manifest.ports
    faults = []
    if seen.error_before:
        faults.append(f"{ports.error} is high before the first packet")
    if phase.expect_error and not seen.error_after:
        faults.append(f"{ports.error} stays low after packets of wrong length")
    if not phase.expect_error and seen.error_after:
        faults.append(f"{ports.error} rises although every packet is right")
    if phase.expect_bad_number != seen.bad_number_after:
        faults.append(
            f"{ports.bad_number} stays low after codes that are no numbers"
            if phase.expect_bad_number
            else f"{ports.bad_number} rises although every code is a number"
        )
    if not seen.hung and seen.busy_at_end:
        faults.append(f"{ports.busy} is still high after the last result")
    if not seen.hung and seen.packets_left:
        faults.append(f"{seen.packets_left} input packets were not accepted")
    return faults


def _cycle_faults(manifest: Manifest, phase: Phase, seen: Observation) -> list[str]:
    compute = manifest.predicted.compute_cycles * len(phase.problems)
    cycles: list[tuple[str, int, int | None]] = [("compute_cycles", compute, seen.busy_cycles)]
    if phase.timed:
        cycles.append(("total_cycles", manifest.predicted.total_cycles, seen.total_cycles))
    return [
        f"{name} is {measured}, the model predicts {expected}"
        for name, expected, measured in cycles
        if expected != measured
    ]

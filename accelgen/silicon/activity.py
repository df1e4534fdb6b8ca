"""What a design does while it works: its own bench with random data, traced, cycle by cycle."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.affine import Workload
from accelgen.cosim.model import build_model
from accelgen.cosim.phases import Phase, make_phases
from accelgen.cosim.sequence import Asked, run_sequences
from accelgen.cosim.sequence import Phase as InARow
from accelgen.cosim.simulate import run_bench
from accelgen.cosim.stimuli import stimuli_of
from accelgen.cosim.toolchain import find_toolchain
from accelgen.cosim.verify import port_names
from accelgen.errors import AccelgenError, InputError
from accelgen.manifest import Listing, Manifest
from accelgen.names import within
from accelgen.processor.design import Problem, ProcessorModel
from accelgen.processor.largest import halved, largest_problem
from accelgen.processor.manifest import PROCESSOR, read_model
from accelgen.silicon.trace import Trace, read_vcd

__all__ = [
    "LEAST_SAMPLES",
    "MOST_CYCLES",
    "TRACED",
    "Asking",
    "Recorded",
    "Run",
    "check_problems",
    "choose_problems",
    "record",
]

SAMPLES = 384
"""Cycles of the steady states that are simulated at gate level, shared among the problems."""

LEAST_SAMPLES = 96
"""Of one problem, drawn evenly; of all cycles the power differs by 0.3 % at most (measured on four
dataflows on 4 x 4 units)."""

PROBLEMS = 4
"""Of a kernel, queued back to back; the cycles from the second's begin to the third's are the
steady state."""

REPEATS = 3
"""The same of every dataflow of a design that has several."""

MOST_CYCLES = 4096
"""Cycles of a problem, beyond which smaller bounds than the largest are run."""

TRACED = ("--trace-max-array", "65536", "--trace-max-width", "8192")

Asking = tuple[str, Mapping[str, int]]
"""A dataflow, by name or number, and bounds; those not named are the largest."""


@dataclass(frozen=True)
class Run:
    """A problem in the steady state: the cycles from its begin to that of the next.

    ``largest``: whether its bounds are the largest that the design reaches.  ``samples``: cycles of
    it to simulate at gate level, if it has as many.
    """

    name: str
    bounds: Mapping[str, int]
    first: int
    end: int
    largest: bool = True
    samples: int = SAMPLES

    @property
    def cycles(self) -> int:
        """From its begin to that of the next problem."""
        return self.end - self.first

    @property
    def iterations(self) -> int:
        """Points of its loop nest."""
        return prod(self.bounds.values())

    @property
    def sampled(self) -> NDArray[np.int64]:
        """The cycles that are simulated at gate level."""
        count = min(self.samples, self.cycles)
        return self.first + np.arange(count, dtype=np.int64) * self.cycles // count


Recorded = tuple[Trace, tuple[Run, ...]]
"""The values of all signals, and the cycles of the steady states."""


def record(
    directory: Path, seed: int, asked: Sequence[Asking] = ()
) -> tuple[Trace, tuple[Run, ...]]:
    """Run random problems back to back through the bench of ``accelgen verify``, traced.

    A design whose bounds are registers runs the problems ``asked`` for, one of every dataflow when
    there are none.  Raises what :func:`accelgen.verify` raises, and :class:`AccelgenError` when a
    result is missing or wrong.
    """
    check_problems(directory, asked)
    if Listing.read(directory).design == PROCESSOR:
        return _record_processor(directory, seed, asked)
    return _record_kernel(directory, seed)


def check_problems(directory: Path, asked: Sequence[Asking]) -> None:
    """That the design in ``directory`` can run the problems: :class:`InputError` where not."""
    if not asked:
        return
    design = Listing.read(directory).design
    if design not in ("kernel", PROCESSOR):
        raise InputError(
            "an arithmetic unit has no problems", where="--problem", hint="leave it out"
        )
    if design != PROCESSOR:
        raise InputError(
            "the bounds of this design are wired in: it runs one problem", where="--problem",
            hint="leave it out, or generate the design with --programmable",
        )  # fmt: skip
    with within("--problem"):
        choose_problems(read_model(directory), asked)


def _record_kernel(directory: Path, seed: int) -> tuple[Trace, tuple[Run, ...]]:
    manifest = Manifest.read(directory)
    phase = _random_phase(manifest, seed)
    tools = find_toolchain()
    sources = [directory / name for name in manifest.verilog]
    model = build_model(tools, sources, manifest.top, port_names(manifest), "vcd", TRACED)
    beats = sum(len(p) for packets in phase.packets.values() for p in packets)
    limit = 1000 + 4 * (PROBLEMS * manifest.predicted.total_cycles + beats)
    with tempfile.TemporaryDirectory(prefix="accelgen-") as name:
        folder = Path(name)
        target = folder / "trace.vcd"
        seen = run_bench(tools, model, manifest, [phase], [limit], folder, seed=seed, waves=target)[
            0
        ]
        spans = sorted(seen.busy_spans)
        if seen.hung or len(spans) < 1:
            raise AccelgenError(
                "the design hung in the simulation for its power", where=manifest.name,
                hint=f"run accelgen verify {directory}",
            )  # fmt: skip
        # Problems of one cycle after the other may leave ``busy`` high: then one span is all.
        starts = [start for start, _ in spans]
        whole = (spans[0][0], spans[-1][1])
        first, end = (starts[1], starts[2]) if len(starts) == PROBLEMS else whole
        run = Run(manifest.name, manifest.bounds, first, end)
        return read_vcd(target, manifest.top, run.sampled), (run,)


def _random_phase(manifest: Manifest, seed: int) -> Phase:
    types = {s.tensor: s.format for s in manifest.streams if s.kind == "elements"}
    workload = Workload(manifest.expression, manifest.bounds, types)
    stimuli = stimuli_of(manifest, workload.product)
    phases = make_phases(manifest, stimuli, workload.evaluate, seed, PROBLEMS)
    return next(
        phase
        for phase in phases
        if len(phase.problems) == PROBLEMS and not phase.paused and not phase.expect_error
    )


def _record_processor(
    directory: Path, seed: int, asked: Sequence[Asking]
) -> tuple[Trace, tuple[Run, ...]]:
    model = read_model(directory)
    chosen = choose_problems(model, asked)
    rng = np.random.default_rng(seed)
    problems = [
        Asked.random(model, problem.dataflow, bounds, rng)
        for problem, bounds in chosen
        for _ in range(REPEATS)
    ]
    with tempfile.TemporaryDirectory(prefix="accelgen-") as name:
        target = Path(name) / "trace.vcd"
        seen = run_sequences(
            model, directory / f"{model.name}.v", [InARow(problems)], seed=seed, waves=target,
            options=TRACED,
        )[0]  # fmt: skip
        if seen.faults:
            raise AccelgenError(
                f"the simulation for the power went wrong: {seen.faults[0]}", where=model.name,
                hint=f"run accelgen verify {directory}",
            )  # fmt: skip
        runs = []
        samples = max(LEAST_SAMPLES, SAMPLES // len(chosen))
        for number, (problem, bounds) in enumerate(chosen):
            description = model.flows[problem.dataflow].description
            begin = REPEATS * number + 1
            runs.append(
                Run(description.name, bounds, seen.begins[begin], seen.begins[begin + 1],
                    bounds == dict(description.workload.bounds), samples)
            )  # fmt: skip
        return read_vcd(target, model.name, np.concatenate([r.sampled for r in runs])), tuple(runs)


def choose_problems(
    model: ProcessorModel, asked: Sequence[Asking] = ()
) -> list[tuple[Problem, dict[str, int]]]:
    """The problems ``asked`` for, with all their bounds; of every dataflow one if there are none.

    That is the largest that fits the memories, halved loop by loop until it takes no more than
    :data:`MOST_CYCLES`: always the loop that leaves most units at work.  Raises
    :class:`InputError` for a problem that the design cannot run.
    """
    if not asked:
        return [_not_too_long(model, number) for number in range(len(model.flows))]
    found = []
    for name, bounds in asked:
        number = model.number(int(name) if name.isdigit() else name)
        largest = dict(model.flows[number].description.workload.bounds)
        found.append(
            (model.problem(number, bounds), {**largest, **bounds})
            if bounds
            else _not_too_long(model, number)
        )
    return found


def _not_too_long(model: ProcessorModel, number: int) -> tuple[Problem, dict[str, int]]:
    problem, bounds = largest_problem(model, number)
    tried: Problem | None = problem
    smaller = bounds
    while tried is None or _longest(tried) > MOST_CYCLES:
        if max(smaller.values()) == 1:
            break
        smaller, tried = halved(model, number, smaller)
        if tried is not None:
            problem, bounds = tried, smaller
    return problem, bounds


def _longest(problem: Problem) -> int:
    """Cycles from the begin of a problem to that of the next, about."""
    cycles = problem.cycles
    return max(cycles.prologue + cycles.compute_cycles, cycles.load, cycles.unload)

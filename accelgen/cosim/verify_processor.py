"""Prove a design whose bounds are registers right: sequences of problems, sizes and dataflows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from accelgen.cosim.sequence import Asked, Phase, Seen, run_sequences
from accelgen.cosim.stimuli import stimuli_at
from accelgen.cosim.verdict import PhaseVerdict, Verdict
from accelgen.emit import stream_specs
from accelgen.errors import InputError
from accelgen.processor.design import ProcessorModel
from accelgen.processor.manifest import read_model
from accelgen.processor.registers import FIRST_REGISTER

__all__ = ["ProcessorPhase", "ProcessorReport", "make_sequences", "verify_processor"]

_TRIES = 200


@dataclass(frozen=True, kw_only=True)
class ProcessorPhase(PhaseVerdict):
    """The verdict on one phase; ``busy`` are the cycles of its problems."""

    problems: int
    busy: tuple[int, ...]
    total_cycles: int | None


@dataclass(frozen=True, kw_only=True)
class ProcessorReport(Verdict):
    """The verdict on a design."""

    phases: tuple[ProcessorPhase, ...]

    def to_json(self) -> dict[str, object]:
        """All figures as JSON values."""
        return self.framed({"problems": sum(phase.problems for phase in self.phases)})


def verify_processor(directory: Path | str, *, seed: int = 0, problems: int = 6) -> ProcessorReport:
    """Simulate the design in ``directory`` on sequences of random problems.

    Results are compared with NumPy, the cycles of every problem with the model.  ``problems`` is
    the length of the mixed sequences.  Errors are those of :func:`accelgen.verify`.
    """
    directory = Path(directory)
    model = read_model(directory)
    phases = make_sequences(model, np.random.default_rng(seed), problems)
    start = time.monotonic()
    seen = run_sequences(model, directory / f"{model.name}.v", phases, seed=seed)
    return ProcessorReport(
        name=model.name,
        seed=seed,
        phases=tuple(_verdict(*pair) for pair in zip(phases, seen, strict=True)),
        build_seconds=0.0,
        simulate_seconds=time.monotonic() - start,
        waves=None,
    )


def make_sequences(model: ProcessorModel, rng: np.random.Generator, problems: int) -> list[Phase]:
    """Every dataflow at its largest bounds and at random ones, alone, and where problems choose
    formats in all of these; then random sequences: back to back, with pauses on every port, and
    with starts among them that must be refused.
    """

    def largest(number: int) -> Asked:
        return Asked.random(model, number, model.flows[number].description.workload.bounds, rng)

    def random(number: int | None = None) -> Asked:
        chosen = int(rng.integers(len(model.flows))) if number is None else number
        return _random(model, chosen, rng)

    def several(make: Callable[[], Asked | None]) -> list[Asked | None]:
        return [make() for _ in range(problems)]

    phases = []
    for number, flow in enumerate(model.flows):
        name = flow.description.name
        phases.append(Phase([largest(number)], f"{name}, largest"))
        phases.append(Phase([random(number)], f"{name}, random bounds"))
        if model.choices:
            every = [
                _random(model, number, rng, formats, extreme=extreme)
                for formats in _every_format(model)
                for extreme in (False, True)
            ]
            phases.append(Phase(every, f"{name}, every format"))
    phases.append(Phase(several(random), "back to back"))
    phases.append(Phase(several(random), "with pauses", pause_in=0.3, pause_out=0.4))
    no_such = (FIRST_REGISTER, len(model.flows))
    phases.append(Phase([random(), None, random()], "no such dataflow", no_such))
    extent = next((r for r in model.registers if r.name.startswith("last")), None)
    if extent is not None:
        beyond = (extent.offset, extent.most + 1)
        phases.append(Phase([None, random(), None, random()], "bound out of range", beyond))
    for choice in model.choices:
        register = next(r for r in model.registers if r.name == choice.register)
        wrong = (register.offset, register.most + 1)
        phases.append(Phase([random(), None, random()], f"no such {choice.register}", wrong))
    if model.flows[0].fabric.kernel.blocks is not None:
        phases += _with_bad_numbers(model, rng)
    return phases


def _with_bad_numbers(model: ProcessorModel, rng: np.random.Generator) -> list[Phase]:
    """Codes that are no numbers on each input that has some: a flag says so until reset."""
    phases = []
    kernel = model.flows[0].fabric.kernel
    streams = list(enumerate(stream_specs(model.flows[0].fabric)[:-1]))
    for (number, spec), formats in product(streams, _every_format(model)):
        form = next(iter(formats.values()), "")
        if not len(stimuli_at(number, kernel.product, spec.number, form).bad):
            continue
        spoilt = _random(model, int(rng.integers(len(model.flows))), rng, formats, spoilt=number)
        good = _random(model, int(rng.integers(len(model.flows))), rng)
        name = " ".join(filter(None, (f"bad numbers on {spec.prefix}", form)))
        phases.append(Phase([spoilt, good], name, reset=True, bad_number=True))
    if phases:
        good = _random(model, 0, rng)
        phases.append(Phase([good], "after a reset", reset=True))
    return phases


def _every_format(model: ProcessorModel) -> list[dict[str, str]]:
    """All that a problem can choose, by register."""
    registers = [choice.register for choice in model.choices]
    every = product(*(choice.names for choice in model.choices))
    return [dict(zip(registers, names, strict=True)) for names in every]


def _random(
    model: ProcessorModel,
    number: int,
    rng: np.random.Generator,
    formats: Mapping[str, str] | None = None,
    *,
    extreme: bool = False,
    spoilt: int | None = None,
) -> Asked:
    """A problem of a dataflow at random bounds that it can run."""
    largest = model.flows[number].description.workload.bounds
    for _ in range(_TRIES):
        bounds = {loop: int(rng.integers(1, n, endpoint=True)) for loop, n in largest.items()}
        try:
            return Asked.random(model, number, bounds, rng, formats, extreme=extreme, spoilt=spoilt)
        except InputError:
            continue  # bounds at which the dataflow is not legal, or beyond the memories
    return Asked.random(model, number, largest, rng, formats, extreme=extreme, spoilt=spoilt)


def _verdict(phase: Phase, seen: Seen) -> ProcessorPhase:
    return ProcessorPhase(
        name=phase.name,
        problems=len(phase.problems),
        busy=seen.busy,
        total_cycles=seen.total if len(phase.problems) == 1 else None,
        faults=seen.faults,
    )

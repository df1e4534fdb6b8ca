"""Prove a design whose bounds are registers right: sequences of problems, sizes and dataflows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from accelgen.cosim.fault_phases import cancelled, refused, undescribed, wrong_packets
from accelgen.cosim.format_phases import bad_numbers, every_format, no_such_format
from accelgen.cosim.sequence import Asked, Phase, Seen, build_bench, simulate_sequences
from accelgen.cosim.split import split
from accelgen.cosim.stage_phases import every_stage, staged_wrongly
from accelgen.cosim.stimuli import Fill
from accelgen.cosim.verdict import PhaseVerdict, Verdict
from accelgen.cosim.verify import trace_format
from accelgen.errors import InputError
from accelgen.processor.design import ProcessorModel
from accelgen.processor.largest import largest_problem
from accelgen.processor.manifest import read_model

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


def verify_processor(
    directory: Path | str, *, seed: int = 0, problems: int = 6, waves: bool = False
) -> ProcessorReport:
    """Simulate the design in ``directory`` on sequences of random problems.

    Results are compared with NumPy, the cycles of every problem with the model.  ``problems`` is
    the length of the mixed sequences.  ``waves`` and errors are those of :func:`accelgen.verify`.
    """
    directory = Path(directory)
    model = read_model(directory)
    phases = make_sequences(model, np.random.default_rng(seed), problems)
    target = directory / f"waves.{trace_format()}" if waves else None
    bench = build_bench(model, directory / f"{model.name}.v", waves=target)
    start = time.monotonic()
    seen = simulate_sequences(model, bench, phases, seed=seed, waves=target)
    return ProcessorReport(
        name=model.name,
        seed=seed,
        phases=tuple(_verdict(*pair) for pair in zip(phases, seen, strict=True)),
        build_seconds=bench.seconds,
        simulate_seconds=time.monotonic() - start,
        waves=target,
    )


def make_sequences(model: ProcessorModel, rng: np.random.Generator, problems: int) -> list[Phase]:
    """Every dataflow at its largest bounds (the largest that fit the memories) and at random ones,
    alone, and with extreme values; then random sequences: back to back, with pauses on every port,
    and with starts among them that must be refused, packets that must be dropped, and problems that
    are cancelled.  Where results can be added to what comes in, those of random
    problems are or are not, and a longer reduction of every dataflow is split over several
    problems.  Problems are in all formats that they can choose, and do all that an output stage
    can.
    """
    largest = [largest_problem(model, number)[1] for number in range(len(model.flows))]

    def random(
        number: int | None = None,
        formats: Mapping[str, str] | None = None,
        *,
        fill: Fill = "any",
        spoilt: int | None = None,
    ) -> Asked:
        chosen = int(rng.integers(len(model.flows))) if number is None else number
        return _random(model, chosen, largest[chosen], rng, formats, fill=fill, spoilt=spoilt)

    def several(make: Callable[[], Asked | None]) -> list[Asked | None]:
        return [make() for _ in range(problems)]

    fills: tuple[Fill, ...] = ("least", "greatest", "extreme")
    phases = []
    for number, flow in enumerate(model.flows):
        name = flow.description.name
        bounds = largest[number]
        phases.append(Phase([Asked.random(model, number, bounds, rng)], f"{name}, largest"))
        phases.append(Phase([random(number)], f"{name}, random bounds"))
        extremes = [Asked.random(model, number, bounds, rng, fill=fill) for fill in fills]
        phases.append(Phase(extremes, f"{name}, extremes"))
        phases += every_format(model, number, random)
        phases += every_stage(model, number, bounds, rng)
        if model.accumulate_in:
            adding = Asked.random(model, number, bounds, rng, accumulate=True)
            phases.append(Phase([adding], f"{name}, accumulating"))
            found = split(model, number, bounds, rng)
            if found is not None:
                loop, pieces = found
                phases.append(Phase(pieces, f"{name}, split along {loop}"))
    phases.append(Phase(several(random), "back to back"))
    phases.append(Phase(several(random), "with pauses", pause_in=0.3, pause_out=0.4))
    phases += [*refused(model, random), *no_such_format(model, random)]
    phases += bad_numbers(model, random)
    whole = Asked.random(model, 0, largest[0], rng)
    phases += [*wrong_packets(whole, rng), *cancelled(model, whole, random)]
    phases += staged_wrongly(model, largest[0], rng)
    return [*phases, undescribed(random)]


def _random(
    model: ProcessorModel,
    number: int,
    fitting: Mapping[str, int],
    rng: np.random.Generator,
    formats: Mapping[str, str] | None = None,
    *,
    fill: Fill = "any",
    spoilt: int | None = None,
) -> Asked:
    """A problem of a dataflow at random bounds that it can run; it accumulates, or not.

    ``fitting`` are its largest bounds that fit the memories.
    """
    accumulate = model.accumulate_in and bool(rng.integers(2))
    largest = model.flows[number].description.workload.bounds

    def asked(bounds: Mapping[str, int]) -> Asked:
        return Asked.random(
            model, number, bounds, rng, formats,
            accumulate=accumulate, fill=fill, spoilt=spoilt,
        )  # fmt: skip

    for attempt in range(_TRIES):
        # Of small memories, few of all bounds fit: but those that do are of other shapes.
        most = largest if attempt % 2 == 0 else fitting
        bounds = {loop: int(rng.integers(1, most[loop], endpoint=True)) for loop in largest}
        try:
            return asked(bounds)
        except InputError:
            continue  # bounds at which the dataflow is not legal, or beyond the memories
    return asked(fitting)


def _verdict(phase: Phase, seen: Seen) -> ProcessorPhase:
    return ProcessorPhase(
        name=phase.name,
        problems=len(phase.problems),
        busy=seen.busy,
        total_cycles=seen.total if len(phase.problems) == 1 else None,
        faults=seen.faults,
    )

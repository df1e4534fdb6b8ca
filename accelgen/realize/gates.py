"""What an inference takes at gate level, from the activity of the very network on the Verilog.

Three images run layer by layer, as an inference does: each layer waits for the results of the one
before, and takes from its first beat to its last.  The gates are simulated in cycles of the second
and the third image, with all that the design does meanwhile, streams in and out included.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.cosim.sequence import Phase, run_sequences
from accelgen.errors import AccelgenError, InputError
from accelgen.quantised.run import tensors
from accelgen.realize.activity import EVENTS
from accelgen.realize.realize import NAME, Realised, activity_of
from accelgen.realize.run import ask
from accelgen.silicon.activity import LEAST_SAMPLES, TRACED, Recorded, Run
from accelgen.silicon.power import Power
from accelgen.silicon.synth import Options, synthesise
from accelgen.silicon.toggles import Toggles, count_toggles
from accelgen.silicon.trace import read_vcd

__all__ = ["IMAGES", "LayerEnergy", "MeasuredEnergy", "measure_energy"]

IMAGES = 3
"""Images that are simulated."""

MEASURED = 2
"""Of these the last ones, whose energy is measured."""


@dataclass(frozen=True)
class LayerEnergy:
    """A layer: its cycles from the first beat to the last, and nanojoules at gate level, as
    estimated, and of what switches in the simulated Verilog.
    """

    name: str
    cycles: int
    measured_nj: float
    estimated_nj: float
    activity_nj: float


@dataclass(frozen=True)
class MeasuredEnergy:
    """An inference, the mean of two: its layers, the clock period, gate-level power in which their
    layers are problems, and the ``toggles`` of both, a window per layer.
    """

    layers: tuple[LayerEnergy, ...]
    period_ns: float
    power: Power
    toggles: Toggles

    @property
    def measured_nj(self) -> float:
        """At gate level."""
        return sum(layer.measured_nj for layer in self.layers)

    @property
    def estimated_nj(self) -> float:
        """In closed form."""
        return sum(layer.estimated_nj for layer in self.layers)

    @property
    def activity_nj(self) -> float:
        """Of what switched in the Verilog, without cells."""
        return sum(layer.activity_nj for layer in self.layers)


def measure_energy(
    realised: Realised,
    codes: NDArray[np.int64],
    liberty: tuple[Path, ...],
    *,
    seed: int = 0,
    progress: Callable[[str], None] = lambda stage: None,
) -> MeasuredEnergy:
    """Map the design to the cells (and macros) of ``liberty``, and simulate its gates on three
    images of ``codes`` [images, channels, rows, columns].

    What is beside it is of the point's technology and clock.  Raises :class:`InputError` for fewer
    images, :class:`AccelgenError` when a result is wrong, and what synthesis raises.
    """
    if len(codes) < IMAGES:
        raise InputError(f"{len(codes)} images", where="--images", hint=f"use {IMAGES} or more")
    progress("record the activity")
    recorded, toggles = _record(realised, codes[:IMAGES], seed)
    period = realised.estimate.period_ns
    options = Options(liberty=liberty, period=period, recorded=recorded)
    report = synthesise(realised.folder, options, progress)
    if report.power is None:
        raise AccelgenError("its power was not measured", where=str(realised.folder))
    switched = activity_of(realised, toggles, MEASURED)
    measured = np.reshape([one.energy for one in report.power.problems], (MEASURED, -1))
    layers = tuple(
        LayerEnergy(layer.name, layer.cycles, float(nj), estimated, of_activity)
        for layer, nj, estimated, of_activity in zip(
            realised.estimate.layers,
            measured.mean(axis=0),
            realised.estimate.layers_nj,
            switched.layers_nj,
            strict=True,
        )
    )
    return MeasuredEnergy(layers, report.power.period, report.power, toggles)


def _record(realised: Realised, codes: NDArray[np.int64], seed: int) -> tuple[Recorded, Toggles]:
    """The trace of the images with a run per layer of those that are measured, and what toggles in
    these.
    """
    program = realised.program
    found = tensors(program.network, codes)
    phases = [
        Phase([ask(program, step, {name: values[image] for name, values in found.items()})])
        for image in range(IMAGES)
        for step in program.steps
    ]
    count = len(program.steps)
    with tempfile.TemporaryDirectory(prefix="accelgen-") as name:
        target = Path(name) / "trace.vcd"
        seen = run_sequences(
            program.model, realised.folder / f"{NAME}.v", phases, seed=seed, waves=target,
            options=TRACED,
        )  # fmt: skip
        runs = []
        for number, result in enumerate(seen):
            step = program.steps[number % count]
            if result.faults or result.span is None:
                raise AccelgenError(
                    f"the simulation for the power went wrong: {[*result.faults, 'no result'][0]}",
                    where=f"{NAME}: {step.layer.name}",
                )
            if number >= (IMAGES - MEASURED) * count:
                runs.append(Run(step.layer.name, step.bounds, *result.span, samples=LEAST_SAMPLES))
        trace = read_vcd(target, NAME, np.concatenate([run.sampled for run in runs]))
        toggles = count_toggles(target, NAME, [(run.first, run.end) for run in runs], EVENTS)
    return (trace, tuple(runs)), toggles.folded(count)

"""What an inference takes at gate level, from the activity of the very network on the Verilog.

Two images and the first layer of a third are queued, so that every layer of the second follows and
is followed by another: from its begin to that of the next is its share of time, and all that the
design does meanwhile (streams in and out included) is its energy.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.cosim.sequence import Phase, run_sequences
from accelgen.energy import load_energies
from accelgen.errors import AccelgenError, InputError
from accelgen.quantised.run import tensors
from accelgen.realize.estimate import energy_of
from accelgen.realize.realize import NAME, Realised
from accelgen.realize.run import ask
from accelgen.realize.structure import structure_of
from accelgen.silicon.activity import LEAST_SAMPLES, TRACED, Recorded, Run
from accelgen.silicon.power import Power
from accelgen.silicon.synth import Options, synthesise
from accelgen.silicon.trace import read_vcd

__all__ = ["IMAGES", "LayerEnergy", "MeasuredEnergy", "measure_energy"]

IMAGES = 3


@dataclass(frozen=True)
class LayerEnergy:
    """A layer of the second image: cycles to the begin of the next, and nanojoules at gate level
    and as estimated for these cycles.
    """

    name: str
    cycles: int
    measured_nj: float
    estimated_nj: float


@dataclass(frozen=True)
class MeasuredEnergy:
    """An inference in the steady state: its layers, the clock period, gate-level power."""

    layers: tuple[LayerEnergy, ...]
    period_ns: float
    power: Power

    @property
    def measured_nj(self) -> float:
        """At gate level."""
        return sum(layer.measured_nj for layer in self.layers)

    @property
    def estimated_nj(self) -> float:
        """In closed form, for the same cycles."""
        return sum(layer.estimated_nj for layer in self.layers)


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

    The estimate beside it is that of the point's technology and clock.  Raises
    :class:`InputError` for fewer images, :class:`AccelgenError` when a result is wrong, and what
    synthesis raises.
    """
    if len(codes) < IMAGES:
        raise InputError(f"{len(codes)} images", where="--images", hint=f"use {IMAGES} or more")
    progress("record the activity")
    recorded = _record(realised, codes[:IMAGES], seed)
    options = Options(liberty=liberty, period=realised.estimate.period_ns, recorded=recorded)
    report = synthesise(realised.folder, options, progress)
    if report.power is None:
        raise AccelgenError("its power was not measured", where=str(realised.folder))
    design, program = realised.design, realised.program
    energies = load_energies(realised.point.technology)
    structure = structure_of(design, energies)
    layers = []
    for step, problem in zip(program.steps, report.power.problems, strict=True):
        found = energy_of(program.kernel, step, structure, energies, problem.run.cycles)
        leakage = realised.estimate.leakage_mw * problem.run.cycles * report.power.period
        estimated = (sum(found.values()) + leakage) / 1e3
        layers.append(LayerEnergy(step.layer.name, problem.run.cycles, problem.energy, estimated))
    return MeasuredEnergy(tuple(layers), report.power.period, report.power)


def _record(realised: Realised, codes: NDArray[np.int64], seed: int) -> Recorded:
    """The trace of the images, with a run per layer of the second."""
    program = realised.program
    found = tensors(program.network, codes)
    asked = [
        ask(program, step, {name: values[image] for name, values in found.items()})
        for image in range(IMAGES)
        for step in program.steps
    ]
    count = len(program.steps)
    with tempfile.TemporaryDirectory(prefix="accelgen-") as name:
        target = Path(name) / "trace.vcd"
        seen = run_sequences(
            program.model, realised.folder / f"{NAME}.v", [Phase(asked[: 2 * count + 1])],
            seed=seed, waves=target, options=TRACED,
        )[0]  # fmt: skip
        if seen.faults:
            raise AccelgenError(
                f"the simulation for the power went wrong: {seen.faults[0]}", where=NAME
            )
        runs = tuple(
            Run(
                step.layer.name,
                step.bounds,
                seen.begins[count + number],
                seen.begins[count + number + 1],
                samples=LEAST_SAMPLES,
            )
            for number, step in enumerate(program.steps)
        )
        trace = read_vcd(target, NAME, np.concatenate([run.sampled for run in runs]))
    return trace, runs

"""A program on Verilator: whole inferences, every layer of every image compared and timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.cosim.sequence import Asked, Phase, Seen, build_bench, simulate_sequences
from accelgen.errors import InputError
from accelgen.quantised.run import tensors
from accelgen.realize.program import Program, Step

__all__ = ["NONE", "Inferences", "LayerCycles", "ask", "run_program"]

Int64s = NDArray[np.int64]

Progress = Callable[[int, int], None]
"""Is told how many of how many images are done."""

NONE = -1
"""The prediction of an image of which the hardware has none."""

_TOGETHER = 10
"""Images that are simulated between two reports of progress."""


@dataclass(frozen=True)
class LayerCycles:
    """Cycles of a layer as simulated for the first image, and as the cycle model has them."""

    name: str
    compute: int
    total: int
    predicted_compute: int
    predicted_total: int

    @property
    def equal(self) -> bool:
        """Whether model and hardware agree."""
        return (self.compute, self.total) == (self.predicted_compute, self.predicted_total)


@dataclass(frozen=True, eq=False)
class Inferences:
    """Images that ran through the hardware: their ``predictions``, and cycles by layer.

    A prediction is the largest of the answers that came out of the simulated design.  It is
    ``NONE`` where they did not come, or where what came of a layer is not what the next was given.
    ``faults`` are all differences from the integer network and from the cycle model; without any,
    every tensor of every image was the same, and so were all cycles.
    """

    predictions: Int64s
    layers: tuple[LayerCycles, ...]
    faults: tuple[str, ...]

    @property
    def cycles(self) -> int:
        """Of an inference, as simulated: every layer waits for the results of the one before."""
        return sum(layer.total for layer in self.layers)


def run_program(
    program: Program,
    verilog: Path,
    codes: Int64s,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Inferences:
    """Run images of ``codes`` [images, channels, rows, columns] through the design in ``verilog``.

    The layers of the first image run one by one, each timed from its first beat to its last; those
    of the others are queued.  Whoever drives the hardware pads the results of a layer and packs
    them for the next one; every result of every layer is compared with the integer network, so
    that what is packed is what came.

    Raises :class:`InputError` for no images, and what the simulator raises.
    """
    if not len(codes):
        raise InputError("no images", where=program.network.name, hint="give one at least")
    found = tensors(program.network, codes)
    bench = build_bench(program.model, verilog)
    faults: list[str] = []
    layers: list[LayerCycles] = []
    predictions: list[int] = []
    for begin in range(0, len(codes), _TOGETHER):
        if progress is not None:
            progress(begin, len(codes))
        images = range(begin, min(begin + _TOGETHER, len(codes)))
        phases = []
        for image in images:
            asked = [
                ask(program, step, {name: values[image] for name, values in found.items()})
                for step in program.steps
            ]
            for step, one in zip(program.steps, asked, strict=True):
                if not np.array_equal(one.output, found[step.layer.name][image]):
                    faults.append(f"image {image}: {step.layer.name}: two models differ")
            names = [f"image {image}: {step.layer.name}" for step in program.steps]
            if image == 0:
                phases += [Phase([one], name) for one, name in zip(asked, names, strict=True)]
            else:
                phases.append(Phase(asked, f"image {image}"))
        seen = simulate_sequences(program.model, bench, phases, seed=seed + begin)
        for phase, result in zip(phases, seen, strict=True):
            faults += [f"{phase.name}: {fault}" for fault in result.faults]
        predictions += _predictions(program, images, found, seen)
        if begin == 0:
            for step, result in zip(program.steps, seen, strict=False):
                cycles = step.problem.cycles
                layers.append(
                    LayerCycles(
                        step.layer.name,
                        result.busy[0] if result.busy else 0,
                        result.total or 0,
                        cycles.compute_cycles,
                        cycles.total_cycles,
                    )
                )
    return Inferences(np.array(predictions, np.int64), tuple(layers), tuple(faults))


def _predictions(
    program: Program, images: range, found: Mapping[str, Int64s], seen: Sequence[Seen]
) -> list[int]:
    """Of ``images`` whose layers were given tensors of ``found``, from what came of each."""
    came = iter([values for phase in seen for values in phase.results])
    *layers, _ = (step.layer.name for step in program.steps)
    predictions = []
    for image in images:
        good = [_same(next(came), found[name][image]) for name in layers]
        last = next(came)
        predictions.append(NONE if last is None or not all(good) else int(last.argmax()))
    return predictions


def _same(values: Int64s | None, given: Int64s) -> bool:
    return values is not None and np.array_equal(values, given.reshape(-1))


def ask(program: Program, step: Step, tensor: dict[str, Int64s]) -> Asked:
    """A layer of one image as a problem, with the tensors of that image by name."""
    layer = step.layer
    values = step.inputs(tensor[layer.source])
    residual = None if layer.residual is None else tensor[layer.residual]
    return Asked.of(
        program.model,
        0,
        step.bounds,
        values,
        formats=step.formats,
        staged=step.staged,
        residual=residual,
    )

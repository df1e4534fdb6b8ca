"""A program on Verilator: whole inferences, every layer of every image compared and timed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.cosim.sequence import Asked, Phase, Seen, build_bench, simulate_sequences
from accelgen.errors import InputError
from accelgen.quantised.run import tensors
from accelgen.realize.activity import EVENTS
from accelgen.realize.program import Program, Step
from accelgen.silicon.toggles import Toggles, count_toggles

__all__ = ["NONE", "Inferences", "LayerCycles", "ask", "run_program"]

Int64s = NDArray[np.int64]

Progress = Callable[[int, int], None]
"""Is told how many of how many images are done."""

NONE = -1
"""The prediction of an image of which the hardware has none."""

_TOGETHER = 10
"""Images that are simulated between two reports of progress, at most."""

_CYCLES = 40_000
"""The same in cycles: their trace is a few hundred megabytes."""


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
    every tensor of every image was the same, and so were the cycles of every layer.  ``toggles``
    are then what switched while a layer was in the design, a window per layer, of all images.
    """

    predictions: Int64s
    layers: tuple[LayerCycles, ...]
    faults: tuple[str, ...]
    toggles: Toggles | None

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

    Layers run one by one, as each waits for the results of the one before, and are timed from their
    first beat to their last.  Whoever drives the hardware pads the results of a layer and packs
    them for the next one; every result of every layer is compared with the integer network, so
    that what is packed is what came.

    Raises :class:`InputError` for no images, and what the simulator raises.
    """
    if not len(codes):
        raise InputError("no images", where=program.network.name, hint="give one at least")
    found = tensors(program.network, codes)
    together = max(1, min(_TOGETHER, _CYCLES // program.cycles))
    faults: list[str] = []
    layers: tuple[LayerCycles, ...] = ()
    predictions: list[int] = []
    toggles: Toggles | None = None
    with tempfile.TemporaryDirectory(prefix="accelgen-") as name:
        waves = Path(name) / "trace.vcd"
        bench = build_bench(program.model, verilog, waves=waves)
        for begin in range(0, len(codes), together):
            if progress is not None:
                progress(begin, len(codes))
            images = range(begin, min(begin + together, len(codes)))
            phases = [
                Phase(
                    [_asked(program, step, found, image, faults)],
                    f"image {image}: {step.layer.name}",
                )
                for image in images
                for step in program.steps
            ]
            seen = simulate_sequences(program.model, bench, phases, seed=seed + begin, waves=waves)
            for phase, result in zip(phases, seen, strict=True):
                faults += [f"{phase.name}: {fault}" for fault in result.faults]
            predictions += _predictions(program, images, found, seen)
            layers = layers or _cycles(program, seen)
            if not faults:
                counted = _toggles(program, waves, seen)
                toggles = counted if toggles is None else toggles.plus(counted)
    return Inferences(
        np.array(predictions, np.int64), layers, tuple(faults), None if faults else toggles
    )


def _asked(
    program: Program, step: Step, found: Mapping[str, Int64s], image: int, faults: list[str]
) -> Asked:
    """A layer of an image, whose results have to be those of the integer network."""
    asked = ask(program, step, {name: values[image] for name, values in found.items()})
    if not np.array_equal(asked.output, found[step.layer.name][image]):
        faults.append(f"image {image}: {step.layer.name}: two models differ")
    return asked


def _cycles(program: Program, seen: Sequence[Seen]) -> tuple[LayerCycles, ...]:
    """Of the first image."""
    return tuple(
        LayerCycles(
            step.layer.name,
            result.busy[0] if result.busy else 0,
            result.total or 0,
            step.problem.cycles.compute_cycles,
            step.problem.cycles.total_cycles,
        )
        for step, result in zip(program.steps, seen, strict=False)
    )


def _toggles(program: Program, waves: Path, seen: Sequence[Seen]) -> Toggles:
    """What switched in each layer, of all images that were ``seen``."""
    windows = [result.span for result in seen if result.span is not None]
    counted = count_toggles(waves, program.model.name, windows, EVENTS)
    return counted.folded(len(program.steps))


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

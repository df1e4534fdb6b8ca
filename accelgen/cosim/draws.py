"""Random values of the tensors of a problem on a design whose bounds are registers."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelgen.affine import Workload
from accelgen.affine.spacetime import TensorAccess
from accelgen.cosim.phases import WIDEST
from accelgen.cosim.stimuli import Fill, stimuli_at
from accelgen.emit import stream_specs
from accelgen.processor.design import Problem, ProcessorModel
from accelgen.processor.formats import format_of, widths_of

__all__ = ["draw_formats", "draw_inputs", "draw_integers", "reference"]


def draw_formats(model: ProcessorModel, rng: np.random.Generator) -> dict[str, str]:
    """Any format in every register of one."""
    return {choice.register: str(rng.choice(choice.names)) for choice in model.choices}


def draw_inputs(
    problem: Problem, rng: np.random.Generator, *, fill: Fill = "any", spoilt: int | None = None
) -> list[NDArray[np.int64]]:
    """Values of every input of a problem, as they are packed.

    The input of the number ``spoilt`` has codes among them that are no numbers.
    """
    kernel = problem.fabric.kernel
    form = format_of(problem.setting, kernel)
    values = []
    for number, spec in enumerate(stream_specs(problem.fabric)[:-1]):
        stimuli = stimuli_at(number, kernel.product, spec.number, form)
        drawn = stimuli.packet(rng, spec, fill)
        if number == spoilt:
            at = rng.permutation(spec.elements)[: len(stimuli.bad)]
            drawn[at] = rng.permutation(stimuli.bad)[: len(at)]
        values.append(drawn.reshape(spec.shape))
    return values


def draw_integers(tensor: TensorAccess, rng: np.random.Generator) -> NDArray[np.int64]:
    """Values of a tensor of integers, anywhere in the range of its format."""
    stimuli = stimuli_at(0, None, tensor.format)
    return stimuli.draw(rng, prod(tensor.shape)).reshape(tensor.shape)


def reference(
    workload: Workload, problem: Problem, values: Mapping[str, NDArray[np.int64]]
) -> NDArray[np.int64]:
    """What NumPy says of values, by their names in the dataflow, in the formats of a problem."""
    kernel = problem.fabric.kernel
    widths = widths_of(problem.setting, kernel) if kernel.composed else WIDEST
    return workload.evaluate(values, widths, format_of(problem.setting, kernel))

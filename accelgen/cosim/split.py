"""A reduction longer than a design reaches, split over problems that accumulate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from accelgen.affine import Workload
from accelgen.cosim.draws import draw_integers
from accelgen.cosim.sequence import Asked
from accelgen.errors import InputError
from accelgen.golden.integer import wrap
from accelgen.processor.design import ProcessorModel

__all__ = ["split"]


def split(
    model: ProcessorModel, dataflow: int, largest: Mapping[str, int], rng: np.random.Generator
) -> tuple[str, list[Asked]] | None:
    """A loop, and problems of which each adds a part of it to the result of the one before.

    Together they have more than twice the ``largest`` bound of the loop (three times, where that is
    1).  The last result is what NumPy says of the whole.  ``None`` when no loop can be split.
    """
    workload = model.flows[dataflow].description.workload
    output = workload.assignment.output
    summed = [loop for loop in workload.loops if loop not in output.loops]
    for loop in rng.permutation(np.array(summed, dtype=object)):
        try:
            return str(loop), _pieces(model, dataflow, str(loop), largest, rng)
        except InputError:
            continue  # the whole is beyond what can be described, or its parts are no problems
    return None


def _pieces(
    model: ProcessorModel,
    dataflow: int,
    loop: str,
    largest: Mapping[str, int],
    rng: np.random.Generator,
) -> list[Asked]:
    flow = model.flows[dataflow]
    lengths = [largest[loop], largest[loop], int(rng.integers(1, largest[loop], endpoint=True))]
    whole = _workload(flow.description.workload, {**largest, loop: sum(lengths)})
    values = {access.name: draw_integers(access, rng) for access in whole.accesses[:-1]}
    form = flow.fabric.kernel.output.format
    total = wrap(whole.evaluate(values), form.bits, form.signed)
    found: list[Asked] = []
    begin = 0
    for length in lengths:
        bounds = {**largest, loop: length}
        part = _workload(whole, bounds)
        inputs = {
            access.name: _part(whole, part, number, begin, loop, values[access.name])
            for number, access in enumerate(part.accesses[:-1])
        }
        addend = found[-1].output if found else None
        found.append(Asked.of(model, dataflow, bounds, inputs, addend))
        begin += length
    return [*found[:-1], replace(found[-1], output=total)]


def _workload(workload: Workload, bounds: Mapping[str, int]) -> Workload:
    """The same at other bounds, its output as wide as it needs to be."""
    inputs = [access.name for access in workload.accesses[:-1]]
    types = {name: kind for name, kind in workload.types.items() if name in inputs}
    return Workload(workload.expression, bounds, types)


def _part(
    whole: Workload,
    part: Workload,
    number: int,
    begin: int,
    loop: str,
    values: NDArray[np.int64],
) -> NDArray[np.int64]:
    """What the part of the loop from ``begin`` on uses of an input."""
    of_whole, of_part = whole.accesses[number], part.accesses[number]
    steps = [row[whole.loops.index(loop)] for row in of_whole.matrix]
    alike = (of_whole.matrix, of_whole.offset) == (of_part.matrix, of_part.offset)
    if not alike or min(steps) < 0:
        raise InputError(f"{of_whole.name} does not go on where a part of {loop} ends")
    starts = (step * begin for step in steps)
    window = zip(starts, of_part.shape, strict=True)
    return values[tuple(slice(start, start + extent) for start, extent in window)]

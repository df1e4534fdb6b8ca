"""Phases about the output stage: what it can do, by dataflow, and packets it must not mind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from accelgen.cosim.phases import noise, wrong_lengths
from accelgen.cosim.sequence import Asked, Phase
from accelgen.cosim.staged import POOLS, draw_staged, inputs_of, residual_of
from accelgen.cosim.stimuli import Fill, stimuli_at
from accelgen.processor.design import ProcessorModel

__all__ = ["every_stage", "staged_wrongly"]


def every_stage(
    model: ProcessorModel,
    number: int,
    bounds: Mapping[str, int],
    rng: np.random.Generator,
) -> list[Phase]:
    """Every kind of pool, with a residual and without, alone, and the extremes of all numbers."""
    if model.stage is None:
        return []
    name = model.flows[number].description.name
    phases = []
    for pool in POOLS:
        for residual in (False, True):
            asked = _staged(model, number, bounds, rng, pool=pool, residual=residual)
            which = f"{pool} pool{', residual' if residual else ''}"
            phases.append(Phase([asked], f"{name}, {which}"))
    fills: tuple[Fill, ...] = ("least", "greatest", "extreme")
    extremes = [_staged(model, number, bounds, rng, residual=True, fill=fill) for fill in fills]
    phases.append(Phase(extremes, f"{name}, extremes of the stage"))
    return phases


def staged_wrongly(
    model: ProcessorModel, bounds: Mapping[str, int], rng: np.random.Generator
) -> list[Phase]:
    """Packets of parameters that end early or late, which must be dropped for the right one;
    residuals that do, which add nothing beyond their end, and spoil no other result; a shape that
    the stage is told and the sums do not have.
    """
    if model.stage is None:
        return []
    whole = [_staged(model, 0, bounds, rng, residual=bool(k % 2)) for k in range(4)]
    spec = inputs_of(model, whole[0].problem)[-1]
    stimuli = stimuli_at(0, None, spec.number)
    wrong = [
        replace(
            whole[0], wrong={spec.operand: [noise(rng, spec, stimuli, n).beats for n in lengths]}
        )
        for lengths in wrong_lengths(spec.beats).values()
    ]
    phases = [
        Phase([*wrong, *whole], f"early and late tlast on {spec.prefix}", reset=True, error=True)
    ]
    beats = residual_of(model, whole[1].problem).beats
    spoilt = [
        whole[1].with_residual_of(model, length)
        for lengths in wrong_lengths(beats).values()
        for length in lengths
    ]
    mixed = [asked for one in spoilt for asked in (one, whole[0], whole[3])]
    prefix = residual_of(model, whole[1].problem).prefix
    name = f"early and late tlast on {prefix}"
    phases.append(Phase(mixed, name, reset=True, error=True))
    phases.append(Phase(mixed, f"{name}, with pauses", 
                        pause_in=0.3, pause_out=0.4, reset=True, error=True))  # fmt: skip
    return phases


def _staged(
    model: ProcessorModel,
    number: int,
    bounds: Mapping[str, int],
    rng: np.random.Generator,
    **kind: object,
) -> Asked:
    """A problem with a stage of a kind, that of :func:`draw_staged`."""
    assert model.stage is not None
    shape = model.problem(number, bounds).fabric.output.tensor.shape
    staged = draw_staged(model.stage, shape, rng, **kind)  # type: ignore[arg-type]
    fill: Fill = kind.get("fill", "any")  # type: ignore[assignment]
    return Asked.random(model, number, bounds, rng, fill=fill, staged=staged)

"""Problems on designs with an output stage: their streams, and random stages for them."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from accelgen.cosim.stimuli import Fill
from accelgen.emit import stream_specs
from accelgen.golden.output_stage import MOST_MULTIPLIER, MOST_SHIFT, OutputStage, Pool
from accelgen.manifest import StreamSpec
from accelgen.processor.design import Problem, ProcessorModel
from accelgen.processor.output_stage import Staged, stage_specs
from accelgen.rtl.output_stage.form import StageForm, planes

__all__ = ["POOLS", "draw_residual", "draw_staged", "inputs_of", "output_of", "residual_of"]

POOLS: tuple[Pool, ...] = ("none", "max", "average")

_BIAS = 2**31


def inputs_of(design: ProcessorModel, problem: Problem) -> list[StreamSpec]:
    """What comes in before a problem begins: inputs, and the parameters of an output stage."""
    specs = stream_specs(problem.fabric)[:-1]
    if design.stage is None or problem.staged is None:
        return specs
    return [*specs, stage_specs(design.stage, problem.fabric, problem.staged)[0]]


def residual_of(design: ProcessorModel, problem: Problem) -> StreamSpec:
    """The stream of the residual, of a design with an output stage."""
    assert design.stage is not None
    assert problem.staged is not None
    return stage_specs(design.stage, problem.fabric, problem.staged)[1]


def output_of(design: ProcessorModel, problem: Problem) -> StreamSpec:
    """What leaves."""
    if design.stage is None or problem.staged is None:
        return stream_specs(problem.fabric)[-1]
    return stage_specs(design.stage, problem.fabric, problem.staged)[2]


def draw_staged(
    form: StageForm,
    shape: tuple[int, ...],
    rng: np.random.Generator,
    *,
    pool: Pool | None = None,
    residual: bool | None = None,
    fill: Fill = "any",
) -> Staged:
    """A random stage for sums of a shape, of a kind of pool or any, with or without a residual.

    Half of the stages scale sums of a few thousand to the range of a code, others do anything;
    of other ``fill`` than "any", numbers are the least and the greatest that there are.
    """
    channels, rows, columns = planes(shape)
    pool = pool or POOLS[rng.integers(len(POOLS))]
    has_residual = bool(rng.integers(2)) if residual is None else residual
    window = (1, 1)
    if pool != "none":
        window = (
            int(rng.integers(1, min(rows, 4), endpoint=True)),
            int(rng.integers(1, min(columns, 4), endpoint=True)),
        )
        if rng.integers(4) == 0:
            window = (rows, columns)
    low, high = _limits(form, rng)
    multiplier, shift, bias, other = _numbers(form, channels, rng, fill)
    over = int(rng.integers(0, 20))
    scale = max(1, min(MOST_MULTIPLIER, (1 << over) // prod(window)))
    if scale * prod(window) > 1 << over:
        over, scale = 16, (1 << 16) // prod(window)
    stage = OutputStage(
        bias, multiplier, shift, low, high,
        other if has_residual else None,
        pool, window, scale if pool == "average" else 1, over if pool == "average" else 0,
    )  # fmt: skip
    return Staged(stage, residual_signed=bool(rng.integers(2)))


def draw_residual(
    spec: StreamSpec, rng: np.random.Generator, fill: Fill = "any"
) -> NDArray[np.int64]:
    """Codes for the stream of a residual."""
    low, high = spec.number.min, spec.number.max
    if fill == "any":
        return rng.integers(low, high, spec.shape, np.int64, endpoint=True)
    ends = {"least": [low], "greatest": [high], "extreme": [low, high]}[fill]
    return rng.choice(np.array(ends, np.int64), spec.shape)


def _limits(form: StageForm, rng: np.random.Generator) -> tuple[int, int]:
    """Those of a code with a sign or without, of a ReLU6, or of anything."""
    half, whole = 1 << (form.bits - 1), 1 << form.bits
    kind = rng.integers(4)
    if kind == 0:
        return -half, half - 1
    if kind == 1:
        return 0, whole - 1
    if kind == 2:
        return 0, int(rng.integers(1, whole))
    low, high = sorted(rng.integers(-half, half, 2).tolist())
    return low, high


def _numbers(
    form: StageForm, channels: int, rng: np.random.Generator, fill: Fill
) -> tuple[NDArray[np.int64], ...]:
    """Multipliers, shifts, biases, and multipliers of a residual."""
    if fill != "any":
        numbers = {
            "least": ([0], [MOST_SHIFT], [-_BIAS]),
            "greatest": ([MOST_MULTIPLIER], [0], [_BIAS - 1]),
            "extreme": ([0, MOST_MULTIPLIER], [0, MOST_SHIFT], [-_BIAS, _BIAS - 1]),
        }[fill]
        multiplier, shift, bias, other = (
            rng.choice(np.array(choice, np.int64), channels) for choice in (*numbers, numbers[0])
        )
        return multiplier, shift, bias, other
    if rng.integers(2):
        bounds = ((0, MOST_MULTIPLIER), (0, MOST_SHIFT), (-_BIAS, _BIAS - 1), (0, MOST_MULTIPLIER))
        multiplier, shift, bias, other = (
            rng.integers(low, high, channels, np.int64, endpoint=True) for low, high in bounds
        )
        return multiplier, shift, bias, other
    multiplier = rng.integers(1 << 12, MOST_MULTIPLIER, channels, np.int64, endpoint=True)
    reach = rng.integers(6, 18, channels)  # bits of sums that fill the codes
    shift = np.log2(multiplier).astype(np.int64) + np.maximum(0, reach - form.bits)
    bias = rng.integers(-1000, 1000, channels, np.int64, endpoint=True)
    other = (1 << np.minimum(shift, 15)) // rng.integers(1, 4, channels)
    return multiplier, shift, bias, other.astype(np.int64)

"""Weights in block formats, as the integers that hardware multiplies.

Blocks lie along the input channels; the last one of a layer may be short, and a layer of few
channels has short ones only.  An element times the scale of its block is a whole multiple of a unit
(:class:`~accelgen.golden.block_pair.BlockOperand`), so that sums of products with integer
activations are integers: nothing is rounded before the output stage.  Where NVFP4 has an FP32 scale
of the tensor there is one per output channel here, which the multiplier of the output stage holds.
It is chosen so that no sum leaves int32, which leaves the small scales of a channel fewer bits: in
the digits networks those 36 times (nvfp4), 5 times (if4) smaller than the largest, at worst.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.formats import BlockFormat, block_format
from accelgen.formats.adaptive import INTEGER
from accelgen.formats.tensor_scaled import TensorScaledFormat
from accelgen.golden.block_pair import BlockOperand, operand_of

__all__ = ["BLOCK_WEIGHTS", "BlockWeights", "block_slack", "block_steps", "block_weights"]

Float64s = NDArray[np.float64]
Int64s = NDArray[np.int64]

BLOCK_WEIGHTS = ("nvfp4", "nvfp4_4over6", "nvint4", "if4", "mxfp4")
"""The block formats that weights can have."""

_REACH = 2**30
"""What sums are to stay below: half of what int32 holds.  The other half is for the bias."""

_AXIS = 1
"""Of weights [k, c, r, s], that of input channels."""


@dataclass(frozen=True, eq=False)
class BlockWeights:
    """Codes [k, c, r, s] of elements and [k, blocks, r, s] of scales, in ``format``.

    Raises :class:`InputError` for a format that is none of :data:`BLOCK_WEIGHTS`.
    """

    format: BlockFormat
    codes: NDArray[np.integer]
    scales: NDArray[np.integer]

    def __post_init__(self) -> None:
        if self.format.name not in BLOCK_WEIGHTS:
            raise InputError(
                f"weights cannot be {self.format}", hint=f"use one of {', '.join(BLOCK_WEIGHTS)}"
            )

    @cached_property
    def integers(self) -> Int64s:
        """What is multiplied: elements times scales, in units of the format's operand."""
        elements, wholes = _tables(self.format.name)
        assert self.format.block is not None
        scales = np.repeat(self.scales, self.format.block, axis=_AXIS)[:, : self.codes.shape[1]]
        kinds = (scales >= INTEGER).astype(np.int64) if len(elements) > 1 else 0
        return np.asarray(elements[kinds, self.codes] * wholes[scales])


def block_steps(weights: Float64s, form: BlockFormat, most: int) -> Float64s:
    """The least value that the integer 1 can have per channel of ``weights`` [k, c, r, s], for
    activations of up to ``most``: so that sums stay within int32, and scales within their format.
    """
    flat = np.abs(weights.reshape(len(weights), -1))
    sums = flat.sum(axis=1) + block_slack(weights)
    return np.asarray(np.maximum(sums * most / _REACH, flat.max(axis=1) / _most_integer(form.name)))


def block_slack(weights: Float64s) -> Float64s:
    """By how much the magnitudes of a channel of ``weights`` [k, c, r, s] may add up to more once
    rounded.  The widest gap between elements is a third of the largest one (4 to 6), half of which
    an element may go up; a power of two as scale makes it up to 1/4 of the block's largest weight.
    """
    flat = np.abs(weights.reshape(len(weights), -1))
    return np.asarray(flat.shape[1] * flat.max(axis=1) / 4)


def block_weights(
    layers: Sequence[tuple[Float64s, Float64s]], form: BlockFormat
) -> tuple[BlockWeights, ...]:
    """Of every layer ``weights`` [k, c, r, s] where the integer 1 is worth ``steps`` [k].

    Blocks that are too small for a scale which hardware counts are zero.  All layers are rounded
    together: what a call takes is more than what the blocks of a small layer do.
    """
    assert form.block is not None
    rows = []
    for weights, steps in layers:
        scaled = np.moveaxis(weights / steps[:, None, None, None] * _unit(form.name), _AXIS, -1)
        short = -scaled.shape[-1] % form.block
        rows.append(np.pad(scaled, [(0, 0)] * 3 + [(0, short)]).reshape(-1, form.block))
    # A tensor's scale of 1: what it is for is in the steps.
    levels = form.levels if isinstance(form, TensorScaledFormat) else None
    made = form.quantise(np.concatenate(rows), axis=1, largest=levels)
    codes, scales = np.array(made.codes), made.scales[:, 0].copy()
    _, wholes = _tables(form.name)
    lost = wholes[scales] == 0
    scales[lost], codes[lost] = 0, 0
    found, first = [], 0
    for (weights, _), part in zip(layers, rows, strict=True):
        stop = first + len(part)
        k, c, r, s = weights.shape
        of_layer = codes[first:stop].reshape(k, r, s, -1)[..., :c]
        of_blocks = scales[first:stop].reshape(k, r, s, -1)
        found.append(
            BlockWeights(form, *(np.moveaxis(x, -1, _AXIS).copy() for x in (of_layer, of_blocks)))
        )
        first = stop
    return tuple(found)


@cache
def _unit(name: str) -> float:
    """The value of the integer 1 of a format's operand."""
    return float(operand_of(block_format(name)).unit)


@cache
def _most_integer(name: str) -> float:
    """The largest magnitude of a format in units of its integers."""
    form = block_format(name)
    operand = operand_of(form)
    if isinstance(form, TensorScaledFormat):
        return form.levels / float(operand.unit)
    assert operand.scale_range is not None
    return form.element.limits.max * 2.0 ** operand.scale_range[1] / float(operand.unit)


@cache
def _tables(name: str) -> tuple[Int64s, Int64s]:
    """The integers of elements, a row per kind, and those of scales."""
    operand: BlockOperand = operand_of(block_format(name))
    return operand.element.values().astype(np.int64), operand.scales()[0].astype(np.int64)

"""Integer inference over many images at once, exact.

Sums are made by BLAS in floating point where that cannot round: in float32 while no part of a sum
can reach 2**24, else in float64 below 2**53 (networks keep sums within int32).  Tensors are laid
out as [rows, channels, columns, images]: the rows a convolution touches for one row of its output
are then one matrix, without copying, and the taps along columns are in the weights (a band matrix).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.golden.output_stage import OutputStage
from accelgen.quantised.graph import IMAGE, Int64s, QuantisedLayer, QuantisedNetwork

__all__ = ["answers", "image_codes", "predictions", "tensors"]

Reals = NDArray[np.floating[Any]]
_LEAST_ROUNDED = 2**24
"""Below this, all integers are exact in float32."""


def image_codes(network: QuantisedNetwork, images: NDArray[np.generic]) -> Int64s:
    """Codes of real ``images`` [n, channels, rows, columns]: over the scale, rounded, clipped."""
    form = network.image_format
    codes = np.rint(np.asarray(images, np.float64) / network.image_scale)
    return np.asarray(np.clip(codes, form.min, form.max).astype(np.int64))


def predictions(network: QuantisedNetwork, codes: Int64s) -> Int64s:
    """The class of every image: of equal answers the first."""
    return np.asarray(answers(network, codes).argmax(axis=1))


def answers(network: QuantisedNetwork, codes: Int64s) -> Int64s:
    """The last layer's outputs [n, classes] for images of ``codes`` [n, channels, rows, columns].

    Raises :class:`InputError` for other shapes, for codes outside the format of images, and where
    the last layer has more than one position.
    """
    last = network.layers[-1].name
    if network.shapes[last][1:] != (1, 1):
        raise InputError(f"answers have the shape {network.shapes[last]}", where=network.name)
    found = _run(network, codes)[last]
    return np.asarray(found[0, :, 0].T.astype(np.int64))


def tensors(network: QuantisedNetwork, codes: Int64s) -> Mapping[str, Int64s]:
    """The codes of every tensor [n, channels, rows, columns] by name, the images among them."""
    found = _run(network, codes)
    return {name: value.transpose(3, 1, 0, 2).astype(np.int64) for name, value in found.items()}


def _run(network: QuantisedNetwork, codes: Int64s) -> dict[str, Reals]:
    """Every tensor as [rows, channels, columns, images]."""
    form = network.image_format
    if codes.ndim != 4 or codes.shape[1:] != network.image_shape or not len(codes):
        raise InputError(
            f"images have the shape {codes.shape}",
            where=network.name,
            hint=f"[images, {', '.join(map(str, network.image_shape))}]",
        )
    if not form.holds(int(codes.min()), int(codes.max())):
        raise InputError(f"codes of images are outside {form}", where=network.name)
    found: dict[str, Reals] = {
        IMAGE: np.ascontiguousarray(codes.transpose(2, 1, 3, 0), dtype=np.float32)
    }
    for layer in network.layers:
        small = network.largest_sum(layer) < _LEAST_ROUNDED
        kind: type[np.floating[Any]] = np.float32 if small else np.float64
        source = found[layer.source].astype(kind, copy=False)
        sums = _sums(layer, source)
        residual = None if layer.residual is None else found[layer.residual]
        found[layer.name] = _outputs(layer.stage, sums, residual)
    return found


def _sums(layer: QuantisedLayer, x: Reals) -> Reals:
    """The sums of a convolution of ``x``, in its type."""
    k, c, r, s = layer.weights.shape
    weights = layer.weights.astype(x.dtype)
    height, width = layer.padding
    if height:
        zeros = np.zeros((height, *x.shape[1:]), x.dtype)
        x = np.concatenate((zeros, x, zeros))
    if (r, s, width) == (1, 1, 0):
        made = np.matmul(weights.reshape(k, c), x.reshape(len(x), c, -1))
        return np.asarray(made.reshape(len(x), k, *x.shape[2:]))
    columns, images = x.shape[2:]
    rows, out = len(x) - r + 1, columns + 2 * width - s + 1
    band = np.zeros((k, out, r, c, columns), x.dtype)
    for q in range(out):
        first = q - width
        taps = range(max(0, -first), min(s, columns - first))
        if taps:
            part = weights[:, :, :, taps.start : taps.stop].transpose(0, 2, 1, 3)
            band[:, q, :, :, first + taps.start : first + taps.stop] = part
    step = x.strides[0]
    touched = np.lib.stride_tricks.as_strided(
        x, (rows, r * c * columns, images), (step, step // (c * columns), x.itemsize)
    )
    made = np.matmul(band.reshape(k * out, -1), touched)
    return np.asarray(made.reshape(rows, k, out, images))


def _outputs(stage: OutputStage, sums: Reals, residual: Reals | None) -> Reals:
    """:func:`accelgen.golden.output_stage.output_stage` in this layout.

    All is scaled by 2**-shift first, which is exact: there are at most 52 bits in every term.
    """

    def by_channel(values: Int64s) -> NDArray[np.float64]:
        return np.asarray(values * np.exp2(-stage.shift), np.float64)[:, None, None]

    half = (np.int64(1) << stage.shift) >> 1
    y = sums * by_channel(stage.multiplier)
    y += by_channel(stage.bias * stage.multiplier + half)
    if residual is not None and stage.residual_multiplier is not None:
        y += residual * by_channel(stage.residual_multiplier)
    np.floor(y, out=y)
    np.clip(y, stage.low, stage.high, out=y)
    if stage.pool != "none":
        y = _pooled(y, stage)
    return y.astype(np.float32, order="C")


def _pooled(y: NDArray[np.float64], stage: OutputStage) -> NDArray[np.float64]:
    height, width = stage.window
    rows, columns = y.shape[0] // height, y.shape[2] // width
    y = y[: rows * height, :, : columns * width]
    windows = y.reshape(rows, height, y.shape[1], columns, width, y.shape[3])
    if stage.pool == "max":
        return np.asarray(windows.max(axis=1).max(axis=3))
    total = windows.sum(axis=(1, 4))
    half = (1 << stage.pool_shift) >> 1
    return np.asarray(np.floor((total * stage.pool_multiplier + half) * 2.0**-stage.pool_shift))

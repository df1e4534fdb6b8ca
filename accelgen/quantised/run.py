"""Integer inference over many images at once, exact.

Sums are made by BLAS in floating point where that cannot round: in float32 while no part of a sum
can reach 2**24, else in float64 below 2**53 (networks keep sums within int32).  Tensors are laid
out as [rows, channels, columns, images]: the rows a convolution touches for one row of its output
are then one matrix, without copying, and the taps along columns are in the weights (a band matrix).
BLAS has one thread: products are so small that several would wait for each other for longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from accelgen.errors import InputError
from accelgen.golden.output_stage import OutputStage
from accelgen.quantised.graph import IMAGE, Int64s, QuantisedLayer, QuantisedNetwork

__all__ = ["answers", "image_codes", "predictions", "tensors"]

Reals = NDArray[np.floating[Any]]
TOGETHER = 50
"""Images at a time: their tensors stay in the cache."""

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
    with _one_thread():
        parts = [found[last][0, :, 0].T for found in _run(network, codes)]
    return np.concatenate(parts).astype(np.int64)


def tensors(network: QuantisedNetwork, codes: Int64s) -> dict[str, Int64s]:
    """The codes of every tensor [n, channels, rows, columns] by name, the images among them.

    Raises :class:`InputError` for other shapes and for codes outside the format of images.
    """
    with _one_thread():
        parts = list(_run(network, codes))
    return {
        name: np.concatenate([part[name].transpose(3, 1, 0, 2) for part in parts]).astype(np.int64)
        for name in network.shapes
    }


def _one_thread() -> AbstractContextManager[object]:
    found: AbstractContextManager[object] = _blas().limit(limits=1)
    return found


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def _run(network: QuantisedNetwork, codes: Int64s) -> Iterator[dict[str, Reals]]:
    """Every tensor as [rows, channels, columns, images], for some images after the other."""
    form = network.image_format
    if codes.ndim != 4 or codes.shape[1:] != network.image_shape or not len(codes):
        raise InputError(
            f"images have the shape {codes.shape}",
            where=network.name,
            hint=f"[images, {', '.join(map(str, network.image_shape))}]",
        )
    if not form.holds(int(codes.min()), int(codes.max())):
        raise InputError(f"codes of images are outside {form}", where=network.name)
    steps = [_Step(network, layer) for layer in network.layers]
    images = codes.transpose(2, 1, 3, 0)
    scratch = _Scratch()
    for first in range(0, len(codes), TOGETHER):
        part = np.ascontiguousarray(images[..., first : first + TOGETHER], dtype=np.float32)
        found: dict[str, Reals] = {IMAGE: part}
        for step in steps:
            step.run(found, scratch)
        yield found


class _Step:
    """A layer, made ready."""

    def __init__(self, network: QuantisedNetwork, layer: QuantisedLayer) -> None:
        self.layer = layer
        self.columns = network.shapes[layer.source][2]
        self.shape = network.sum_shapes[layer.name]
        small = network.largest_sum(layer) < _LEAST_ROUNDED
        self.kind: type[np.floating[Any]] = np.float32 if small else np.float64
        self.matrix = self._matrix()
        stage = layer.stage
        # All is scaled by 2**-shift, which is exact: no term has more than 52 bits.
        half = (np.int64(1) << stage.shift) >> 1
        self.multiplier = self._by_channel(stage.multiplier)
        self.offset = self._by_channel(stage.bias * stage.multiplier + half)
        self.residual = None
        if stage.residual_multiplier is not None:
            self.residual = self._by_channel(stage.residual_multiplier)

    def run(self, found: dict[str, Reals], scratch: _Scratch) -> None:
        """Add the layer's output to what was ``found``."""
        layer, stage = self.layer, self.layer.stage
        sums = self._sums(found[layer.source], scratch)
        y = scratch.take("y", sums.shape, np.float64)
        np.multiply(sums, self.multiplier, out=y)
        y += self.offset
        if layer.residual is not None and self.residual is not None:
            residual = scratch.take("residual", sums.shape, np.float64)
            np.multiply(found[layer.residual], self.residual, out=residual)
            y += residual
        np.floor(y, out=y)
        # Narrowing keeps the order, and both ends are exact: it may come first.
        narrow = y.astype(np.float32)
        np.maximum(narrow, stage.low, out=narrow)
        np.minimum(narrow, stage.high, out=narrow)
        found[layer.name] = narrow if stage.pool == "none" else _pooled(narrow, stage)

    def _by_channel(self, values: Int64s) -> NDArray[np.float64]:
        return np.asarray(values * np.exp2(-self.layer.stage.shift), np.float64)[:, None, None]

    @property
    def _is_point(self) -> bool:
        return self.layer.weights.shape[2:] == (1, 1) and self.layer.padding == (0, 0)

    def _matrix(self) -> Reals:
        """Weights [k, out columns, r, c, columns], zero where a tap is elsewhere, as a matrix."""
        weights = self.layer.weights.astype(self.kind)
        k, c, r, s = weights.shape
        if self._is_point:
            return np.asarray(weights.reshape(k, c))
        out, width = self.shape[2], self.layer.padding[1]
        band = np.zeros((k, out, r, c, self.columns), self.kind)
        for q in range(out):
            first = q - width
            start, stop = max(0, -first), min(s, self.columns - first)
            if start < stop:
                taps = weights[:, :, :, start:stop].transpose(0, 2, 1, 3)
                band[:, q, :, :, first + start : first + stop] = taps
        return band.reshape(k * out, -1)

    def _sums(self, x: Reals, scratch: _Scratch) -> Reals:
        k, rows, out = self.shape
        images = x.shape[3]
        if self._is_point:
            made = scratch.take("sums", (rows, k, out * images), self.kind)
            flat = x.reshape(rows, -1, out * images).astype(self.kind, copy=False)
            np.matmul(self.matrix, flat, out=made)
            return made.reshape(rows, k, out, images)
        height, taps = self.layer.padding[0], self.layer.weights.shape[2]
        made = scratch.take("sums", (rows, k * out, images), self.kind)
        flat = x.reshape(len(x), -1, images).astype(self.kind, copy=False)
        each = flat.shape[1]
        for p in range(rows):
            # Taps above and below the image see zeros: left out, with the rows that are not there.
            first, stop = max(0, height - p), min(taps, len(x) + height - p)
            seen = flat[p + first - height : p + stop - height].reshape(-1, images)
            np.matmul(self.matrix[:, first * each : stop * each], seen, out=made[p])
        return made.reshape(rows, k, out, images)


class _Scratch:
    """Memory that layers use one after the other: fresh memory would cost more than the sums."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, type[np.floating[Any]]], NDArray[np.floating[Any]]] = {}

    def take(self, use: str, shape: tuple[int, ...], kind: type[np.floating[Any]]) -> Reals:
        """An array for one ``use``, with anything in it, valid until it is taken again."""
        size = prod(shape)
        held = self._held.get((use, kind))
        if held is None or held.size < size:
            held = self._held[use, kind] = np.empty(size, kind)
        return held[:size].reshape(shape)


def _pooled(y: Reals, stage: OutputStage) -> Reals:
    height, width = stage.window
    rows, columns = y.shape[0] // height, y.shape[2] // width
    y = y[: rows * height, :, : columns * width]
    windows = y.reshape(rows, height, y.shape[1], columns, width, y.shape[3])
    if stage.pool == "max":
        return np.asarray(np.ascontiguousarray(windows.max(axis=1).max(axis=3)))
    total = windows.sum(axis=(1, 4), dtype=np.float64) * stage.pool_multiplier
    half = (1 << stage.pool_shift) >> 1
    averages = np.floor((total + half) * 2.0**-stage.pool_shift)
    return np.asarray(averages.astype(np.float32, order="C"))

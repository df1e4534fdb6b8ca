"""A network in integers: weights, formats of tensors, and an output stage per layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.formats.integer import IntFormat
from accelgen.golden.output_stage import OutputStage, Pool
from accelgen.names import FrozenMap, unknown, within
from accelgen.quantised.blocks import BlockWeights

__all__ = ["IMAGE", "Int64s", "Pool", "QuantisedLayer", "QuantisedNetwork", "Shape"]

Int64s = NDArray[np.int64]
Shape = tuple[int, int, int]
"""Channels, rows, columns."""

IMAGE = "image"
"""The name of the tensor that goes into a network; others have the name of their layer."""

MOST_SUM = 2**31 - 1


@dataclass(frozen=True, eq=False)
class QuantisedLayer:
    """A convolution ``Y[k,p,q] += X[c,p + r,q + s] * W[k,c,r,s]`` and what becomes of its sums.

    ``weights`` are integers [k, c, r, s] within ``weight_format``.  The input is the tensor
    ``source`` with ``padding`` rows above and below and columns left and right, all code 0.
    ``residual`` names the tensor that ``stage`` adds.  Codes of the output are within
    ``output_format``; a code stands for code * ``output_scale``.  Of weights in a block format
    ``blocks`` has the codes, and ``weights`` are the integers that these stand for.

    Raises :class:`InputError` where these do not fit together.
    """

    name: str
    weights: Int64s
    weight_format: IntFormat
    stage: OutputStage
    output_format: IntFormat
    output_scale: float
    padding: tuple[int, int]
    source: str
    residual: str | None = None
    blocks: BlockWeights | None = None

    def __post_init__(self) -> None:
        with within(self.name):
            if self.weights.ndim != 4 or len(self.weights) != self.stage.channels:
                raise InputError(
                    f"weights of the shape {self.weights.shape} and an output stage of"
                    f" {self.stage.channels} channels",
                    hint="weights are [channels, input channels, rows, columns]",
                )
            low, high = int(self.weights.min()), int(self.weights.max())
            if not self.weight_format.holds(low, high):
                raise InputError(f"weights reach from {low} to {high}, no {self.weight_format}")
            if self.blocks and not np.array_equal(self.blocks.integers, self.weights):
                raise InputError(
                    f"weights are not what the codes in {self.blocks.format} stand for",
                    hint="take the integers of the blocks",
                )
            if not self.output_format.holds(self._low, self._high):
                raise InputError(
                    f"outputs reach from {self._low} to {self._high}, no {self.output_format}"
                )
            if (self.residual is None) != (self.stage.residual_multiplier is None):
                raise InputError(
                    "a residual and its multiplier go together", hint="give both or none"
                )

    @property
    def weight_name(self) -> str:
        """The format of the weights by name."""
        return str(self.weight_format if self.blocks is None else self.blocks.format)

    @property
    def _low(self) -> int:
        return self._pooled(self.stage.low)

    @property
    def _high(self) -> int:
        return self._pooled(self.stage.high)

    def _pooled(self, code: int) -> int:
        """What the pool makes of a window full of ``code``."""
        stage = self.stage
        if stage.pool != "average":
            return code
        total = code * stage.window[0] * stage.window[1] * stage.pool_multiplier
        return (total + ((1 << stage.pool_shift) >> 1)) >> stage.pool_shift

    def shape(self, source: Shape) -> tuple[Shape, Shape]:
        """Shapes of the sums and of the output for an input of the shape ``source``.

        Raises :class:`InputError` naming the layer where the convolution does not fit.
        """
        k, c, r, s = self.weights.shape
        rows = source[1] + 2 * self.padding[0] - r + 1
        columns = source[2] + 2 * self.padding[1] - s + 1
        height, width = self.stage.window
        if c != source[0] or rows < height or columns < width:
            raise InputError(
                f"weights of the shape {self.weights.shape} do not fit an input of {source}",
                where=self.name,
                hint="give the weights as many input channels, and a larger input or padding",
            )
        return (k, rows, columns), (k, rows // height, columns // width)


@dataclass(frozen=True, eq=False)
class QuantisedNetwork:
    """Layers in order of execution on images of ``image_shape``; the last makes the answer.

    Codes of an image are within ``image_format`` and stand for code * ``image_scale``.  Raises
    :class:`InputError` where a layer reads what is not there or does not fit, and where sums could
    leave int32.
    """

    name: str
    layers: tuple[QuantisedLayer, ...]
    image_shape: Shape
    image_format: IntFormat
    image_scale: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        with within(self.name):
            if not self.layers:
                raise InputError("no layers")
            _ = self.shapes
            for layer in self.layers:
                if self.largest_sum(layer) > MOST_SUM:
                    raise InputError(
                        "sums can leave int32", where=layer.name, hint="use fewer bits"
                    )

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """The shape of every tensor by name."""
        return FrozenMap({name: both[1] for name, both in self._shapes.items()})

    @cached_property
    def sum_shapes(self) -> Mapping[str, Shape]:
        """The shape of the sums of every layer: before pooling."""
        return FrozenMap({name: both[0] for name, both in self._shapes.items() if name != IMAGE})

    @cached_property
    def _shapes(self) -> dict[str, tuple[Shape, Shape]]:
        found = {IMAGE: (self.image_shape, self.image_shape)}
        for layer in self.layers:
            for name in (layer.source, layer.residual):
                if name is not None and name not in found:
                    raise unknown(name, f"tensor read by {layer.name}", found)
            if layer.name in found:
                raise InputError(f"two tensors are named {layer.name}", hint="rename a layer")
            sums, output = layer.shape(found[layer.source][1])
            if layer.residual is not None and found[layer.residual][1] != sums:
                raise InputError(
                    f"the residual has the shape {found[layer.residual][1]}, sums have {sums}",
                    where=layer.name,
                )
            found[layer.name] = (sums, output)
        return found

    def layer(self, name: str) -> QuantisedLayer:
        """The layer of that name; :class:`InputError` with the nearest name when there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise unknown(name, "layer", [layer.name for layer in self.layers])

    def tensor_format(self, name: str) -> IntFormat:
        """The format of the codes of a tensor."""
        return self.image_format if name == IMAGE else self.layer(name).output_format

    def largest_sum(self, layer: QuantisedLayer) -> int:
        """No sum of ``layer``, nor any part of one, is larger than this, whatever the input."""
        form = self.tensor_format(layer.source)
        most = max(-form.min, form.max)
        return int(np.abs(layer.weights).sum(axis=(1, 2, 3)).max()) * most

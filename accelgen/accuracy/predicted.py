"""OFA's published accuracy predictors: a small network of its own, evaluated in NumPy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from accelgen.accuracy.encoding import (
    TUTORIAL_RESOLUTIONS,
    mobilenet_features,
    resnet_features,
    tutorial_features,
)
from accelgen.accuracy.source import Accuracy, AccuracyKind, LayerBits
from accelgen.accuracy.torch_file import read_weights
from accelgen.accuracy.wide import check_wide
from accelgen.elastic.ofa_mobilenet_v3 import OfaMobileNetV3
from accelgen.elastic.ofa_resnet50 import OfaResNet50
from accelgen.elastic.space import ElasticSpace
from accelgen.errors import InputError
from accelgen.names import shorten, within

__all__ = ["OfaPredictor", "load_ofa_predictor"]

Matrix = NDArray[np.float32]
Features = Callable[[Mapping[str, int]], Matrix]

RESOLUTIONS = {
    "ofa_mobilenet_v3": (128, 160, 192, 224),
    "ofa_resnet50": (128, 144, 160, 176, 192, 224, 240, 256),
}
"""Those with which the released predictors without a tutorial were trained."""


@dataclass(frozen=True, eq=False)
class OfaPredictor:
    """An :class:`~accelgen.accuracy.source.AccuracySource`: an estimate of the accuracy on ImageNet
    of a sub-network that is not quantised.

    ``layers`` are matrices and biases of linear layers with ReLU between them, ``base`` is added to
    the result.
    """

    space: ElasticSpace
    features: Features
    layers: tuple[tuple[Matrix, Matrix], ...]
    base: float
    file: str

    kind: ClassVar[AccuracyKind] = "predicted"

    @property
    def source(self) -> str:
        """Which predictor."""
        return f"an estimate by OFA's predictor {self.file}, not quantised"

    def accuracy(self, architecture: Mapping[str, int], bits: Mapping[str, LayerBits]) -> Accuracy:
        """The estimate.

        Raises :class:`InputError` for an illegal architecture, images of a size that the predictor
        does not know, fewer than 8 bits, and an estimate outside 0..1.
        """
        check_wide(bits, self.source)
        x = self.features(self.space.legal(architecture))
        for number, (matrix, bias) in enumerate(self.layers, start=1):
            x = matrix @ x + bias
            if number < len(self.layers):
                x = np.maximum(x, 0)
        value = float(x[0]) + self.base
        if not 0 <= value <= 1:
            raise InputError(
                f"it predicts {value:.4g}, outside 0..1",
                where=self.file,
                hint="give a predictor of this space that was trained on shares of right answers",
            )
        return Accuracy(value, self.kind, self.source)


def load_ofa_predictor(
    path: str | Path, space: ElasticSpace, resolutions: Sequence[int] | None = None
) -> OfaPredictor:
    """The predictor in a ``.pth`` file for sub-networks of ``space``.

    ``resolutions`` are the sizes of images that it was trained with, in order, where they are not
    those of the released ones; the tutorial's has fixed ones.  The file does not say which width
    multiplier it is for: the tutorial's is for 1.2 (``ofa/tutorial/flops_table.py``).

    Raises :class:`InputError` for a file that is none, for weights of another layout, and for a
    space that OFA has no predictor of.
    """
    if not isinstance(space, OfaMobileNetV3 | OfaResNet50):
        raise InputError(f"no predictor of {space.name}", hint="use an OFA space")
    weights = read_weights(path)
    with within(Path(path).name):
        layers, base = _layers(weights)
        inputs = layers[0][0].shape[1]
        features = _features(space, inputs, resolutions, tutorial="0.weight" in weights)
    return OfaPredictor(space, features, layers, base, Path(path).name)


def _features(
    space: ElasticSpace, inputs: int, resolutions: Sequence[int] | None, *, tutorial: bool
) -> Features:
    if tutorial:
        _check_inputs(inputs, 120 + len(TUTORIAL_RESOLUTIONS), space, OfaMobileNetV3)
        return tutorial_features
    known = tuple(resolutions or RESOLUTIONS.get(space.name.removesuffix("_w12"), ()))
    if isinstance(space, OfaResNet50):
        _check_inputs(inputs, 74 + len(known), space, OfaResNet50)
        return partial(resnet_features, resolutions=known)
    _check_inputs(inputs, 120 + len(known), space, OfaMobileNetV3)
    return partial(mobilenet_features, resolutions=known)


def _check_inputs(inputs: int, needed: int, space: ElasticSpace, kind: type) -> None:
    if inputs != needed or not isinstance(space, kind):
        raise InputError(
            f"a predictor of {inputs} inputs, where {space.name} has {needed}",
            hint="name the resolutions it was trained with, or use the space that it is for",
        )


def _layers(weights: Mapping[str, NDArray[np.generic]]) -> tuple[
    tuple[tuple[Matrix, Matrix], ...], float
]:  # fmt: skip
    """Linear layers by the numbers in their names: ``0.weight``, or ``layers.0.0.weight``."""
    found: dict[int, dict[str, Matrix]] = {}
    base = 0.0
    for name, value in weights.items():
        array = np.asarray(value, dtype=np.float32)
        if not np.isfinite(array).all():
            raise InputError("numbers that are not finite", where=name)
        match = re.fullmatch(r"(?:layers\.)?([0-9]{1,3})(?:\.0)?\.(weight|bias)", name)
        if name == "base_acc" and array.size == 1:
            base = float(array.reshape(()))
        elif match and array.ndim == (2 if match[2] == "weight" else 1):
            found.setdefault(int(match[1]), {})[match[2]] = array
        else:
            raise InputError(
                f"unknown weights {shorten(name)}", hint="give one of OFA's accuracy predictors"
            )
    layers: list[tuple[Matrix, Matrix]] = []
    width: int | None = None
    for number in sorted(found):
        matrix = found[number].get("weight")
        if matrix is None or width not in (None, matrix.shape[1]):
            raise InputError("its matrices do not fit together", where=f"layer {number}")
        width = matrix.shape[0]
        bias = found[number].get("bias", np.zeros(width, dtype=np.float32))
        if bias.shape != (width,):
            raise InputError("its bias does not fit", where=f"layer {number}")
        layers.append((matrix, bias))
    if width != 1:
        raise InputError("no matrices that end in one number")
    return tuple(layers), base

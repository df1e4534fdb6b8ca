"""The supernet in PyTorch: the same function as :mod:`accelgen.digits.supernet`, to be learned.

Rounding is done in floating point and passed over by the gradient (straight-through, Bengio et al.
2013, arXiv 1308.3432); ranges of activations are learned with it (LSQ, arXiv 1902.08153).
Imported for training only: PyTorch is an optional dependency.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from accelgen.digits.supernet import BITS, TINY
from accelgen.elastic.digits import VARIANTS, DigitsLayer
from accelgen.formats.integer import IntFormat
from accelgen.quantised.graph import IMAGE
from accelgen.quantised.quantise import AVERAGED_BITS, rounded_weights

__all__ = ["Bits", "Parameters", "Tensor", "answers", "exported", "initial", "set_ranges"]

Tensor = Any
Parameters = Mapping[str, Tensor]
Bits = Mapping[str, tuple[int, int]]
"""Bits of the weights and of the activations by name of layer."""

_HALF = 0.5 + 2**-12
"""Halves are rounded up, as by output stages, also those that float32 has a little below."""

_RANGES = [0.15 * 1.12**step for step in range(40)]
"""Upper ends of ranges that are tried, relative to the largest value seen."""


def initial(layers: Sequence[DigitsLayer], generator: Tensor) -> dict[str, Tensor]:
    """Parameters of the largest network, drawn from ``generator``; ``most`` as its logarithm."""
    found: dict[str, Tensor] = {}
    for layer in layers:
        shape = (layer.channels, layer.channels_in, layer.kernel, layer.kernel)
        found[f"{layer.name}.weight"] = 0.3 * torch.randn(shape, generator=generator)
        variants = len(VARIANTS[layer.name])
        # What is added to a residual begins small, and answers begin uncertain.
        gain = math.sqrt(2) if layer.residual is None and layer.name != "classify" else 0.7
        found[f"{layer.name}.gain"] = torch.full((variants, layer.channels), gain)
        found[f"{layer.name}.bias"] = torch.zeros(variants, layer.channels)
        if layer.kernel == 5:
            found[f"{layer.name}.transform"] = torch.eye(9)
        if layer.name != "classify":
            found[f"{layer.name}.most"] = torch.zeros(len(BITS))
    for value in found.values():
        value.requires_grad_()
    return found


def exported(parameters: Parameters) -> dict[str, Any]:
    """The parameters as NumPy arrays, as :class:`~accelgen.digits.supernet.Supernet` has them."""
    return {
        name: (value.exp() if name.endswith(".most") else value).detach().numpy()
        for name, value in parameters.items()
    }


def answers(
    parameters: Parameters,
    layers: Sequence[DigitsLayer],
    images: Tensor,
    bits: Bits | None = None,
    seen: dict[str, Tensor] | None = None,
) -> Tensor:
    """Scores [n, 10] of ``images`` [n, 1, 8, 8] by a sub-network; exact where ``bits`` is ``None``.

    ``seen``, when given, gets the outputs of every layer before its range is applied.
    """
    readers = {layer.source: layer.name for layer in layers}
    made = {IMAGE: images}
    if bits is not None:
        levels = 2 ** bits[layers[0].name][1] - 1
        made[IMAGE] = (images * levels).round() / levels
    for layer in layers:
        weights = _weights(parameters, layer)
        bias = parameters[f"{layer.name}.bias"][layer.variant, : layer.channels]
        if bits is not None:
            scales = _scales(parameters, layer, bits, readers)
            weights, bias = _rounded(weights, bias, bits[layer.name][0], *scales)
        y = functional.conv2d(made[layer.source], weights, bias, padding=layer.kernel // 2)
        if layer.residual is not None:
            y = y + made[layer.residual]
        if layer.name == "classify":
            return y.flatten(1)
        y = functional.relu(y)
        if seen is not None:
            seen[layer.name] = y.detach()
        made[layer.name] = _passed_on(parameters, layer, y, bits, readers[layer.name])
    raise AssertionError("the last layer is the classifier")


def set_ranges(parameters: Parameters, seen: Mapping[str, Sequence[Tensor]]) -> None:
    """Set every ``most`` to the range with the least squared rounding error on outputs ``seen``."""
    for name, tensors in seen.items():
        values = torch.cat([tensor.flatten() for tensor in tensors])
        largest = max(float(values.max()), 1e-3)
        for number, bits in enumerate(BITS):
            levels = 2**bits - 1

            def error(most: float, levels: int = levels, values: Tensor = values) -> float:
                step = most / levels
                rounded = (values / step).round().clamp(max=levels) * step
                return float(((values - rounded) ** 2).mean())

            candidates = [largest * share for share in _RANGES if share < 1.1]
            with torch.no_grad():
                best = min(candidates, key=error)
                parameters[f"{name}.most"][number] = math.log(best)


def _weights(parameters: Parameters, layer: DigitsLayer) -> Tensor:
    w = parameters[f"{layer.name}.weight"][: layer.channels, : layer.channels_in]
    size, kernel = w.shape[-1], layer.kernel
    if size == 5 and kernel < 5:
        inner = w[:, :, 1:4, 1:4]
        w = (inner.flatten(2) @ parameters[f"{layer.name}.transform"]).view(inner.shape)
        size = 3
    margin = (size - kernel) // 2
    w = w[:, :, margin : margin + kernel, margin : margin + kernel]
    norm = (w.square().sum(dim=(1, 2, 3), keepdim=True) + TINY).sqrt()
    gain = parameters[f"{layer.name}.gain"][layer.variant, : layer.channels]
    return w / norm * gain.view(-1, 1, 1, 1)


def _scales(
    parameters: Parameters, layer: DigitsLayer, bits: Bits, readers: Mapping[str, str]
) -> tuple[float, float, float | None]:
    """What a code of the input, of the output before pooling, and of the residual stands for."""

    def scale(name: str, least: int = 0) -> float:
        count = bits[readers[name]][1]
        most = 1.0
        if name != IMAGE:
            most = math.exp(float(parameters[f"{name}.most"][BITS.index(count)].detach()))
        return float(most / (2 ** max(count, least) - 1))

    # Of answers any will do: there, multipliers are as exact as they can be.
    output = 1.0
    if layer.name in readers:
        output = scale(layer.name, AVERAGED_BITS if layer.pool == "average" else 0)
    residual = None if layer.residual is None else scale(layer.residual)
    return scale(layer.source), output, residual


def _rounded(
    weights: Tensor, bias: Tensor, bits: int, source: float, output: float, residual: float | None
) -> tuple[Tensor, Tensor]:
    """Weights and biases as the integers have them; gradients pass."""
    form = IntFormat(bits, symmetric=True)
    made = rounded_weights(weights.detach().double().numpy(), form, source, output, residual)
    steps = torch.from_numpy(made.steps)
    values = (torch.from_numpy(made.codes) * steps.view(-1, 1, 1, 1)).float()
    units = (steps * source).float()
    biases = (bias / units).round() * units
    return weights + (values - weights).detach(), bias + (biases - bias).detach()


def _passed_on(
    parameters: Parameters, layer: DigitsLayer, y: Tensor, bits: Bits | None, reader: str
) -> Tensor:
    """What the reader gets: in range, rounded, pooled."""
    if bits is None:
        return _pooled(layer, y)
    count = bits[reader][1]
    most = parameters[f"{layer.name}.most"][BITS.index(count)].exp()
    if layer.pool != "average":
        return _pooled(layer, _rounded_outputs(y, most, 2**count - 1))
    inner = _rounded_outputs(y, most, 2 ** max(AVERAGED_BITS, count) - 1)
    return _rounded_outputs(_pooled(layer, inner), most, 2**count - 1)


def _rounded_outputs(y: Tensor, most: Tensor, levels: int) -> Tensor:
    step = most / levels
    scaled = (y / step).clamp(0, levels)
    return (scaled + ((scaled + _HALF).floor() - scaled).detach()) * step


def _pooled(layer: DigitsLayer, y: Tensor) -> Tensor:
    if layer.pool == "max":
        return functional.max_pool2d(y, layer.window)
    return functional.avg_pool2d(y, layer.window) if layer.pool == "average" else y

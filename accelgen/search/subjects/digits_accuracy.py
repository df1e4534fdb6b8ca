"""Numbers that the accuracy of a sub-network of the digits supernet follows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import log

from accelgen.accuracy.source import LayerBits
from accelgen.bits.table import element_bits
from accelgen.digits.supernet import load_supernet
from accelgen.elastic.digits import DigitsLayer
from accelgen.names import FrozenMap
from accelgen.realize.kernel import BLOCK_FORMATS

__all__ = ["accuracy_traits"]

_TOLD_APART = {
    name: 1.0 + 0.1 * place for names in BLOCK_FORMATS.values() for place, name in enumerate(names)
}
"""Factors by which formats of a family, which have as many bits, differ in what is called noise."""


def accuracy_traits(
    architecture: FrozenMap[str, int], bits: Mapping[str, LayerBits]
) -> dict[str, float]:
    """By name, the same names for all: the choices of the architecture; for every layer that there
    may be the noise of rounding weights and activations (4 to the power of minus the bits, more of
    a family's second format, 0 for layers that are not there); of all layers together their number,
    mean bits, logarithms of parameters and noise, and the share that has a block format.
    """
    space = load_supernet().space
    widths = {
        name: (element_bits(both.weights), element_bits(both.activations))
        for name, both in bits.items()
    }
    found = {name: float(value) for name, value in architecture.items()}
    for layer in _names():
        found[f"{layer}.weights"] = found[f"{layer}.activations"] = 0.0
        if layer in bits:
            weight, activation = widths[layer]
            found[f"{layer}.weights"] = 4.0**-weight * _TOLD_APART.get(bits[layer].weights, 1.0)
            found[f"{layer}.activations"] = 4.0**-activation
    for place, name in enumerate(("weights", "activations")):
        own = [both[place] for both in widths.values()]
        found[f"{name}_bits"] = sum(own) / len(own)
        found[f"{name}_noise"] = log(sum(4.0**-x for x in own))
    for names in BLOCK_FORMATS.values():
        for name in names:
            # Formats of as many bits are not alike.
            found[name] = sum(x.weights == name for x in bits.values()) / len(bits)
    layers = space.layers(architecture)
    found["layers"] = float(len(layers))
    found["parameters"] = log(sum(map(_parameters, layers)))
    return found


def _parameters(layer: DigitsLayer) -> int:
    return layer.channels * layer.channels_in * layer.kernel**2


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    """Of the layers that there may be."""
    space = load_supernet().space
    return tuple(layer.name for layer in space.layers(space.largest))

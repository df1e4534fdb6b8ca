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


def accuracy_traits(
    architecture: FrozenMap[str, int], bits: Mapping[str, LayerBits]
) -> dict[str, float]:
    """By name, the same names for all: the choices of the architecture , for every
    layer there may be the noise of rounding weights and activations (a quarter for each bit, 0 for
    layers that are not there), and of all layers together number, parameters, bits and noise.
    """
    space = load_supernet().space
    widths = {
        name: (element_bits(both.weights), element_bits(both.activations))
        for name, both in bits.items()
    }
    found = {name: float(value) for name, value in architecture.items()}
    for layer in _names():
        weight, activation = widths.get(layer, (None, None))
        found[f"{layer}.weights"] = 0.0 if weight is None else 4.0**-weight
        found[f"{layer}.activations"] = 0.0 if activation is None else 4.0**-activation
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

"""Costs and sensitivities of the layers of digits networks, for budgets of bits.

A cost is the number of products of words that a composable multiplier makes of a layer: what
follows the widths, on any kernel.  A sensitivity is the error of the outputs on images that the
supernet was trained with, when this layer of the largest sub-network alone has such weights, plus
that when it alone has such activations.  Layers have the sensitivities of the largest sub-network
in all others: measured in their own ones, allocations are as accurate to within the noise of the
images, and it takes a second for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelgen.accuracy.source import LayerBits
from accelgen.bits.sensitivity import output_errors
from accelgen.bits.table import BitTable, LayerOptions, Option, element_bits
from accelgen.digits.data import digits
from accelgen.digits.supernet import load_supernet
from accelgen.names import FrozenMap
from accelgen.quantised.run import answers, image_codes
from accelgen.realize.shape import word_bounds_of
from accelgen.realize.words import elements_per_word, width_of
from accelgen.search.spaces.bit_budget import BitBudget, Trade

__all__ = ["allocated", "bit_table", "sensitivities"]

_WIDE = LayerBits("int8", "uint8")

_IMAGES = 64
"""The first so many of those for training: more of them change no allocation that matters."""


def allocated(architecture: FrozenMap[str, int], budget: BitBudget) -> FrozenMap[str, LayerBits]:
    """The formats of least sensitivity of all layers of an architecture within a budget."""
    return _trade(architecture, budget.offered).within(budget)


@lru_cache(maxsize=4096)
def _trade(architecture: FrozenMap[str, int], offered: tuple[LayerBits, ...]) -> Trade:
    return Trade.of(bit_table(architecture, offered))


def bit_table(architecture: Mapping[str, int], offered: tuple[LayerBits, ...]) -> BitTable:
    """Every layer with every one of the ``offered`` formats; costs in products of words.

    Raises :class:`accelgen.errors.InputError` for formats the supernet is not trained for.
    """
    found = sensitivities(offered)
    layers = []
    for layer in load_supernet().space.layers(architecture):
        options = []
        for bits in offered:
            count = elements_per_word(
                width_of(element_bits(bits.activations)),
                width_of(element_bits(bits.weights)),
            )
            cost = prod(word_bounds_of(layer, count).values())
            options.append(Option(bits, cost, found[layer.name, bits]))
        layers.append(LayerOptions(layer.name, tuple(options)))
    return BitTable(tuple(layers), "products of words")


@cache
def sensitivities(offered: tuple[LayerBits, ...]) -> Mapping[tuple[str, LayerBits], float]:
    """Mean squared errors of the answers, relative to their mean square, by layer and formats."""
    supernet = load_supernet()
    largest = supernet.space.largest
    images = digits("train").images[:_IMAGES]

    def outputs(bits: Mapping[str, LayerBits]) -> NDArray[np.float64]:
        network = supernet.quantised(largest, bits)
        codes = answers(network, image_codes(network, images))
        return np.asarray(codes * network.layers[-1].output_scale, np.float64)

    alone = dict.fromkeys(
        one for bits in offered for one in (_WIDE, _weights_alone(bits), _activations_alone(bits))
    )
    names = [layer.name for layer in supernet.space.layers(largest)]
    options = tuple(Option(bits, 1.0) for bits in alone)
    table = BitTable(tuple(LayerOptions(name, options) for name in names))
    errors = output_errors(outputs, table, dict.fromkeys(names, _WIDE))
    return FrozenMap(
        {
            (name, bits): errors[name, _weights_alone(bits)]
            + errors[name, _activations_alone(bits)]
            for name in names
            for bits in offered
        }
    )


def _weights_alone(bits: LayerBits) -> LayerBits:
    return LayerBits(bits.weights, _WIDE.activations)


def _activations_alone(bits: LayerBits) -> LayerBits:
    return LayerBits(_WIDE.weights, bits.activations)

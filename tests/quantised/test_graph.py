"""What is no integer network, and what is said about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from accelgen.errors import InputError
from accelgen.formats.integer import IntFormat
from tests.quantised.networks import random_network


def test_shapes_are_those_of_the_tensors() -> None:
    network = random_network(5)
    assert list(network.shapes) == ["image", *(layer.name for layer in network.layers)]
    assert network.shapes["last"] == (5, 1, 1)
    assert list(network.sum_shapes) == [layer.name for layer in network.layers]


def test_weights_and_outputs_stay_in_their_formats() -> None:
    layer = random_network(5).layers[0]
    with pytest.raises(InputError, match="layer0: weights reach from"):
        replace(layer, weights=layer.weights + 2**15)
    with pytest.raises(InputError, match="layer0: outputs reach from 0 to"):
        replace(layer, output_format=IntFormat(4, signed=False))
    with pytest.raises(InputError, match="output stage of"):
        replace(layer, weights=layer.weights[:, 0])


def test_a_layer_reads_what_is_there() -> None:
    network = random_network(5)
    first, *others = network.layers
    with pytest.raises(InputError, match="unknown tensor read by layer0 'layre0'"):
        replace(network, layers=(replace(first, source="layre0"), *others))
    with pytest.raises(InputError, match="two tensors are named layer0"):
        replace(network, layers=(first, replace(others[0], name="layer0"), *others[1:]))
    with pytest.raises(InputError, match="layer0: weights of the shape"):
        replace(network, image_shape=(7, *network.image_shape[1:]))
    with pytest.raises(InputError, match="no layers"):
        replace(network, layers=())


def test_a_residual_needs_its_multiplier() -> None:
    layer = random_network(5).layers[-1]
    with pytest.raises(InputError, match="residual and its multiplier"):
        replace(layer, residual="image")


def test_the_bound_on_sums_is_reached() -> None:
    network = random_network(5)
    layer = network.layers[0]
    form = network.image_format
    channel = np.abs(layer.weights).sum(axis=(1, 2, 3)).argmax()
    signs = np.sign(layer.weights[channel])
    largest = max(-form.min, form.max)
    assert network.largest_sum(layer) == int((signs * largest * layer.weights[channel]).sum())

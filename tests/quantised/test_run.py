"""Fast inference against loops, and its output stage against the model of the hardware."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.errors import InputError
from accelgen.formats.integer import IntFormat
from accelgen.golden.output_stage import OutputStage, output_stage
from accelgen.quantised.graph import IMAGE, Int64s, QuantisedLayer, QuantisedNetwork
from accelgen.quantised.run import TOGETHER, answers, image_codes, predictions, tensors
from tests.quantised.networks import random_network, slow_tensors


def _images(network: QuantisedNetwork, count: int, seed: int) -> Int64s:
    form = network.image_format
    shape = (count, *network.image_shape)
    return np.random.default_rng(seed).integers(form.min, form.max + 1, shape)


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_inference_equals_loops_over_every_index(seed: int) -> None:
    network = random_network(seed)
    images = _images(network, 2, seed)
    found = tensors(network, images)
    assert list(found) == list(network.shapes)
    for number, image in enumerate(images):
        for name, expected in slow_tensors(network, image).items():
            assert found[name][number].tolist() == expected, name
    assert (answers(network, images) == found["last"][:, :, 0, 0]).all()


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=20)
def test_every_layer_is_the_golden_output_stage_of_its_sums(seed: int) -> None:
    network = random_network(seed)
    found = tensors(network, _images(network, 3, seed))
    for layer in network.layers:
        r, s = layer.weights.shape[2:]
        margins = ((0, 0), (0, 0), *((n, n) for n in layer.padding))
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(found[layer.source], margins), (r, s), axis=(2, 3)
        )
        sums = np.einsum("ncpqrs,kcrs->nkpq", windows, layer.weights)
        residual = None if layer.residual is None else found[layer.residual]
        assert (output_stage(sums, layer.stage, residual) == found[layer.name]).all()


def test_images_do_not_depend_on_how_many_go_together() -> None:
    network = random_network(3)
    images = _images(network, 2 * TOGETHER + 1, 3)
    alone = np.concatenate([answers(network, image[None]) for image in images])
    assert (answers(network, images) == alone).all()
    assert (predictions(network, images) == alone.argmax(axis=1)).all()


def _one_layer(weight: int, bits: int, count: int) -> QuantisedNetwork:
    """One sum of ``count`` products with ``weight``, of which the stage keeps the low bits."""
    ones = np.ones(1, np.int64)
    bias = -weight * (2**bits - 1) * min(count, 2**31 // weight // 2**bits)
    stage = OutputStage(bias * ones, ones, 0 * ones, -(2**15), 2**15)
    layer = QuantisedLayer(
        "last", np.full((1, count, 1, 1), weight), IntFormat(16), stage, IntFormat(17), 1.0, (0, 0),
        IMAGE,
    )  # fmt: skip
    return QuantisedNetwork("one", (layer,), (count, 1, 1), IntFormat(bits, signed=False), 1.0)


@pytest.mark.parametrize(("weight", "bits", "count"), [(2**15 - 1, 16, 1), (32767, 9, 127)])
def test_sums_beyond_what_float32_holds_are_exact(weight: int, bits: int, count: int) -> None:
    network = _one_layer(weight, bits, count)
    assert network.largest_sum(network.layers[0]) > 2**30
    images = np.full((2, count, 1, 1), 2**bits - 1)
    images[1, 0] -= 1
    assert answers(network, images).tolist() == [[0], [-(2**15 - 1)]]


def test_sums_beyond_int32_are_no_network() -> None:
    with pytest.raises(InputError, match="sums can leave int32"):
        _one_layer(2**15 - 1, 16, 3)


def test_images_are_rounded_and_clipped() -> None:
    network = replace(random_network(1), image_format=IntFormat(4, signed=False), image_scale=0.5)
    real = np.array([-1.0, 0.2, 0.26, 7.4, 99.0])
    assert image_codes(network, real).tolist() == [0, 0, 1, 15, 15]


def test_wrong_images_are_refused() -> None:
    network = random_network(1)
    images = _images(network, 1, 1)
    with pytest.raises(InputError, match="images have the shape"):
        answers(network, images[0])
    with pytest.raises(InputError, match="outside"):
        answers(network, images + network.image_format.max + 1 - images.min())

"""Real layers to integer ones: formats, scales, and how far results are from the real ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.accuracy.source import LayerBits
from accelgen.errors import InputError
from accelgen.formats.integer import IntFormat
from accelgen.quantised.quantise import (
    Float64s,
    FloatLayer,
    gaussian_step,
    quantise,
    weight_scales,
)
from accelgen.quantised.run import answers, image_codes, tensors

SHAPE = (2, 6, 6)


def _layers(seed: int) -> list[FloatLayer]:
    """Entry, a block with a residual and an average, a classifier."""
    drawn = np.random.default_rng(seed)

    def normal(*shape: int) -> Float64s:
        return np.asarray(drawn.normal(0, np.prod(shape[1:]) ** -0.5, shape))

    bias = drawn.normal(0, 0.1, 4)
    return [
        FloatLayer("entry", normal(4, 2, 3, 3), bias, 1.5, (1, 1), "image", None, "max", (2, 2)),
        FloatLayer("a", normal(4, 4, 3, 3), bias, 1.5, (1, 1), "entry"),
        FloatLayer("b", normal(4, 4, 1, 1), bias, 2.0, (0, 0), "a", "entry", "average", (3, 3)),
        FloatLayer("classify", normal(5, 4, 1, 1), drawn.normal(0, 0.1, 5), None, (0, 0), "b"),
    ]


def _bits(layers: list[FloatLayer], weights: int, activations: int) -> dict[str, LayerBits]:
    both = LayerBits(f"int{weights}", f"uint{activations}")
    return {layer.name: both for layer in layers}


def _real(layers: list[FloatLayer], images: Float64s) -> dict[str, Float64s]:
    """What the layers compute without any rounding."""
    found = {"image": images}
    for layer in layers:
        margins = ((0, 0), (0, 0), *((n, n) for n in layer.padding))
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(found[layer.source], margins), layer.weights.shape[2:], axis=(2, 3)
        )
        y = np.einsum("ncpqrs,kcrs->nkpq", windows, layer.weights) + layer.bias[:, None, None]
        if layer.residual is not None:
            y += found[layer.residual]
        if layer.most is not None:
            y = np.clip(y, 0, layer.most)
        n, k, p, q = y.shape
        height, width = layer.window
        y = y.reshape(n, k, p // height, height, q // width, width)
        found[layer.name] = y.mean(axis=(3, 5)) if layer.pool == "average" else y.max(axis=(3, 5))
    return found


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=25)
def test_many_bits_give_the_real_results(seed: int) -> None:
    layers = _layers(seed)
    images = np.random.default_rng(seed).random((3, *SHAPE))
    network = quantise("net", layers, _bits(layers, 12, 12), SHAPE, 1.0)
    expected = _real(layers, images)
    found = tensors(network, image_codes(network, images))
    for layer in network.layers:
        error = found[layer.name] * layer.output_scale - expected[layer.name]
        assert np.abs(error).max() < 0.01, layer.name


@given(st.integers(0, 2**32), st.integers(2, 8), st.integers(2, 8))
@settings(deadline=None, max_examples=25)
def test_fewer_bits_cost_what_their_steps_say(seed: int, weights: int, activations: int) -> None:
    """One layer on exact inputs: the error is that of its weights, and half a step."""
    layer = replace(_layers(seed)[0], pool="none", window=(1, 1))
    last = FloatLayer("last", np.ones((1, 4, 6, 6)), np.zeros(1), None, (0, 0), "entry")
    both = LayerBits(f"int{weights}", f"uint{activations}")
    network = quantise("net", [layer, last], {"entry": both, "last": both}, SHAPE, 1.0)
    made = network.layers[0]
    codes = np.random.default_rng(seed).integers(0, 2**activations, (3, *SHAPE))
    scale = made.stage.multiplier * np.exp2(-made.stage.shift) * made.output_scale
    rounded = np.asarray(made.weights * (scale / network.image_scale)[:, None, None, None])
    rounded_bias = made.stage.bias * scale
    assert np.abs(rounded_bias - layer.bias).max() <= scale.max() / 2
    exact = replace(layer, weights=rounded, bias=rounded_bias)
    expected = _real([exact], np.asarray(codes * network.image_scale))["entry"]
    found = tensors(network, codes)["entry"] * made.output_scale
    assert np.abs(found - expected).max() <= made.output_scale * (0.5 + 1e-6)


@given(st.integers(0, 2**32), st.integers(2, 8))
def test_weights_are_as_near_as_their_scale_allows(seed: int, bits: int) -> None:
    layers = _layers(seed)
    network = quantise("net", layers, _bits(layers, bits, 8), SHAPE, 1.0)
    sources = {"entry": network.image_scale}
    for before, after in zip(network.layers, network.layers[1:], strict=False):
        sources[after.name] = before.output_scale
    for layer, made in zip(layers, network.layers, strict=True):
        inner = made.output_scale
        if layer.pool == "average":
            inner = layer.most / 255 if layer.most else 0.0
        real = made.stage.multiplier * np.exp2(-made.stage.shift) * inner / sources[layer.name]
        wanted = weight_scales(layer.weights, IntFormat(bits, symmetric=True))
        # One of the two multipliers around the wanted one; a residual leaves four bits or more.
        assert made.stage.multiplier.min() >= 16
        assert (np.abs(real / wanted - 1) <= 1.001 / (made.stage.multiplier - 1)).all()
        most = 2 ** (bits - 1) - 1
        step = real[:, None, None, None]
        clipped = np.clip(layer.weights, -most * step, most * step)
        assert (np.abs(made.weights * step - clipped) <= step * (0.5 + 1e-9)).all()
        assert np.abs(made.weights).max() <= most


def test_steps_for_normal_numbers_are_max_s() -> None:
    """Max, Quantizing for minimum distortion, 1960, table II: 3, 7, 15 and 31 equal steps."""
    for bits, step in ((2, 1.2240), (3, 0.6508), (4, 0.3534), (5, 0.1939)):
        assert gaussian_step(bits) == pytest.approx(step, rel=0.004)


def test_channels_of_zeros_keep_their_bias() -> None:
    layers = _layers(1)
    layers[0].weights[1] = 0
    layers[0].bias[1] = 0.7
    network = quantise("net", layers, _bits(layers, 4, 8), SHAPE, 1.0)
    codes = tensors(network, np.full((1, *SHAPE), 9))["entry"][0, 1]
    assert np.abs(codes * network.layers[0].output_scale - 0.7).max() < 0.01


def test_no_input_makes_answers_overflow() -> None:
    layers = _layers(4)
    network = quantise("net", layers, _bits(layers, 2, 2), SHAPE, 1.0)
    last = network.layers[-1]
    source = network.tensor_format(last.source).max
    sums = np.where(last.weights > 0, last.weights, 0).sum(axis=(1, 2, 3)) * source
    reached = (sums + last.stage.bias) * last.stage.multiplier >> last.stage.shift
    assert (reached < last.stage.high).all()
    assert answers(network, np.full((1, *SHAPE), 3)).shape == (1, 5)


def test_what_cannot_be_quantised_is_said() -> None:
    layers = _layers(1)
    bits = _bits(layers, 8, 8)
    with pytest.raises(InputError, match="a: weights cannot be 'e2m1' in integer networks"):
        quantise("net", layers, bits | {"a": LayerBits("e2m1", "uint8")}, SHAPE, 1.0)
    with pytest.raises(InputError, match=r"a: activations cannot be 'int8'.*uint1 \.\. uint16"):
        quantise("net", layers, bits | {"a": LayerBits("int8", "int8")}, SHAPE, 1.0)
    with pytest.raises(InputError, match="no layer is named 'c'"):
        quantise("net", layers, bits | {"c": LayerBits("int8", "uint8")}, SHAPE, 1.0)
    del bits["b"]
    with pytest.raises(InputError, match="b: no formats"):
        quantise("net", layers, bits, SHAPE, 1.0)


def test_readers_of_one_tensor_agree() -> None:
    layers = _layers(1)
    twice = [layers[0], layers[1], replace(layers[2], source="entry", residual=None, most=1.0)]
    last = FloatLayer("classify", np.ones((5, 4, 1, 1)), np.zeros(5), None, (0, 0), "b")
    bits = _bits([*twice, last], 8, 8) | {"b": LayerBits("int8", "uint4")}
    with pytest.raises(InputError, match="b: wants entry as uint4, another layer as uint8"):
        quantise("net", [*twice, last], bits, SHAPE, 1.0)

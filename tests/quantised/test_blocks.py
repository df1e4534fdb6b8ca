"""Weights in block formats: the integers they stand for, and that no sum leaves int32."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.accuracy.measured import MeasuredDigits
from accelgen.accuracy.source import LayerBits
from accelgen.elastic.digits import DigitsSpace
from accelgen.errors import InputError
from accelgen.formats import block_format
from accelgen.golden import block_terms
from accelgen.golden.block_pair import BlockPair
from accelgen.quantised.blocks import BLOCK_WEIGHTS, BlockWeights, block_steps, block_weights
from accelgen.quantised.quantise import FloatLayer, quantise
from accelgen.quantised.run import answers, image_codes, tensors

FORMATS = st.sampled_from(BLOCK_WEIGHTS)
SHAPE = (20, 3, 3)


def drawn_weights(seed: int, channels: int) -> np.ndarray:
    """Channels and blocks of very different sizes, and some zeros."""
    drawn = np.random.default_rng(seed)
    weights = drawn.standard_normal((3, channels, 2, 2))
    weights *= np.exp2(drawn.integers(-12, 13, (3, 1, 1, 1)))
    weights *= np.exp2(drawn.integers(-6, 1, (3, channels, 1, 1)))
    return np.asarray(np.where(drawn.random(weights.shape) < 0.1, 0.0, weights))


@given(FORMATS, st.integers(0, 2**32), st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_integers_are_those_of_the_golden_model(name: str, seed: int, channels: int) -> None:
    """A block with a single 1 beside it gives its element, by the model of the hardware."""
    form = block_format(name)
    weights = drawn_weights(seed, channels)
    (made,) = block_weights([(weights, block_steps(weights, form, 255))], form)
    assert form.block is not None
    pair = BlockPair(block_format("mxint8" if form.block == 32 else "nvint4"), form, form.block)
    one, scale = 1, (127 if form.block == 32 else 1)  # the least scales that count
    unit = int(pair.a.scales()[0][scale])
    for _ in range(10):
        drawn = np.random.default_rng(seed)
        k, c, r, s = (int(drawn.integers(n)) for n in weights.shape)
        block = np.zeros((1, form.block), np.int64)
        first = c - c % form.block
        own = made.codes[k, first : first + form.block, r, s]
        block[0, : len(own)] = own
        other = np.zeros_like(block)
        other[0, c - first] = one
        scales = made.scales[k, c // form.block, r, s].reshape(1)
        terms, bad = block_terms(pair, other, block, np.array([scale]), scales)
        assert not bad.any()
        assert terms[0] == made.integers[k, c, r, s] * unit


@given(FORMATS, st.integers(0, 2**32), st.integers(1, 40), st.sampled_from((3, 15, 255)))
@settings(deadline=None, max_examples=60)
def test_weights_are_near_and_sums_fit(name: str, seed: int, channels: int, most: int) -> None:
    form = block_format(name)
    weights = drawn_weights(seed, channels)
    steps = block_steps(weights, form, most)
    steps = np.where(steps > 0, steps, 1.0)
    (made,) = block_weights([(weights, steps)], form)
    sums = np.abs(made.integers).sum(axis=(1, 2, 3)) * most
    assert sums.max() < 2**31
    assert form.block is not None
    # An element is off by at most a quarter of the largest of its block, and by the least step.
    padded = np.zeros((3, -(-channels // form.block) * form.block, 2, 2))
    padded[:, :channels] = np.abs(weights)
    largest = padded.reshape(3, -1, form.block, 2, 2).max(axis=2).repeat(form.block, axis=1)
    error = np.abs(made.integers * steps[:, None, None, None] - weights)
    room = largest[:, :channels] / 4 + 14 * steps[:, None, None, None]
    assert (error <= room).all()


def layers() -> list[FloatLayer]:
    """Two convolutions with a residual, and a classifier."""
    drawn = np.random.default_rng(5)

    def normal(*shape: int) -> np.ndarray:
        return np.asarray(drawn.normal(0, np.prod(shape[1:]) ** -0.5, shape))

    bias = drawn.normal(0, 0.1, 20)
    return [
        FloatLayer("a", normal(20, 20, 3, 3), bias, 1.5, (1, 1), "image"),
        FloatLayer("b", normal(20, 20, 1, 1), bias, 2.0, (0, 0), "a", "image", "average", (3, 3)),
        FloatLayer("classify", normal(5, 20, 1, 1), drawn.normal(0, 0.1, 5), None, (0, 0), "b"),
    ]


@pytest.mark.parametrize("name", BLOCK_WEIGHTS)
def test_networks_are_exact_and_near_eight_bits(name: str) -> None:
    images = np.random.default_rng(2).random((40, *SHAPE))
    made = {
        weights: quantise(
            "net", layers(), {x.name: LayerBits(weights, "uint8") for x in layers()}, SHAPE, 1.0
        )
        for weights in (name, "int8")
    }
    network = made[name]
    codes = image_codes(network, images)
    found = tensors(network, codes)
    last = network.layers[-1]
    assert last.blocks is not None
    assert last.weight_name == name
    sums = np.einsum("ncpq,kcpq->nk", found["b"], last.weights) + last.stage.bias
    half = (1 << last.stage.shift) >> 1
    expected = (sums * last.stage.multiplier + half) >> last.stage.shift
    assert np.array_equal(answers(network, codes), expected)
    assert np.abs(expected).max() < 2**15
    real = [answers(x, codes) * x.layers[-1].output_scale for x in (network, made["int8"])]
    assert np.sqrt(np.mean((real[0] - real[1]) ** 2)) < 0.15 * real[1].std() + 0.02


@pytest.mark.parametrize("name", BLOCK_WEIGHTS)
def test_digits_are_measured_in_block_formats(name: str) -> None:
    space = DigitsSpace()
    bits = {x.name: LayerBits(name, "uint8") for x in space.layers(space.middle)}
    found = MeasuredDigits().accuracy(space.middle, bits)
    assert found.kind == "measured"
    assert found.value >= 0.96
    mixed = bits | {"stem": LayerBits("int8", "uint4"), "classify": LayerBits("int4", "uint8")}
    assert MeasuredDigits().accuracy(space.middle, mixed).value >= 0.95


def test_other_formats_are_refused() -> None:
    with pytest.raises(InputError, match="weights cannot be mxfp8_e4m3; use one of nvfp4"):
        BlockWeights(
            block_format("mxfp8_e4m3"), np.zeros((1, 1, 1, 1), int), np.zeros((1, 1, 1, 1), int)
        )

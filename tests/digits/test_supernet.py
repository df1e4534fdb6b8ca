"""Sub-networks of the shipped supernet, and its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.accuracy.measured import MeasuredDigits
from accelgen.accuracy.source import AccuracySource, LayerBits
from accelgen.content import content_path
from accelgen.digits.data import digits
from accelgen.digits.supernet import (
    BITS,
    SHIPPED,
    Supernet,
    load_supernet,
    read_supernet,
    write_supernet,
)
from accelgen.elastic.digits import DigitsSpace
from accelgen.errors import InputError
from accelgen.formats.integer import IntFormat
from accelgen.quantised.quantise import weight_scales
from accelgen.quantised.run import image_codes, tensors

SPACE = DigitsSpace()
ARCHITECTURES = st.fixed_dictionaries(
    {choice.name: st.sampled_from(choice.values) for choice in SPACE.choices}
)


def _bits(architecture: Mapping[str, int], weights: int, activations: int) -> dict[str, LayerBits]:
    both = LayerBits(f"int{weights}", f"uint{activations}")
    return {layer.name: both for layer in SPACE.layers(architecture)}


@given(ARCHITECTURES, st.data())
@settings(deadline=None, max_examples=30)
def test_networks_are_what_was_asked_for(
    architecture: Mapping[str, int], data: st.DataObject
) -> None:
    bits = {
        layer.name: LayerBits(
            f"int{data.draw(st.sampled_from(BITS))}", f"uint{data.draw(st.sampled_from(BITS))}"
        )
        for layer in SPACE.layers(architecture)
    }
    network = load_supernet().quantised(architecture, bits)
    shapes = {layer.name: layer for layer in SPACE.layers(architecture)}
    assert [layer.name for layer in network.layers] == list(shapes)
    for layer in network.layers:
        wanted = shapes[layer.name]
        kernel = (wanted.kernel, wanted.kernel)
        assert layer.weights.shape == (wanted.channels, wanted.channels_in, *kernel)
        assert str(layer.weight_format) == bits[layer.name].weights
        assert str(network.tensor_format(layer.source)) == bits[layer.name].activations
        assert (layer.source, layer.residual) == (wanted.source, wanted.residual)


@given(ARCHITECTURES)
@settings(deadline=None, max_examples=15)
def test_integers_follow_the_real_network(architecture: Mapping[str, int]) -> None:
    """At 8 bits every tensor is near that of the real weights, in range, on the layer's inputs."""
    supernet = load_supernet()
    network = supernet.quantised(architecture, _bits(architecture, 8, 8))
    images = digits("train").images[:20]
    found = tensors(network, image_codes(network, images))
    scales = {layer.name: layer.output_scale for layer in network.layers}
    scales["image"] = network.image_scale
    for wanted, layer in zip(SPACE.layers(architecture), network.layers, strict=True):
        margins = ((0, 0), (0, 0), *((wanted.kernel // 2,) * 2,) * 2)
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(found[layer.source] * scales[layer.source], margins),
            (wanted.kernel,) * 2,
            (2, 3),
        )
        real = supernet.weights(wanted)
        most = (weight_scales(real, IntFormat(8, symmetric=True)) * 127)[:, None, None, None]
        y = np.einsum("ncpqrs,kcrs->nkpq", windows, np.clip(real, -most, most))
        y += supernet.bias(wanted)[:, None, None]
        if layer.residual is not None:
            y += found[layer.residual] * scales[layer.residual]
        if layer.name != "classify":
            y = np.clip(y, 0, layer.output_scale * layer.output_format.max)
        side, window = wanted.side // wanted.window, wanted.window
        y = y.reshape(len(y), wanted.channels, side, window, side, window)
        y = y.mean(axis=(3, 5)) if wanted.pool == "average" else y.max(axis=(3, 5))
        # In the mean: the few weights that are far out are clipped, see gaussian_step.
        error = np.sqrt(np.square(found[layer.name] * layer.output_scale - y).mean())
        assert error < 0.12 * max(1.0, float(np.sqrt(np.square(y).mean()))), layer.name


def test_measured_accuracy_is_a_source() -> None:
    source: AccuracySource = MeasuredDigits()
    found = source.accuracy(SPACE.largest, _bits(SPACE.largest, 8, 8))
    assert found.kind == "measured"
    assert found.source == "digits supernet in integer arithmetic, 300 validation images"


def test_targets_are_reached_on_images_that_nobody_saw() -> None:
    source = MeasuredDigits("test")
    assert source.accuracy(SPACE.largest, _bits(SPACE.largest, 8, 8)).value >= 0.98
    assert source.accuracy(SPACE.largest, _bits(SPACE.largest, 4, 4)).value >= 0.97


def test_the_file_is_small_and_says_how_it_was_made() -> None:
    path = content_path("mapping", SHIPPED)
    assert path.stat().st_size < 1_000_000
    facts = load_supernet().facts
    assert {"seed", "steps", "batch", "torch"} <= set(facts)
    assert facts["images"] == len(digits("train"))


def test_writing_gives_the_same_bytes(tmp_path: Path) -> None:
    write_supernet(tmp_path / "again.npz", load_supernet())
    again = (tmp_path / "again.npz").read_bytes()
    write_supernet(tmp_path / "once_more.npz", read_supernet(tmp_path / "again.npz"))
    assert (tmp_path / "once_more.npz").read_bytes() == again


def test_what_the_supernet_cannot_do_is_said() -> None:
    supernet, architecture = load_supernet(), SPACE.smallest
    bits = _bits(architecture, 8, 8)
    with pytest.raises(InputError, match=r"stem: weights cannot be 'mxfp8_e4m3'.*int2 \.\. int16"):
        supernet.quantised(architecture, bits | {"stem": LayerBits("mxfp8_e4m3", "uint8")})
    with pytest.raises(InputError, match=r"stem: .*not trained for int9 .*int2 \.\. int8"):
        supernet.quantised(architecture, bits | {"stem": LayerBits("int9", "uint8")})
    with pytest.raises(InputError, match="no layer is named 'head'; layers: stem, entry2, entry3"):
        supernet.quantised(architecture, bits | {"head": LayerBits("int8", "uint8")})
    for name in bits:
        fewer = {other: value for other, value in bits.items() if other != name}
        with pytest.raises(InputError, match=f"{name}: no formats"):
            supernet.quantised(architecture, fewer)


def test_files_that_are_no_supernets(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no supernet"):
        read_supernet(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("weights")
    with pytest.raises(InputError, match="no supernet"):
        read_supernet(tmp_path / "text.npz")
    parameters = dict(load_supernet().parameters)
    parameters["stem.weight"] = parameters["stem.weight"][:2]
    with pytest.raises(InputError, match=r"stem\.weight: not"):
        Supernet(parameters, {})

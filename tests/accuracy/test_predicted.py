"""OFA's predictors: where every decision is among the inputs, and what is computed of them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from accelgen.accuracy.predicted import OfaPredictor, load_ofa_predictor
from accelgen.accuracy.source import LayerBits
from accelgen.elastic.hat import Hat
from accelgen.elastic.ofa_mobilenet_v3 import OfaMobileNetV3
from accelgen.elastic.ofa_resnet50 import OfaResNet50
from accelgen.elastic.space import ElasticSpace
from accelgen.errors import InputError
from tests.accuracy import pth

HIDDEN = 24


def weights(inputs: int, style: str, seed: int = 0, scale: float = 0.02) -> dict[str, pth.Array]:
    """Of a predictor in the layout of the tutorial (``tutorial``) or of later ones (``nas``)."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> pth.Array:
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    widths = (inputs, HIDDEN, HIDDEN, HIDDEN)
    found: dict[str, pth.Array] = {}
    for number in range(3):
        name = str(2 * number) if style == "tutorial" else f"layers.{number}.0"
        found[f"{name}.weight"] = drawn(widths[number + 1], widths[number])
        found[f"{name}.bias"] = drawn(widths[number + 1])
    if style == "tutorial":
        return {**found, "6.weight": drawn(1, HIDDEN), "6.bias": np.array([0.7], np.float32)}
    base = np.array([0.75], np.float32)
    return {"base_acc": base, **found, "layers.3.weight": drawn(1, HIDDEN)}


def drawn(space: ElasticSpace, seed: int, resolution: int) -> dict[str, int]:
    source = random.Random(seed)
    found = {choice.name: source.choice(choice.values) for choice in space.choices}
    return found | {"resolution": resolution}


def loaded(tmp_path: Path, space: ElasticSpace, inputs: int, style: str) -> OfaPredictor:
    return load_ofa_predictor(pth.save(tmp_path / "p.pth", weights(inputs, style)), space)


@pytest.mark.parametrize("seed", range(5))
def test_tutorial_inputs(tmp_path: Path, seed: int) -> None:
    """Kernels at 0..59, expansions at 60..119, three per block; the resolution at 120..127."""
    space = OfaMobileNetV3(1.2)
    source = loaded(tmp_path, space, 128, "tutorial")
    chosen = drawn(space, seed, 176)
    expected = {120 + (176 - 112) // 16}
    for unit in range(5):
        for block in range(chosen[f"depth{unit + 1}"]):
            at = 3 * (4 * unit + block)
            name = f"{unit + 1}_{block + 1}"
            expected.add(at + (chosen[f"kernel{name}"] - 3) // 2)
            expected.add(60 + at + {3: 0, 4: 1, 6: 2}[chosen[f"expansion{name}"]])
    features = source.features(space.legal(chosen))
    assert set(np.flatnonzero(features)) == expected
    assert set(features[list(expected)]) == {1.0}


@pytest.mark.parametrize("seed", range(5))
def test_mobilenet_inputs(tmp_path: Path, seed: int) -> None:
    """The resolution first, of four; then kernels, then expansions."""
    space = OfaMobileNetV3()
    chosen = drawn(space, seed, 192)
    tutorial = loaded(tmp_path, space, 128, "tutorial").features(space.legal(chosen))
    later = loaded(tmp_path, space, 124, "nas").features(space.legal(chosen))
    assert later[:4].tolist() == [0, 0, 1, 0]
    assert np.array_equal(later[4:], tutorial[:120])


@pytest.mark.parametrize("seed", range(5))
def test_resnet_inputs(tmp_path: Path, seed: int) -> None:
    """8 resolutions, 2 for the block of the stem, 6 x 3 widths, 18 x 3 expansions."""
    space = OfaResNet50()
    source = loaded(tmp_path, space, 82, "nas")
    chosen = space.legal(drawn(space, seed, 224))
    expected = {5, 8 + chosen["stem_block"]}
    names = ("stem_width", "width0", "width1", "width2", "width3", "width4")
    for i, name in enumerate(names):
        expected.add(10 + 3 * i + {65: 0, 80: 1, 100: 2}[chosen[name]])
    begin = 28
    for stage, base in enumerate((2, 2, 4, 2), start=1):
        for i in range(base + chosen[f"depth{stage}"]):
            option = {20: 0, 25: 1, 35: 2}[chosen[f"expansion{stage}_{i + 1}"]]
            expected.add(begin + 3 * i + option)
        begin += 3 * (base + 2)
    assert begin == 82
    assert set(np.flatnonzero(source.features(chosen))) == expected


@pytest.mark.parametrize(
    ("space", "inputs", "style"),
    [(OfaMobileNetV3(1.2), 128, "tutorial"), (OfaMobileNetV3(), 124, "nas"),
     (OfaResNet50(), 82, "nas")],
)  # fmt: skip
def test_the_estimate_is_that_of_the_network(
    tmp_path: Path, space: ElasticSpace, inputs: int, style: str
) -> None:
    values = {k: np.asarray(v, np.float64) for k, v in weights(inputs, style).items()}
    source = loaded(tmp_path, space, inputs, style)
    for seed in range(8):
        chosen = drawn(space, seed, 224)
        x = source.features(space.legal(chosen)).astype(np.float64)
        for number in range(3):
            name = str(2 * number) if style == "tutorial" else f"layers.{number}.0"
            x = np.maximum(values[f"{name}.weight"] @ x + values[f"{name}.bias"], 0)
        last = "6" if style == "tutorial" else "layers.3"
        y = values[f"{last}.weight"] @ x + values["6.bias" if style == "tutorial" else "base_acc"]
        found = source.accuracy(chosen, {})
        assert found.value == pytest.approx(float(y[0]), abs=1e-6)
        assert found.kind == "predicted"
        assert str(found).endswith(
            "(predicted: an estimate by OFA's predictor p.pth, not quantised)"
        )


def test_blocks_that_are_not_there_change_nothing(tmp_path: Path) -> None:
    space = OfaMobileNetV3()
    source = loaded(tmp_path, space, 124, "nas")
    chosen = drawn(space, 1, 128) | {"depth5": 2, "kernel5_4": 3}
    other = chosen | {"kernel5_4": 7, "expansion5_3": 6}
    assert source.accuracy(chosen, {}) == source.accuracy(other, {})
    there = chosen | {"depth5": 4}
    assert source.accuracy(there, {}) != source.accuracy(there | {"kernel5_4": 7}, {})


def test_what_it_cannot_say(tmp_path: Path) -> None:
    space = OfaMobileNetV3()
    source = loaded(tmp_path, space, 124, "nas")
    chosen = drawn(space, 1, 128)
    wide = {"unit1.1.expand": LayerBits("int8", "uint8")}
    assert source.accuracy(chosen, wide) == source.accuracy(chosen, {})
    for low in (LayerBits("int4", "uint8"), LayerBits("nvfp4", "nvfp4")):
        with pytest.raises(InputError, match=r"it knows nothing of \w+ in stem"):
            source.accuracy(chosen, {"stem": low})
    with pytest.raises(InputError, match="knows no images of 132; use one of 128, 160, 192, 224"):
        source.accuracy(chosen | {"resolution": 132}, {})
    with pytest.raises(InputError, match="no option"):
        source.accuracy(chosen | {"depth1": 5}, {})
    values = weights(124, "nas") | {"base_acc": np.array([1.75], np.float32)}
    high = load_ofa_predictor(pth.save(tmp_path / "q.pth", values), space)
    with pytest.raises(InputError, match=r"q\.pth: it predicts 1\.7.*, outside 0\.\.1"):
        high.accuracy(chosen, {})


def test_resolutions_of_ones_own(tmp_path: Path) -> None:
    path = pth.save(tmp_path / "p.pth", weights(122, "nas"))
    with pytest.raises(InputError, match="a predictor of 122 inputs, where ofa_mobilenet_v3 has"):
        load_ofa_predictor(path, OfaMobileNetV3())
    source = load_ofa_predictor(path, OfaMobileNetV3(), (132, 136))
    assert 0 < source.accuracy(drawn(OfaMobileNetV3(), 1, 136), {}).value < 1


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"layers.1.0.weight": np.zeros((HIDDEN, 5), np.float32)}, "do not fit together"),
        ({"layers.1.0.bias": np.zeros(5, np.float32)}, "its bias does not fit"),
        ({"layers.3.weight": np.zeros((2, HIDDEN), np.float32)}, "no matrices that end in one"),
        ({"layers.2.0.bias": np.full(HIDDEN, np.nan, np.float32)}, "not finite"),
        ({"conv1.weight": np.zeros((3, 3), np.float32)}, "unknown weights 'conv1.weight'"),
    ],
)
def test_other_weights_are_refused(
    tmp_path: Path, change: dict[str, pth.Array], match: str
) -> None:
    path = pth.save(tmp_path / "p.pth", weights(124, "nas") | change)
    with pytest.raises(InputError, match=match):
        load_ofa_predictor(path, OfaMobileNetV3())


def test_spaces_without_a_predictor(tmp_path: Path) -> None:
    path = pth.save(tmp_path / "p.pth", weights(128, "tutorial"))
    with pytest.raises(InputError, match="no predictor of hat_wmt_en_de"):
        load_ofa_predictor(path, Hat())
    with pytest.raises(InputError, match="128 inputs, where ofa_resnet50 has 128"):
        load_ofa_predictor(path, OfaResNet50())
    with pytest.raises(InputError, match="no matrices"):
        load_ofa_predictor(pth.save(tmp_path / "e.pth", {}), OfaMobileNetV3())

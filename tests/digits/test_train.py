"""Training, where PyTorch is installed."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from accelgen.digits import train as training_module
from accelgen.digits.data import Digits, digits
from accelgen.digits.supernet import load_supernet
from accelgen.digits.train import Training, main, train
from accelgen.errors import InputError, MissingToolError
from accelgen.quantised.run import answers, image_codes

TINY = Training(steps=8, batch=24, exact_share=0.5)


def _few() -> Digits:
    whole = digits("train")
    return Digits(whole.images[:192], whole.labels[:192])


def test_nothing_else_imports_torch() -> None:
    assert "torch" not in vars(training_module)


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingToolError, match=r"accelgen\[train\]"):
        train(TINY, _few())
    assert main(["--steps", "1"]) == MissingToolError.exit_code


def test_training_needs_steps() -> None:
    with pytest.raises(InputError, match="without steps"):
        replace(TINY, steps=0)


def test_an_epoch_is_the_same_from_the_same_seed() -> None:
    pytest.importorskip("torch")
    images = _few()
    one, two, other = (train(replace(TINY, seed=seed), images) for seed in (1, 1, 2))
    assert one.facts == two.facts
    for name, value in one.parameters.items():
        assert (value == two.parameters[name]).all(), name
    assert (one.parameters["stem.weight"] != other.parameters["stem.weight"]).any()
    # The steps with and those without rounding have both left something.
    assert (one.parameters["block2_2.a.transform"] != np.eye(9)).any()
    for name in ("stem", "block2_2.b"):
        assert len(set(one.parameters[f"{name}.most"].tolist())) > 1


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_it_computes_what_the_integers_compute(bits: int) -> None:
    torch = pytest.importorskip("torch")
    from accelgen.digits import torch_supernet

    supernet = load_supernet()
    space = supernet.space
    parameters = {
        name: torch.from_numpy(value).log() if name.endswith(".most") else torch.from_numpy(value)
        for name, value in supernet.parameters.items()
    }
    images = digits("validation").images
    for architecture in (space.smallest, space.middle, space.largest):
        layers = space.layers(architecture)
        network = supernet.quantised(architecture, space.uniform(architecture, bits))
        found = answers(network, image_codes(network, images)) * network.layers[-1].output_scale
        chosen = {layer.name: (bits, bits) for layer in layers}
        batch = torch.from_numpy(images.astype(np.float32))
        expected = torch_supernet.answers(parameters, layers, batch, chosen).numpy()
        # In float32, few values are on the other side of a rounding boundary.
        assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.98
        assert np.median(np.abs(found - expected)) < 0.01 * np.abs(expected).max()

"""The elastic space of digits: legal architectures, their layers and networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.elastic.digits import CLASSES, SIDE, DigitsSpace
from accelgen.elastic.space import Choice, ElasticSpace
from accelgen.errors import InputError
from accelgen.names import FrozenMap
from accelgen.quantised.graph import IMAGE

SPACE: ElasticSpace = DigitsSpace()
ARCHITECTURES = st.fixed_dictionaries(
    {choice.name: st.sampled_from(choice.values) for choice in SPACE.choices}
)


@given(ARCHITECTURES)
def test_legal_architectures_stay_as_they_are(architecture: Mapping[str, int]) -> None:
    legal = SPACE.legal(architecture)
    assert SPACE.legal(legal) == legal
    assert list(legal) == [choice.name for choice in SPACE.choices]
    assert SPACE.network(legal) == SPACE.network(architecture)


@given(ARCHITECTURES, ARCHITECTURES)
def test_different_legal_architectures_are_different_networks(
    one: Mapping[str, int], two: Mapping[str, int]
) -> None:
    assert (SPACE.legal(one) == SPACE.legal(two)) == (SPACE.network(one) == SPACE.network(two))


@given(ARCHITECTURES)
def test_tensors_fit_together(architecture: Mapping[str, int]) -> None:
    shapes = {IMAGE: (1, SIDE)}
    layers = DigitsSpace().layers(architecture)
    for layer in layers:
        assert shapes[layer.source] == (layer.channels_in, layer.side)
        if layer.residual is not None:
            assert shapes[layer.residual] == (layer.channels, layer.side)
        assert layer.side % layer.window == 0
        shapes[layer.name] = (layer.channels, layer.side // layer.window)
    assert shapes[layers[-1].name] == (CLASSES, 1)


@given(ARCHITECTURES)
def test_the_network_is_the_layers(architecture: Mapping[str, int]) -> None:
    network = SPACE.network(architecture)
    layers = DigitsSpace().layers(architecture)
    assert [layer.name for layer in network.layers] == [layer.name for layer in layers]
    assert network.macs == sum(a.channels * a.channels_in * a.kernel**2 * a.side**2 for a in layers)
    for number, (layer, found) in enumerate(zip(layers, network.matrix_layers, strict=True)):
        rows = layer.side + layer.kernel - 1
        shapes = {
            access.tensor: found.workload.shape(access)
            for access in (
                found.workload.assignment.output,
                *found.workload.assignment.inputs,
            )
        }
        assert shapes["X"] == (layer.channels_in, rows, rows)
        assert shapes["W"] == (layer.channels, layer.channels_in, layer.kernel, layer.kernel)
        assert shapes["Y"] == (layer.channels, layer.side, layer.side)
        assert found.parameters == layer.channels * (layer.channels_in * layer.kernel**2 + 1)
        names = {network.layers[source].name for source in network.sources(number)}
        assert names == {layer.source, layer.residual} - {IMAGE, None}


def test_the_documentation_counts_networks() -> None:
    """Blocks that are there times those that are not, by stage; the choices of all else."""
    block, others = 1, 1
    for choice in SPACE.choices:
        if choice.name in ("kernel1_1", "middle1_1"):
            block *= len(choice.values)
        elif not choice.name.startswith(("kernel", "middle", "depth")):
            others *= len(choice.values)
    count = others * (1 + block + block**2) ** 2
    page = (Path(__file__).parents[2] / "docs" / "digits.md").read_text(encoding="utf-8")
    space = DigitsSpace()
    few, most = space.network(space.smallest).macs, space.network(space.largest).macs
    assert f"{count:,} different" in page
    assert f"from {few:,} to {most:,} multiply-accumulates" in " ".join(page.split())


def test_the_smallest_and_the_largest() -> None:
    space = DigitsSpace()
    assert [layer.name for layer in space.layers(space.smallest)] == [
        "stem",
        "entry2",
        "entry3",
        "classify",
    ]
    assert len(space.layers(space.largest)) == 12
    names = {layer.name for layer in space.layers(space.largest)}
    assert {layer.name for layer in space.layers(space.smallest)} < names


def test_what_is_no_architecture() -> None:
    smallest = dict(DigitsSpace().smallest)
    with pytest.raises(InputError, match="unknown choice 'kernel_stem'"):
        SPACE.legal(smallest | {"kernel_stem": 3})
    with pytest.raises(InputError, match="width1: 5 is no option; give one of 4, 6, 8"):
        SPACE.network(smallest | {"width1": 5})
    del smallest["depth2"]
    with pytest.raises(InputError, match="depth2: the architecture does not decide it"):
        SPACE.legal(smallest)


@pytest.mark.parametrize("values", [(), (1, 1), (True, 2), ("1",)])
def test_what_is_no_choice(values: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="width"):
        Choice("width", values)


@pytest.mark.parametrize("wrong", [True, "1", [1], 2])
def test_layers_of_what_is_not_legal_are_refused_whatever_was_asked_before(wrong: Any) -> None:  # noqa: ANN401 - wrong types too
    space = DigitsSpace()
    plain = space.smallest
    assert space.layers(plain) == space.layers(dict(plain))
    for kind in (dict, FrozenMap):
        with pytest.raises(InputError, match="is no option"):
            space.layers(kind({**plain, "kernel1_1": wrong}))

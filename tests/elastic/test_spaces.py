"""What holds for every elastic space: normal forms, stable names, refusals."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.elastic.channels import rounded
from accelgen.elastic.nas_bench_macro import NasBenchMacro
from accelgen.elastic.ofa_resnet50 import OfaResNet50
from accelgen.elastic.registry import elastic_space, list_spaces
from accelgen.elastic.space import ElasticSpace
from accelgen.errors import InputError
from accelgen.networks import Layer

NAMES = list_spaces()


def drawn(space: ElasticSpace, source: random.Random) -> dict[str, int]:
    return {choice.name: source.choice(choice.values) for choice in space.choices}


def shown(space: ElasticSpace, architecture: Mapping[str, int]) -> object:
    network = space.network(architecture)
    return network.layers, network.edges


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_normal_form(name: str, seed: int) -> None:
    """It is legal itself, gives the same network, and one choice changed gives the same network
    exactly when it gives the same normal form.
    """
    space = elastic_space(name)
    source = random.Random(seed)
    one = drawn(space, source)
    normal = space.legal(one)
    assert space.legal(normal) == normal
    assert list(normal) == [choice.name for choice in space.choices]
    assert shown(space, normal) == shown(space, one)
    choice = source.choice(space.choices)
    other = one | {choice.name: source.choice(choice.values)}
    assert (shown(space, other) == shown(space, one)) == (space.legal(other) == normal)


@pytest.mark.parametrize("name", NAMES)
def test_names_say_where_a_layer_is(name: str) -> None:
    """A layer has the same name wherever it is: order and kind of equal names agree."""
    space, source = elastic_space(name), random.Random(1)
    order: dict[str, set[str]] = {}
    for _ in range(6):
        names = [layer.name for layer in space.network(drawn(space, source)).layers]
        for place, layer in enumerate(names):
            order.setdefault(layer, set()).update(names[:place])
    # None comes both before and after another one.
    assert not [(a, b) for a in order for b in order[a] if a in order[b]]


@pytest.mark.parametrize("name", NAMES)
def test_all_elements_are_int8_and_every_layer_maps(name: str) -> None:
    space = elastic_space(name)
    network = space.network({choice.name: choice.values[-1] for choice in space.choices})
    low = network.with_formats(activations="int4", weights="int4")
    assert network.matrix_layers[0].workload.types == {}
    assert low.macs == network.macs
    assert network.name == space.name == name
    assert all(isinstance(layer, Layer) for layer in network.matrix_layers)


@pytest.mark.parametrize("name", NAMES)
def test_refusals(name: str) -> None:
    space = elastic_space(name)
    whole = {choice.name: choice.values[0] for choice in space.choices}
    first = space.choices[0].name
    with pytest.raises(InputError, match="no option"):
        space.network(whole | {first: 99991})
    with pytest.raises(InputError, match="does not decide"):
        space.legal({key: value for key, value in whole.items() if key != first})
    with pytest.raises(InputError, match="unknown choice"):
        space.legal(whole | {"colour": 1})


def test_registry_refusals() -> None:
    with pytest.raises(InputError, match="did you mean 'ofa_resnet50'"):
        elastic_space("ofa_resnet5")
    with pytest.raises(InputError, match="unknown parameter"):
        elastic_space("ofa_resnet50", {"stepp": 4})
    with pytest.raises(InputError, match="width multiplier"):
        elastic_space("ofa_mobilenet_v3", {"width": 1.3})
    with pytest.raises(InputError, match="steps of 7"):
        elastic_space("ofa_mobilenet_v3", {"step": 7})
    with pytest.raises(InputError, match="steps of 7"):
        elastic_space("ofa_resnet50", {"step": 7})
    with pytest.raises(InputError, match="source: 0"):
        elastic_space("hat_wmt_en_de", {"source": 0})
    wide = elastic_space("ofa_mobilenet_v3", {"width": 1.2, "step": 16})
    assert wide.choices[0].values == (160, 176, 192, 208, 224)


def test_blocks_that_do_nothing_go_to_the_end() -> None:
    kinds = (0, 1, 0, 0, 2, 2, 0, 1)
    found = NasBenchMacro().legal({f"block{i}": k for i, k in enumerate(kinds, start=1)})
    assert tuple(found.values()) == (0, 1, 0, 2, 0, 2, 1, 0)


def test_stem_widths_of_equal_channels_are_one() -> None:
    space = OfaResNet50()
    first = {choice.name: choice.values[0] for choice in space.choices}
    assert space.legal(first | {"stem_width": 80}) == space.legal(first)
    assert space.legal(first | {"stem_width": 100}) != space.legal(first)


@given(st.integers(1, 4000), st.sampled_from([0.65, 0.8, 1.0, 1.2]))
def test_rounded(channels: int, factor: float) -> None:
    exact = channels * factor
    found = rounded(exact)
    assert found % 8 == 0
    assert found >= 8
    assert found >= 0.9 * exact
    assert found == 8 or found - exact <= 8

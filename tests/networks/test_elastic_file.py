"""Network files that are an architecture of an elastic space."""

from __future__ import annotations

import pytest

from accelgen.elastic.registry import elastic_space
from accelgen.errors import InputError
from accelgen.networks import parse_network
from accelgen.networks.elastic_file import elastic_text

BLOCKS = {f"block{n}": kind for n, kind in enumerate((1, 0, 2, 0, 0, 0, 0, 0), start=1)}
TEXT = """\
elastic: nas_bench_macro
parameters: {image: 16}
architecture: {block1: 1, block2: 0, block3: 2, block4: 0, block5: 0, block6: 0, block7: 0,
               block8: 0}
bits:
  stem: {weights: int4}
  classifier: {weights: int4, activations: uint8}
"""


def test_a_file_is_the_network_of_its_architecture() -> None:
    found = parse_network(TEXT, "n.yaml")
    whole = elastic_space("nas_bench_macro", {"image": 16}).network(BLOCKS)
    assert [x.name for x in found.layers] == [x.name for x in whole.layers]
    assert (found.macs, found.edges, found.source) == (whole.macs, whole.edges, whole.source)
    types = {x.name: dict(x.workload.types) for x in found.matrix_layers}
    assert types["stem"] == {"W": "int4"}
    assert types["classifier"] == {"A": "uint8", "W": "int4"}
    assert types["features"] == dict(whole.matrix_layers[-2].workload.types)
    assert parse_network(TEXT, "n.yaml", parameters={"image": 8}).macs < found.macs


def test_text_is_read_again() -> None:
    bits = {"stem": {"weights": "int4", "activations": "int8"}}
    text = elastic_text("ofa_mobilenet_v3", {"width": 1.2, "step": 64}, _first(), bits)
    found = parse_network(text, "n.yaml", "mine")
    assert found.name == "mine"
    whole = elastic_space("ofa_mobilenet_v3", {"width": 1.2, "step": 64}).network(_first())
    assert found.macs == whole.macs
    assert found.matrix_layers[1:] == whole.matrix_layers[1:]


def _first() -> dict[str, int]:
    space = elastic_space("ofa_mobilenet_v3", {"width": 1.2, "step": 64})
    return {choice.name: choice.values[0] for choice in space.choices}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("nas_bench_macro", "nas_bench", "n.yaml:1: elastic: unknown elastic space"),
        ("image: 16", "imag: 16", "n.yaml:1: elastic: nas_bench_macro: unknown parameter 'imag'"),
        ("image: 16", "image: x", "n.yaml:1: elastic: image: 'x' is no number"),
        ("block1: 1", "block1: 7", "n.yaml:3: architecture: block1: 7 is no option"),
        ("block1: 1", "block1: x", "n.yaml:3: architecture: block1: 'x' is no integer"),
        ("block1: 1, ", "", "n.yaml:3: architecture: block1: the architecture does not decide it"),
        ("stem", "sten", "n.yaml:6: bits: nas_bench_macro: unknown layer 'sten'"),
        ("stem: {weights: int4}", "stem: int4", "n.yaml:6: bits: stem: no formats"),
        ("{weights: int4}", "{weight: int4}", "n.yaml:6: bits: stem: unknown operand 'weight'"),
        ("{weights: int4}", "{weights: bf16}", "n.yaml:6: bits: stem: types: W: "),
        ("{weights: int4}", "{weights: int99}", "n.yaml:6: bits: stem: types: W: "),
        ("bits:", "bit:", "n.yaml:6: unknown key 'bit'; did you mean 'bits'"),
    ],
)
def test_what_is_wrong_is_said_where(old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(InputError) as caught:
        parse_network(TEXT.replace(old, new, 1), "n.yaml")
    assert str(caught.value).startswith(says)


def test_an_architecture_is_needed() -> None:
    with pytest.raises(InputError, match=r"n\.yaml:1: no architecture; architecture: {block1: 0"):
        parse_network("elastic: nas_bench_macro\n", "n.yaml")

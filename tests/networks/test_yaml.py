"""Networks from YAML: both forms, and everything that is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelgen.affine import Workload
from accelgen.affine.yaml_text import MAX_BYTES
from accelgen.errors import InputError
from accelgen.networks import (
    BUILDERS,
    Layer,
    VectorWork,
    build_network,
    list_networks,
    load_network,
    parse_network,
)

LIST = """\
name: tiny
source: me
layers:
  - name: conv
    expression: Y[n,k,p,q] += X[n,c,p + r,q + s] * W[k,c,r,s]
    bounds: {n: 1, k: 4, c: 3, p: 8, q: 8, r: 3, s: 3}
    types: {X: uint8, W: int4}
    parameters: 4
  - {name: relu, operation: relu, elements: 256}
  - name: scores
    expression: S[m,n] += Q[m,d] * K[n,d]
    bounds: {m: 4, n: 4, d: 16}
    repeats: 12
    after: [conv, relu]
  - name: weighted
    expression: Y[m,n] += A[m,k] * B[k,n]
    bounds: {m: 4, n: 4, k: 16}
    weights: B
    tied: yes
    after: []
"""


def test_a_list_of_layers() -> None:
    made = parse_network(LIST)
    assert (made.name, made.source) == ("tiny", "me")
    conv = Workload(
        "Y[n,k,p,q] += X[n,c,p + r,q + s] * W[k,c,r,s]",
        {"n": 1, "k": 4, "c": 3, "p": 8, "q": 8, "r": 3, "s": 3},
        {"X": "uint8", "W": "int4"},
    )
    scores = Workload("S[m,n] += Q[m,d] * K[n,d]", {"m": 4, "n": 4, "d": 16})
    weighted = Workload("Y[m,n] += A[m,k] * B[k,n]", {"m": 4, "n": 4, "k": 16})
    assert made.layers == (
        Layer("conv", conv, 1, "W", 4),
        VectorWork("relu", "relu", 256),
        Layer("scores", scores, 12, None),
        Layer("weighted", weighted, 1, "B", 0, True),
    )
    assert made.edges == ((0, 1), (0, 2), (1, 2))


def test_formats_of_a_file() -> None:
    made = parse_network(LIST + "formats: {activations: int8, weights: int2, outputs: int32}\n")
    assert made.matrix_layers[0].workload.types == {"X": "int8", "W": "int2", "Y": "int32"}
    assert made.matrix_layers[1].workload.types == {"Q": "int8", "K": "int8", "S": "int32"}


def test_a_builder_with_parameters(tmp_path: Path) -> None:
    file = tmp_path / "my-net.yaml"
    file.write_text(
        "builder: mobilenet_v2\nparameters: {image: 96}\n"
        "formats: {activations: mxfp4, weights: mxfp4, fallback: int8}\n"
    )
    made = load_network(file, {"classes": 10})
    plain = build_network("mobilenet_v2", {"image": 96, "classes": 10})
    assert made.name == "my_net"
    assert (made.macs, made.parameters, made.edges) == (plain.macs, plain.parameters, plain.edges)
    assert made.matrix_layers[0].workload.types == {"X": "mxfp4", "W": "mxfp4"}
    assert parse_network("builder: resnet").name == "resnet50"


def test_shipped_networks_have_their_file_names() -> None:
    assert {"resnet50", "llama3_8b_decode", "stable_diffusion_1_5"} <= set(list_networks())
    assert [load_network(name).name for name in ("squeezenet", "dit_xl_2")] == [
        "squeezenet",
        "dit_xl_2",
    ]


@pytest.mark.parametrize("builder", sorted(BUILDERS))
def test_every_builder_has_defaults_and_is_documented(builder: str) -> None:
    assert build_network(builder).source
    assert BUILDERS[builder].__doc__


@pytest.mark.parametrize(
    ("builder", "parameters", "says"),
    [
        ("resnet", {"depth": 20}, "resnet: 20 is no value of depth; use one of 18, 34, 50"),
        ("resnet", {"deph": 18}, "unknown parameter of resnet 'deph'; did you mean 'depth'?"),
        ("resnet", {"image": "x"}, "image: 'x' is no integer"),
        ("resnet", {"image": True}, "image: True is no integer"),
        ("resnet", {"image": 0}, "image: 0 is outside 1..2**20"),
        ("resnet", {"batch": 2**20 + 1}, "batch: 1048577 is outside"),
        ("resnet", {"image": 2**20}, "resnet: conv1: bounds: 2586051348529152 iterations"),
        ("squeezenet", {"version": 1}, "version: 1 is no text"),
        ("squeezenet", {"image": 8}, "a window of 3"),
        ("bert", {"tokens": 513}, "513 is too large for tokens; use at most 512"),
        ("gpt2", {"context": 1025}, "1025 is too large for context"),
        ("gpt2", {"mode": "train"}, "'train' is no value of mode"),
        ("vit", {"image": 225}, "patches of 16 do not divide an image of 225"),
        ("dit", {"image": 100}, "patches of 2 do not divide latents of 100 / 8"),
        ("coatnet_0", {"image": 100}, "an image of 100 is no multiple of 32"),
        ("ddpm_unet", {"image": 30}, "an image of 30 is no multiple of 8"),
        ("stable_diffusion_unet", {"image": 520}, "an image of 520 is no multiple of 64"),
        (
            "llama",
            {"context": 2**20, "batch": 2**20},
            "llama: embeddings: elements: 4503599627370496 is outside",
        ),
        ("lama", {}, "unknown builder 'lama'; did you mean 'llama'?"),
    ],
)
def test_bad_parameters(builder: str, parameters: dict[str, int | str], says: str) -> None:
    with pytest.raises(InputError) as caught:
        build_network(builder, parameters)
    assert says in str(caught.value)


LAYER = "layers:\n- {name: fc, expression: 'Y[m] += A[m,k] * W[k]', bounds: {m: 2, k: 3}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "n.yaml: is empty"),
        ("3", "n.yaml:1: a mapping expected"),
        ("name: x", "n.yaml: give either a builder or layers"),
        ("builder: vgg\nlayers: []", "n.yaml: give either a builder or layers"),
        ("builder: vgg\nlayer: []", "n.yaml:2: unknown key 'layer'"),
        ("builder: vgg16", "n.yaml:1: builder: unknown builder 'vgg16'; did you mean 'vgg'?"),
        ("builder: [1]", "n.yaml:1: builder: unknown builder"),
        ("builder: vgg\nparameters: 3", "n.yaml:2: a mapping expected"),
        ("builder: vgg\nparameters: {depth: }", "n.yaml:2: parameters: depth has no value"),
        ("builder: vgg\nparameters:\n  depth: 17", "n.yaml:1: vgg: 17 is no value of depth"),
        ("builder: vgg\nparameters: {dept: 16}", "n.yaml:2: parameters: unknown parameter"),
        ("builder: vgg\nname: 3x", "n.yaml:2: name: '3x' is no legal network name"),
        ("builder: vgg\nname: [x]", "n.yaml:2: name: text expected"),
        ("builder: vgg\nformats: int8", "n.yaml:2: a mapping expected"),
        ("builder: vgg\nformats: {weight: int8}", "n.yaml:2: unknown key 'weight'; did you mean"),
        ("builder: vgg\nformats: {weights: int99}", "n.yaml:2: formats: conv1_1: types: W: "),
        ("layers: 3", "n.yaml:1: a list of layers expected"),
        ("layers: []", "n.yaml:1: a list of layers expected"),
        ("layers: [3]", "n.yaml:1: a mapping expected"),
        ("layers: [{name: x}]", "n.yaml:1: give either an expression or an operation"),
        (LAYER + ", operation: relu}", "n.yaml:2: give either an expression or an operation"),
        (LAYER + ", elements: 3}", "n.yaml:2: unknown key 'elements'"),
        (LAYER + ", repeats: x}", "n.yaml:2: repeats: 'x' is no integer"),
        (LAYER + ", repeats: 0}", "n.yaml:2: fc: repeats: 0 is outside"),
        (LAYER + ", weights: Q}", "n.yaml:2: fc: unknown tensor of weights 'Q'"),
        (LAYER + ", tied: maybe}", "n.yaml:2: tied: 'maybe' is neither yes nor no"),
        (LAYER + ", types: 3}", "n.yaml:2: types: a mapping expected"),
        (LAYER + ", after: fc}", "n.yaml:2: after: a list of names expected"),
        (LAYER + ", after: [fc]}", "n.yaml:2: after: unknown layer above 'fc'"),
        (LAYER + "}\n- {name: fc, operation: relu, elements: 2}", "two layers are named 'fc'"),
        (LAYER.replace("k: 3", "k: x") + "}", "n.yaml:2: bounds: k: 'x' is no integer"),
        (LAYER.replace("W[k]", "W[k*k]") + "}", "n.yaml:2: expression: "),
        ("layers: [{operation: relu, elements: 1}]", "n.yaml:1: '' is no legal layer name"),
        ("layers: [{name: x, operation: relu}]", "n.yaml:1: x: elements: 0 is outside"),
        ("builder: &a vgg", "n.yaml:1: anchors and aliases are not allowed"),
        ("builder: !!python/object/apply:os.system [ls]", "is not allowed"),
        ("builder: vgg\nbuilder: vgg", "n.yaml:2: key 'builder' appears twice"),
        ("layers: " + "[" * 100, "n.yaml:1: nested deeper than 16"),
        ("#" * (MAX_BYTES + 1), "n.yaml: a description longer than"),
        ("builder: [", "n.yaml:1: is not YAML"),
    ],
)
def test_bad_text_says_where(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_network(text, where="n.yaml")
    assert says in str(caught.value)
    assert str(caught.value).startswith("n.yaml")


def test_a_list_has_no_parameters() -> None:
    with pytest.raises(InputError, match="no builder, so no parameter 'batch'"):
        parse_network(LIST, parameters={"batch": 2})


def test_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown network 'resnet5'; did you mean 'resnet50'\?"):
        load_network("resnet5")
    with pytest.raises(InputError, match="there is no such file"):
        load_network(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="directory"):
        load_network(tmp_path / ".." / tmp_path.name)
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        load_network(tmp_path / "x.yaml")

"""Layers and networks as values."""

from __future__ import annotations

import pytest

from accelgen.affine import Workload
from accelgen.errors import InputError
from accelgen.networks import Layer, Network, VectorWork, build_network, list_networks, load_network

GEMM = Workload("Y[m,n] += A[m,k] * W[k,n]", {"m": 6, "n": 8, "k": 32})
CONV = Workload(
    "Y[n,k,p,q] += X[n,c,2*p + r,2*q + s] * W[k,c,r,s]",
    {"n": 1, "k": 4, "c": 3, "p": 5, "q": 5, "r": 3, "s": 3},
)
DEPTHWISE = Workload("Y[g,p] += X[g,p + r] * W[g,r]", {"g": 4, "p": 5, "r": 3})


def test_totals_of_a_layer_are_of_all_repeats() -> None:
    layer = Layer("fc", GEMM, repeats=5, further_parameters=8)
    assert layer.macs == 5 * 6 * 8 * 32
    assert layer.parameters == 5 * (32 * 8 + 8)
    assert layer.activations == ("A",)
    assert Layer("conv", CONV).parameters == 4 * 3 * 3 * 3
    assert Layer("scores", GEMM, weights=None).parameters == 0
    assert Layer("head", GEMM, tied=True, further_parameters=8).parameters == 8


def test_blocks_change_no_total() -> None:
    plain = Layer("fc", GEMM)
    blocks = plain.with_formats(activations="nvfp4", weights="nvfp4")
    assert blocks.workload.iterations < plain.workload.iterations
    assert (blocks.macs, blocks.parameters) == (plain.macs, plain.parameters)


def test_vector_work() -> None:
    work = VectorWork("relu", "relu", 10, repeats=3, further_parameters=2)
    assert (work.operations, work.parameters) == (30, 6)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Layer("fc", GEMM, weights="V"), "unknown tensor of weights 'V'"),
        (lambda: Layer("fc", GEMM, weights="Y"), "unknown tensor of weights 'Y'"),
        (lambda: Layer("fc", GEMM, repeats=0), "fc: repeats: 0 is outside 1..2**48"),
        (lambda: Layer("fc", GEMM, repeats=True), "True is no integer"),
        (lambda: Layer("fc", GEMM, further_parameters=-1), "-1 is outside 0..2**48"),
        (lambda: Layer("", GEMM), "'' is no legal layer name"),
        (lambda: Layer("a b", GEMM), "'a b' is no legal layer name"),
        (lambda: Layer("fc", GEMM, weights=None, tied=True), "tied, but without weights"),
        (lambda: VectorWork("r", "relu", 0), "r: elements: 0 is outside"),
        (lambda: VectorWork("r", "", 1), "'' is no operation"),
        (lambda: Network("n", ()), "n: no layers"),
        (lambda: Network("1", (Layer("fc", GEMM),)), "'1' is no legal network name"),
        (lambda: Network("n", (Layer("a", GEMM), Layer("a", GEMM))), "two layers are named 'a'"),
        (lambda: Network("n", (Layer("a", GEMM),), ((0, 1),)), "edge 0 -> 1"),
        (
            lambda: Network("n", (Layer("a", GEMM), Layer("b", GEMM)), ((1, 0),)),
            "edge 1 -> 0 does not lead from a layer to a later one",
        ),
    ],
)
def test_bad_values_are_refused(make: object, says: str) -> None:
    assert callable(make)
    with pytest.raises(InputError) as caught:
        make()
    assert says in str(caught.value)


def network() -> Network:
    layers = (
        Layer("conv", CONV),
        VectorWork("relu", "relu", 100),
        Layer("depthwise", DEPTHWISE),
        Layer("scores", GEMM, weights=None),
        Layer("fc1", GEMM),
        Layer("fc2", GEMM, repeats=2),
    )
    return Network("mixed", layers, ((0, 1), (1, 2), (2, 3), (1, 3), (3, 4), (4, 5), (4, 5)))


def test_a_network_is_the_sum_of_its_layers() -> None:
    made = network()
    assert made.macs == sum(layer.macs for layer in made.matrix_layers)
    assert made.parameters == 4 * 27 + 4 * 3 + 3 * 32 * 8
    assert made.vector_operations == 100
    assert made.edges.count((4, 5)) == 1
    assert made.sources(3) == (1, 2)
    assert made.distinct == ((CONV, 1), (DEPTHWISE, 1), (GEMM, 4))
    assert {made: 1}[network()] == 1


def test_an_unknown_layer_has_a_nearest_name() -> None:
    with pytest.raises(InputError, match=r"mixed: unknown layer 'fc3'; did you mean 'fc2'\?"):
        network().layer("fc3")


def test_formats_go_by_role() -> None:
    made = network().with_formats(activations="uint8", weights="int4", outputs="int32")
    assert made.matrix_layers[0].workload.types == {"X": "uint8", "W": "int4", "Y": "int32"}
    assert made.matrix_layers[2].workload.types == {"A": "uint8", "W": "uint8", "Y": "int32"}
    assert made.with_formats(weights="int8").matrix_layers[0].workload.types["X"] == "uint8"


def test_formats_of_some_layers() -> None:
    made = network().with_formats(weights="int2", only=["fc2"])
    types = [layer.workload.types for layer in made.matrix_layers]
    assert types == [{}, {}, {}, {}, {"W": "int2"}]
    with pytest.raises(InputError, match="unknown layer 'fc'"):
        network().with_formats(weights="int2", only=["fc"])


def test_layers_without_a_loop_for_blocks_need_a_fallback() -> None:
    with pytest.raises(InputError, match=r"depthwise: .* give a fallback"):
        network().with_formats(activations="nvfp4", weights="nvfp4")
    made = network().with_formats(
        activations="nvfp4", weights="nvfp4", outputs="bf16", fallback="int8"
    )
    conv, depthwise, scores, *_ = (layer.workload.types for layer in made.matrix_layers)
    assert conv == {"X": "nvfp4", "W": "nvfp4", "Y": "bf16"}
    assert depthwise == {"X": "int8", "W": "int8"}
    assert scores == {"A": "nvfp4", "W": "nvfp4", "Y": "bf16"}
    assert (made.macs, made.parameters) == (network().macs, network().parameters)


def test_types_that_do_not_fit_name_the_layer() -> None:
    with pytest.raises(InputError, match=r"conv: types: .*int8 is too narrow for Y"):
        network().with_formats(outputs="int8")


@pytest.mark.parametrize("name", list_networks())
def test_shipped_networks_are_connected(name: str) -> None:
    """All results but the last are read, and only what reads an input of the network begins."""
    made = load_network(name)
    read = {before for before, _ in made.edges}
    # The last one may be two, where its rows are divided.
    last = made.layers[-1].name.removesuffix("_rest")
    unread = [layer.name for n, layer in enumerate(made.layers[:-1]) if n not in read]
    assert unread in ([], [last])
    beginnings = sum(not made.sources(n) for n in range(len(made.layers)))
    # Image and time; image, time and class; image, time, and the text in 16 layers, twice; video,
    # text and time; video, text and its mean, time twice, guidance, and pooled text.
    more = {"ddpm_cifar10": 2, "dit_xl_2": 3, "stable_diffusion_1_5": 2 + 16 * 2}
    more |= {"wan2_1_14b": 3, "hunyuan_video": 7}
    assert beginnings == more.get(name, 1)


@pytest.mark.parametrize("name", ["mobilenet_v2", "llama3_8b_decode", "stable_diffusion_1_5"])
def test_shipped_networks_take_formats(name: str) -> None:
    made = load_network(name)
    lower = made.with_formats(activations="nvfp4", weights="nvfp4", fallback="int8")
    assert (lower.macs, lower.parameters) == (made.macs, made.parameters)
    assert len(lower.distinct) == len(made.distinct)


def test_large_activations_are_divided_by_rows() -> None:
    whole = build_network("llama", {"context": 4096})
    made = build_network("llama", {"context": 65536})
    first, rest = made.layer("layer0.down"), made.layer("layer0.down_rest")
    assert isinstance(first, Layer)
    assert isinstance(rest, Layer)
    assert rest.tied
    assert rest.repeats == 3
    rows = first.workload.bounds["m"]
    assert (1 + rest.repeats) * rows == 65536
    assert first.macs + rest.macs == 65536 * 14336 * 4096
    assert made.parameters == whole.parameters
    # What reads the result reads both.
    numbers = [made.layers.index(layer) for layer in (first, rest)]
    reads = {after for before, after in made.edges if before == numbers[0]}
    assert reads == {after for before, after in made.edges if before == numbers[1]}


def test_a_large_matrix_is_divided_by_its_columns() -> None:
    head = build_network("llama", {"mode": "decode"}).layer("logits")
    assert isinstance(head, Layer)
    assert head.repeats * head.workload.bounds["n"] == 128256
    assert head.parameters == 128256 * 4096

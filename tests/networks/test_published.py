"""Totals of the shipped networks are the published ones; docs/networks.md has the same table.

Parameters are exact.  MACs are compared at the precision at which they were published.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from accelgen.networks import Layer, Network, build_network, list_networks, load_network

PARAMETERS = {
    "alexnet": 60_965_224,
    "alexnet_2014": 61_100_840,
    "bert_base": 109_482_240,
    "bert_large": 335_141_888,
    "ddpm_cifar10": 35_746_307,
    "dit_xl_2": 675_129_632,
    "efficientnet_b0": 5_288_548,
    "efficientnet_v2_s": 21_458_488,
    "gpt2_decode": 124_439_808,
    "gpt2_prefill": 124_439_808,
    "hunyuan_video": 12_821_012_544,
    "llama2_7b_prefill": 6_738_415_616,
    "llama3_8b_decode": 8_030_261_248,
    "llama3_8b_prefill": 8_030_261_248,
    "mnasnet": 4_383_312,
    "mobilenet_v2": 3_504_872,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "squeezenet": 1_248_424,
    "squeezenet_1_1": 1_235_496,
    "stable_diffusion_1_5": 859_520_964,
    "unet": 31_030_658,
    "vgg16": 138_357_544,
    "vit_b_16": 86_567_656,
    "wan2_1_14b": 14_288_491_584,
}


def all_macs(network: Network) -> int:
    return network.macs


def weighted(network: Network) -> int:
    """Without the two products of attention, which counters of modules do not see."""
    return sum(layer.macs for layer in network.matrix_layers if layer.weights is not None)


def with_layer_norms(network: Network) -> int:
    """One operation more per element of a layer norm, as the DiT paper counts."""
    norms = (w.operations for w in network.vector_work if w.operation == "layer_norm")
    return network.macs + sum(norms)


# Published giga-MACs (as written, for their precision), and what they count.
GIGA_MACS: dict[str, tuple[str, Callable[[Network], int]]] = {
    "alexnet": ("0.724", all_macs),
    "alexnet_2014": ("0.714", all_macs),
    "bert_base": ("11.17", all_macs),
    "ddpm_cifar10": ("6.1", weighted),
    "dit_xl_2": ("118.64", with_layer_norms),
    "efficientnet_b0": ("0.386", all_macs),
    "efficientnet_v2_s": ("8.366", all_macs),
    "gpt2_prefill": ("145.8241536", all_macs),
    "llama2_7b_prefill": ("850.00", all_macs),
    "mnasnet": ("0.314", all_macs),
    "mobilenet_v2": ("0.301", all_macs),
    "resnet18": ("1.814", all_macs),
    "resnet50": ("4.089", all_macs),
    "squeezenet": ("0.819", all_macs),
    "squeezenet_1_1": ("0.349", all_macs),
    "stable_diffusion_1_5": ("338.61", weighted),
    "vgg16": ("15.47", all_macs),
    "vit_b_16": ("17.564", all_macs),
}
# Networks whose MACs were found in no publication, and the one that differs.
UNPUBLISHED = {
    "bert_large", "gpt2_decode", "hunyuan_video", "llama3_8b_decode", "llama3_8b_prefill", "unet",
    "wan2_1_14b",
}  # fmt: skip
DIFFERENT = {"coatnet_0"}


def test_every_shipped_network_is_compared() -> None:
    assert {*PARAMETERS} | DIFFERENT == set(list_networks())
    assert {*GIGA_MACS} | UNPUBLISHED | DIFFERENT == set(list_networks())


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_parameters_are_the_published_ones(name: str) -> None:
    assert load_network(name).parameters == PARAMETERS[name]


@pytest.mark.parametrize("name", sorted(GIGA_MACS))
def test_macs_are_the_published_ones(name: str) -> None:
    published, counted = GIGA_MACS[name]
    exact = Decimal(counted(load_network(name))) / 10**9
    assert exact.quantize(Decimal(published)) == Decimal(published)


@pytest.mark.parametrize(
    ("size", "patch", "image", "published"),
    [
        ("S", 2, 256, "6.06"), ("B", 2, 256, "23.01"), ("L", 2, 256, "80.71"),
        ("XL", 4, 256, "29.05"), ("XL", 8, 256, "7.39"),
    ],
)  # fmt: skip
def test_other_diffusion_transformers(size: str, patch: int, image: int, published: str) -> None:
    network = build_network("dit", {"size": size, "patch": patch, "image": image})
    exact = Decimal(with_layer_norms(network)) / 10**9
    assert exact.quantize(Decimal(published)) == Decimal(published)


def test_the_documentation_has_these_totals() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "networks.md"
    row = re.compile(r"^\| `(\w+)`[^|]*\| (\d+) \| (\d+) \|", re.MULTILINE)
    rows = {m[1]: (int(m[2]), int(m[3])) for m in row.finditer(page.read_text(encoding="utf-8"))}
    networks = [load_network(name) for name in list_networks()]
    assert rows == {network.name: (network.parameters, network.macs) for network in networks}


def test_coatnet_is_within_two_percent_of_the_paper() -> None:
    """The paper's 25 M and 4.2 G; it leaves details open, and what its operations are."""
    network = load_network("coatnet_0")
    assert round(network.parameters / 1e6) == 25
    assert 0.98 * 4.2e9 < network.macs < 4.2e9


def test_convolutions_of_alexnet_are_those_measured_on_eyeriss() -> None:
    """Giga-MACs of four images, layer by layer: JSSC 2017, table V."""
    network = load_network("alexnet", {"batch": 4})
    convolutions = [layer for layer in network.matrix_layers if layer.name.startswith("conv")]
    found = [f"{layer.macs / 1e9:.2f}" for layer in convolutions]
    assert found == ["0.42", "0.90", "0.60", "0.45", "0.30"]


@pytest.mark.parametrize(
    ("name", "depth", "width", "tokens"),
    [("bert_large", 24, 1024, 128), ("bert_base", 12, 768, 128)],
)
def test_bert_by_formula(name: str, depth: int, width: int, tokens: int) -> None:
    block = 12 * width**2 * tokens + 2 * width * tokens**2
    assert load_network(name).macs == depth * block + width**2


@pytest.mark.parametrize("mode", ["prefill", "decode"])
def test_llama_by_formula(mode: str) -> None:
    context = 2048
    tokens = context if mode == "prefill" else 1
    network = load_network(f"llama3_8b_{mode}")
    # All parameters but the table of embeddings and the norms are multiplied once per token.
    norms = (2 * 32 + 1) * 4096
    multiplied = network.parameters - 128256 * 4096 - norms
    attention = 32 * 2 * 4096 * context
    assert network.macs == tokens * (multiplied + attention)


def test_wan_by_formula() -> None:
    tokens, text, width, inner = 21 * 45 * 80, 512, 5120, 13824
    network = load_network("wan2_1_14b")
    projections = 4 * width**2 * tokens + 2 * width**2 * (tokens + text)
    attention = 2 * width * tokens * (tokens + text)
    block = projections + attention + 2 * width * inner * tokens
    once = 64 * width * 2 * tokens + (4096 * width + width**2) * text
    assert network.macs == 40 * block + once + 256 * width + width**2 + 6 * width**2
    small = build_network("wan", {"model": "t2v_1_3b", "height": 480, "width": 832})
    assert small.parameters == 1_418_996_800


def test_hunyuan_video_by_formula() -> None:
    video, text, width = 33 * 45 * 80, 256, 3072
    tokens = video + text
    network = load_network("hunyuan_video")
    attention = 2 * width * tokens**2
    modulations = (20 * 2 * 6 + 40 * 3 + 2) * width**2
    blocks = 60 * (12 * width**2 * tokens + attention) + modulations
    refiner = 2 * (12 * width**2 * text + 2 * width * text**2 + 2 * width**2)
    embeddings = 4096 * width * text + 2 * 64 * width * video
    vectors = 3 * (256 * width + width**2) + (4096 + 768 + 2 * width) * width
    assert network.macs == blocks + refiner + embeddings + vectors


def test_decode_reads_all_cached_keys() -> None:
    network = load_network("gpt2_decode", {"context": 1000})
    scores = network.layer("h0.scores")
    assert isinstance(scores, Layer)
    assert dict(scores.workload.bounds) == {"b": 1, "h": 12, "m": 1, "n": 1000, "d": 64}
    assert network.parameters == PARAMETERS["gpt2_decode"]


def test_the_last_logits_alone() -> None:
    every = load_network("gpt2_prefill")
    last = load_network("gpt2_prefill", {"logits": "last"})
    assert every.macs - last.macs == 1023 * 768 * 50257
    assert every.parameters == last.parameters


def test_the_unpadded_unet_shrinks_as_in_the_paper() -> None:
    head = load_network("unet").layer("head")
    assert isinstance(head, Layer)
    assert (head.workload.bounds["p"], head.workload.bounds["q"]) == (388, 388)


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "bert_base", "unet"])
def test_a_batch_multiplies_the_work_and_not_the_parameters(name: str) -> None:
    one, three = load_network(name), load_network(name, {"batch": 3})
    assert three.macs == 3 * one.macs
    assert three.vector_operations == 3 * one.vector_operations
    assert three.parameters == one.parameters

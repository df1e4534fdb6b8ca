"""Sub-networks of the published spaces have the published numbers of parameters and MACs.

Figures are compared at the precision at which they were published; docs/networks.md has the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accelgen.elastic.hat import Hat
from accelgen.elastic.nas_bench_macro import NasBenchMacro
from accelgen.elastic.ofa_mobilenet_v3 import OfaMobileNetV3
from accelgen.elastic.ofa_resnet50 import OfaResNet50
from accelgen.elastic.space import ElasticSpace


def extreme(space: ElasticSpace, index: int) -> dict[str, int]:
    return {choice.name: choice.values[index] for choice in space.choices}


def mobilenet(
    resolution: int,
    depths: Sequence[int],
    kernels: Sequence[Sequence[int]],
    expansions: Sequence[Sequence[int]],
) -> dict[str, int]:
    """Kernels and expansions of the blocks that are there, unit by unit."""
    found = extreme(OfaMobileNetV3(), 0) | {"resolution": resolution}
    for u in range(5):
        found[f"depth{u + 1}"] = depths[u]
        for i, (kernel, expansion) in enumerate(zip(kernels[u], expansions[u], strict=True)):
            found[f"kernel{u + 1}_{i + 1}"] = kernel
            found[f"expansion{u + 1}_{i + 1}"] = expansion
    return found


def per_layer(values: Mapping[str, Sequence[int]]) -> dict[str, int]:
    return {f"{name}{i}": v for name, row in values.items() for i, v in enumerate(row, start=1)}


def test_ofa_note8_22ms() -> None:
    # "note8_lat@22ms_top1@70.4_finetune@25": 4.3 M parameters, 67 M MACs (README of
    # mit-han-lab/once-for-all); its architecture: open-mmlab/mmrazor, OFA_SUBNET_NOTE8_LAT22.yaml.
    network = OfaMobileNetV3().network(
        mobilenet(
            140,
            (2, 2, 2, 2, 2),
            ((3, 3), (5, 5), (7, 3), (5, 3), (3, 7)),
            ((3, 3), (3, 3), (4, 3), (3, 4), (6, 6)),
        )
    )
    assert (round(network.parameters / 1e6, 1), round(network.macs / 1e6)) == (4.3, 67)
    assert (network.parameters, network.macs) == (4_304_592, 67_196_888)


def test_ofa_note8_31ms() -> None:
    # "note8_lat@31ms_top1@72.8_finetune@25": 4.6 M, 101 M; OFA_SUBNET_NOTE8_LAT31.yaml.
    network = OfaMobileNetV3().network(
        mobilenet(
            152,
            (2, 2, 3, 3, 4),
            ((5, 3), (5, 5), (3, 3, 5), (3, 5, 7), (3, 3, 5, 5)),
            ((3, 3), (4, 3), (4, 4, 4), (4, 3, 4), (6, 3, 3, 3)),
        )
    )
    assert (round(network.parameters / 1e6, 1), round(network.macs / 1e6)) == (4.6, 101)


def test_ofa_largest() -> None:
    # The largest sub-network: 7.6 M parameters (mmrazor's table for the whole supernet, rounded
    # down).
    space = OfaMobileNetV3()
    network = space.network(extreme(space, -1))
    assert network.parameters // 100_000 == 76
    assert len([layer for layer in network.matrix_layers if "unit" in layer.name]) == (
        20 * 3 + 12 * 2
    )


def test_ofa_wider_channels() -> None:
    # Widths of ofa_mbv3_d234_e346_k357_w1.2: multiples of 8 nearest to 1.2 times those of 1.0, but
    # 24 instead of 16 for 19.2, which would lose more than a tenth.
    space = OfaMobileNetV3(1.2)
    network = space.network(extreme(space, 0))
    widths = [
        layer.workload.bounds["k"]
        for layer in network.matrix_layers
        if layer.name in {"stem", "last"} or layer.name.endswith("1.project")
    ]
    assert widths == [24, 32, 48, 96, 136, 192, 1152]


def test_resnet50_d() -> None:
    # ResNet-50-D is in the space: 25576264 parameters (fastai's xresnet50), 4.3 GFLOPs (He et al.:
    # Bag of Tricks, arXiv 1812.01187, table 5).
    space = OfaResNet50()
    found = extreme(space, -1) | {"resolution": 224, "depth1": 1, "depth4": 1}
    found |= {choice.name: 25 for choice in space.choices if choice.name.startswith("expansion")}
    network = space.network(found)
    assert network.parameters == 25_576_264
    assert round(network.macs / 1e9, 1) == 4.3


def test_hat_of_28_4_bleu() -> None:
    # "HAT_wmt14ende_raspberrypi@6.9s_bleu@28.4": 48 M parameters without embeddings (Wang et al.,
    # arXiv 2005.14187: 3.7 times smaller than Transformer-Big's 176 M).
    space = Hat()
    found = extreme(space, 0) | {"decoder_layers": 5}
    found |= per_layer(
        {
            "encoder_hidden": (3072,) * 6,
            "decoder_hidden": (2048, 2048, 3072, 3072, 2048),
            "encoder_heads": (8, 4, 8, 8, 8, 8),
            "decoder_heads": (8, 8, 8, 4, 8),
            "cross_heads": (4, 8, 8, 8, 8),
            "attended": (1, 2, 2, 2, 1),
        }
    )
    network = space.network(found)
    embeddings = network.layer("source_embeddings").parameters
    assert round((network.parameters - embeddings) / 1e6) == 48
    keys = [layer.attention for layer in network.matrix_layers if layer.name.endswith("cross.mix")]
    assert [part.shape.keys for part in keys if part] == [30, 60, 60, 60, 30]


def test_hat_has_the_base_transformer() -> None:
    # Transformer-Base: torch.nn.Transformer() has 44140544 parameters, of which 2048 are two layer
    # norms at the ends of encoder and decoder.
    space = Hat()
    found = extreme(space, 0) | {"decoder_layers": 6}
    found |= {c.name: 2048 for c in space.choices if "hidden" in c.name}
    network = space.network(found)
    embeddings = network.layer("source_embeddings").parameters
    assert network.parameters - embeddings == 44_140_544 - 2048


def test_nas_bench_macro_by_hand() -> None:
    # No figures of single architectures are at hand: those of train/model.py of the benchmark,
    # added up by hand for blocks that do nothing.
    space = NasBenchMacro()
    network = space.network(extreme(space, 0))
    skips = (32 * 64 + 2 * 64) + (64 * 128 + 2 * 128) + (128 * 256 + 2 * 256)
    ends = (3 * 9 * 32 + 2 * 32) + (256 * 1280 + 2 * 1280) + (1280 * 10 + 10)
    assert network.parameters == skips + ends
    macs = 3 * 9 * 32 * 32**2 + 32 * 64 * 16**2 + 64 * 128 * 8**2 + 128 * 256 * 4**2
    assert network.macs == macs + 256 * 1280 * 4**2 + 1280 * 10
    wide = space.network(extreme(space, 0) | {"block1": 2})
    block = 32 * 192 + 25 * 192 + 192 * 64 + 2 * (192 + 192 + 64)
    assert wide.parameters - network.parameters == block - (32 * 64 + 2 * 64)

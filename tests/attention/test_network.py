"""The attention layers of networks, and a network with a pattern."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelgen.attention.network.compare import attention_pairs, compare_attention, without_attention
from accelgen.attention.network.planned import layer_class, read_plan
from accelgen.attention.network.simulation import simulate_attention
from accelgen.attention.patterns.spatten import Spatten
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from accelgen.hardware import load_hardware
from accelgen.networks import load_network
from accelgen.networks.builder import Builder, Value

HARDWARE = load_hardware("array16_256k")


def parts(name: str, **parameters: int | str) -> list[AttentionShape]:
    pairs = attention_pairs(load_network(name, parameters))
    for scores, product in pairs:
        assert scores.attention is not None
        assert product.attention is not None
        assert scores.macs == scores.attention.batch * scores.attention.shape.heads * (
            scores.attention.shape.queries
            * scores.attention.shape.keys
            * scores.attention.shape.head_dim
        )
    return [scores.attention.shape for scores, _ in pairs if scores.attention is not None]


def test_shapes_are_those_of_the_networks() -> None:
    llama = AttentionShape(128, 128, 32, 8, 128, 128)
    assert parts("llama3_8b_prefill", context=128) == [llama] * 32
    step = AttentionShape(1, 128, 32, 8, 128, 128)
    assert parts("llama3_8b_decode", context=128) == [step] * 32
    assert parts("gpt2_prefill", context=64)[0].causal
    assert parts("bert_base")[0].causal is False
    assert parts("vit_b_16") == [AttentionShape(197, 197, 12, 12, 64, 64, causal=False)] * 12
    dit = AttentionShape(256, 256, 16, 16, 72, 72, causal=False)
    assert parts("dit_xl_2") == [dit] * 28
    assert parts("resnet18") == []


def test_cross_attention_stays_dense() -> None:
    network = load_network("stable_diffusion_1_5")
    found = compare_attention(network, HARDWARE, read_plan("block_streaming(1, 1, block=64)"))
    cross = [layer for layer in found.layers if layer.number is None]
    own = [layer for layer in found.layers if layer.number is not None]
    assert [layer.number for layer in own] == list(range(len(own)))
    assert cross
    assert all(layer.part.shape.keys == 77 for layer in cross)
    assert all(layer.dense == layer.sparse and layer.pattern == "dense" for layer in cross)
    large = [layer for layer in own if layer.part.shape.queries == 4096]
    assert large
    assert all(layer.sparse.cycles < layer.dense.cycles / 3 for layer in large)


def small(batch: int = 1) -> Builder:
    b = Builder(batch)
    x = Value((256, 128))
    for number in range(2):
        with b.scope(f"layer{number}"):
            q, k, v = (b.linear(name, x, 128, bias=False) for name in ("q", "k", "v"))
            x = b.linear("out", b.attention(q, k, v, 4, causal=True), 128, bias=False)
    return b


def test_everything_else_is_as_before() -> None:
    network = small().network("small", "a test")
    others = without_attention(network)
    assert others is not None
    assert len(others.matrix_layers) == 8
    found = simulate_attention(network, HARDWARE, read_plan("streaming(4, 32)"))
    assert found.rest is not None
    assert [x.layer.name for x in found.rest.layers] == [x.name for x in others.matrix_layers]
    dense, sparse = found.total(sparse=False), found.total(sparse=True)
    assert dense.cycles - sparse.cycles == pytest.approx(
        found.attention.cycles(sparse=False) - found.attention.cycles(sparse=True)
    )
    assert sparse.cycles == pytest.approx(found.rest.cycles + found.attention.cycles(sparse=True))
    assert sparse.energy_pj < dense.energy_pj
    assert sparse.dram_bytes < dense.dram_bytes
    assert sparse.edp == pytest.approx(sparse.cycles * sparse.energy_pj)
    limits = found.limits(sparse=True)
    assert sum(limits.values()) == pytest.approx(found.attention.cycles(sparse=True))
    plain = simulate_attention(network, HARDWARE, read_plan("dense"))
    assert plain.total(sparse=True) == plain.total(sparse=False) == dense


def test_a_batch_is_as_many_heads() -> None:
    plan = read_plan("streaming(4, 32)")
    one = compare_attention(small().network("small", "a test"), HARDWARE, plan)
    many = compare_attention(small(3).network("small", "a test"), HARDWARE, plan)
    for a, b in zip(one.layers, many.layers, strict=True):
        assert b.sparse.tiles == 3 * a.sparse.tiles
        assert b.sparse.cycles == pytest.approx(3 * a.sparse.cycles, rel=0.05)
        assert b.sparse.density == pytest.approx(a.sparse.density)


def test_dynamic_patterns_say_how_tensors_were_drawn() -> None:
    network = small().network("small", "a test")
    found = compare_attention(network, HARDWARE, read_plan("quest(page=8, budget=64)"), seed=5)
    again = compare_attention(network, HARDWARE, read_plan("quest(page=8, budget=64)"), seed=5)
    assert found == again
    # Two layers are dense by default.
    assert found.notes == ()
    plan = read_plan("quest(page=8, budget=64, dense_layers=1)")
    found = compare_attention(network, HARDWARE, plan, seed=5)
    assert found.layers[0].dense == found.layers[0].sparse
    assert found.layers[1].sparse.pairs < found.layers[1].dense.pairs
    assert found.notes == (
        "quest: 2 of 4 heads of keys and values, seed 5; two vectors of every page are scored",
    )


def test_descriptions_by_layer_and_head(tmp_path: Path) -> None:
    text = (
        "tokens: 99\nheads: 4\nlayers: 2\npattern:\n  layers:\n    0: dense\n"
        "    1: {heads: {0-1: dense, 2-3: 'streaming(4, 32)'}}\n"
    )
    path = tmp_path / "mixed.yaml"
    path.write_text(text, encoding="utf-8")
    file = str(path)
    network = small().network("small", "a test")
    found = compare_attention(network, HARDWARE, read_plan(file))
    first, second = found.layers
    assert first.sparse == first.dense
    all_streams = compare_attention(network, HARDWARE, read_plan("streaming(4, 32)")).layers[1]
    dense, sparse = second.dense.tiles, all_streams.sparse.tiles
    assert second.sparse.tiles == (dense + sparse) // 2
    assert second.pattern == "dense, streaming(recent=32)"
    llama = load_network("llama3_8b_prefill", {"context": 64})
    with pytest.raises(InputError, match=r"layer0: mixed: is of 4 heads, and there are 32"):
        compare_attention(llama, HARDWARE, read_plan(file))


def test_gates_by_layer() -> None:
    network = load_network("llama3_8b_prefill", {"context": 1024})
    gates = "[[1, 1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1]]"
    plan = read_plan(f"duo(sparsity=0.6875, gates={gates})")
    with pytest.raises(InputError, match=r"layer2: duo: gates: no layer 2 among 2"):
        compare_attention(network, HARDWARE, plan)


def test_errors() -> None:
    with pytest.raises(InputError, match="resnet18: no attention layer"):
        compare_attention(load_network("resnet18"), HARDWARE, read_plan("dense"))
    with pytest.raises(InputError, match="unknown pattern or description 'streeming'"):
        read_plan("streeming")
    network = small().network("small", "a test")
    with pytest.raises(InputError, match=r"small: layer0: svg: windows over video"):
        compare_attention(network, HARDWARE, read_plan("svg(16)"))


def test_progress_counts_attention_and_the_other_layers() -> None:
    network = small().network("small", "a test")
    steps: list[tuple[int, int]] = []
    stages: list[str] = []
    plan = read_plan("quest(page=8, budget=64, dense_layers=1)")
    found = simulate_attention(
        network,
        HARDWARE,
        plan,
        progress=lambda done, total: steps.append((done, total)),
        stage=stages.append,
    )
    pairs = len(found.attention.layers)
    assert pairs == 2
    assert found.rest is not None
    assert [done for done, _ in steps] == list(range(len(steps)))
    assert {total for _, total in steps} == {len(steps)}
    assert len(steps) > pairs
    # Layer 0 is dense, layer 1 looks at tensors; then there is nothing to say.
    last = found.attention.layers[1]
    assert stages[-2:] == [f"{last.name}, quest, {last.part.shape.queries} queries", ""]


def test_layers_of_spatten_that_keep_as_much_are_alike() -> None:
    spatten = Spatten(layers=12)
    classes = [layer_class(spatten, layer) for layer in range(32)]
    assert classes[0] == classes[1] != classes[2]
    assert len(set(classes)) == 11
    assert set(classes[11:]) == {(spatten.token_keep, spatten.head_keep)}

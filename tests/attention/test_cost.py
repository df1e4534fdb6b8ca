"""What an attention layer costs, against counts made tile by tile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.affine.yaml_text import Plain
from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.rows import list_packet
from accelgen.attention.accelerator.schedule import lists_of
from accelgen.attention.accelerator.tiling import group_rows
from accelgen.attention.network.arrays import array_count, array_rows, core_for
from accelgen.attention.network.cost import PARTS, HeadWork, attention_cost
from accelgen.attention.network.prices import Prices, prices_of
from accelgen.attention.network.tile_counts import TileFigures, tile_figures
from accelgen.attention.network.timeline import timeline
from accelgen.attention.network.work import head_work
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.patterns.streaming import Streaming
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from accelgen.hardware import hardware_from, hardware_values, load_hardware
from tests.attention.tile_cases import core_of, cores, masks, shared_shapes

# Each action a price of its own, so that counts can be told apart.
PRICES = Prices(
    mac=1, score=1e3, rescale=1e6, divide=1e9, result=1e12, fold=1e15, link=1,
    keys=(1, 1e3), values=(1, 1e3), queries=(1e6, 1e9), totals=(1e12, 1e15),
    dram=(1, 1e6), leakage=3,
)  # fmt: skip


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_energy_is_that_of_the_tiles(data: st.DataObject) -> None:
    core = data.draw(cores())
    heads = data.draw(st.integers(1, core.group))
    shape = data.draw(shared_shapes(heads, 60))
    mask = [data.draw(masks(shape))] * heads
    n = core.numerics
    d, dv, rows = n.head_dim, n.value_dim, n.rows
    scores = updates = used = 0
    reads = np.zeros(4)
    writes = np.zeros(4)
    read_bytes = written_bytes = 0.0
    for group in lists_of(core, mask, causal=shape.causal):
        real, _, _ = group_rows(core, shape.queries, heads, group.row)
        count, tiles = int(real.sum()), len(group.entries)
        used += count
        read_bytes += list_packet(core, group).size + len(real) * d
        written_bytes += len(real) * dv * 4
        writes += [0, 0, count * d * n.operand_bits, 0]
        reads += [0, 0, 0, count * (dv + 1) * n.total_bits]
        for _ in range(tiles):
            scores += count * rows
            updates += count
            total = count * (dv + 1) * n.total_bits
            writes += [rows * d * 8, rows * dv * 8, 0, total]
            reads += [
                core.query_tiles * rows * d * 8, core.query_tiles * rows * dv * 8,
                count * d * n.operand_bits, total,
            ]  # fmt: skip
            read_bytes += rows * (d + dv)
    work = [HeadWork(tile_figures(core, shape, mask), heads)]
    found = attention_cost(core, shape, work, PRICES)
    steps = scores * (d + dv + 1)
    lanes = scores * PRICES.score + updates * (dv + 1) * PRICES.rescale
    lanes += used * (PRICES.divide + dv * PRICES.result + d * PRICES.fold)
    buffers = reads @ [1, 1, 1e6, 1e12] + writes @ [1e3, 1e3, 1e9, 1e15]
    expected = {
        "mac": steps,
        "softmax": lanes,
        "buffers": buffers,
        "link": steps * (8 + n.operand_bits),
        "dram": 8 * (read_bytes + 1e6 * written_bytes),
        "leakage": 3 * found.cycles,
    }
    assert tuple(found.energy_pj) == PARTS
    assert dict(found.energy_pj) == pytest.approx(expected)
    assert found.dram_bytes == pytest.approx(read_bytes + written_bytes)
    assert found.pairs == sum(one.nnz for one in mask)
    assert found.density == pytest.approx(mask[0].density)


def figures_of(tiles: list[int]) -> TileFigures:
    found = np.array(tiles)
    return TileFigures(found, np.zeros_like(found), found * 64)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=12), st.integers(1, 5))
@settings(deadline=None)
def test_times_are_one_after_the_other(tiles: list[int], times: int) -> None:
    core = core_of(16, dim=64, key_bits=128, query_bits=128, output_bits=256)
    shape = AttentionShape(16 * len(tiles), 16 * 40, times, times, 64, 64)
    work = [HeadWork(figures_of(tiles), 1, times)]
    found = attention_cost(core, shape, work, PRICES, bytes_per_cycle=16)
    all_tiles = np.array(tiles * times)
    line = timeline(core, all_tiles, np.zeros_like(all_tiles), 16)
    assert found.cycles == pytest.approx(line.cycles, rel=0.01)
    assert sum(found.limits.values()) == pytest.approx(found.cycles)


def test_several_arrays() -> None:
    shape = AttentionShape(512, 512, 4, 2, 64, 64)
    core = Core(core_of(16, dim=64).numerics, group=2, key_bits=128, query_bits=128,
                output_bits=512, mask_slots=4)  # fmt: skip
    work = head_work(core, shape, Dense().masks(shape))
    assert [(one.heads, one.times) for one in work] == [(2, 2)]
    costs = {
        (arrays, bandwidth): attention_cost(
            core, shape, work, PRICES, arrays=arrays, bytes_per_cycle=bandwidth
        )
        for arrays in (1, 4)
        for bandwidth in (None, 8.0)
    }
    # Four are nearly four times as fast, until the memory is the limit.
    speedup = costs[1, None].cycles / costs[4, None].cycles
    assert 3.5 < speedup <= 4
    assert costs[4, None].limit == "compute"
    assert costs[4, 8.0].limit == "memory"
    assert costs[4, 8.0].cycles >= costs[4, 8.0].dram_bytes / 8
    assert costs[1, 8.0].dram_bytes == costs[4, 8.0].dram_bytes
    assert 1 <= costs[4, None].balance < 1.05


def test_a_pattern_saves_what_it_leaves_out() -> None:
    shape = AttentionShape(2048, 2048, 4, 2, 64, 64)
    hardware = load_hardware("array16_256k")
    core = core_for(shape, hardware)
    prices = prices_of(hardware, core, 1)
    dense, sparse = (
        attention_cost(
            core, shape, head_work(core, shape, pattern.masks(shape)), prices, bytes_per_cycle=8
        )
        for pattern in (Dense(), Streaming(4, 128))
    )
    assert sparse.density == pytest.approx(Streaming(4, 128).masks(shape)[0].density)
    share = sparse.tiles / dense.tiles
    assert share < 0.25
    assert sparse.cycles / dense.cycles == pytest.approx(share, rel=0.1)
    assert sparse.energy_pj["mac"] / dense.energy_pj["mac"] == pytest.approx(share)
    assert sparse.total_pj < 0.3 * dense.total_pj


def test_prices_follow_from_the_hardware() -> None:
    hardware = load_hardware("array16_256k")
    core = core_for(AttentionShape(64, 64), hardware)
    found = prices_of(hardware, core, 1)
    # 8 x 18 full adders, where a multiplier of int8 has 8 x 8.
    assert found.mac == pytest.approx(0.23 * 18 / 8)
    assert found.dram == (20.0, 20.0)
    assert 0 < found.score < found.mac * 3
    wide = hardware_from({**hardware_values("array16_256k"), "attention": {"formats": "int16"}})
    other = prices_of(wide, core_for(AttentionShape(64, 64), wide), 1)
    assert other.mac == pytest.approx(0.23 * 18 / 16)
    only = hardware_from({**hardware_values("array16_256k"), "mac_pj": {"bf16": "1"}})
    with pytest.raises(InputError, match="no units for int8"):
        prices_of(only, core, 1)


def test_the_array_of_hardware() -> None:
    assert [array_rows(load_hardware(name)) for name in ("array16_64k", "tpu_128", "eyeriss")] == [
        16, 64, 8,
    ]  # fmt: skip
    assert array_count(load_hardware("tpu_128")) == 4
    values = hardware_values("array16_64k")
    section: dict[str, Plain] = {
        "rows": 32,
        "arrays": 2,
        "query_tiles": 2,
        "key_bits": 64,
        "formats": {"q": "int8"},
    }
    hardware = hardware_from({**values, "attention": section})
    core = core_for(AttentionShape(1, 640, 8, 2, 64, 64), hardware)
    assert (core.numerics.rows, core.group, core.query_tiles, core.key_bits) == (32, 4, 2, 64)
    assert array_count(hardware) == 2
    # A decode step needs no second tile of queries, unless one is built.
    decode = core_for(AttentionShape(1, 640, 8, 2, 64, 64), load_hardware("array16_64k"))
    assert decode.query_tiles == 1
    assert core_for(AttentionShape(640, 640, 3, 3, 72, 72), hardware).keys_per_beat == 8
    mixed: dict[str, Plain] = {"group": 1, "formats": {"q": "bf16", "k": "nvfp4", "v": "nvfp4"}}
    other = core_for(
        AttentionShape(640, 640, 8, 2, 64, 64), hardware_from({**values, "attention": mixed})
    )
    assert other.group == 1
    assert other.formats == ("bf16", "nvfp4", "nvfp4")
    # 14 bits for bf16; as many elements in a beat as there are rows.
    assert (other.numerics.element_bits, other.query_bits, other.key_bits) == (14, 256, 64)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"row": 16}, "attention: unknown key 'row'"),
        ({"rows": "x"}, "attention: rows: 'x' is no integer"),
        ({"rows": 0}, "attention: rows: 0 is outside"),
        ({"formats": "fp32"}, "attention: formats: attention takes no fp32"),
        ({"formats": {"q": "int8", "x": "int4"}}, "attention: formats: unknown tensor"),
        ("x", "attention: 'x' is no mapping"),
    ],
)
def test_wrong_sections(section: Plain, says: str) -> None:
    with pytest.raises(InputError, match=says.split(": '")[0]) as caught:
        hardware_from({**hardware_values("array16_64k"), "attention": section})
    assert says in str(caught.value)

"""The cycles of row groups, against the event model, which equals the hardware."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.cycles import predict_cycles
from accelgen.attention.accelerator.pace import pace_of
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.rows import Entry, RowGroup, Setting, list_packet
from accelgen.attention.load import parse_attention
from accelgen.attention.network.timeline import rates_of, row_group_bytes, timeline
from accelgen.rtl.attention.tile_info import MASKED
from tests.attention.tile_cases import core_of

COLUMNS = 40
# A row group: for each of its tiles, whether it has a mask.
Groups = list[list[bool]]
counts = st.integers(1, 25).flatmap(lambda n: st.lists(st.booleans(), min_size=n, max_size=n))
groups = st.lists(counts, min_size=1, max_size=6)
several = st.integers(8, 25).flatmap(lambda n: st.lists(st.booleans(), min_size=n, max_size=n))


@st.composite
def fast_streams(draw: st.DrawFn) -> Core:
    """Keys and values come in less than the time in which they are used."""
    return core_of(
        16, query_tiles=draw(st.integers(1, 4)), dim=draw(st.sampled_from((32, 64, 128))),
        key_bits=128, query_bits=128, output_bits=draw(st.sampled_from((64, 256))), mask_slots=4,
    )  # fmt: skip


@st.composite
def slow_streams(draw: st.DrawFn) -> Core:
    dim = draw(st.sampled_from((32, 64)))
    bits = draw(st.sampled_from((32, 64)))
    return core_of(16, dim=dim, key_bits=bits, query_bits=64, output_bits=128, mask_slots=4)


def predicted(core: Core, given: Groups) -> int:
    rows = core.numerics.rows
    mask = np.ones((core.query_tiles * rows, rows), dtype=np.bool_)
    listed = [
        RowGroup(
            number,
            entries=[
                Entry(column, MASKED if masked else 0, mask if masked else None)
                for column, masked in enumerate(group)
            ],
        )
        for number, group in enumerate(given)
    ]
    nothing = np.zeros((1, 1, 1, 1), dtype=np.int64)
    setting = Setting(COLUMNS * rows)
    return predict_cycles(Problem(core, setting, listed, nothing, nothing[0], nothing[0])).total


def closed(core: Core, given: Groups, bytes_per_cycle: float = np.inf) -> float:
    tiles = np.array([len(group) for group in given])
    masked = np.array([sum(group) for group in given])
    return timeline(core, tiles, masked, bytes_per_cycle).cycles


@given(fast_streams(), groups)
@settings(deadline=None)
def test_equal_when_the_array_or_the_results_are_the_limit(core: Core, given: Groups) -> None:
    plain = [[False] * len(group) for group in given]
    assert closed(core, plain) == predicted(core, plain)
    # A mask is written before the tile is passed on: a few cycles for the first.
    assert closed(core, given) == pytest.approx(predicted(core, given), rel=0.002)


def test_elements_that_are_decoded_come_later() -> None:
    core = parse_attention(
        "{tokens: 640, heads: 1, head_dim: 32, formats: {q: e4m3, k: e4m3, v: e4m3},"
        " array: {rows: 16, key_bits: 128, query_bits: 128, mask_slots: 4}, pattern: dense}"
    ).core()
    plain = [[False] * count for count in (8, 3, 20)]
    assert closed(core, plain) == predicted(core, plain)


@given(slow_streams(), st.lists(several, min_size=1, max_size=6))
@settings(deadline=None)
def test_within_two_percent_with_slow_streams(core: Core, given: Groups) -> None:
    """Or within an interval, where that is more: passes that come in turn at the beginning."""
    interval = pace_of(core).interval
    assert closed(core, given) == pytest.approx(predicted(core, given), rel=0.02, abs=interval)


@pytest.mark.parametrize(
    ("core", "limit"),
    [
        (core_of(16, dim=64, key_bits=128, query_bits=128, output_bits=256), "compute"),
        (core_of(32, dim=16, key_bits=128, query_bits=128, output_bits=256), "softmax"),
        (core_of(16, dim=64, key_bits=16, query_bits=128, output_bits=256), "stream"),
        (core_of(16, dim=64, key_bits=128, query_bits=128, output_bits=32), "output"),
    ],
)
def test_limits(core: Core, limit: str) -> None:
    tiles = np.full(12, 12 if limit != "output" else 4)
    found = timeline(core, tiles, np.zeros_like(tiles))
    assert list(found.limits) == [limit]
    assert sum(found.limits.values()) == pytest.approx(found.cycles)
    given = [[False] * int(count) for count in tiles]
    assert found.cycles == pytest.approx(predicted(core, given), rel=0.02)


@given(fast_streams(), groups, st.sampled_from((0.5, 3.0, 20.0)))
@settings(deadline=None)
def test_memory_is_never_faster_than_its_bandwidth(
    core: Core, given: Groups, bandwidth: float
) -> None:
    tiles = np.array([len(group) for group in given])
    masked = np.array([sum(group) for group in given])
    moved = float(row_group_bytes(rates_of(core), tiles, masked).sum()) / bandwidth
    found = timeline(core, tiles, masked, bandwidth)
    free = timeline(core, tiles, masked)
    assert found.cycles >= max(moved, free.cycles) * (1 - 1e-9)
    # Fill, drain, and what does not overlap of the first and the last row group.
    ends = float(row_group_bytes(rates_of(core), tiles, masked).max()) / bandwidth
    assert found.cycles <= moved + free.cycles + ends
    slow = timeline(core, tiles, masked, 0.01)
    assert list(slow.limits) == ["memory"]


def test_bytes_are_those_of_the_packets() -> None:
    core = core_of(16, query_tiles=2, dim=32, key_bits=64)
    mask = np.ones((32, 16), dtype=np.bool_)
    group = RowGroup(0, entries=[Entry(0), Entry(1, MASKED, mask), Entry(2)])
    # 32 rows of queries and 16 of keys and of values of a byte each; results of 4.
    data = 32 * 32 + 3 * 2 * 16 * 32 + 32 * 32 * 4
    rates = rates_of(core)
    found = row_group_bytes(rates, np.array([3]), np.array([1]))
    assert found.tolist() == [data + list_packet(core, group).size]


def test_more_row_groups_than_an_event_model_can_follow() -> None:
    core = core_of(16, dim=128, key_bits=128, query_bits=128, output_bits=256)
    tiles = np.arange(1, 8001)
    found = timeline(core, tiles, np.zeros_like(tiles))
    assert found.cycles == pytest.approx(257 * tiles.sum(), rel=0.001)

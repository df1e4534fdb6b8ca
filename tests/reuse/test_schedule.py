"""When iterations are issued: hand-computed examples, and the law that none collide."""

from __future__ import annotations

from itertools import product
from math import prod

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelgen.affine import Description, load_description
from accelgen.fabric.build import build_fabric
from accelgen.reuse import chain_pads, hold_level
from tests.affine.strategies import descriptions


@given(descriptions(), st.dictionaries(st.integers(0, 6), st.integers(1, 20), max_size=2))
@settings(max_examples=60)
def test_iterations_are_issued_in_order_one_at_a_time(
    description: Description, chains: dict[int, int]
) -> None:
    kernel = description.lower()
    schedule = chain_pads(kernel, chains)
    schedule.check()
    assume(prod(kernel.time_extents) <= 3000)
    every = list(product(*map(range, kernel.time_extents)))
    issues = [schedule.flat(t) for t in every]
    assert issues == sorted(set(issues))
    assert issues[0] == 0
    assert issues[-1] == schedule.last
    points = list(product(*map(range, kernel.space_extents)))
    offsets = [schedule.offset(s) for s in points]
    assert min(offsets) == 0
    base = schedule.offset((0,) * len(kernel.space))
    for s, offset in zip(points, offsets, strict=True):
        assert offset - base == sum(c * x for c, x in zip(kernel.skew, s, strict=True))
    # Between two tiles at a level there is time for the chains that load it.
    for level, length in chains.items():
        if 0 < level <= len(kernel.time):
            assert schedule.strides[level - 1] >= length
    if not chains:
        assert issues == list(range(len(every)))


@given(descriptions())
@settings(max_examples=60)
def test_the_held_element_is_the_same_until_the_hold_level_steps(description: Description) -> None:
    kernel = description.lower()
    assume(prod(kernel.time_extents) <= 3000)
    for tensor in kernel.tensors:
        level = hold_level(kernel, tensor)
        moves = kernel.along_time(tensor)
        inner = kernel.time_extents[level:]
        for t in product(*map(range, inner)):
            assert not (moves[:, level:] @ list(t)).any()
        # The next loop outwards that runs at all moves the tensor.
        outer = [k for k in range(level) if kernel.time_extents[k] > 1]
        assert not outer or moves[:, outer[-1]].any()
        assert level == len(kernel.time) or kernel.time_extents[level] > 1


def strides(
    name: str, bounds: dict[str, int], space: dict[str, int]
) -> tuple[tuple[int, ...], int]:
    """Strides of the loops that run, and the cycles before the first iteration."""
    description = load_description(name).with_overrides(bounds=bounds, space=space)
    fabric = build_fabric(description.lower())
    return fabric.schedule.strides, fabric.prologue


ARRAY = {"i": 16, "j": 16}


@pytest.mark.parametrize(("k", "tile"), [(2, 16), (8, 16), (15, 16), (16, 16), (17, 17), (40, 40)])
def test_a_tile_lasts_as_long_as_its_sums_need_to_drain(k: int, tile: int) -> None:
    """Sums of 16 x 16 units leave through chains of 16: a tile of K < 16 waits for them."""
    bounds = {"m": 32, "n": 48, "k": k}
    assert strides("gemm_os_systolic", bounds, ARRAY) == ((3 * tile, tile, 1), 0)


def test_a_single_tile_waits_for_nothing() -> None:
    assert strides("gemm_os_systolic", {"m": 16, "n": 16, "k": 8}, ARRAY) == ((1,), 0)


@pytest.mark.parametrize(("m", "tile"), [(3, 9), (9, 9), (10, 10)])
def test_a_tile_of_weights_lasts_as_long_as_the_next_one_needs_to_load(m: int, tile: int) -> None:
    """Weights of 9 x 9 units come through chains of 9: 8 cycles early for the first tile."""
    bounds = {"m": m, "n": 18, "k": 18}
    found = strides("gemm_ws_systolic", bounds, {"i": 9, "j": 9})
    assert found == ((2 * tile, tile, 1), 8)


def test_few_units_get_ports_rather_than_wait_for_a_chain() -> None:
    bounds = {"m": 3, "n": 16, "k": 16}
    assert strides("gemm_ws_systolic", bounds, {"i": 8, "j": 8}) == ((6, 3, 1), 0)

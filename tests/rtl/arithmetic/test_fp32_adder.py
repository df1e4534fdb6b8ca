"""The FP32 adder against the processor's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.golden import fp32_add
from accelgen.rtl.arithmetic import Fp32Adder
from tests.rtl.arithmetic.vectors import simulate

Codes = NDArray[np.uint32]
pytestmark = pytest.mark.rtl

# Zeros, subnormals, ones and neighbours, largest values, Inf, NaN; all with both signs.
CORNERS = np.array(
    [0, 1, 2, 0x7FFFFF, 0x800000, 0x800001, 0x1000000, 0x33800000, 0x33FFFFFF, 0x34000000,
     0x34000001, 0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x3FFFFFFF, 0x40000000, 0x4B7FFFFF,
     0x4B800000, 0x4C000001, 0x73000000, 0x7F000000, 0x7F7FFFFF, 0x7F7FFFFE, 0x7F800000,
     0x7F800001, 0x7FC00000, 0x7FFFFFFF],
    dtype=np.uint32,
)  # fmt: skip


def pairs(count: int, seed: int) -> tuple[Codes, Codes]:
    """All pairs of corners; random codes; and ones with near exponents, near values, few bits."""
    draw = np.random.default_rng(seed)
    both = np.concatenate([CORNERS, CORNERS | np.uint32(1 << 31)])
    corner_a, corner_b = (grid.reshape(-1) for grid in np.meshgrid(both, both))
    a = draw.integers(0, 1 << 32, count, dtype=np.uint32)
    b = draw.integers(0, 1 << 32, count, dtype=np.uint32)
    part = count // 5
    near = (a >> 23 & 255).astype(np.int64) + draw.integers(-28, 29, count)
    with_near = b & ~np.uint32(0x7F800000) | (np.clip(near, 0, 255) << 23).astype(np.uint32)
    b[part : 2 * part] = with_near[part : 2 * part]
    almost = (a ^ np.uint32(1 << 31)) + draw.integers(-4, 5, count).astype(np.uint32)
    b[2 * part : 3 * part] = almost[2 * part : 3 * part]
    # Mantissas of few ones or zeros make ties.
    sparse = np.uint32(1) << draw.integers(0, 23, count).astype(np.uint32)
    few = with_near & ~np.uint32(0x7FFFFF) | sparse
    b[3 * part : 4 * part] = few[3 * part : 4 * part]
    a[4 * part :] &= ~np.uint32(0x7F000000)
    b[4 * part :] &= ~np.uint32(0x7E800000)
    return np.concatenate([corner_a, a]), np.concatenate([corner_b, b])


@pytest.mark.parametrize(
    "stages", [s if s in (0, 3, 8) else pytest.param(s, marks=pytest.mark.slow) for s in range(9)]
)
def test_sums_at_every_depth(stages: int) -> None:
    a, b = pairs(30_000, stages)
    found = simulate(Fp32Adder(stages), {"a": a, "b": b})["y"]
    np.testing.assert_array_equal(found, fp32_add(a, b))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_five_million_sums(seed: int) -> None:
    a, b = pairs(1_000_000, 100 + seed)
    found = simulate(Fp32Adder(3), {"a": a, "b": b})["y"]
    np.testing.assert_array_equal(found, fp32_add(a, b))


def test_the_vectors_reach_every_kind_of_sum() -> None:
    a, b = pairs(30_000, 0)
    kinds = fp32_add(a, b)
    magnitude = kinds & np.uint32(0x7FFFFFFF)
    assert np.sum((magnitude > 0) & (magnitude < 0x800000)) > 100
    assert np.sum(magnitude == 0x7F800000) > 100
    assert np.sum(kinds == 0) > 100
    assert np.sum(kinds == 1 << 31) > 0
    assert np.sum(kinds == 0x7FC00000) > 100


def test_too_many_stages() -> None:
    with pytest.raises(InputError, match=r"9 pipeline stages; use 0\.\.8"):
        Fp32Adder(9)

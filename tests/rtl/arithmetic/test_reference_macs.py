"""The units that others are compared with: the plain integer dot product, the bf16 MAC."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from accelgen.errors import InputError
from accelgen.formats import IntFormat
from accelgen.golden import accumulate, bf16_accumulate, bf16_product
from accelgen.rtl.arithmetic import Bf16MultiplyAccumulate, Bf16Product, IntegerDot
from tests.rtl.arithmetic.test_element_products import joined
from tests.rtl.arithmetic.vectors import Vectors, simulate

rtl = pytest.mark.rtl
slow = pytest.mark.slow
SPECIAL = np.array([0, 1, 0x7F, 0x80, 0x81, 0x3F80, 0x3F81, 0x7F7F, 0x7F80, 0x7F81, 0x7FFF])


def codes(draw: np.random.Generator, count: int) -> Vectors:
    """bf16 codes: any, special ones, near 1, and such that products are subnormal."""
    kinds = draw.integers(0, 4, count)
    any_code = draw.integers(0, 1 << 16, count)
    near = (draw.integers(125, 130, count) << 7) | (any_code & 0x807F)
    small = (draw.integers(40, 80, count) << 7) | (any_code & 0x807F)
    special = draw.choice(SPECIAL, count) | (any_code & 0x8000)
    return np.choose(kinds, [any_code, near, small, special])


@rtl
@pytest.mark.parametrize("count", [100_000, pytest.param(5_000_000, marks=slow)])
def test_bf16_products(count: int) -> None:
    a, b = (codes(np.random.default_rng(seed), count) for seed in (1, 2))
    corners = np.array(list(product(np.concatenate([SPECIAL, SPECIAL | 0x8000]), repeat=2)))
    a[: len(corners)], b[: len(corners)] = corners.T
    found = simulate(Bf16Product(), {"a": a, "b": b})
    np.testing.assert_array_equal(found["y"], bf16_product(a, b))


@rtl
def test_bf16_sums() -> None:
    draw = np.random.default_rng(3)
    count = 20_000
    a, b = codes(draw, count), codes(draw, count)
    valid, first = draw.random(count) < 0.8, draw.random(count) < 0.05
    valid[0] = first[0] = True
    found = simulate(Bf16MultiplyAccumulate(), {"a": a, "b": b, "valid": valid, "first": first})
    np.testing.assert_array_equal(found["sum"], bf16_accumulate(a, b, valid, first))


@rtl
@pytest.mark.parametrize(
    ("a", "b", "lanes"),
    [
        (IntFormat(8), IntFormat(8), 16),
        (IntFormat(4), IntFormat(4), 16),
        (IntFormat(8), IntFormat(3, False), 5),
        pytest.param(IntFormat(16), IntFormat(16), 1, marks=slow),
        pytest.param(IntFormat(4, False), IntFormat(4, False), 2, marks=slow),
    ],
)
def test_integer_dot_products(a: IntFormat, b: IntFormat, lanes: int) -> None:
    draw = np.random.default_rng(lanes)
    unit = IntegerDot(a, b, lanes, 4096)
    cycles = 4096 // lanes
    count = 8 * cycles
    x, y = (
        draw.integers(a.min, a.max + 1, (count, lanes)),
        draw.integers(b.min, b.max + 1, (count, lanes)),
    )
    # The longest sums of the largest magnitudes, of both signs.
    x[:cycles], y[:cycles] = a.min, b.min
    x[cycles : 2 * cycles], y[cycles : 2 * cycles] = a.min, b.max
    first = np.zeros(count, dtype=bool)
    first[::cycles] = True
    valid = np.ones(count, dtype=bool)
    valid[2 * cycles + 1 :: 7] = False
    valid[first] = True
    words = {
        name: joined(values & ((1 << form.bits) - 1), form.bits)
        for name, values, form in (("a", x, a), ("b", y, b))
    }
    found = simulate(unit, {**words, "valid": valid, "first": first})
    expected = accumulate((x * y).sum(axis=1), valid, first, 64)
    np.testing.assert_array_equal(found["sum"].astype(np.int64), expected)


def test_widths() -> None:
    widths = [IntegerDot(IntFormat(bits), IntFormat(bits)).width for bits in (4, 8)]
    assert widths == [20, 28]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ((0, 4096), r"0 lanes; use 1\.\.256"),
        ((16, 8), r"a longest sum of 8 products; use 16\.\.1048576"),
    ],
)
def test_bad_parameters(parameters: tuple[int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        IntegerDot(IntFormat(8), IntFormat(8), *parameters)
    with pytest.raises(InputError, match="elements of 17 bits"):
        IntegerDot(IntFormat(17), IntFormat(8))

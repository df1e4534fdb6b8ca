"""Fixed point to floating point: every number of narrow formats, boundaries of wide ones."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.formats.floating import BF16, FP16, FP32, FloatFormat
from accelgen.formats.integer import IntFormat
from accelgen.golden import fixed_to_float
from accelgen.rtl.arithmetic import FixedToFloat
from tests.rtl.arithmetic.vectors import simulate

ALL_16_BITS = np.arange(-(1 << 15), 1 << 15)


def boundaries(width: int, format: FloatFormat, count: int, seed: int) -> list[int]:
    """Numbers of every length: random, powers of two, ties and their neighbours."""
    draw = np.random.default_rng(seed)
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    found = {low, low + 1, -1, 0, 1, high - 1, high}
    for length in range(1, width):
        for _ in range(max(1, count // width)):
            value = int.from_bytes(draw.bytes(17), "little") % (1 << length) | 1 << (length - 1)
            drop = max(0, length - format.mantissa_bits - 1)
            tie = value >> drop << drop | (1 << drop) // 2
            found |= {s * (v + d) for v in (value, tie) for d in (-1, 0, 1) for s in (-1, 1)}
    return [v for v in sorted(found) if low <= v <= high]


def integers(values: list[int], width: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64 if width <= 64 else object)


@pytest.mark.rtl
@pytest.mark.parametrize(
    ("fraction", "format"), [(0, FP32), (4, BF16), (20, FP16), (-2, FP16), (140, BF16)]
)
def test_every_16_bit_number(fraction: int, format: FloatFormat) -> None:
    found = simulate(FixedToFloat(16, fraction, format), {"x": ALL_16_BITS})["y"]
    np.testing.assert_array_equal(found, fixed_to_float(ALL_16_BITS, fraction, format))


WIDE = [(32, 0, FP32, 2), (48, 20, FP32, 0), (58, 20, FP32, 4), (64, 0, BF16, 3),
        (90, 12, FP32, 1), (40, 160, FP32, 1), (128, -20, FP32, 0),
        (600, 300, FP32, 0)]  # fmt: skip


@pytest.mark.rtl
@pytest.mark.parametrize(("width", "fraction", "format", "stages"), WIDE[1:4])
def test_wide_numbers(width: int, fraction: int, format: FloatFormat, stages: int) -> None:
    values = integers(boundaries(width, format, 4_000, width), width)
    found = simulate(FixedToFloat(width, fraction, format, stages), {"x": values})["y"]
    np.testing.assert_array_equal(found, fixed_to_float(values, fraction, format))


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize(("width", "fraction", "format", "stages"), WIDE)
def test_many_wide_numbers(width: int, fraction: int, format: FloatFormat, stages: int) -> None:
    values = integers(boundaries(width, format, 200_000, 1 + width), width)
    found = simulate(FixedToFloat(width, fraction, format, stages), {"x": values})["y"]
    np.testing.assert_array_equal(found, fixed_to_float(values, fraction, format))


def test_the_model_agrees_with_the_processor() -> None:
    draw = np.random.default_rng(7)
    shift = draw.integers(0, 63, 200_000)
    values = draw.integers(-(1 << 63), (1 << 63) - 1, 200_000) >> shift
    expected = values.astype(np.float32).view(np.uint32)
    np.testing.assert_array_equal(fixed_to_float(values), expected)


@given(
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.integers(-100, 200),
    st.sampled_from([FP32, BF16, FP16]),
)
def test_the_model_gives_the_nearest_number(x: int, fraction: int, format: FloatFormat) -> None:
    code = int(fixed_to_float(np.array([x]), fraction, format)[0])
    assert code == int(fixed_to_float(np.array([x], dtype=object), fraction, format)[0])
    sign = 1 << (format.width - 1)
    assert (code & sign != 0) == (x < 0)
    code &= sign - 1
    value = Fraction(abs(x)) / Fraction(2) ** fraction
    largest = Fraction(format.limits.max)
    if code == format.inf_code:
        # Half a step above the largest value is where Inf begins.
        half_step = Fraction(float(format.spacing([float(largest)])[0])) / 2
        assert value >= largest + half_step
        return
    around = [c for c in (code - 1, code, code + 1) if 0 <= c <= format.max_code]
    distances = [abs(Fraction(float(format.decode([c])[0])) - value) for c in around]
    here = abs(Fraction(float(format.decode([code])[0])) - value)
    assert here == min(distances)
    assert distances.count(here) == 1 or code % 2 == 0


@pytest.mark.parametrize(
    ("width", "fraction", "format", "stages", "message"),
    [
        (1, 0, FP32, 0, "1 bits; use 2..640 bits"),
        (641, 0, FP32, 0, "641 bits"),
        (32, 641, FP32, 0, "641 fraction bits; use -640..640"),
        (32, 0, FloatFormat(4, 3, "nan"), 0, "e4m3 has no Inf; use fp32"),
        (32, 0, FP32, 5, "5 pipeline stages; use 0..4"),
    ],
)
def test_bad_parameters(
    width: int, fraction: int, format: FloatFormat, stages: int, message: str
) -> None:
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        FixedToFloat(width, fraction, format, stages)


def test_integers_need_no_unit_of_their_own() -> None:
    form = IntFormat(9)
    values = np.arange(form.min, form.max + 1)
    exact = FP32.decode(fixed_to_float(values))
    np.testing.assert_array_equal(exact, values)

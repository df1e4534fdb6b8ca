"""Dot products of nvfp4, if4 and their like: exact sums, one rounding, NaN scales."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from accelgen.errors import InputError
from accelgen.formats import TensorScaledFormat, block_format
from accelgen.formats.floating import BF16, FP32, FloatFormat
from accelgen.golden import block_dot, block_sum, block_unit
from accelgen.rtl.arithmetic import BlockDot
from accelgen.rtl.arithmetic.block_dot import accumulator_width
from tests.rtl.arithmetic.test_element_products import joined
from tests.rtl.arithmetic.vectors import Vectors, simulate

NAN = 127


def form(name: str) -> TensorScaledFormat:
    found = block_format(name)
    assert isinstance(found, TensorScaledFormat)
    return found


def run(unit: BlockDot, n: int, cycles: int, seed: int, nan_share: float = 0.0) -> Vectors:
    """``n`` sums of ``cycles`` cycles each, with gaps between; returns the sums as floats."""
    draw = np.random.default_rng(seed)
    a_form, b_form = unit.formats
    shape = (n, cycles, unit.lanes)
    a = draw.integers(0, 1 << a_form.element_bits, shape)
    b = draw.integers(0, 1 << b_form.element_bits, shape)
    scales = draw.integers(0, 256, (2, n, cycles)).astype(np.uint8)
    # Directed sums: largest magnitudes of both signs, minus zero, cancellation.
    largest = [
        int(np.argmax(f.element.decode(np.arange(1 << f.element_bits)))) for f in unit.formats
    ]
    sign = [1 << (f.element_bits - 1) for f in unit.formats]
    a[0], b[0], scales[:, 0] = largest[0], largest[1], NAN - 1
    a[1], b[1], scales[:, 1] = largest[0] | sign[0], largest[1], NAN - 1
    a[2], b[2] = sign
    a[3], b[3], scales[:, 3] = largest[0], largest[1], NAN - 1
    a[3, 1::2] |= sign[0]
    scales[:, 4] = 1
    clean = scales & 127 == NAN
    scales[clean] -= 1
    if nan_share:
        scales[:, 5:][draw.random((2, n - 5, cycles)) < nan_share] |= NAN
    gap = draw.integers(0, 3, (n, cycles))
    at = (np.cumsum(gap.reshape(-1) + 1) - 1).reshape(n, cycles)
    total = int(at[-1, -1]) + 1

    def spread(values: Vectors) -> Vectors:
        """Noise where nothing is valid."""
        noise = values.reshape(-1)[draw.integers(0, n * cycles, total)]
        noise[at.reshape(-1)] = values.reshape(-1)
        return noise

    zero = np.zeros(total, dtype=np.int64)
    valid, first, last = zero.copy(), spread(zero[: n * cycles]) + 1, zero + 1
    valid[at.reshape(-1)] = 1
    first[at.reshape(-1)] = 0
    last[at.reshape(-1)] = 0
    first[at[:, 0]] = 1
    last[at[:, -1]] = 1
    answer = simulate(
        unit,
        {"a": spread(joined(a.reshape(-1, unit.lanes), a_form.element_bits)),
         "b": spread(joined(b.reshape(-1, unit.lanes), b_form.element_bits)),
         "a_scale": spread(scales[0]), "b_scale": spread(scales[1]),
         "valid": valid, "first": first, "last": last},
    )  # fmt: skip
    done = zero.copy()
    done[at[:, -1]] = 1
    np.testing.assert_array_equal(answer["done"], done)
    target = unit.target
    expected = block_dot(a, b, scales[0], scales[1], a_form, b_form, target)
    found = answer["y"][at[:, -1]]
    np.testing.assert_array_equal(found, expected)
    # The flag has risen by the time the first NaN could have been answered, and stays.
    nan = (scales[0] & 127 == NAN) | (scales[1] & 127 == NAN)
    bad = np.flatnonzero(nan.reshape(-1))
    seen = answer["nan_seen"].astype(bool)
    assert seen[-1] == bool(bad.size)
    if bad.size:
        assert seen[at.reshape(-1)[bad[0]] :].all()
    return target.decode(expected)


@pytest.mark.rtl
@pytest.mark.parametrize("name", ["nvfp4", "if4"])
def test_long_sums(name: str) -> None:
    values = run(BlockDot(form(name), form(name), 16, 4096), 40, 256, 1)
    assert values[0] == -values[1] > 1e10
    assert values[2] == 0.0 == values[3]


@pytest.mark.rtl
@pytest.mark.parametrize("name", ["nvfp4", "if4"])
def test_short_sums_with_nan_scales(name: str) -> None:
    values = run(BlockDot(form(name), form(name), 16, 4096), 4_000, 2, 2, nan_share=0.05)
    assert 100 < np.isnan(values).sum() < 3_000


MIXED = [
    ("if4", "nvfp4", 8, 256, BF16, 0, 0),
    ("nvint4", "if4", 16, 1024, FP32, 3, 4),
    ("if3", "if3", 16, 4096, FP32, 1, 1),
    ("if6_e2m3", "if6_e2m3", 16, 4096, FP32, 2, 2),
    ("if6_e3m2", "if6_e3m2", 4, 4096, FP32, 2, 3),
    ("nvfp4_4over6", "nvint4", 1, 64, BF16, 2, 2),
]


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize(("a", "b", "lanes", "longest", "format", "stages", "rounding"), MIXED)
def test_mixed_formats(
    a: str, b: str, lanes: int, longest: int, format: FloatFormat, stages: int, rounding: int
) -> None:
    unit = BlockDot(form(a), form(b), lanes, longest, format, stages, rounding)
    run(unit, 3_000, min(8, longest // lanes), 3, nan_share=0.01)
    run(unit, 20, longest // lanes, 4)


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("name", ["nvfp4", "if4", "nvint4"])
def test_a_million_blocks(name: str) -> None:
    unit = BlockDot(form(name), form(name), 16, 4096)
    for seed in range(4):
        run(unit, 125_000, 2, 10 + seed, nan_share=0.001)


def test_units_and_widths() -> None:
    nvfp4, if4 = form("nvfp4"), form("if4")
    assert block_unit(nvfp4, nvfp4) == (Fraction(1), 20)
    assert block_unit(if4, if4) == (Fraction(1, 49), 20)
    widths = [accumulator_width(nvfp4, nvfp4, k) for k in (16, 256, 4096, 16384)]
    assert widths == [48, 52, 56, 58]
    assert accumulator_width(if4, if4, 4096) == 62


@pytest.mark.parametrize("name", ["nvfp4", "if4", "if3", "if6_e2m3", "if6_e3m2"])
def test_the_model_is_the_dot_product_of_what_the_format_decodes(name: str) -> None:
    one = form(name)
    draw = np.random.default_rng(5)
    values = draw.standard_normal((2, 64, 16)).astype(np.float32)
    a, b = (one.quantise(v) for v in values)
    sums, nan = block_sum(a.codes, b.codes, a.scales[:, 0], b.scales[:, 0], one, one)
    assert not nan.any()
    fraction, bits = block_unit(one, one)
    for row in range(64):
        exact = sum(
            Fraction(float(x)) * Fraction(float(y))
            for x, y in zip(
                one.decode(a.codes[row], a.scales[row]),
                one.decode(b.codes[row], b.scales[row]),
                strict=True,
            )
        )
        denominator = getattr(one, "denominator", 1) ** 2
        assert int(sums[row]) * fraction / (1 << bits) == exact / denominator


@pytest.mark.parametrize(
    ("lanes", "longest", "message"),
    [
        (3, 4096, "nvfp4: 3 lanes do not divide a block of 16; use a divisor of 16"),
        (0, 4096, "0 lanes do not divide"),
        (16, 8, r"a longest sum of 8 products; use 16\.\.1048576"),
    ],
)
def test_bad_parameters(lanes: int, longest: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        BlockDot(form("nvfp4"), form("nvfp4"), lanes, longest)

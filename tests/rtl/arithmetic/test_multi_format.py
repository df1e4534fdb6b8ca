"""The unit that computes in nvfp4, if4, mxfp4 or int4, chosen for every sum."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from accelgen.errors import InfeasibleError, InputError
from accelgen.formats import AdaptiveFormat, BlockFormat, block_format, get_format
from accelgen.formats.floating import FP32
from accelgen.golden import (
    MULTI_FORMATS,
    BlockPair,
    multi_format_dot,
    multi_format_fraction,
    multi_format_sum,
)
from accelgen.netlist.multi_format import MultiFormatPlan
from accelgen.rtl.arithmetic import MultiFormatDot
from tests.rtl.arithmetic.test_element_products import joined
from tests.rtl.arithmetic.vectors import Vectors, simulate

RANGE = (-18, 5)
NAN = {"nvfp4": 0x7F, "if4": 0x7F, "mxfp4": 0xFF}
LARGEST = {
    "nvfp4": (7, 15, 0x7E),
    "if4": (7, 9, 0xFE),
    "mxfp4": (7, 15, 127 + RANGE[1]),
    "int4": (8, 7, 0),
}
"""Codes whose square is largest, and whose product is most negative; the largest scale."""
DIRECTED = 5


def scales_of(form: str, draw: np.random.Generator, shape: tuple[int, ...]) -> Vectors:
    """Random scales: no NaN, and within the range."""
    if form == "mxfp4":
        return draw.integers(127 + RANGE[0], 127 + RANGE[1] + 1, shape).astype(np.uint8)
    scales = draw.integers(0, 256, shape).astype(np.uint8)
    if form in NAN:
        scales[scales & 127 == 127] -= 1
    return scales


def sums_of(
    form: str, n: int, cycles: int, lanes: int, draw: np.random.Generator, bad_share: float
) -> tuple[Vectors, Vectors, Vectors, Vectors]:
    """Codes and scales of ``n`` sums: directed ones, then random, some with bad scales."""
    a, b = draw.integers(0, 16, (2, n, cycles, lanes))
    scales = np.stack([scales_of(form, draw, (n, cycles)) for _ in range(2)])
    positive, negative, scale = LARGEST[form]
    # Largest magnitudes of both signs, minus zero, cancellation, zero.
    a[:DIRECTED], b[:DIRECTED], scales[:, :DIRECTED] = positive, positive, scale
    b[1] = negative
    a[2] = b[2] = 8
    alternating = a[3].reshape(-1)
    alternating[::2] = negative
    alternating[len(alternating) & ~1 :] = 0
    b[3] = negative
    if form == "int4":
        alternating[alternating == positive] = 9
    a[4] = 0
    bad = draw.random((2, n - DIRECTED, cycles)) < bad_share
    if form in NAN:
        scales[:, DIRECTED:][bad] = NAN[form]
    if form == "mxfp4":
        # As quantisers make it of a block of zeros: out of range, but nothing to report.
        scales[0, 4] = 0
        outside = draw.random((2, n - DIRECTED, cycles)) < bad_share
        far = draw.choice([0, 126 + RANGE[0], 128 + RANGE[1], 254], int(outside.sum()))
        scales[:, DIRECTED:][outside] = far
    return a, b, scales[0], scales[1]


def run(
    unit: MultiFormatDot,
    forms: list[str],
    n: int,
    cycles: int,
    seed: int,
    bad_share: float = 0.0,
    gaps: bool = True,
) -> tuple[list[Vectors], bool]:
    """``n`` sums in each of ``forms``, in turn; returns the sums as floats, and if one was bad."""
    draw = np.random.default_rng(seed)
    parts = [sums_of(form, n, cycles, unit.plan.lanes, draw, bad_share) for form in forms]
    turns = len(forms)

    def woven(k: int) -> Vectors:
        """Operand ``k`` of all formats, sum by sum."""
        return np.stack([part[k] for part in parts], axis=1).reshape(
            n * turns, *parts[0][k].shape[1:]
        )

    a, b, a_scale, b_scale = map(woven, range(4))
    number = np.tile([MULTI_FORMATS.index(form) for form in forms], n)
    gap = draw.integers(0, 3, (n * turns, cycles)) * gaps
    at = (np.cumsum(gap.reshape(-1) + 1) - 1).reshape(-1, cycles)
    total = int(at[-1, -1]) + 1

    def spread(values: Vectors) -> Vectors:
        """Noise where nothing is valid."""
        noise = draw.permutation(np.resize(values.reshape(-1), total))
        noise[at.reshape(-1)] = values.reshape(-1)
        return noise

    valid = np.zeros(total, dtype=np.int64)
    first, last = draw.integers(0, 2, (2, total))
    valid[at.reshape(-1)] = 1
    first[at.reshape(-1)] = last[at.reshape(-1)] = 0
    first[at[:, 0]] = last[at[:, -1]] = 1
    width = 4
    answer = simulate(
        unit,
        {"a": spread(joined(a.reshape(-1, unit.plan.lanes), width)),
         "b": spread(joined(b.reshape(-1, unit.plan.lanes), width)),
         "a_scale": spread(a_scale), "b_scale": spread(b_scale),
         "format": spread(np.repeat(number, cycles)),
         "valid": valid, "first": first, "last": last},
    )  # fmt: skip
    done = np.zeros(total, dtype=np.int64)
    done[at[:, -1]] = 1
    np.testing.assert_array_equal(answer["done"], done)
    values, bad = [], False
    for turn, (form, part) in enumerate(zip(forms, parts, strict=True)):
        expected = multi_format_dot(form, *part, unit.plan.range)
        found = answer["y"][at[turn::turns, -1]]
        np.testing.assert_array_equal(found, expected, err_msg=form)
        values.append(FP32.decode(expected))
        flat = (part[0].reshape(-1, unit.plan.lanes), part[1].reshape(-1, unit.plan.lanes))
        scales = part[2].reshape(-1), part[3].reshape(-1)
        bad |= bool(multi_format_sum(form, *flat, *scales, unit.plan.range)[1].any())
    assert bool(answer["bad_number"][-1]) == bad
    return values, bad


@pytest.mark.rtl
def test_long_sums_of_all_formats_in_turn() -> None:
    values, bad = run(MultiFormatDot(), list(MULTI_FORMATS), 10, 256, 1)
    assert not bad
    for value in values:
        assert value[0] > 0 > value[1]
        assert (value[2:5][~np.isnan(value[2:5])] == 0).sum() >= 2


@pytest.mark.rtl
def test_short_sums_with_bad_scales() -> None:
    values, bad = run(MultiFormatDot(), list(MULTI_FORMATS), 1_000, 2, 2, bad_share=0.05)
    assert bad
    *scaled, plain = values
    assert all(20 < np.isnan(value).sum() < 900 for value in scaled)
    assert not np.isnan(plain).any()


@pytest.mark.rtl
def test_changing_formats_back_to_back() -> None:
    """One cycle each: every cycle another format."""
    order = ["nvfp4", "int4", "if4", "mxfp4", "int4", "nvfp4", "mxfp4", "if4"]
    run(MultiFormatDot(), order, 500, 1, 3, bad_share=0.02, gaps=False)


def one_cycle_each(form: str, a: Vectors, b: Vectors, a_scale: Vectors, b_scale: Vectors) -> None:
    """Single products, checked as floats and as exact integers."""
    count = len(a)
    ones = np.ones(count, dtype=np.int64)
    unit = MultiFormatDot(lanes=1)
    answer = simulate(
        unit,
        {"a": a, "b": b, "a_scale": a_scale, "b_scale": b_scale, "valid": ones, "first": ones,
         "last": ones, "format": ones * MULTI_FORMATS.index(form)},
    )  # fmt: skip
    assert answer["done"].all()
    codes = a.reshape(-1, 1), b.reshape(-1, 1)
    sums, bad = multi_format_sum(form, *codes, a_scale, b_scale, RANGE)
    expected = multi_format_dot(
        form, codes[0][:, None], codes[1][:, None], a_scale[:, None], b_scale[:, None], RANGE
    )
    np.testing.assert_array_equal(answer["y"], expected)
    # The exact sum is there before the rounded one.
    early = unit.latency - unit.sum_latency
    assert early > 0
    np.testing.assert_array_equal(answer["sum"][:-early], sums[early:])
    assert answer["bad_number"][-1] == bad.any()


@pytest.mark.rtl
@pytest.mark.parametrize("form", MULTI_FORMATS)
def test_every_pair_of_codes(form: str) -> None:
    """In all kinds of block, through the whole unit."""
    adaptive = isinstance(get_format(form), AdaptiveFormat)
    kinds = (0x38, 0xB8) if adaptive else (127 if form == "mxfp4" else 0x38,)
    rows = np.array(list(product(range(16), range(16), kinds, kinds)))
    one_cycle_each(form, *rows.T)


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("form", MULTI_FORMATS)
def test_every_pair_of_scales(form: str) -> None:
    scales = np.array(list(product(range(256), repeat=2)))
    one = np.ones(len(scales), dtype=np.int64)
    for code in (1, 0):
        one_cycle_each(form, one * code, one, *scales.T)


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("form", MULTI_FORMATS)
def test_a_million_blocks(form: str) -> None:
    # A block of mxfp4 takes two cycles.
    for seed in range(8 if form == "mxfp4" else 4):
        run(MultiFormatDot(), [form], 125_000, 2, 10 + seed, bad_share=0.001, gaps=seed % 2 == 0)


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize(
    ("lanes", "longest", "period", "technology"),
    [(8, 256, 50.0, "sg13g2"), (4, 64, 2.5, "sg13g2"), (1, 16, 0.45, "asap7")],
)
def test_other_sizes(lanes: int, longest: int, period: float, technology: str) -> None:
    unit = MultiFormatDot(lanes, longest, scale_range=RANGE, period=period, technology=technology)
    run(unit, list(MULTI_FORMATS), 300, longest // lanes, 5)
    run(unit, list(MULTI_FORMATS), 2_000, 2, 6, bad_share=0.05)


@pytest.mark.parametrize("form", MULTI_FORMATS)
def test_the_model_is_the_dot_product_of_what_the_format_decodes(form: str) -> None:
    draw = np.random.default_rng(7)
    a, b, a_scale, b_scale = (part[DIRECTED:, 0] for part in sums_of(form, 40, 1, 16, draw, 0.0))
    sums, bad = multi_format_sum(form, a, b, a_scale, b_scale, RANGE)
    assert not bad.any()
    unit = Fraction(1, 1 << multi_format_fraction(form, RANGE))
    for row in range(len(a)):
        found = get_format(form)
        scales = a_scale[row], b_scale[row]
        if isinstance(found, BlockFormat):
            if form == "nvfp4":
                scales = scales[0] & 127, scales[1] & 127
            x, y = found.decode(a[row], scales[0]), found.decode(b[row], scales[1])
            denominator = found.denominator**2
        else:
            x, y, denominator = found.decode(a[row]), found.decode(b[row]), 1
        pairs = zip(x.tolist(), y.tolist(), strict=True)
        exact = sum(Fraction(p) * Fraction(q) for p, q in pairs) / denominator
        assert int(sums[row]) * unit / denominator == exact


def test_widths() -> None:
    def bits(longest: int, scale_range: tuple[int, int] | None = None) -> int:
        return MultiFormatPlan(16, longest, scale_range).accumulator.bits

    assert [bits(longest) for longest in (16, 256, 4096, 16384)] == [59, 63, 67, 69]
    if4 = block_format("if4")
    assert bits(4096, (-15, 5)) == BlockPair(if4, if4, 16).accumulator(4096).bits == 62
    assert bits(4096, (-15, 6)) == 63
    assert MultiFormatPlan(16, 4096).range == RANGE


def test_shorter_periods_take_more_cycles() -> None:
    units = [MultiFormatDot(period=period) for period in (2.5, 4.5, 50.0)]
    assert units[0].latency > units[1].latency > units[2].latency == 1
    for unit in units:
        assert unit.pipeline.critical <= unit.pipeline.period
    with pytest.raises(InfeasibleError, match="the clock period is 1 ns"):
        MultiFormatDot(period=1.0)


@pytest.mark.parametrize(
    ("lanes", "longest", "scale_range", "message"),
    [
        (3, 4096, None, "3 lanes; use 1, 2, 4, 8 or 16"),
        (16, 8, None, r"a longest sum of 8 products; use 16\.\.1048576"),
        (16, 4096, (6, -14), r"mxfp4: scale exponents 6\.\.-14; use a range within -60\.\.50"),
        (16, 4096, (-61, 6), r"mxfp4: scale exponents -61\.\.6"),
    ],
)
def test_bad_parameters(
    lanes: int, longest: int, scale_range: tuple[int, int] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        MultiFormatDot(lanes, longest, scale_range=scale_range)

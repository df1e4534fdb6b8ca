"""Dot products of all block formats: exact or FP32 sums, bad numbers, gaps, the longest sums."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from accelgen.errors import InfeasibleError, InputError
from accelgen.formats import BlockFormat, block_format, format_names, get_format
from accelgen.formats.floating import BF16, FP16, FP32
from accelgen.golden import BlockPair, block_specials, block_terms, exact_dot, fp32_dot
from accelgen.rtl.arithmetic import BlockDot
from tests.rtl.arithmetic.test_element_products import joined
from tests.rtl.arithmetic.vectors import Vectors, simulate

BLOCKS = [name for name in format_names() if isinstance(get_format(name), BlockFormat)]
form = block_format


@cache
def extremes(name: str) -> tuple[int, int]:
    """The codes of the largest magnitude and of minus zero."""
    element = form(name).element
    values = np.nan_to_num(element.decode(np.arange(1 << element.width)), nan=0, posinf=0, neginf=0)
    return int(np.argmax(values)), 1 << (element.width - 1)


def draw_scales(
    unit: BlockDot, draw: np.random.Generator, shape: tuple[int, ...], bad_share: float
) -> Vectors:
    """Scales that count, but for a share; the largest, in directed sums."""
    found = []
    for operand in (unit.pair.a, unit.pair.b):
        whole, bad = operand.scales()
        good = np.flatnonzero([w > 0 and not b for w, b in zip(whole, bad, strict=True)])
        scales = draw.choice(good, shape)
        least, largest = min(good), max(good & 127 if operand.scale_range is None else good)
        scales[[0, 1, 3]], scales[4] = largest, least
        wrong = draw.random(shape) < bad_share
        wrong[:5] = False
        found.append(np.where(wrong, draw.choice(np.flatnonzero(bad), shape), scales))
    return np.array(found).astype(np.uint8)


def run(unit: BlockDot, n: int, cycles: int, seed: int, bad_share: float = 0.0) -> Vectors:
    """``n`` sums of ``cycles`` cycles each, with gaps between; returns the sums as floats.

    Every output is compared in every cycle in which it counts, ``done`` and ``ready`` in all.
    """
    draw = np.random.default_rng(seed)
    pair = unit.pair
    shape = (n, cycles, unit.lanes)
    a = draw.integers(0, 1 << pair.a.element.width, shape)
    b = draw.integers(0, 1 << pair.b.element.width, shape)
    if not bad_share:
        for codes, operand in ((a, pair.a), (b, pair.b)):
            codes[special(operand.element, codes)] = 0
    # Directed sums: largest magnitudes of both signs, minus zero, cancellation, least scales.
    (a_most, a_minus), (b_most, b_minus) = (
        extremes(f.name) for f in (pair.a_format, pair.b_format)
    )
    a_negative = a_most ^ a_minus if pair.a_format.name != "mxint8" else 256 - a_most
    if pair.a_format.name in ("nvint4",):
        a_negative = 16 - a_most
    a[0], b[0] = a_most, b_most
    a[1], b[1] = a_negative, b_most
    a[2], b[2] = a_minus, b_minus
    a[3], b[3] = a_most, b_most
    a[3, 1::2] = a_negative
    scales = draw_scales(unit, draw, (n, cycles), bad_share)
    gap = np.where(draw.random((n, cycles)) < 0.3, draw.integers(0, 3, (n, cycles)), 0)
    if unit.accumulate == "fp32":
        # The unit takes nothing while it adds its partial sums.
        gap[1:, 0] += (min(cycles, unit.partials) - 1) * unit.partials
    at = (np.cumsum(gap.reshape(-1) + 1) - 1).reshape(n, cycles)
    total = int(at[-1, -1]) + 1

    def spread(values: Vectors) -> Vectors:
        """Noise where nothing is valid."""
        noise = values.reshape(-1)[draw.integers(0, n * cycles, total)]
        noise[at.reshape(-1)] = values.reshape(-1)
        return noise

    valid = np.zeros(total, dtype=np.int64)
    valid[at.reshape(-1)] = 1
    first, last = np.ones((2, total), dtype=np.int64)
    first[at.reshape(-1)] = last[at.reshape(-1)] = 0
    first[at[:, 0]] = last[at[:, -1]] = 1
    delay = unit.answer_delay(cycles)
    answer = simulate(
        unit,
        {"a": spread(joined(a.reshape(-1, unit.lanes), pair.a.element.width)),
         "b": spread(joined(b.reshape(-1, unit.lanes), pair.b.element.width)),
         "a_scale": spread(scales[0]), "b_scale": spread(scales[1]),
         "valid": valid, "first": first, "last": last},
        latency=0, settle=delay + 1,
    )  # fmt: skip
    done = np.zeros(len(answer["done"]), dtype=np.int64)
    done[at[:, -1] + delay] = 1
    np.testing.assert_array_equal(answer["done"], done)
    assert answer["ready"][at.reshape(-1)].all()
    parts = (pair, a, b, scales[0], scales[1])
    if unit.accumulate == "exact":
        expected = exact_dot(*parts, unit.target, longest=unit.longest)
        assert not answer["too_long"].any()
    else:
        expected = fp32_dot(*parts, unit.partials, unit.target)
    np.testing.assert_array_equal(answer["y"][at[:, -1] + delay], expected)
    bad = pair.bad_scales(*scales) | block_specials(
        pair, a.reshape(-1, unit.lanes), b.reshape(-1, unit.lanes)
    ).reshape(n, cycles)
    # The flag has risen by the time the first sum with such a number is answered, and stays.
    seen = answer["bad_number"].astype(bool)
    assert seen[-1] == bad.any()
    if bad.any():
        where = int(at.reshape(-1)[np.flatnonzero(bad.reshape(-1))[0]])
        assert not seen[: where + 1].any()
        assert seen[where + unit.latency :].all()
    return unit.target.decode(expected)


def special(element: object, codes: Vectors) -> Vectors:
    """Which codes are Inf or NaN."""
    found = np.zeros(codes.shape, dtype=bool)
    if getattr(element, "has_specials", False):
        found = element.specials()[codes]  # type: ignore[attr-defined]
    return found


@pytest.mark.rtl
@pytest.mark.parametrize(("name", "lanes"), [("if4", 16), ("mxfp4", 32)])
def test_long_sums(name: str, lanes: int) -> None:
    values = run(BlockDot(form(name), form(name), lanes), 40, 4096 // lanes, 1)
    assert values[0] == -values[1] > 1e5
    assert values[2] == 0.0 == values[3]


@pytest.mark.rtl
@pytest.mark.parametrize(("name", "accumulate"), [
    ("nvfp4", "exact"),
    pytest.param("mxfp8_e5m2", "fp32", marks=pytest.mark.slow),
])  # fmt: skip
def test_short_sums_with_bad_numbers(name: str, accumulate: str) -> None:
    unit = BlockDot(form(name), form(name), 16, accumulate=accumulate)  # type: ignore[arg-type]
    values = run(unit, 2_000, 2, 2, bad_share=0.05)
    assert 100 < np.isnan(values).sum() < 2_000


@pytest.mark.rtl
@pytest.mark.parametrize(
    "cycles",
    [1, pytest.param(3, marks=pytest.mark.slow), 4, pytest.param(9, marks=pytest.mark.slow)],
)
def test_fp32_sums(cycles: int) -> None:
    """Fewer cycles than partial sums, as many, and more."""
    unit = BlockDot(form("if4"), form("if4"), accumulate="fp32")
    assert unit.partials == 4
    run(unit, 500, cycles, 3)


MIXED = [
    ("if4", "nvfp4", 8, BF16, "exact", 3.0, "sg13g2"),
    ("nvint4", "if4", 16, FP32, "fp32", 2.0, "sg13g2"),
    ("if3", "if3", 16, FP16, "exact", 20.0, "sg13g2"),
    ("if6_e2m3", "if6_e2m3", 16, FP32, "exact", 0.45, "asap7"),
    ("if6_e3m2", "mxfp4", 4, BF16, "fp32", 0.5, "asap7"),
    ("nvfp4_4over6", "nvint4", 1, BF16, "exact", 2.5, "sg13g2"),
    ("mxfp8_e5m2", "mxfp8_e4m3", 32, FP32, "exact", 0.5, "asap7"),
    ("mxint8", "mxfp6_e3m2", 2, FP32, "fp32", 40.0, "sg13g2"),
]


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize(("a", "b", "lanes", "format", "accumulate", "period", "technology"), MIXED)
def test_mixed_formats(
    a: str, b: str, lanes: int, format: object, accumulate: str, period: float, technology: str
) -> None:
    unit = BlockDot(
        form(a), form(b), lanes, 1024, format,  # type: ignore[arg-type]
        accumulate=accumulate, period=period, technology=technology,  # type: ignore[arg-type]
    )  # fmt: skip
    assert unit.pipeline.critical <= period
    run(unit, 3_000, 8, 3, bad_share=0.01)
    run(unit, 20, 1024 // lanes, 4)


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("accumulate", ["exact", "fp32"])
@pytest.mark.parametrize("name", BLOCKS)
def test_a_million_blocks(name: str, accumulate: str) -> None:
    one = form(name)
    unit = BlockDot(one, one, one.block or 1, accumulate=accumulate)  # type: ignore[arg-type]
    for seed in range(4):
        run(unit, 25_000, 10, 10 + seed, bad_share=0.001)


@pytest.mark.rtl
@pytest.mark.slow
def test_the_whole_range_of_scales() -> None:
    """522 bits a term: nothing is bad but NaN."""
    mxfp4, whole = form("mxfp4"), (-127, 127)
    unit = BlockDot(mxfp4, mxfp4, 32, a_range=whole, b_range=whole)
    run(unit, 10_000, 4, 6, bad_share=0.01)


@pytest.mark.rtl
@pytest.mark.parametrize("accumulate", ["exact", "fp32"])
def test_a_sum_that_begins_before_another_has_ended(accumulate: str) -> None:
    """What was added so far is dropped, whichever partial sums it is in."""
    unit = BlockDot(form("nvfp4"), form("nvfp4"), accumulate=accumulate)  # type: ignore[arg-type]
    count = 7 + 9
    ones = np.ones(count, dtype=np.int64)
    first, last = np.zeros((2, count), dtype=np.int64)
    first[[0, 7]] = last[-1] = 1
    # Sixteen times 2, then sixteen times 1.
    two, one = (sum(code << 4 * k for k in range(16)) for code in (4, 2))
    a = np.array([two] * 7 + [one] * 9, dtype=object)
    answer = simulate(
        unit,
        {"a": a, "b": a, "a_scale": 56 * ones, "b_scale": 56 * ones,
         "valid": ones, "first": first, "last": last},
        latency=0, settle=unit.answer_delay(9) + 1,
    )  # fmt: skip
    (done,) = np.flatnonzero(answer["done"])
    assert done == count - 1 + unit.answer_delay(9)
    assert FP32.decode(answer["y"][done : done + 1])[0] == 16.0 * 9


@pytest.mark.rtl
@pytest.mark.parametrize(("lanes", "longest", "most"), [(16, 16, 1), (8, 33, 5), (1, 8, 8)])
def test_a_sum_beyond_the_longest_is_noticed(lanes: int, longest: int, most: int) -> None:
    """Cycles are counted from ``first``, whether there are gaps; the flag stays."""
    nvfp4 = form("nvfp4")
    unit = BlockDot(nvfp4, nvfp4, lanes, longest)
    assert unit.pair.most_cycles(longest) == most
    lengths = [most, most, 1, most + 1, 1, most]
    first = np.concatenate([[1] + [0] * (n - 1) for n in lengths])
    last = np.concatenate([[0] * (n - 1) + [1] for n in lengths])
    at = np.cumsum(np.random.default_rng(most).integers(1, 4, len(first)))
    spread = {
        name: np.isin(np.arange(at[-1] + 1), at[chosen.astype(bool)]).astype(np.int64)
        for name, chosen in (("valid", np.ones(len(at))), ("first", first), ("last", last))
    }
    nothing = np.zeros(at[-1] + 1, dtype=np.int64)
    # ``first`` counts only with elements.
    spread["first"] |= 1 - spread["valid"]
    answer = simulate(
        unit, {**dict.fromkeys(("a", "b", "a_scale", "b_scale"), nothing), **spread},
        latency=0, settle=4,
    )  # fmt: skip
    over = at[2 * most + 1 + most]
    expected = np.arange(len(answer["too_long"])) > over
    np.testing.assert_array_equal(answer["too_long"], expected)


def test_the_model_refuses_what_is_beyond_the_longest() -> None:
    pair = BlockPair(form("nvfp4"), form("nvfp4"), 16)
    codes, scales = np.zeros((2, 3, 16), dtype=np.int64), np.zeros((2, 3), dtype=np.int64)
    for longest in (33, 48, None):
        assert exact_dot(pair, codes, codes, scales, scales, longest=longest).tolist() == [0, 0]
    with pytest.raises(InputError, match="sums of 48 products where the longest has 32; split"):
        exact_dot(pair, codes, codes, scales, scales, longest=32)


@pytest.mark.rtl
def test_ready_is_low_while_partial_sums_are_added() -> None:
    """What is offered meanwhile is not taken."""
    unit = BlockDot(form("nvfp4"), form("nvfp4"), accumulate="fp32")
    steps = unit.partials
    count = 4 * steps * steps
    ones = np.ones(count, dtype=np.int64)
    first, last = ones.copy(), np.zeros(count, dtype=np.int64)
    first[1:], last[2 * steps - 1] = 0, 1
    word = sum(2 << 4 * k for k in range(16))  # sixteen times 1
    answer = simulate(
        unit,
        {"a": np.full(count, word, dtype=object), "b": np.full(count, word, dtype=object),
         "a_scale": 56 * ones, "b_scale": 56 * ones, "valid": ones, "first": first, "last": last},
        latency=0,
    )  # fmt: skip
    end = 2 * steps - 1
    busy = (steps - 1) * steps
    assert answer["ready"][: end + 1].all()
    assert not answer["ready"][end + 1 : end + 1 + busy].any()
    assert answer["ready"][end + 1 + busy :].all()
    (done,) = np.flatnonzero(answer["done"])
    assert done == end + unit.answer_delay(2 * steps)
    assert FP32.decode(answer["y"][done : done + 1])[0] == 16.0 * 2 * steps


def test_units_and_widths() -> None:
    nvfp4, if4 = form("nvfp4"), form("if4")
    pairs = [BlockPair(form, form, 16) for form in (nvfp4, if4)]
    assert [(p.factor, p.fraction) for p in pairs] == [(Fraction(1), 20), (Fraction(1, 49), 20)]
    widths = [BlockPair(nvfp4, nvfp4, 16).accumulator(k).bits for k in (16, 256, 4096, 16384)]
    assert widths == [48, 52, 56, 58]
    assert BlockPair(if4, if4, 16).accumulator(4096).bits == 62


def test_terms_are_as_wide_as_the_range_of_scales() -> None:
    """Each exponent of both operands takes two bits; the whole range of E8M0 over five hundred."""
    mxfp4 = form("mxfp4")
    assert BlockPair(mxfp4, mxfp4, 32).term.bits == 60
    assert BlockPair(mxfp4, mxfp4, 32, (-18, 4), (-18, 4)).term.bits == 58
    whole = BlockPair(mxfp4, mxfp4, 32, (-127, 127), (-127, 127))
    assert (whole.term.bits, whole.fraction) == (522, 256)


@pytest.mark.parametrize("name", BLOCKS)
def test_the_model_is_the_dot_product_of_what_the_format_decodes(name: str) -> None:
    one = form(name)
    draw = np.random.default_rng(5)
    values = draw.standard_normal((2, 64, 16)).astype(np.float32)
    a, b = (one.quantise(v) for v in values)
    pair = BlockPair(one, one, 16)
    sums, bad = block_terms(pair, a.codes, b.codes, a.scales[:, 0], b.scales[:, 0])
    assert not bad.any()
    for row in range(64):
        exact = sum(
            Fraction(float(x)) * Fraction(float(y))
            for x, y in zip(
                one.decode(a.codes[row], a.scales[row]),
                one.decode(b.codes[row], b.scales[row]),
                strict=True,
            )
        )
        assert int(sums[row]) * pair.factor / (1 << pair.fraction) == exact / one.denominator**2


def test_scales_that_count() -> None:
    """The range of blocks from 2**-16 to 2**8; a block of zeros is not bad."""
    mxfp4 = form("mxfp4")
    pair = BlockPair(mxfp4, mxfp4, 32)
    codes = np.array([0, 1, 127 - 19, 127 - 18, 127, 127 + 5, 127 + 6, 254, 255])
    bad = pair.bad_scales(codes, np.full(9, 127))
    assert bad.tolist() == [False, True, True, False, False, False, True, True, True]
    whole, _ = pair.a.scales()
    assert [int(v) for v in whole[codes]] == [0, 0, 0, 1, 1 << 18, 1 << 23, 0, 0, 0]
    blocks = np.zeros((3, 32), dtype=np.float32)
    blocks[1, 0], blocks[2, 0] = 2.0**-16, 255.0
    scales = mxfp4.quantise(blocks).scales[:, 0]
    assert not pair.bad_scales(scales, scales).any()


@pytest.mark.parametrize(
    ("a", "b", "lanes", "longest", "message"),
    [
        ("nvfp4", "nvfp4", 3, 4096, "nvfp4: 3 lanes do not divide a block of 16; use a divisor"),
        ("mxfp4", "nvfp4", 32, 4096, "nvfp4: 32 lanes do not divide a block of 16"),
        ("nvfp4", "nvfp4", 0, 4096, "0 lanes do not divide"),
        ("nvfp4", "nvfp4", 16, 8, r"a longest sum of 8 products; use 16\.\.1048576"),
    ],
)
def test_bad_parameters(a: str, b: str, lanes: int, longest: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        BlockDot(form(a), form(b), lanes, longest)


def test_bad_options() -> None:
    nvfp4, mxfp4 = form("nvfp4"), form("mxfp4")
    with pytest.raises(InputError, match="unknown accumulation 'exakt'; did you mean 'exact'"):
        BlockDot(nvfp4, nvfp4, accumulate="exakt")  # type: ignore[arg-type]
    # FP32 sums are of any length.
    assert BlockDot(nvfp4, nvfp4, longest=5, accumulate="fp32").partials == 4
    with pytest.raises(InputError, match=r"FP32 sums as fp16; use fp32 or bf16"):
        BlockDot(nvfp4, nvfp4, format=FP16, accumulate="fp32")
    with pytest.raises(InputError, match="nvfp4: its scales are E4M3 and all count"):
        BlockDot(nvfp4, nvfp4, a_range=(-4, 4))
    with pytest.raises(InputError, match=r"mxfp4: scale exponents 4\.\.-4; use a range within"):
        BlockDot(mxfp4, mxfp4, a_range=(4, -4))


def test_a_period_too_short_says_what_is_too_slow_and_what_would_do() -> None:
    if4 = form("if4")
    with pytest.raises(InfeasibleError, match=r"takes .* ns, the clock period is 1 ns") as caught:
        BlockDot(if4, if4, period=1.0)
    assert caught.value.hint is not None
    period = float(caught.value.hint.split("period of ")[1].split(" ns")[0])
    assert BlockDot(if4, if4, period=period).pipeline.critical <= period

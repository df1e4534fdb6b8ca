"""Element and scale formats: every code, every rounding boundary, every policy."""

from __future__ import annotations

from typing import get_args

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.formats import (
    FloatFormat,
    IntFormat,
    Policy,
    PowerFormat,
    SignMagnitudeFormat,
    format_names,
    get_format,
)
from accelgen.formats.floating import BF16, E8M0, FP16, FP32
from accelgen.formats.policy import Rounding

Element = FloatFormat | IntFormat | SignMagnitudeFormat | PowerFormat
NAMES = [
    name
    for name in format_names()
    if isinstance(get_format(name), Element) and name not in ("fp32", "e5m10", "e8m7")
]
FLOATS = [name for name in NAMES if isinstance(get_format(name), FloatFormat)]
Numbers = NDArray[np.float64]


def element(name: str) -> Element:
    form = get_format(name)
    assert isinstance(form, Element)
    return form


def number(name: str) -> FloatFormat:
    form = get_format(name)
    assert isinstance(form, FloatFormat)
    return form


def finite(form: Element) -> tuple[Numbers, NDArray[np.int64]]:
    """All finite values in order, each once, and the code of each (plus zero for zero)."""
    codes = np.arange(1 << form.width)
    values = form.decode(codes)
    good = np.isfinite(values) & ~(np.signbit(values) & (values == 0))
    values, codes = values[good], codes[good]
    if isinstance(form, SignMagnitudeFormat):  # its other zero decodes to plus zero
        codes, values = codes[codes != form.max + 1], values[codes != form.max + 1]
    order = np.argsort(values)
    return values[order], codes[order]


def boundaries(values: Numbers) -> Numbers:
    """All values, the middles between them, what is just beside both, and what is beyond."""
    middles = (values[:-1] + values[1:]) / 2
    ends = values[[0, -1]]
    steps = np.array([values[0] - values[min(1, values.size - 1)], values[-1] - values[-2]])
    points = np.concatenate([values, middles, ends + steps / 2, ends + steps, ends * 3])
    return np.concatenate([points, np.nextafter(points, np.inf), np.nextafter(points, -np.inf)])


def nearest(
    points: Numbers, values: Numbers, codes: NDArray[np.int64], rounding: str
) -> NDArray[np.int64]:
    """The codes a policy asks for, found by searching all values; saturates."""
    inside = np.clip(points, values[0], values[-1])
    low = np.clip(np.searchsorted(values, inside, side="right") - 1, 0, values.size - 1)
    high = np.minimum(low + (values[low] < inside), values.size - 1)
    down, up = inside - values[low], values[high] - inside
    upper_is_larger = np.abs(values[high]) > np.abs(values[low])
    if rounding == "toward-zero":
        return codes[np.where(upper_is_larger, low, high)]
    prefer = codes[high] % 2 == 0
    if rounding != "nearest-even":
        prefer = upper_is_larger == (rounding == "nearest-away")
    return codes[np.where((up < down) | ((up == down) & prefer), high, low)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rounding", [r for r in get_args(Rounding) if r != "stochastic"])
def test_encoding_is_nearest_under_the_policy(name: str, rounding: str) -> None:
    form = element(name)
    values, codes = finite(form)
    points = boundaries(values)
    points = points[points > 0] if isinstance(form, PowerFormat) else points
    policy = Policy(rounding=rounding, negative_zero=False)  # type: ignore[arg-type]
    expected = nearest(points, values, codes, rounding)
    assert np.array_equal(form.encode(points, policy), expected)
    # The quick way for float32 agrees with the exact one.
    with np.errstate(over="ignore"):
        single = points.astype(np.float32)
    single = single[single > 0] if isinstance(form, PowerFormat) else single
    expected = nearest(single.astype(np.float64), values, codes, rounding)
    assert np.array_equal(form.encode(single, policy), expected)


@pytest.mark.parametrize("name", NAMES)
def test_every_code_survives(name: str) -> None:
    form = element(name)
    codes = np.arange(1 << form.width)
    values = form.decode(codes)
    again = form.encode(values, Policy(overflow="special"))
    nan = np.isnan(values)
    kept = ~nan
    if isinstance(form, SignMagnitudeFormat):
        kept &= codes != form.max + 1
    assert np.array_equal(again[kept], codes[kept])
    if nan.any():
        assert not isinstance(form, IntFormat | SignMagnitudeFormat)
        assert (again[nan] == form.nan_code).all()
    assert again.dtype == (np.uint8 if form.width <= 8 else np.uint16)


@pytest.mark.parametrize("name", NAMES)
def test_limits_and_spacing_are_those_of_the_values(name: str) -> None:
    form = element(name)
    values, _ = finite(form)
    positive = values[values > 0]
    limits = form.limits
    assert (limits.lowest, limits.max) == (values[0], values[-1])
    if positive.size:
        assert limits.min_subnormal == positive[0]
    if positive.size > 1:
        assert np.array_equal(form.spacing(positive[:-1]), np.diff(positive))
    if isinstance(form, FloatFormat):
        assert limits.min_normal == positive[2**form.mantissa_bits - 1]
        assert np.isnan(form.spacing([np.nan, np.inf])).all()


@pytest.mark.parametrize("name", NAMES)
def test_stochastic_rounding(name: str) -> None:
    form = element(name)
    values, codes = finite(form)
    if isinstance(form, PowerFormat) or values.size < 2:
        middle = values.size // 2
        low, high = values[middle - 1], values[middle]
    else:
        low, high = values[-2:]
    rng_policy = Policy(rounding="stochastic", seed=3)
    many = np.full(20_000, low + (high - low) / 4)
    made = form.encode(many, rng_policy)
    found = form.decode(made)
    assert set(found.tolist()) == {low, high}
    assert abs((found == high).mean() - 0.25) < 0.02
    assert np.array_equal(made, form.encode(many, rng_policy))
    assert not np.array_equal(made, form.encode(many, Policy(rounding="stochastic", seed=4)))
    assert np.array_equal(form.decode(form.encode(values, rng_policy)), values)
    assert codes.size == values.size


@pytest.mark.parametrize("name", FLOATS)
def test_special_values(name: str) -> None:
    form = number(name)
    top = form.limits.max
    beyond = np.array([top * 4, np.inf, np.nan])
    saturated = form.decode(form.encode(beyond))
    assert saturated[:2].tolist() == [top, top]
    special = form.decode(form.encode(beyond, Policy(overflow="special")))
    match form.specials:
        case "finite":
            assert special.tolist() == [top, top, 0.0]
            assert saturated[2] == 0.0
        case "nan":
            assert np.isnan(special).all()
            assert np.isnan(saturated[2])
        case "ieee":
            assert special[:2].tolist() == [np.inf, np.inf]
            assert np.isnan([special[2], saturated[2]]).all()
    cut = form.encode([top * 4], Policy(overflow="special", rounding="toward-zero"))
    assert form.decode(cut).tolist() == [top]
    negative = form.decode(form.encode(-beyond[:2]))
    assert negative.tolist() == ([-top, -top] if form.signed else [0.0, 0.0])
    with pytest.raises(InputError, match=r"NaN at \(1, 0\)"):
        form.encode(np.array([[1.0], [np.nan]], dtype=np.float32), Policy(nan="error"))


@pytest.mark.parametrize("name", FLOATS)
def test_minus_zero(name: str) -> None:
    form = number(name)
    tiny = -form.limits.min_subnormal / 4
    kept = form.encode([-0.0, tiny])
    sign = 1 << (form.width - 1) if form.signed else 0
    assert kept.tolist() == [sign, sign]
    assert np.signbit(form.decode(kept)).all() == form.signed
    assert form.encode([-0.0, tiny], Policy(negative_zero=False)).tolist() == [0, 0]


def test_the_rule_of_special_values() -> None:
    rule = {
        "finite": "e2m0 e2m1 e2m10 e3m0 e3m2 e3m10",
        "nan": "e4m0 e4m3 e4m10 e5m0 ue4m3",
        "ieee": "e5m1 e5m2 fp16 bf16 fp32",
    }
    for specials, names in rule.items():
        assert {number(name).specials for name in names.split()} == {specials}


def test_limits_of_the_standard_formats() -> None:
    largest = {
        "e2m0": 4, "e2m1": 6, "e2m3": 7.5, "e3m2": 28, "e4m3": 448, "ue4m3": 448, "e5m2": 57344,
        "fp16": 65504, "bf16": (2 - 2.0**-7) * 2.0**127, "fp32": (2 - 2.0**-23) * 2.0**127,
    }  # fmt: skip
    assert {name: number(name).limits.max for name in largest} == largest
    assert number("ue4m3").width == 7
    assert number("ue4m3").decode([0x7E])[0] == 448
    assert np.isnan(number("ue4m3").decode([0x7F])[0])


def test_unsigned_floats_have_no_negative_values() -> None:
    form = number("ue4m3")
    assert form.encode([-1.0, -np.inf, -0.0]).tolist() == [0, 0, 0]
    assert form.encode([-1.0, -np.inf, -0.0], Policy(overflow="special")).tolist() == [127, 127, 0]


# --- ml_dtypes -------------------------------------------------------------------------------

LIKE = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e4m3_ieee": ml_dtypes.float8_e4m3,
    "e3m4_ieee": ml_dtypes.float8_e3m4,
    "e5m2": ml_dtypes.float8_e5m2,
    "bf16": ml_dtypes.bfloat16,
    "fp16": np.float16,
}


@pytest.mark.parametrize("name", LIKE)
def test_ml_dtypes_decodes_alike(name: str) -> None:
    form = number(name)
    codes = np.arange(1 << form.width).astype(np.uint8 if form.width <= 8 else np.uint16)
    with np.errstate(invalid="ignore"):  # signalling NaN
        theirs = codes.view(LIKE[name]).astype(np.float64)
    ours = form.decode(codes)
    assert np.array_equal(ours, theirs, equal_nan=True)
    assert np.array_equal(np.signbit(ours)[~np.isnan(ours)], np.signbit(theirs)[~np.isnan(ours)])


@pytest.mark.parametrize("name", LIKE)
def test_ml_dtypes_encodes_alike_but_for_the_sign_of_nan(name: str) -> None:
    form = number(name)
    points = boundaries(finite(form)[0])
    with np.errstate(over="ignore"):
        points = np.concatenate(
            [points.astype(np.float32), np.array([np.inf, -np.inf, -0.0], dtype=np.float32)]
        )
        theirs = points.astype(LIKE[name])
    ours = form.encode(points, Policy(overflow="special"))
    # NaN keeps its sign in ml_dtypes; here there is one NaN.
    canonical = np.where(np.isnan(theirs.astype(np.float64)), form.nan_code or 0, 0)
    expected = np.where(canonical, canonical, theirs.view(ours.dtype))
    assert np.array_equal(ours, expected)


def test_ml_dtypes_rounds_twice_from_float64() -> None:
    """The documented difference: 0.25 and a little is above the boundary, yet becomes zero."""
    above = np.nextafter(0.25, 1)
    assert np.float64(above).astype(ml_dtypes.float4_e2m1fn) == 0.0
    assert number("e2m1").encode([above]).tolist() == [1]


def test_ml_dtypes_turns_nan_into_minus_zero() -> None:
    assert np.full(1, np.nan, dtype=np.float32).astype(ml_dtypes.float4_e2m1fn).view(
        np.uint8
    ).tolist() == [8]
    assert number("e2m1").encode(np.full(1, np.nan, dtype=np.float32)).tolist() == [0]


def test_ml_dtypes_has_the_same_powers_of_two() -> None:
    codes = np.arange(256, dtype=np.uint8)
    theirs = codes.view(ml_dtypes.float8_e8m0fnu).astype(np.float64)
    assert np.array_equal(E8M0.decode(codes), theirs, equal_nan=True)
    middles = boundaries(finite(E8M0)[0])
    with np.errstate(over="ignore"):
        single = np.concatenate([middles, [0.0, -1.0, np.nan]]).astype(np.float32)
    points = np.concatenate(
        [single, np.nextafter(single, np.float32(0)), np.nextafter(single, np.float32(np.inf))]
    )
    # Between their two least powers of two, subnormal in FP32, they round up: see below.
    points = points[~((points > 2.0**-127) & (points < 2.0**-126))]
    with np.errstate(over="ignore"):
        expected = points.astype(ml_dtypes.float8_e8m0fnu).view(np.uint8)
    # Ties up, overflow to NaN.
    ours = E8M0.encode(points, Policy(rounding="nearest-away", overflow="special"))
    assert np.array_equal(ours, expected)


def test_ml_dtypes_rounds_the_least_powers_of_two_up() -> None:
    above = np.nextafter(np.float32(2.0**-127), np.float32(1))
    assert above.astype(ml_dtypes.float8_e8m0fnu).view(np.uint8) == 1
    assert E8M0.encode([above, 2.0**-127 * 1.49, 2.0**-127 * 1.51]).tolist() == [0, 0, 1]


def test_ml_dtypes_integers_wrap_and_truncate() -> None:
    values = np.array([8.0, 1.7], dtype=np.float32)
    assert values.astype(ml_dtypes.int4).astype(int).tolist() == [-8, 1]
    assert IntFormat(4).decode(IntFormat(4).encode(values)).tolist() == [7, 2]


# --- wide formats and integers ---------------------------------------------------------------


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_fp32_is_that_of_numpy(values: list[float]) -> None:
    with np.errstate(over="ignore", under="ignore"):
        expected = np.array(values).astype(np.float32)
    codes = FP32.encode(values, Policy(overflow="special"))
    assert np.array_equal(codes, expected.view(np.uint32))
    assert np.array_equal(FP32.decode(codes), expected.astype(np.float64))


@given(
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=20),
    st.sampled_from([BF16, FP16, FloatFormat(5, 2, "ieee"), FloatFormat(8, 5, "ieee")]),
)
def test_quick_and_exact_encoding_agree(values: list[float], form: FloatFormat) -> None:
    with np.errstate(over="ignore", under="ignore"):
        single = np.array(values).astype(np.float32)
    assert np.array_equal(form.encode(single), form.encode(single.astype(np.float64)))


def test_integers_round_and_saturate() -> None:
    form = IntFormat(4)
    values = [-9.0, -8.0, -0.5, 0.5, 1.5, 2.5, 7.4, 7.6, np.inf, -np.inf, np.nan]
    assert form.decode(form.encode(values)).tolist() == [-8, -8, 0, 0, 2, 2, 7, 7, 7, -8, 0]
    assert form.encode([-1.0]).tolist() == [15]
    unsigned = IntFormat(4, signed=False)
    assert unsigned.decode(unsigned.encode([-3.0, 15.5])).tolist() == [0, 15]
    assert IntFormat(1).decode([0, 1]).tolist() == [0, -1]
    assert IntFormat(32).decode(IntFormat(32).encode([-(2.0**31)])).tolist() == [-(2.0**31)]


def test_sign_magnitude() -> None:
    form = SignMagnitudeFormat(3)
    assert form.decode(range(8)).tolist() == [0, 1, 2, 3, 0, -1, -2, -3]
    assert form.encode([-0.2, -3.9, 2.5]).tolist() == [0, 7, 2]


def test_e2m0_with_ties_toward_zero() -> None:
    points = [0.5, 0.6, 1.5, 1.6, 3.0, 3.1]
    form = number("e2m0")
    found = form.decode(form.encode(points, Policy(rounding="nearest-zero")))
    assert found.tolist() == [0, 1, 1, 2, 2, 4]


def test_registry() -> None:
    names = format_names()
    assert len(names) == len(set(names))
    for name in names:
        assert str(get_format(name)) == {"e5m10": "fp16", "e8m7": "bf16"}.get(name, name)
    assert {f"int{n}" for n in range(1, 17)} | {f"uint{n}" for n in range(1, 17)} <= set(names)
    assert {f"e{e}m{m}" for e in range(2, 6) for m in range(11)} <= set(names)
    assert get_format("e5m2_nan") == FloatFormat(5, 2, "nan")
    assert str(get_format("e4m3_finite")) == "e4m3_finite"


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: get_format("e4m4x"), "unknown format 'e4m4x'; did you mean 'e4m4'?"),
        (lambda: get_format("e2m11"), "unknown format 'e2m11'"),
        (lambda: get_format("e9m3_ieee"), "unknown format"),
        (lambda: get_format("e5m0_ieee"), "Inf and NaN need a mantissa"),
        (lambda: FloatFormat(1, 3), "1 exponent and 3 mantissa bits"),
        (lambda: SignMagnitudeFormat(1), "a width of 1 bits"),
        (lambda: IntFormat(33).encode([1.0]), "int33 is not encoded or decoded"),
        (lambda: number("e2m1").decode([16]), "16 is no code of e2m1; codes are 0..15"),
        (lambda: number("e2m1").decode([-1]), "-1 is no code of e2m1"),
        (lambda: number("e2m1").decode([1.0]), "codes of e2m1 are integers, not float64"),
        (lambda: number("e2m1").encode(["x"]), "are no real numbers"),
        (lambda: Policy(overflow="wrap"), "policy: overflow: unknown choice 'wrap'"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_bad_input_is_an_error(act: object, says: str) -> None:
    assert callable(act)
    with pytest.raises(InputError) as caught:
        act()
    assert says in str(caught.value)

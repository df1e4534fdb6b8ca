"""Block quantisers against block-at-a-time references, and what they do with odd values."""

from __future__ import annotations

from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.formats import (
    AdaptiveFormat,
    BlockFormat,
    MicroscalingFormat,
    Policy,
    QuantisedTensor,
    ScaledFormat,
    TensorScaledFormat,
    block_format,
    format_names,
    get_format,
)
from accelgen.formats.integer import IntFormat
from accelgen.formats.policy import BlockError, ScaleRule
from tests.formats import oracle

NAMES = [name for name in format_names() if isinstance(get_format(name), BlockFormat)]
SCALED = [name for name in NAMES if isinstance(get_format(name), TensorScaledFormat)]
MX = [name for name in NAMES if isinstance(get_format(name), MicroscalingFormat)]
ELEMENTS = {
    "mxfp4": oracle.E2M1, "mxfp6_e2m3": oracle.E2M3, "mxfp6_e3m2": oracle.E3M2,
    "mxfp8_e4m3": oracle.E4M3, "mxfp8_e5m2": oracle.E5M2, "mxint8": None,
}  # fmt: skip
ADAPTIVE = {
    "if4": (oracle.E2M1, 7), "if3": (oracle.E2M0, 3),
    "if6_e2m3": (oracle.E2M3, 31), "if6_e3m2": (oracle.E3M2, 31),
}  # fmt: skip

CHOOSING = [*ADAPTIVE, "nvfp4_4over6"]


def expected(name: str, rows: NDArray[np.float32], policy: Policy) -> list[oracle.Block]:
    blocks = [list(row) for row in rows]
    largest = np.float32(np.abs(rows).max())
    if name in MX:
        return oracle.mx(blocks, ELEMENTS[name], policy.scale_rule)
    if largest < 2.0**-100:
        return [([0] * 16, 0) for _ in blocks]
    with np.errstate(all="ignore"):
        if name == "nvfp4_4over6":
            return oracle.four_over_six(blocks, largest, policy.error)
        if name in ADAPTIVE:
            return oracle.adaptive(blocks, largest, *ADAPTIVE[name], policy.error)
        return oracle.nv(blocks, largest, oracle.E2M1 if name == "nvfp4" else None)


def check(name: str, rows: NDArray[np.float32], policy: Policy) -> None:
    made = block_format(name).quantise(rows, policy=policy)
    for row, (codes, scale) in enumerate(expected(name, rows, policy)):
        assert int(made.scales[row, 0]) == scale, (row, rows[row])
        assert made.codes[row].tolist() == codes, (row, rows[row])


def width(name: str) -> int:
    block = block_format(name).block
    assert block is not None
    return block


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        *((name, Policy(scale_rule=rule)) for name in MX for rule in get_args(ScaleRule)),
        *((name, Policy(error=kind)) for name in CHOOSING for kind in get_args(BlockError)),
        ("nvfp4", Policy()),
        ("nvint4", Policy()),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.scale_rule}-{value.error}",
)
def test_random_blocks_are_those_of_the_reference(name: str, policy: Policy) -> None:
    rng = np.random.default_rng(1)
    spread = rng.standard_normal((40, width(name))) * np.exp(rng.normal(0, 3, (40, 1)))
    heavy = rng.standard_t(2, (40, width(name)))
    flat = rng.uniform(-1, 1, (20, width(name)))
    grid = rng.integers(-12, 13, (30, width(name))) / 4
    for rows in (spread, heavy, flat, grid, spread * 1e-25, spread * 1e25):
        check(name, rows.astype(np.float32), policy)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_any_blocks_are_those_of_the_reference(name: str, data: st.DataObject) -> None:
    number = st.floats(width=32, allow_nan=False, allow_infinity=False)
    ties = st.sampled_from([i / 4 for i in range(-32, 33)])
    values = data.draw(st.lists(number | ties, min_size=1, max_size=2 * width(name)))
    rows = np.zeros(-(-len(values) // width(name)) * width(name), dtype=np.float32)
    rows[: len(values)] = values
    policy = Policy(scale_rule=data.draw(st.sampled_from(["floor", "ceil"])))
    check(name, rows.reshape(-1, width(name)), policy)


def exact(tensor: QuantisedTensor, index: int) -> Fraction:
    """The value of an element of a one-dimensional tensor, from its codes alone."""
    form = tensor.format
    assert form.block is not None
    scale = int(tensor.scales[index // form.block])
    code = int(tensor.codes[index])
    if isinstance(form, MicroscalingFormat):
        unit = Fraction(1, 64) if form.name == "mxint8" else Fraction(1)
        return Fraction(float(form.element.decode([code])[0])) * unit * Fraction(2) ** (scale - 127)
    value = Fraction(float(form.element.decode([code])[0]))
    if isinstance(form, AdaptiveFormat) and scale & 0x80:
        top = Fraction(form.element.limits.max)
        value = Fraction(float(form.integer.decode([code])[0])) * top / form.integer.max
    assert isinstance(form, TensorScaledFormat)
    s = Fraction(float(form.scale.decode([scale & 0x7F])[0]))
    return value * s * Fraction(float(tensor.tensor_scale))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1.0, 1e-37, 1e-30, 1e36])
def test_dequantising_rounds_the_exact_value_once(name: str, size: float) -> None:
    rng = np.random.default_rng(2)
    tensor = block_format(name).quantise((rng.standard_normal(150) * size).astype(np.float32))
    back = tensor.dequantise()
    assert back.dtype == np.float32
    for index, found in enumerate(back):
        value = exact(tensor, index)
        neighbours = [np.nextafter(found, np.float32(side)) for side in (-np.inf, np.inf)]
        distance = abs(Fraction(float(found)) - value)
        for other in neighbours:
            assert distance <= abs(Fraction(float(other)) - value)


@pytest.mark.parametrize("name", NAMES)
def test_every_representable_tensor_survives(name: str) -> None:
    """Values of a format quantise to codes of the same values."""
    form = block_format(name)
    rng = np.random.default_rng(3)
    first = form.quantise(rng.standard_normal(64 * width(name)).astype(np.float32))
    again = form.quantise(first.dequantise(), policy=Policy(scale_rule="ceil"))
    if name in MX:
        assert np.array_equal(again.dequantise(), first.dequantise())
    else:
        # The tensor's scale is derived anew, in FP32.
        largest = np.abs(first.dequantise()).max()
        assert np.abs(again.dequantise() - first.dequantise()).max() <= largest / 10


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_any_axis_and_tail_blocks(name: str, axis: int) -> None:
    form = block_format(name)
    values = np.random.default_rng(4).standard_normal((35, 33, 50)).astype(np.float32)
    made = form.quantise(values, axis)
    assert made.codes.shape == values.shape
    assert made.scales.shape[axis] == -(-values.shape[axis] // width(name))
    rows = np.moveaxis(values, axis, -1)
    padded = np.pad(rows, [(0, 0), (0, 0), (0, -rows.shape[-1] % width(name))])
    flat = form.quantise(padded)
    codes = np.moveaxis(flat.codes[..., : rows.shape[-1]], -1, axis)
    assert np.array_equal(made.codes, codes)
    assert np.array_equal(made.scales, np.moveaxis(flat.scales, -1, axis))
    back = np.moveaxis(flat.dequantise()[..., : rows.shape[-1]], -1, axis)
    assert np.array_equal(made.dequantise(), back)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), (3, 0, 40)])
def test_empty_tensors(name: str, shape: tuple[int, ...]) -> None:
    made = block_format(name).quantise(np.zeros(shape))
    assert made.dequantise().shape == shape


@pytest.mark.parametrize("name", NAMES)
def test_zeros_stay_zeros(name: str) -> None:
    values = np.zeros((3, width(name)), dtype=np.float32)
    made = block_format(name).quantise(values)
    assert not made.codes.any()
    assert not made.scales.any()
    assert not made.dequantise().any()
    values[1] = 1.0
    back = block_format(name).quantise(values).dequantise()
    assert not back[0].any()
    assert back[1].all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_make_their_block_nan(name: str, bad: float) -> None:
    form = block_format(name)
    values = np.random.default_rng(5).standard_normal(4 * width(name)).astype(np.float32)
    spoilt = values.copy()
    spoilt[width(name) + 3] = bad
    made = form.quantise(spoilt)
    block = slice(width(name), 2 * width(name))
    assert int(made.scales[1]) == (0xFF if name in MX else 0x7F)
    assert not made.codes[block].any()
    assert np.isnan(made.dequantise()[block]).all()
    # Nothing else notices.
    values[width(name) + 3] = 0
    clean = form.quantise(values)
    others = np.ones(values.size, dtype=bool)
    others[block] = False
    if np.abs(values[others]).max() == np.abs(values).max() or name in MX:
        assert np.array_equal(made.dequantise()[others], clean.dequantise()[others])
    assert np.isfinite(made.dequantise()[others]).all()
    with pytest.raises(InputError, match="1 values are NaN or infinite"):
        form.quantise(spoilt, policy=Policy(nan="error"))


@pytest.mark.parametrize("name", NAMES)
def test_all_nan(name: str) -> None:
    made = block_format(name).quantise(np.full(40, np.nan))
    assert np.isnan(made.dequantise()).all()


@pytest.mark.parametrize("name", SCALED)
def test_tiny_tensors_are_zero(name: str) -> None:
    form = block_format(name)
    tiny = np.full(16, np.nextafter(np.float32(2.0**-100), np.float32(0)))
    assert not form.quantise(tiny).dequantise().any()
    back = form.quantise(np.full(16, 2.0**-100)).dequantise()
    assert np.allclose(back, 2.0**-100, rtol=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_numbers(name: str) -> None:
    top = np.finfo(np.float32).max
    back = block_format(name).quantise(np.full(32, top)).dequantise()
    # MX scales are coarse, so that elements saturate; others may be rounded up beyond FP32.
    assert (back >= (0.74 if name in MX else 0.96) * top).all()


@pytest.mark.parametrize("name", MX)
def test_subnormal_numbers_under_the_least_scale(name: str) -> None:
    least = float(np.finfo(np.float32).smallest_subnormal)
    made = block_format(name).quantise(np.array([2.0**-127, least, -least, 0.0]))
    back = made.dequantise()
    assert back[0] == 2.0**-127
    assert abs(back[1]) <= 2.0**-127 * 2.0**-6
    assert back[3] == 0


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("nvint4", "mxint8")])
def test_minus_zero(name: str) -> None:
    form = block_format(name)
    values = np.array([6.0, -0.0, 0.0, -1e-9], dtype=np.float32)
    # E2M0 and its like may lose to integers, which have no minus zero.
    sign = 1 << (form.element_bits - 1)
    kept = form.quantise(values)
    if not (isinstance(form, AdaptiveFormat) and kept.scales[0] & 0x80):
        assert kept.codes[1:3].tolist() == [sign, 0]
        assert np.signbit(kept.dequantise()).tolist()[:3] == [False, True, False]
    dropped = form.quantise(values, policy=Policy(negative_zero=False))
    assert sign not in dropped.codes.tolist()
    assert np.array_equal(kept.dequantise(), dropped.dequantise())


@pytest.mark.parametrize("name", MX)
def test_the_ceil_rule_never_saturates(name: str) -> None:
    form = block_format(name)
    rng = np.random.default_rng(6)
    values = rng.standard_normal((200, 32)).astype(np.float32)
    made = form.quantise(values, policy=Policy(scale_rule="ceil"))
    assert isinstance(form, MicroscalingFormat)
    top = form.element.limits.max * form.unit * np.exp2(made.scales.astype(float) - 127)
    assert (np.abs(values) <= top).all()
    # Half the scale would be too small.
    assert (np.abs(values).max(axis=1, keepdims=True) > top / 2).all()


@pytest.mark.parametrize("name", NAMES)
def test_stochastic_rounding_is_unbiased_and_reproducible(name: str) -> None:
    form = block_format(name)
    values = np.full(40_000, 0.29, dtype=np.float32)
    values[:: width(name)] = 1.0
    policy = Policy(rounding="stochastic", seed=7)
    first = form.quantise(values, policy=policy)
    assert np.array_equal(first.codes, form.quantise(values, policy=policy).codes)
    other = form.quantise(values, policy=Policy(rounding="stochastic", seed=8))
    assert not np.array_equal(first.codes, other.codes)
    if name not in CHOOSING:  # these prefer one side
        rest = first.dequantise()[values != 1.0].astype(np.float64)
        assert abs(rest.mean() - 0.29) < 5 * rest.std() / np.sqrt(rest.size) + 1e-4


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rounding", ["nearest-away", "nearest-zero", "toward-zero"])
def test_other_roundings_of_elements(name: str, rounding: str) -> None:
    form = block_format(name)
    values = np.random.default_rng(9).standard_normal(1024).astype(np.float32)
    even = form.quantise(values)
    made = form.quantise(values, policy=Policy(rounding=rounding))  # type: ignore[arg-type]
    if name not in CHOOSING:
        assert np.array_equal(made.scales, even.scales)
        back, nearest = np.abs(made.dequantise()), np.abs(even.dequantise())
        assert (back <= nearest).all() if "zero" in rounding else (back >= nearest).all()


@pytest.mark.parametrize("name", NAMES)
def test_packing_and_back(name: str) -> None:
    form = block_format(name)
    made = form.quantise(np.random.default_rng(10).standard_normal((5, 37)), axis=1)
    elements, scales = made.pack()
    assert elements.size == -(-5 * 37 * form.element_bits // 8)
    assert scales.size == made.scales.size
    again = form.unpack(elements, scales, (5, 37), 1, float(made.tensor_scale))
    assert np.array_equal(again.dequantise(), made.dequantise())


@pytest.mark.parametrize("name", NAMES)
def test_elements_saturate_under_every_policy(name: str) -> None:
    form = block_format(name)
    values = np.random.default_rng(12).uniform(1, 2, 2000).astype(np.float32)
    special = form.quantise(values, policy=Policy(overflow="special"))
    assert np.array_equal(special.codes, form.quantise(values).codes)
    assert np.isfinite(special.dequantise()).all()


def test_the_low_nibble_is_the_even_index() -> None:
    made = block_format("nvfp4").quantise([6.0, -6.0, 0.0, 3.0])
    assert made.pack()[0].tolist() == [0xF7, 0x50]


def test_slices_do_not_show() -> None:
    """A tensor larger than what is worked on at a time."""
    values = np.random.default_rng(11).standard_normal((9, 16_000)).astype(np.float32)
    for name in NAMES:
        form = block_format(name)
        whole = form.quantise(values)
        part = form.quantise(np.vstack([values[:, :64], np.full((1, 64), np.abs(values).max())]))
        assert np.array_equal(whole.codes[:, :64], part.codes[:9]), name


def test_the_widths_are_those_of_the_definitions() -> None:
    bits = {name: block_format(name).element_bits for name in NAMES}
    assert bits == {
        "mxfp4": 4, "mxfp6_e2m3": 6, "mxfp6_e3m2": 6, "mxfp8_e4m3": 8, "mxfp8_e5m2": 8,
        "mxint8": 8, "nvfp4": 4, "nvfp4_4over6": 4, "nvint4": 4, "if4": 4, "if3": 3,
        "if6_e2m3": 6, "if6_e3m2": 6,
    }  # fmt: skip
    assert {block_format(name).scale_bits for name in NAMES} == {8}
    made = block_format("nvfp4").quantise(np.ones((4, 20)))
    assert made.bits == 4 * 20 * 4 + 8 * 8 + 32


def test_scaled_integers_are_symmetric() -> None:
    values = np.array([[-3.5, 1.0, 0.2, 3.5], [0.0, 0.0, 0.0, 0.0], [7.0, -7.0, 0.5, 1.5]])
    tensor = ScaledFormat("int4", IntFormat(4), None).quantise(values)
    assert tensor.scales.shape == ()
    assert tensor.dequantise()[0].tolist() == [-4.0, 1.0, 0.0, 4.0]
    blocks = ScaledFormat("int4", IntFormat(4), 2).quantise(values)
    assert blocks.scales.shape == (3, 2)
    assert blocks.dequantise()[0, 0] == -3.5
    assert not blocks.dequantise()[1].any()
    assert np.isnan(ScaledFormat("int4", IntFormat(4), 4).quantise([np.nan, 1]).dequantise()).all()


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: block_format("nvfp5"), "unknown format 'nvfp5'; did you mean 'nvfp4'?"),
        (lambda: block_format("int4"), "int4 is no block format; known: mxfp4"),
        (lambda: block_format("if4").quantise(1.0), "a tensor without axes has no blocks"),
        (lambda: block_format("if4").quantise([1.0], 1), "axis 1 of a tensor with 1 axes"),
        (lambda: block_format("if4").quantise(["a"]), "are no real numbers"),
        (lambda: block_format("if4").quantise([1j]), "are no real numbers"),
        (lambda: block_format("if4").quantise([[1.0], [1.0, 2.0]]), "are no real numbers"),
        (lambda: Policy(rounding="up"), "policy: rounding: unknown choice 'up'"),  # type: ignore[arg-type]
        (lambda: Policy(seed=-1), "policy: seed: -1 is negative"),
        (lambda: ScaledFormat("int1", IntFormat(1), None), "int1 has no symmetric range"),
        (lambda: ScaledFormat("int4", IntFormat(4), 0), "a block of 0 elements"),
    ],
)  # fmt: skip
def test_bad_input_is_an_error(act: object, says: str) -> None:
    assert callable(act)
    with pytest.raises(InputError) as caught:
        act()
    assert says in str(caught.value)


def test_a_tensor_checks_its_parts() -> None:
    form = block_format("nvfp4")
    codes = np.zeros((2, 20), dtype=np.uint8)
    with pytest.raises(InputError, match=r"give scales of shape \(2, 2\)"):
        QuantisedTensor(form, codes, np.zeros((2, 1), dtype=np.uint8), np.float32(1), 1)
    with pytest.raises(InputError, match="16 is no code"):
        QuantisedTensor(form, codes + 16, np.zeros((2, 2), dtype=np.uint8), np.float32(1), 1)
    made = QuantisedTensor(form, codes, np.zeros((2, 2), dtype=np.uint8), np.float32(1), 1)
    with pytest.raises(ValueError, match="read-only"):
        made.codes[0] = 1
    with pytest.raises(InputError, match="give 20 bytes"):
        form.unpack(np.zeros(19, np.uint8), np.zeros(4, np.uint8), (2, 20))

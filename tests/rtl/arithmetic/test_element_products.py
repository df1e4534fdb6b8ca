"""Exact dot products of elements, and products of scales."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from accelgen.errors import InputError
from accelgen.formats import AdaptiveFormat, IntFormat, block_format, get_format
from accelgen.formats.floating import FloatFormat
from accelgen.formats.tensor_scaled import UE4M3
from accelgen.golden import AdaptiveElement, Element, dot_products, element_of, scale_products
from accelgen.golden.elements import AnyElement
from accelgen.rtl.arithmetic import ElementDot, ScaleProduct
from accelgen.rtl.arithmetic.element_products import sum_width
from tests.rtl.arithmetic.vectors import Vectors, simulate

rtl = pytest.mark.rtl
slow = pytest.mark.slow
ADAPTIVE = ["if3", "if4", "if6_e2m3", "if6_e3m2"]
PLAIN = ["nvfp4", "nvint4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3", "mxfp8_e5m2", "mxint8"]


def element(name: str) -> AnyElement:
    return element_of(block_format(name))  # type: ignore[arg-type]


# REFERENCES: exact widths of sums of 1, 16 and 32 products.
WIDTHS = {
    ("nvfp4", "nvfp4"): (9, 13, 14),
    ("nvint4", "nvint4"): (7, 11, 12),
    ("nvfp4", "nvint4"): (8, 12, 13),
    ("if4", "if4"): (9, 13, 14),
    ("if4", "nvfp4"): (9, 13, 14),
    ("mxfp6_e2m3", "mxfp6_e2m3"): (13, 17, 18),
    ("mxfp6_e3m2", "mxfp6_e3m2"): (19, 23, 24),
    ("mxfp8_e4m3", "mxfp8_e4m3"): (37, 41, 42),
    ("mxfp8_e5m2", "mxfp8_e5m2"): (65, 69, 70),
    ("mxint8", "mxint8"): (16, 20, 21),
}


@pytest.mark.parametrize(("a", "b"), WIDTHS)
def test_widths_are_exact(a: str, b: str) -> None:
    widths = tuple(sum_width(element(a), element(b), lanes) for lanes in (1, 16, 32))
    assert widths == WIDTHS[a, b]


def test_half_units_of_if4() -> None:
    if4 = element("if4")
    assert isinstance(if4, AdaptiveElement)
    assert (if4.maximum, if4.shift, if4.factors, if4.unit) == (14, 1, (7, 6), Fraction(1, 14))


@pytest.mark.parametrize("name", ADAPTIVE)
def test_adaptive_integers_are_the_format(name: str) -> None:
    """Integer times factor times unit is what the format decodes, for all codes it produces."""
    form = block_format(name)
    assert isinstance(form, AdaptiveFormat)
    found = element_of(form)
    assert isinstance(found, AdaptiveElement)
    codes = np.arange(1 << found.width)
    for kind, scale in enumerate((UE4M3.encode([1.0])[0], UE4M3.encode([1.0])[0] | 0x80)):
        decoded = form.decode(codes, np.full_like(codes, scale))
        for code, value in zip(codes, decoded, strict=True):
            if isinstance(form.integer, IntFormat) and kind == 1 and code == codes.size // 2:
                assert found.values()[kind, code] == 0
                continue
            integer = int(found.values()[kind, code]) * found.factors[kind]
            assert integer * found.unit == Fraction(float(value)) / form.denominator


@pytest.mark.parametrize("name", PLAIN)
def test_plain_integers_are_the_format(name: str) -> None:
    found = element(name)
    assert isinstance(found, Element)
    decoded = found.format.decode(np.arange(1 << found.width))
    table = found.values()[0]
    for code, value in enumerate(decoded):
        if not np.isfinite(value) or (found.symmetric and code == 1 << (found.width - 1)):
            assert table[code] == 0
        else:
            assert int(table[code]) * found.unit == Fraction(float(value))


def check(a: AnyElement, b: AnyElement, x: Vectors, y: Vectors, seed: int) -> None:
    """Codes n x lanes, under all combinations of kinds."""
    lanes = x.shape[1]
    draw = np.random.default_rng(seed)
    kinds = draw.integers(0, 2, (2, len(x)))
    inputs = {"a": joined(x, a.width), "b": joined(y, b.width)}
    for name, each, kind in (("a", a, kinds[0]), ("b", b, kinds[1])):
        if isinstance(each, AdaptiveElement):
            inputs[f"{name}_integer"] = kind
        else:
            kind[:] = 0
    found = simulate(ElementDot(a, b, lanes), inputs)
    expected = dot_products(x, y, a, b, kinds[0], kinds[1])
    np.testing.assert_array_equal(found["sum"], expected)
    if "special" in found:
        special = np.zeros(len(x), dtype=np.uint64)
        for each, codes in ((a, x), (b, y)):
            if isinstance(each, Element):
                special |= each.specials()[codes].any(axis=1)
        np.testing.assert_array_equal(found["special"], special)


def joined(codes: Vectors, width: int) -> Vectors:
    """Each row as one integer, the first code lowest."""
    if codes.shape[1] * width <= 64:
        words = np.zeros(len(codes), dtype=np.uint64)
        for lane in range(codes.shape[1]):
            words |= codes[:, lane].astype(np.uint64) << np.uint64(lane * width)
        return words
    wide = np.zeros(len(codes), dtype=object)
    for lane in range(codes.shape[1]):
        wide |= codes[:, lane].astype(object) << (lane * width)
    return wide


PAIRS = [("nvfp4", "nvfp4"), ("if4", "if4"), ("nvint4", "nvfp4"), ("mxfp8_e4m3", "mxfp8_e4m3")]
MORE_PAIRS = [
    ("nvint4", "nvint4"), ("if4", "nvfp4"), ("if4", "nvint4"), ("if3", "if3"),
    ("if6_e2m3", "if6_e2m3"), ("if6_e3m2", "if6_e3m2"), ("mxfp6_e2m3", "mxfp6_e2m3"),
    ("mxfp6_e3m2", "mxfp6_e3m2"), ("mxfp8_e5m2", "mxfp8_e5m2"), ("mxint8", "mxint8"),
    ("mxfp8_e5m2", "mxfp8_e4m3"), ("mxint8", "mxfp8_e4m3"),
]  # fmt: skip


@rtl
@pytest.mark.parametrize(("a", "b"), PAIRS + [pytest.param(*p, marks=slow) for p in MORE_PAIRS])
def test_every_pair_of_codes(a: str, b: str) -> None:
    """All codes of both, in all kinds of block."""
    x, y = element(a), element(b)
    codes = np.array(list(product(range(1 << x.width), range(1 << y.width))))
    kinds = list(product(*(range(1 + isinstance(each, AdaptiveElement)) for each in (x, y))))
    inputs = {"a": np.tile(codes[:, 0], len(kinds)), "b": np.tile(codes[:, 1], len(kinds))}
    a_kind, b_kind = np.repeat(np.array(kinds), len(codes), axis=0).T
    expected = dot_products(inputs["a"][:, None], inputs["b"][:, None], x, y, a_kind, b_kind)
    for name, each, kind in (("a_integer", x, a_kind), ("b_integer", y, b_kind)):
        if isinstance(each, AdaptiveElement):
            inputs[name] = kind
    found = simulate(ElementDot(x, y, 1), inputs)
    np.testing.assert_array_equal(found["sum"], expected)


def rows(a: AnyElement, b: AnyElement, lanes: int, count: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    x = draw.integers(0, 1 << a.width, (count, lanes))
    y = draw.integers(0, 1 << b.width, (count, lanes))
    # The same code in all lanes: largest sums of both signs, all minus zero.
    same = np.array(list(product(range(1 << a.width), range(1 << b.width))))
    same = draw.permutation(same)[: count // 2]
    x[: len(same)], y[: len(same)] = same[:, :1], same[:, 1:]
    check(a, b, x, y, seed)


@rtl
@pytest.mark.parametrize(("a", "b", "lanes"), [("if4", "if4", 16), ("nvfp4", "nvfp4", 16)])
def test_sums(a: str, b: str, lanes: int) -> None:
    rows(element(a), element(b), lanes, 50_000, lanes)


@rtl
@slow
@pytest.mark.parametrize(("a", "b"), PAIRS + MORE_PAIRS)
@pytest.mark.parametrize("lanes", [5, 32])
def test_many_sums(a: str, b: str, lanes: int) -> None:
    rows(element(a), element(b), lanes, 100_000, lanes)


@rtl
@pytest.mark.parametrize("factors", [(1, 1), (7, 6), pytest.param((31, 28), marks=slow)])
def test_every_pair_of_scales(factors: tuple[int, int]) -> None:
    a, b = np.array(list(product(range(256), repeat=2))).T
    found = simulate(ScaleProduct(factors, factors), {"a": a, "b": b})
    significand, exponent, nan = scale_products(a, b, factors, factors)
    np.testing.assert_array_equal(found["significand"], significand)
    np.testing.assert_array_equal(found["exponent"], exponent)
    np.testing.assert_array_equal(found["nan"], nan)


def test_scale_products_are_the_format() -> None:
    a, b = np.array(list(product(range(127), repeat=2))).T
    significand, exponent, nan = scale_products(a, b)
    assert not nan.any()
    expected = UE4M3.decode(a) * UE4M3.decode(b)
    np.testing.assert_array_equal(significand * 2.0 ** (exponent - 18), expected)
    assert scale_products(np.array([127]), np.array([0]))[2]


def test_bad_parameters() -> None:
    e2m1 = Element(FloatFormat(2, 1))
    with pytest.raises(InputError, match=r"0 lanes; use 1\.\.256"):
        ElementDot(e2m1, e2m1, 0)
    with pytest.raises(InputError, match=r"int9: elements of 9 bits; use 2\.\.8"):
        Element(IntFormat(9))
    with pytest.raises(InputError, match="only a signed integer"):
        Element(get_format("e2m1"), symmetric=True)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"factors 5 and 4; use 2\*\*n - 1"):
        ScaleProduct((5, 4))

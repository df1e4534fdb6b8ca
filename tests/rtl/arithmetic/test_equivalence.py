"""Element multipliers and small decoders are proved equal to tables.

The tables come from the decoders of the number formats; neither the hardware nor its models have
a part in them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from accelgen.formats import IntFormat, MicroscalingFormat, TensorScaledFormat, block_format
from accelgen.formats.adaptive import INTEGER
from accelgen.formats.floating import E8M0
from accelgen.formats.tensor_scaled import UE4M3
from accelgen.golden import MULTI_FORMATS, AdaptiveElement, element_of
from accelgen.rtl.arithmetic import (
    ElementDot,
    MultiFormatProduct,
    MultiFormatScale,
    ScaleProduct,
)
from tests.rtl.arithmetic.proofs import Claim, prove

slow = pytest.mark.slow
ONE = int(UE4M3.encode([1.0])[0])
MOST_BITS = 12
"""Inputs of the widest single table."""
Tables = tuple[list[list[int | None]], list[list[int | None]]]


def integers(name: str) -> list[list[int | None]]:
    """Per kind of block, every code's value in the units of its kind; None is Inf or NaN."""
    form = block_format(name)
    assert isinstance(form, TensorScaledFormat | MicroscalingFormat)
    codes = np.arange(1 << form.element_bits)
    element = element_of(form)
    if isinstance(element, AdaptiveElement):
        scales = [ONE, ONE | INTEGER]
        steps = [element.unit * factor for factor in element.factors]
    else:
        scales = [int(form.scale.encode([1.0])[0])]
        steps = [element.unit * Fraction(getattr(form, "unit", 1.0))]
    kinds = []
    for scale, step in zip(scales, steps, strict=True):
        values = form.decode(codes, np.full_like(codes, scale)).tolist()
        parts = [Fraction(v) / form.denominator / step if np.isfinite(v) else None for v in values]
        assert all(part is None or part.denominator == 1 for part in parts)
        kinds.append([None if part is None else int(part) for part in parts])
    return kinds


def product_claim(a: str, b: str, tables: Tables | None = None) -> Claim:
    """One lane multiplies as the formats decode."""
    x, y = (element_of(block_format(name)) for name in (a, b))  # type: ignore[arg-type]
    elements = (x, y)
    table_a, table_b = tables or (integers(a), integers(b))
    unit = ElementDot(x, y, 1)
    inputs = [("a", elements[0].width), ("b", elements[1].width)]
    inputs += [
        (f"{port}_integer", 1)
        for port, element in zip("ab", elements, strict=True)
        if isinstance(element, AdaptiveElement)
    ]
    names = [port for port, _ in inputs]
    bits = len(unit.sum)
    outputs, value = {"sum": bits}, "sum"
    if elements[0].has_specials or elements[1].has_specials:
        outputs["special"], value = 1, "{special, sum}"

    def expected(*values: int) -> int:
        given = dict(zip(names, values, strict=True))
        x = table_a[given.get("a_integer", 0)][given["a"]]
        y = table_b[given.get("b_integer", 0)][given["b"]]
        special = x is None or y is None
        return (special << bits) | ((0 if x is None or y is None else x * y) % (1 << bits))

    split = 1 if sum(width for _, width in inputs) > MOST_BITS else 0
    return Claim(unit, inputs, outputs, value, bits + ("special" in outputs), expected, split)


def proved(claim: Claim, folder: Path) -> int:
    """The number of proofs, none of which failed."""
    count, failures = prove(claim, folder)
    assert not failures, failures[0]
    return count


FOUR = [
    ("nvfp4", "nvfp4"), ("nvint4", "nvint4"), ("nvfp4", "nvint4"), ("if4", "if4"),
    ("if4", "nvfp4"), ("nvint4", "if4"), ("if3", "if3"), ("mxfp4", "mxfp4"),
]  # fmt: skip
SIX = [("mxfp6_e2m3", "mxfp6_e2m3"), ("mxfp6_e3m2", "mxfp6_e3m2"), ("mxfp6_e2m3", "mxfp6_e3m2")]
MORE = [
    ("if6_e2m3", "if6_e2m3"), ("if6_e3m2", "if6_e3m2"), ("mxint8", "mxint8"),
    ("mxfp8_e4m3", "mxfp8_e4m3"), ("mxfp8_e5m2", "mxfp8_e5m2"), ("mxfp8_e4m3", "mxfp8_e5m2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b"), [*FOUR, *(pytest.param(*pair, marks=slow) for pair in SIX + MORE)]
)
def test_element_products(a: str, b: str, tmp_path: Path) -> None:
    proved(product_claim(a, b), tmp_path)


def test_a_wrong_table_is_found(tmp_path: Path) -> None:
    """One entry of one operand's table: 6 in place of 4, for the code 0110 alone."""
    right, wrong = integers("nvfp4"), integers("nvfp4")
    assert wrong[0][6] == 8
    wrong[0][6] = 12
    count, failures = prove(product_claim("nvfp4", "nvfp4", (wrong, right)), tmp_path)
    assert count == 1
    (example,) = failures
    assert re.search(r"\\a +6 .* 0110$", example, re.MULTILINE), example
    count, failures = prove(
        replace(product_claim("nvfp4", "nvfp4", (wrong, right)), split=1), tmp_path
    )
    assert count == 16
    assert [example.split(":")[0] for example in failures] == ["claim_6"]


def scale_claim(factors: tuple[int, int]) -> Claim:
    """Products of two scales with their factors, in units of 2**-18; NaN apart."""
    unit = ScaleProduct(factors, factors)
    values = UE4M3.decode(np.arange(128)).tolist()
    bits = len(unit.significand) + 29

    def expected(a: int, b: int) -> int:
        x, y = (values[code & 127] * factors[code >> 7] * 2.0**9 for code in (a, b))
        return 1 << bits if np.isnan(x * y) else int(x) * int(y)

    wide = f"{bits}'d0"
    value = f"{{nan, nan ? {wide} : ({wide} | significand) << exponent}}"
    outputs = {"significand": len(unit.significand), "exponent": 5, "nan": 1}
    return Claim(unit, [("a", 8), ("b", 8)], outputs, value, bits + 1, expected, 1)


@slow
@pytest.mark.parametrize("factors", [(1, 1), (7, 6), (31, 28)])
def test_scale_products(factors: tuple[int, int], tmp_path: Path) -> None:
    assert proved(scale_claim(factors), tmp_path) == 256


def test_products_of_the_multi_format_unit(tmp_path: Path) -> None:
    """In all four formats; of the scales, only the bit that says what the elements are matters."""
    floats, (_, halves) = integers("nvfp4")[0], integers("if4")
    plain: list[int | None] = IntFormat(4).decode(np.arange(16)).astype(int).tolist()

    def table(form: int, integer: int) -> list[int | None]:
        name = MULTI_FORMATS[form]
        return plain if name == "int4" else halves if name == "if4" and integer else floats

    def expected(a: int, b: int, form: int, a_integer: int, b_integer: int) -> int:
        x, y = table(form, a_integer)[a], table(form, b_integer)[b]
        assert x is not None
        assert y is not None
        return x * y

    unit = MultiFormatProduct()
    bits = len(unit.y)
    inputs = [("a", 4), ("b", 4), ("form", 2), ("a_integer", 1), ("b_integer", 1)]
    scales = {f"{side}_scale": f"{{{side}_integer, 7'd0}}" for side in "ab"}
    ports = {"a": "a", "b": "b", "format": "form", **scales}
    claim = Claim(unit, inputs, {"y": bits}, "y", bits, expected, ports=ports)
    assert proved(claim, tmp_path) == 1


@pytest.mark.parametrize("scale_range", [None, (-2, 1), (-60, 50)])
def test_scales_of_the_multi_format_unit(
    scale_range: tuple[int, int] | None, tmp_path: Path
) -> None:
    unit = MultiFormatScale(scale_range)
    low, high = scale_range or (-18, 5)
    e4m3, e8m0 = UE4M3.decode(np.arange(128)).tolist(), E8M0.decode(np.arange(256)).tolist()
    bits = 7 + max(14, high - low)

    def expected(form: int, code: int) -> int:
        name = MULTI_FORMATS[form]
        if name == "int4":
            return 1
        if name == "mxfp4":
            inside = 2.0**low <= e8m0[code] <= 2.0**high
            number = int(Fraction(e8m0[code]) / Fraction(2) ** low) if inside else 0
            return (not inside and code != 0) << bits | number
        if np.isnan(e4m3[code & 127]):
            return 1 << bits
        factor = 1 if name == "nvfp4" else 6 if code >> 7 else 7
        return int(e4m3[code & 127] * 2**9) * factor

    outputs = {"significand": 7, "exponent": len(unit.exponent), "bad": 1}
    value = f"{{bad, significand ? ({bits}'d0 | significand) << exponent : {bits}'d0}}"
    claim = Claim(unit, [("format", 2), ("code", 8)], outputs, value, bits + 1, expected)
    assert proved(claim, tmp_path) == 1

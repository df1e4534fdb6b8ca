"""The lowest code of integer elements: no number in blocks under a tensor scale, a number else."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from accelgen.errors import InputError
from accelgen.formats import (
    AdaptiveFormat,
    IntFormat,
    TensorScaledFormat,
    block_format,
    get_format,
)
from accelgen.golden import AdaptiveElement, BlockPair, block_terms, element_of

NAMES = ["nvfp4", "nvfp4_4over6", "nvint4", "if4", "if3", "if6_e2m3", "if6_e3m2"]


def test_plain_integers_keep_their_lowest_code() -> None:
    for name, lowest in (("int4", -8.0), ("int8", -128.0), ("int2", -2.0)):
        form = get_format(name)
        assert isinstance(form, IntFormat)
        code = 1 << (form.bits - 1)
        assert form.decode([code]).tolist() == [lowest] == [form.min]
        assert form.encode([lowest - 1]).tolist() == [code]
    assert block_format("mxint8").decode([0x80], [127]).tolist() == [-2.0]


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_symmetric_integers_have_none(bits: int) -> None:
    form = IntFormat(bits, symmetric=True)
    codes = np.arange(1 << bits)
    values = form.decode(codes)
    assert values[1 << (bits - 1)] == 0.0
    assert values.min() == form.min == -form.max == -values.max()
    made = form.encode([-1e9, *values])
    assert (made != 1 << (bits - 1)).all()
    np.testing.assert_array_equal(form.decode(made[1:]), values)
    assert not form.holds(form.min - 1, 0)


@pytest.mark.parametrize("name", NAMES)
def test_every_code_is_worth_the_same_to_format_and_model(name: str) -> None:
    """The hardware is compared with the model code for code, in tests/rtl/arithmetic."""
    form = block_format(name)
    assert isinstance(form, TensorScaledFormat)
    element = element_of(form)
    codes = np.arange(1 << form.element_bits)
    one = int(form.scale.encode([1.0])[0])
    kinds = (one, one | 0x80) if isinstance(form, AdaptiveFormat) else (one,)
    for kind, scale in enumerate(kinds):
        factor = element.factors[kind] if isinstance(element, AdaptiveElement) else 1
        exact = [
            int(value) * factor * element.unit * form.denominator
            for value in element.values()[kind]
        ]
        assert [Fraction(v) for v in form.decode(codes, np.full_like(codes, scale))] == exact


@pytest.mark.parametrize(("name", "scale"), [("nvint4", 0x38), ("if4", 0xB8)])
def test_code_8_adds_nothing(name: str, scale: int) -> None:
    form = block_format(name)
    assert isinstance(form, TensorScaledFormat)
    codes = np.array([[8, 7]])
    scales = np.array([scale], dtype=np.uint8)
    assert form.decode(codes, scales[:, None])[0, 0] == 0.0
    pair = BlockPair(form, form, 2)
    both, _ = block_terms(pair, codes, codes, scales, scales)
    single, _ = block_terms(pair, codes[:, 1:], codes[:, 1:], scales, scales)
    assert both[0] == single[0] != 0
    value = Fraction(float(form.decode([7], [scale])[0])) / form.denominator
    assert int(both[0]) * pair.factor / (1 << pair.fraction) == value**2


def test_what_cannot_be_symmetric() -> None:
    for bits, signed in ((4, False), (1, True)):
        with pytest.raises(InputError, match="cannot be symmetric; use a signed one"):
            IntFormat(bits, signed, symmetric=True)

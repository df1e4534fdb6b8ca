"""The numbers inside the accelerator, piece by piece, against exact ones."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from accelgen.attention.accelerator.datapath.elements import align, decoding_of, stored_bits
from accelgen.attention.accelerator.datapath.exp2 import negative_exp2
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.attention.accelerator.datapath.softmax import fold_queries, normalise
from accelgen.attention.accelerator.design_report import exponential_error
from accelgen.errors import InputError
from accelgen.formats import BlockFormat, FloatFormat, IntFormat, get_format

SMALL = Numerics(16, 16, 8)


@pytest.mark.parametrize(("segments", "published"), [(4, 2.0e-3), (8, 4.9e-4), (16, 1.2e-4)])
def test_lines_err_as_little_as_published(segments: int, published: float) -> None:
    """Beside the lines, a probability, a half at least, is off by up to a unit of 2**-17."""
    error = exponential_error(Numerics(16, 16, 8, segments=segments))
    assert 0.8 * published < error < published + 2**-16


def test_exponential_falls_and_is_a_power_at_integers() -> None:
    x = np.arange(20 << SMALL.score_fraction, dtype=np.int64)
    p = negative_exp2(x, SMALL)
    assert (np.diff(p) <= 0).all()
    # Between two segments the lines differ by less than what they err.
    whole = p[:: 1 << SMALL.score_fraction]
    exact = 2.0 ** (SMALL.probability_fraction - np.arange(20))
    assert np.abs(whole - exact).max() < 1.3e-4 * 2**17
    assert p.max() < 1 << SMALL.probability_fraction
    assert (negative_exp2(np.array([60 << SMALL.score_fraction]), SMALL) == 0).all()


def test_normalise_is_close_to_exact_division() -> None:
    n = SMALL
    rng = np.random.default_rng(0)
    sums = rng.integers(1 << (n.probability_fraction - 1), 1 << (n.probability_fraction + 10), 500)
    means = rng.integers(-(1 << (n.element_bits - 1)), 1 << (n.element_bits - 1), (500, 16))
    products = means * sums[:, None] + rng.integers(-(1 << 10), 1 << 10, (500, 16))
    found = normalise(np.concatenate([products, sums[:, None]], axis=1), n)
    for row in range(500):
        for column in range(16):
            exact = Fraction(int(products[row, column]), int(sums[row])) * 2**n.output_fraction
            # The divisor has 18 bits, its reciprocal too.
            assert abs(int(found[row, column]) - exact) <= abs(exact) * Fraction(1, 1 << 16) + 2


def test_rows_that_saw_nothing_are_zero() -> None:
    totals = np.zeros((2, 17), dtype=np.int64)
    totals[1, :] = 1 << SMALL.probability_fraction
    found = normalise(totals, SMALL)
    assert (found[0] == 0).all()
    assert (found[1] > 0).all()


def test_fold_rounds_half_up_and_saturates() -> None:
    q = np.arange(-128, 128)
    for scale, shift in ((1, 1), (3, 2), (65535, 16), (40000, 3)):
        found = fold_queries(q, scale, shift, SMALL)
        most = (1 << (SMALL.operand_bits - 1)) - 1
        for value, got in zip(q.tolist(), found.tolist(), strict=True):
            exact = (Fraction(value * scale, 1 << shift) + Fraction(1, 2)).__floor__()
            assert got == max(-most, min(most, exact))


@pytest.mark.parametrize("name", ["int8", "int4", "int12", "e4m3", "e5m2", "bf16"])
def test_every_code_of_element_formats(name: str) -> None:
    decoding, form = decoding_of(name), get_format(name)
    codes = np.arange(1 << decoding.code_bits)
    significand, exponent = decoding.parts(codes)
    assert isinstance(form, IntFormat | FloatFormat)
    values = form.decode(codes).astype(np.float64)
    real = np.isfinite(values)
    assert real.mean() > 0.9
    found = significand.astype(np.float64) * 2.0 ** exponent.clip(-300, 300)
    assert (found[real] == values[real]).all()
    assert np.abs(significand).max() < 1 << decoding.significand_bits


@pytest.mark.parametrize("name", ["nvfp4", "if4", "mxfp4", "mxfp8_e4m3", "mxfp8_e5m2"])
def test_every_code_under_every_scale(name: str) -> None:
    decoding, form = decoding_of(name), get_format(name)
    assert isinstance(form, BlockFormat)
    scales = np.arange(0, 255) if decoding.power_bias is not None else np.arange(0, 127)
    if decoding.other is not None:
        scales = np.concatenate([scales, scales + 128])
    codes, scale = np.meshgrid(np.arange(1 << decoding.code_bits), scales, indexing="ij")
    values = np.asarray(form.decode(codes, scale), dtype=np.float64)
    significand, exponent = decoding.parts(codes, scale)
    found = significand.astype(np.float64) * 2.0 ** exponent.clip(-1000, 1000)
    real = np.isfinite(values)
    assert real.mean() > 0.9
    assert (found[real] == values[real]).all()


def test_align_rounds_half_away_and_saturates_symmetrically() -> None:
    rng = np.random.default_rng(1)
    significand = rng.integers(-300, 301, 4000)
    exponent = rng.integers(-12, 8, 4000)
    for grid, bits in ((0, 8), (3, 12), (-4, 6)):
        most = (1 << (bits - 1)) - 1
        for s, e, got in zip(
            significand.tolist(),
            exponent.tolist(),
            align(significand, exponent, grid, bits).tolist(),
            strict=True,
        ):
            exact = abs(s) * Fraction(2) ** (e + grid)
            rounded = (exact + Fraction(1, 2)).__floor__()
            assert got == max(-most, min(most, rounded if s >= 0 else -rounded)), (s, e)


def test_formats_that_the_array_does_not_take() -> None:
    for name in ("fp32", "uint8"):
        with pytest.raises(InputError, match="attention takes no"):
            decoding_of(name)
    assert stored_bits("int8") == 8
    assert stored_bits("bf16") == 14

"""Workloads over block formats and over integers of a width that the problem chooses."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from accelgen.affine import Workload, load_description
from accelgen.affine.blocks import BlockProduct
from accelgen.errors import InputError
from accelgen.formats import IntFormat, block_format, parse_format
from accelgen.formats.microscaling import IntegerBlocks
from accelgen.golden.block_pair import BlockPair

GEMM = "Y[m,n] += A[m,k] * B[k,n]"
CONV = "Y[o,p] += X[c,p + r] * W[o,c,r]"
EXACT = {"nvfp4": 0, "nvint4": 0, "mxfp4": 0, "mxint8": 0, "if4": 1e-6, "if6_e3m2": 1e-6}
"""Error, relative to FP32, of the constant that adaptive formats leave."""


@pytest.mark.parametrize("name", EXACT)
def test_a_product_is_that_of_the_decoded_blocks(name: str) -> None:
    form = block_format(name)
    block = form.block or 1
    rng = np.random.default_rng(3)
    a = rng.standard_normal((3, 2 * block)).astype(np.float32)
    b = rng.standard_normal((2 * block, 4)).astype(np.float32)
    qa, qb = form.quantise(a, axis=1), form.quantise(b, axis=0)
    gemm = Workload(GEMM, {"m": 3, "n": 4, "k": 2 * block}, {"A": name, "B": name})
    assert isinstance(gemm.product, BlockProduct)
    codes = gemm.evaluate(
        {
            "A": qa.codes.reshape(3, 2, block),
            "A_scale": qa.scales,
            "B": qb.codes.reshape(2, block, 4).swapaxes(1, 2),
            "B_scale": qb.scales,
        }
    )
    found = codes.astype(np.uint32).view(np.float32).astype(np.float64)
    found *= float(gemm.product.pair.factor) * float(qa.tensor_scale) * float(qb.tensor_scale)
    expected = qa.dequantise().astype(np.float64) @ qb.dequantise().astype(np.float64)
    # Of one rounding to FP32, and of those of the tensors' scales and of decoding.
    assert np.allclose(found, expected, rtol=3e-7 + EXACT[name], atol=1e-6)


def test_the_block_loop_counts_blocks_and_the_rest_of_the_last_is_zero() -> None:
    conv = Workload(CONV, {"o": 2, "c": 40, "p": 3, "r": 2}, {"X": "nvfp4", "W": "nvfp4"})
    assert dict(conv.domain) == {"o": 2, "c": 3, "p": 3, "r": 2}
    assert [(a.name, a.shape, a.format.bits) for a in conv.accesses] == [
        ("X", (3, 4), 64),
        ("X_scale", (3, 4), 8),
        ("W", (2, 3, 2), 64),
        ("W_scale", (2, 3, 2), 8),
        ("Y", (2, 3), conv.output_format.bits),
    ]
    assert conv.iterations == 36


@pytest.mark.parametrize(("code", "counts"), [(0x7E, True), (0x7F, False)])
def test_a_block_whose_scale_is_no_number_counts_as_zero(code: int, counts: bool) -> None:
    dot = Workload("Y[m] += A[m,k] * B[k]", {"m": 1, "k": 32}, {"A": "nvfp4", "B": "nvfp4"})
    words = np.full((1, 2, 16), 2)  # ones
    scale = np.array([[code, 0x38]])  # the second scale is one
    value = dot.evaluate(
        {"A": words, "A_scale": scale, "B": words[0], "B_scale": np.array([0x38, 0x38])}
    )
    expected = 16 * (448 if counts else 0) + 16
    assert value.astype(np.uint32).view(np.float32).tolist() == [expected]


@pytest.mark.parametrize("widths", list(product((2, 4, 8), repeat=2)))
def test_words_hold_as_many_elements_as_their_widths_allow(widths: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    a_width, b_width = widths
    count = 64 // (a_width * b_width)
    a = rng.integers(-(1 << (a_width - 1)), 1 << (a_width - 1), (3, 2, count))
    b = rng.integers(0, 1 << b_width, (2, 4, count))
    types = {"A": "int8/4/2", "B": "uint8/4/2"}
    gemm = Workload(GEMM, {"m": 3, "n": 4, "k": 2}, types)

    def words(elements: np.ndarray, width: int) -> np.ndarray:
        codes = elements & ((1 << width) - 1)
        return np.asarray((codes << (np.arange(count) * width)).sum(axis=-1))

    found = gemm.evaluate({"A": words(a, a_width), "B": words(b, b_width)}, widths)
    assert np.array_equal(found, np.einsum("mke,kne->mn", a, b))


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ({"A": "nvfp5", "B": "nvfp4"}, "types: A: unknown format 'nvfp5'; did you mean 'nvfp4'"),
        (
            {"A": "nvfp4", "B": "int12"},
            "types: B is no block format, but the other input is; write B: nvfp4, or an integer",
        ),
        ({"A": "nvfp4", "B": "mxfp4"}, "types: blocks of 16 .* and of 32 .* do not meet"),
        ({"Y": "fp32"}, "types: Y: sums of integers cannot be fp32"),
        ({"A": "nvfp4", "B": "nvfp4", "Y": "int16"}, "types: Y: sums of blocks cannot be of type"),
        ({"A": "e2m1"}, "types: A: e2m1 is no type of inputs"),
        ({"A": "int8/4/2"}, "int8/4/2 is the type of both inputs .* or of none"),
        ({"A": "int8/4/2", "B": "int8/4/2", "Y": "int16"}, "int16 is too narrow for Y"),
    ],
)
def test_types_that_do_not_fit_each_other_are_errors(types: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Workload(GEMM, {"m": 4, "n": 4, "k": 64}, types)


@pytest.mark.parametrize("name", ["nvfp4", "nvint4", "if4", "mxfp4"])
@pytest.mark.parametrize("integers", ["uint8", "int8", "uint4"])
def test_sums_of_integers_and_blocks_are_integers(name: str, integers: str) -> None:
    """In int64 from the values of codes, each a multiple of the unit."""
    form, number = block_format(name), parse_format(integers)
    block = form.block or 1
    gemm = Workload(GEMM, {"m": 3, "n": 4, "k": 2 * block - 1}, {"A": integers, "B": name,
                                                                 "Y": "int32"})  # fmt: skip
    rng = np.random.default_rng(1)
    a = rng.integers(number.min, number.max + 1, (3, 2, block))
    b = form.quantise(rng.standard_normal((2, block, 4)).astype(np.float32), axis=1)
    scales = b.scales[:, 0]
    found = gemm.evaluate(
        {
            "A": a & ((1 << number.width) - 1),
            "A_scale": np.full((3, 2), 127),
            "B": b.codes.swapaxes(1, 2),
            "B_scale": scales,
        }
    )
    values = form.decode(b.codes, b.scales) / form.denominator
    assert isinstance(gemm.product, BlockProduct)
    unit = float(gemm.product.pair.factor) * 2.0**-gemm.product.pair.fraction
    exact = np.einsum("mbe,ben->mn", a, np.rint(values / unit).astype(np.int64))
    wrapped = (exact + 2**31) % 2**32 - 2**31
    assert np.array_equal(found, wrapped)
    assert np.abs(exact).max() > 2**16


def test_integers_beside_blocks_have_no_scale_but_one() -> None:
    pair = BlockPair(IntegerBlocks("uint8", IntFormat(8, signed=False), 16), block_format("nvfp4"),
                     16)  # fmt: skip
    whole, bad = pair.a.scales()
    assert np.flatnonzero(whole).tolist() == [127]
    assert whole[127] == 1
    assert bad.sum() == 254  # 0, the scale of blocks of zeros, counts as zero without complaint
    assert pair.a.unit == 1


def test_an_expression_without_a_loop_for_blocks_is_an_error() -> None:
    types = {"X": "nvfp4", "W": "nvfp4"}
    with pytest.raises(InputError, match="no loop for blocks to lie along; sum over a loop"):
        load_description("depthwise").with_overrides(types=types)


def test_a_tensor_with_the_name_of_scales_is_an_error() -> None:
    with pytest.raises(InputError, match="A_scale is the name of the scales of A"):
        Workload(
            "Y[m] += A[m,k] * A_scale[k]", {"m": 1, "k": 1}, {"A": "nvfp4", "A_scale": "nvfp4"}
        )

"""Integer multiply-accumulate units: plain, composable, bit-serial."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from accelgen.errors import InputError
from accelgen.formats.integer import IntFormat
from accelgen.golden import accumulate, composable_terms, serial_terms, wrap
from accelgen.rtl.arithmetic import BitSerialDot, ComposableMac, MultiplyAccumulate
from accelgen.rtl.arithmetic.composable_mac import WIDTHS, products
from tests.rtl.arithmetic.vectors import simulate

rtl = pytest.mark.rtl
INT4, UINT4, INT8, UINT8 = IntFormat(4), IntFormat(4, False), IntFormat(8), IntFormat(8, False)


@rtl
@pytest.mark.parametrize(
    ("a", "b", "accumulator", "stages"),
    [
        (INT4, UINT4, IntFormat(12), 0),
        (INT8, INT8, IntFormat(32), 1),
        pytest.param(INT8, UINT8, IntFormat(17), 0, marks=pytest.mark.slow),
        (UINT8, UINT8, IntFormat(20, signed=False), 1),
        pytest.param(INT8, INT4, IntFormat(32), 1, marks=pytest.mark.slow),
    ],
)
def test_plain(a: IntFormat, b: IntFormat, accumulator: IntFormat, stages: int) -> None:
    """Every pair of operands, in random order, in sums of random length."""
    draw = np.random.default_rng(a.bits + b.bits)
    every = np.array(list(product(range(a.min, a.max + 1), range(b.min, b.max + 1))))
    x, y = draw.permutation(every).T
    valid, first = draw.random(len(x)) < 0.8, draw.random(len(x)) < 0.1
    valid[0] = first[0] = True
    unit = MultiplyAccumulate(a, b, accumulator, stages)
    found = simulate(unit, {"a": x, "b": y, "valid": valid, "first": first})["sum"]
    expected = accumulate(x * y, valid, first, accumulator.bits, accumulator.signed)
    np.testing.assert_array_equal(found.astype(np.int64), expected)


def test_wrapping() -> None:
    np.testing.assert_array_equal(wrap([127, 128, -129, 255], 8), [127, -128, 127, -1])
    np.testing.assert_array_equal(wrap([256, -1], 8, signed=False), [0, 255])
    sums = accumulate([5, 6, 7, 8], [1, 0, 1, 1], [1, 1, 0, 1], 8)
    np.testing.assert_array_equal(sums, [5, 5, 12, 8])


def test_a_signed_operand_needs_a_signed_accumulator() -> None:
    with pytest.raises(InputError, match=r"int8 x uint8 in an accumulator of uint16; use int17"):
        MultiplyAccumulate(INT8, UINT8, IntFormat(16, signed=False))


def composable(count: int, stages: int, seed: int) -> None:
    """All modes and signs, changing from cycle to cycle within sums."""
    draw = np.random.default_rng(seed)
    a = draw.integers(0, 1 << 32, count, dtype=np.uint32)
    b = draw.integers(0, 1 << 32, count, dtype=np.uint32)
    # Extremes: all operands the smallest, the largest, or minus one.
    extreme = np.array([0x80808080, 0x88888888, 0xAAAAAAAA, 0x7F7F7F7F, 0x77777777, 0x55555555,
                        0xFFFFFFFF, 0], dtype=np.uint32)  # fmt: skip
    a[: count // 8], b[: count // 8] = draw.choice(extreme, (2, count // 8))
    modes, signs = draw.integers(0, 4, (2, count)), draw.integers(0, 2, (2, count))
    valid, first = draw.random(count) < 0.8, draw.random(count) < 0.05
    valid[0] = first[0] = True
    terms = np.zeros(count, dtype=np.int64)
    for a_mode, b_mode in product(range(4), repeat=2):
        here = (modes[0] == a_mode) & (modes[1] == b_mode)
        terms[here] = composable_terms(
            a[here], b[here], WIDTHS[min(a_mode, 2)], WIDTHS[min(b_mode, 2)],
            signs[0][here], signs[1][here],
        )  # fmt: skip
    inputs = {"a": a, "b": b, "a_mode": modes[0], "b_mode": modes[1], "a_signed": signs[0],
              "b_signed": signs[1], "valid": valid, "first": first}  # fmt: skip
    found = simulate(ComposableMac(24, stages), inputs)["sum"]
    np.testing.assert_array_equal(found, accumulate(terms, valid, first, 24))


@rtl
@pytest.mark.parametrize("stages", [0, 2])
def test_composable(stages: int) -> None:
    composable(100_000, stages, stages)


@rtl
@pytest.mark.slow
@pytest.mark.parametrize("stages", range(4))
def test_composable_long(stages: int) -> None:
    composable(1_000_000, stages, 10 + stages)


@rtl
@pytest.mark.slow
def test_composable_all_pairs_of_8_bits() -> None:
    """Every pair of bytes, in every mode and sign."""
    pairs = np.array(list(product(range(256), repeat=2)), dtype=np.uint32).T
    for a_mode, b_mode, a_signed, b_signed in product(range(3), range(3), range(2), range(2)):
        a, b = pairs * np.uint32(0x01010101)
        one = np.ones(len(a), dtype=np.int64)
        inputs = {"a": a, "b": b, "a_mode": a_mode * one, "b_mode": b_mode * one,
                  "a_signed": a_signed * one, "b_signed": b_signed * one, "valid": one,
                  "first": one}  # fmt: skip
        found = simulate(ComposableMac(24), inputs)["sum"]
        terms = composable_terms(
            a, b, WIDTHS[a_mode], WIDTHS[b_mode], a_signed * one, b_signed * one
        )
        np.testing.assert_array_equal(found, terms)


def test_throughput_of_composable_units() -> None:
    assert {(a, b): products(a, b) for a in WIDTHS for b in WIDTHS} == {
        (8, 8): 1, (8, 4): 2, (4, 8): 2, (4, 4): 4, (8, 2): 4, (2, 8): 4, (4, 2): 8, (2, 4): 8,
        (2, 2): 16,
    }  # fmt: skip


@pytest.mark.parametrize("bits", [17, 65])
def test_composable_accumulator(bits: int) -> None:
    with pytest.raises(InputError, match=r"use 18\.\.64 bits"):
        ComposableMac(bits)


def serial(steps: int, lanes: int, max_bits: int, stages: int, seed: int) -> None:
    """Random steps, back to back or with gaps; the handshake is checked in every cycle."""
    draw = np.random.default_rng(seed)
    bits, signs = draw.integers(1, max_bits + 1, (2, steps)), draw.integers(0, 2, (2, steps))
    # All widths equal and largest, now and then with extreme values.
    bits[:, draw.random(steps) < 0.1] = max_bits
    codes = draw.integers(0, 1 << max_bits, (2, steps, lanes))
    extreme = draw.random(steps) < 0.1
    codes[:, extreme] = draw.choice([1 << (max_bits - 1), (1 << max_bits) - 1])
    first = draw.random(steps) < 0.3
    first[0] = True
    gaps = np.where(draw.random(steps) < 0.5, 0, draw.integers(0, 9, steps))
    lengths = bits[0] * bits[1]
    # A step is offered `gap` cycles after the one before could be followed.
    taken = np.cumsum(gaps) + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    total = int(taken[-1] + lengths[-1]) + 4 + stages
    planes = np.arange(max_bits)[:, None] * lanes + np.arange(lanes)

    def per_cycle(values: np.ndarray) -> np.ndarray:
        """The values of a step in the cycle that takes it, noise in others."""
        noise = draw.choice(values, total)
        noise[taken] = values
        return noise

    def words(values: np.ndarray) -> np.ndarray:
        found = np.empty(steps, dtype=object)
        for step in range(steps):
            spread = (values[step][None, :] >> np.arange(max_bits)[:, None]) & 1
            found[step] = sum(1 << int(p) for p in planes[spread == 1])
        return found

    valid = np.zeros(total, dtype=np.int64)
    valid[taken] = 1
    offered = np.arange(total)
    busy = np.zeros(total, dtype=bool)
    for start, length in zip(taken, lengths, strict=True):
        busy[start + 1 : start + length] = True
    # Offers while the unit is busy wait, so nothing is taken: any valid is harmless there.
    valid[busy & (offered % 3 == 0)] = 1
    answer = simulate(
        BitSerialDot(lanes, max_bits, 32, stages),
        {"a": per_cycle(words(codes[0])), "b": per_cycle(words(codes[1])),
         "a_bits": per_cycle(bits[0]), "b_bits": per_cycle(bits[1]),
         "a_signed": per_cycle(signs[0]), "b_signed": per_cycle(signs[1]),
         "first": per_cycle(first), "valid": valid},
        latency=0,
    )  # fmt: skip
    np.testing.assert_array_equal(answer["ready"].astype(bool), ~busy)
    finished = taken + lengths + 1 + stages
    done = np.zeros(total, dtype=np.int64)
    done[finished] = 1
    np.testing.assert_array_equal(answer["done"].astype(np.int64), done)
    terms = serial_terms(codes[0], codes[1], bits[0], bits[1], signs[0], signs[1])
    np.testing.assert_array_equal(
        answer["sum"][finished], accumulate(terms, np.ones(steps), first, 32)
    )


@rtl
@pytest.mark.parametrize(("lanes", "max_bits", "stages"), [(16, 8, 1), (3, 4, 0)])
def test_bit_serial(lanes: int, max_bits: int, stages: int) -> None:
    serial(2_000, lanes, max_bits, stages, lanes)


@rtl
@pytest.mark.slow
@pytest.mark.parametrize(
    ("lanes", "max_bits", "stages"), [(1, 1, 0), (64, 8, 2), (7, 16, 2), (32, 2, 1), (1, 8, 0)]
)
def test_bit_serial_long(lanes: int, max_bits: int, stages: int) -> None:
    serial(40_000, lanes, max_bits, stages, 20 + lanes)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ((0, 8, 32), r"0 lanes; use 1\.\.1024"),
        ((4, 17, 32), r"17 bits of an operand; use 1\.\.16"),
        ((4, 8, 65), r"65 bits of an accumulator; use 2\.\.64"),
    ],
)
def test_bad_bit_serial_units(parameters: tuple[int, int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BitSerialDot(*parameters)

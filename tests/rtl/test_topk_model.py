"""The NumPy model of top-k selection against a brute force, and what shapes are refused."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.attention.accelerator.datapath.topk import (
    SelectorShape,
    insertion_cycles,
    radix_cycles,
    select_mask,
    select_top,
    threshold_cycles,
)
from accelgen.errors import InputError
from tests.rtl.topk_bench import brute_force, random_set


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(2, 90), st.integers(2, 20))
def test_the_model_is_the_brute_force(seed: int, most: int, bits: int) -> None:
    rng = random.Random(seed)
    shape = SelectorShape(most, rng.randint(1, most), bits)
    case = random_set(rng, shape)
    found = select_top(case.scores, case.k, case.forced, case.never)
    assert found.tolist() == brute_force(case)


def test_rows_are_selected_one_by_one() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(-5, 5, (3, 4, 30), dtype=np.int16)
    forced = np.arange(30) == 29
    never = rng.random((4, 30)) < 0.3
    mask = select_mask(scores, 7, forced, never)
    for row in np.ndindex(3, 4):
        expected = select_top(scores[row], 7, forced, never[row[1]])
        assert np.flatnonzero(mask[row]).tolist() == expected.tolist()


def test_cycles_in_closed_form() -> None:
    few, many = SelectorShape(1024, 16), SelectorShape(1024, 64, 16, 16)
    assert [insertion_cycles(few, n, 16) for n in (16, 64, 1024)] == [32, 80, 1040]
    assert [threshold_cycles(many, n) for n in (64, 256, 512, 1024)] == [32, 80, 144, 272]
    assert [radix_cycles(many, n, 64) for n in (64, 256, 512, 1024)] == [100, 160, 240, 400]
    # One score a beat: as they come.
    assert threshold_cycles(SelectorShape(1024, 64), 1024) == 1024 + 3 * 64 + 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 1), "max_scores: is 1; use 2..65536"),
        ((8, 9), "max_k: is 9; use 1..8"),
        ((8, 8, 33), "score_bits: is 33; use 2..32"),
        ((8, 8, 16, 3), "width_in: is 3; use 1, 2, 4, 8 or 16"),
    ],
)
def test_shapes_that_there_are_not(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError) as error:
        SelectorShape(*arguments)
    assert str(error.value) == message


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match="scores: not an array of integers"):
        select_mask([0.5, 1.5], 1)
    with pytest.raises(InputError, match="scores: has 2 axes"):
        select_top([[1, 2]], 1)
    with pytest.raises(InputError, match="k: is -1"):
        select_mask([1, 2], -1)
    with pytest.raises(InputError, match=r"9 scores; use 1\.\.8"):
        SelectorShape(8, 4).beats(9)

"""Codes as words of composable multipliers, against bits put together one by one."""

from __future__ import annotations

import numpy as np
import pytest

from accelgen.errors import InputError
from accelgen.golden.integer import composable_terms
from accelgen.realize.words import elements_per_word, padded, width_of, words_of


def test_widths_are_the_narrowest_that_hold() -> None:
    assert [width_of(bits) for bits in range(1, 9)] == [2, 2, 4, 4, 8, 8, 8, 8]
    with pytest.raises(InputError):
        width_of(9)


@pytest.mark.parametrize("widths", [(a, b) for a in (2, 4, 8) for b in (2, 4, 8)])
def test_words_multiply_to_the_sum_of_products(widths: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(widths))
    count = elements_per_word(*widths)
    channels = 2 * count + 1  # the last word is not full
    x = rng.integers(0, 1 << widths[0], (channels, 3, 2))
    w = rng.integers(-(1 << (widths[1] - 1)), 1 << (widths[1] - 1), (4, channels, 1, 1))
    x_words, w_words = words_of(x, 0, count, widths[0]), words_of(w, 1, count, widths[1])
    assert x_words.shape == (3, 3, 2)
    assert w_words.shape == (4, 3, 1, 1)
    assert x_words.min() >= 0
    assert x_words.max() < 1 << 32
    for k in range(4):
        for place in np.ndindex(3, 2):
            terms = composable_terms(
                x_words[(slice(None), *place)], w_words[k, :, 0, 0], *widths, False, True
            )
            assert terms.sum() == (x[(slice(None), *place)] * w[k, :, 0, 0]).sum()


def test_padding_is_zeros_on_every_side() -> None:
    codes = np.arange(1, 7).reshape(1, 2, 3)
    found = padded(codes, (1, 2))
    assert found.shape == (1, 4, 7)
    assert np.array_equal(found[:, 1:3, 2:5], codes)
    assert found.sum() == codes.sum()

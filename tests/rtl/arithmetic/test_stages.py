"""Where pipeline registers go."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.errors import InputError
from accelgen.rtl.arithmetic.stages import choose_cuts


def test_registers_balance_the_delays() -> None:
    assert choose_cuts([7, 12, 9, 6, 7, 9], 0) == frozenset()
    assert choose_cuts([7, 12, 9, 6, 7, 9], 1) == {2}
    assert choose_cuts([1, 1, 1, 1], 4) == {0, 1, 2, 3}
    assert choose_cuts([5, 1, 1], 1) == {0}


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.data())
def test_no_other_choice_is_shorter(delays: list[int], data: st.DataObject) -> None:
    stages = data.draw(st.integers(0, len(delays)))

    def longest(cuts: list[int]) -> int:
        ends = [0, *(cut + 1 for cut in sorted(cuts)), len(delays)]
        return max(sum(delays[i:j]) for i, j in pairwise(ends))

    found = choose_cuts(delays, stages)
    assert len(found) == stages
    assert longest(list(found)) == min(
        longest(list(cuts)) for cuts in combinations(range(len(delays)), stages)
    )


def test_more_registers_than_places() -> None:
    with pytest.raises(InputError, match=r"3 pipeline stages; use 0\.\.2"):
        choose_cuts([1, 1], 3)

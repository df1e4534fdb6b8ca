"""Which points a sweep has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.errors import InputError
from accelgen.sweep.axes import MAX_POINTS, Axis, combinations, spaced

DRAWN = [
    (323, 832, 764, 833, 162, 384, 349),
    (650, 934, 473, 39, 853, 752, 900),
    (535, 882, 4, 306, 689, 237, 537),
]


def axes(*sizes: int) -> list[Axis]:
    return [
        Axis((f"parameters.p{k}",), tuple((n,) for n in range(size)))
        for k, size in enumerate(sizes)
    ]


def numbers(points: Sequence[Mapping[str, object]], sizes: tuple[int, ...]) -> list[int]:
    found = []
    for point in points:
        number = 0
        for k, size in enumerate(sizes):
            value = point[f"parameters.p{k}"]
            assert isinstance(value, int)
            number = number * size + value
        found.append(number)
    return found


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple))
def test_a_grid_has_every_combination_once_the_last_axis_fastest(sizes: tuple[int, ...]) -> None:
    points = combinations(axes(*sizes))
    assert numbers(points, sizes) == list(range(prod(sizes)))


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4).map(tuple),
    st.integers(1, 100),
    st.integers(0, 5),
)
def test_a_draw_has_different_points_of_the_grid(
    sizes: tuple[int, ...], count: int, seed: int
) -> None:
    drawn = numbers(combinations(axes(*sizes), count, seed), sizes)
    assert len(set(drawn)) == len(drawn) == min(count, prod(sizes))
    assert set(drawn) <= set(range(prod(sizes)))
    assert drawn == numbers(combinations(axes(*sizes), count, seed), sizes)


def test_a_draw_is_the_same_everywhere() -> None:
    points = combinations(axes(1000, 1000, 1000, 1000, 1000, 1000, 1000), 3, seed=7)
    assert [tuple(point.values()) for point in points] == DRAWN


def test_draws_are_even() -> None:
    """Every point of a grid of ten is drawn about as often as any other."""
    counts = [0] * 10
    for seed in range(2000):
        for number in numbers(combinations(axes(10), 3, seed), (10,)):
            counts[number] += 1
    assert all(abs(count - 600) < 100 for count in counts)  # 5 standard deviations


def test_fields_that_change_together() -> None:
    axis = Axis(("array.i", "array.j"), ((8, 4), (16, 8)))
    assert combinations([axis]) == [{"array.i": 8, "array.j": 4}, {"array.i": 16, "array.j": 8}]
    with pytest.raises(InputError, match="1 values for 2 fields"):
        Axis(("array.i", "array.j"), ((8,),))


def test_too_many_points() -> None:
    with pytest.raises(InputError, match=rf"1200000 points, beyond {MAX_POINTS}"):
        combinations(axes(1000, 1200))
    assert len(combinations(axes(1000, 1200), 5)) == 5


@given(st.integers(-20, 20), st.integers(0, 40), st.fractions("0.1", 7, max_denominator=10))
def test_steps_are_exact(first: int, more: int, step: Fraction) -> None:
    text = str(float(step))
    step = Fraction(text)
    found = spaced({"first": first, "last": first + more, "step": text})
    assert [Fraction(str(value)) for value in found] == [
        first + k * step for k in range(int(more / step) + 1)
    ]


def test_factors() -> None:
    assert spaced({"first": 16, "last": 100, "factor": 2}) == [16, 32, 64]
    assert spaced({"first": 4, "last": 16, "factor": "1.5"}) == [4, 6, 9, 14]
    assert spaced({"first": "0.5", "last": 2, "factor": 2}) == ["0.5", 1, 2]
    assert spaced({"first": 8, "last": 8, "step": 1}) == [8]


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"first": 8, "last": 16}, "no range; write"),
        ({"first": 8, "last": 16, "step": 1, "factor": 2}, "no range; write"),
        ({"first": 8, "lst": 16, "step": 1}, "unknown key of a range 'lst'; did you mean 'last'"),
        ({"first": 8, "last": 16, "step": 0}, "0 is no step"),
        ({"first": 8, "last": 16, "factor": 1}, "does not grow"),
        ({"first": 0, "last": 16, "factor": 2}, "does not grow"),
        ({"first": 16, "last": 8, "step": 1}, "an empty range: 8 is less than 16; exchange them"),
        ({"first": "x", "last": 8, "step": 1}, "first: 'x' is no number"),
        ({"first": 0, "last": "1e99", "step": 1}, "is no number"),
        ({"first": 0, "last": "1e9", "step": 1}, "more than 1000000 values"),
    ],
)
def test_ranges_that_are_none(given_: dict[str, int | str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        spaced(given_)

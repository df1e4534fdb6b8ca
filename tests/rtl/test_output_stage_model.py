"""The model of the output stage against the same written element by element, in exact fractions."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.errors import InputError
from accelgen.golden import OutputStage, output_stage
from tests.tiers import examples


def halves_up(value: Fraction) -> int:
    """To the nearest integer, halves up."""
    return floor(value + Fraction(1, 2))


def by_loops(sums: Any, stage: OutputStage, residual: Any) -> list[list[list[int]]]:  # noqa: ANN401
    """Nested lists of channels, rows and columns."""
    height, width = stage.window
    found = []
    for k, plane in enumerate(sums):
        codes: dict[tuple[int, int], int] = {}
        for p, row in enumerate(plane):
            for q, total in enumerate(row):
                exact = (int(total) + int(stage.bias[k])) * int(stage.multiplier[k])
                if stage.residual_multiplier is not None:
                    exact += int(residual[k][p][q]) * int(stage.residual_multiplier[k])
                code = halves_up(Fraction(exact, 2 ** int(stage.shift[k])))
                codes[p, q] = min(max(code, stage.low), stage.high)
        rows = []
        for top in range(0, len(plane) - height + 1, height):
            line = []
            for left in range(0, len(plane[0]) - width + 1, width):
                window = [codes[top + i, left + j] for i, j in product(range(height), range(width))]
                if stage.pool == "average":
                    scaled = Fraction(sum(window) * stage.pool_multiplier, 2**stage.pool_shift)
                    line.append(halves_up(scaled))
                else:
                    line.append(max(window))
            rows.append(line)
        found.append(rows)
    return found


@st.composite
def cases(draw: st.DrawFn) -> tuple[Any, OutputStage, Any]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    channels, rows, columns = (draw(st.integers(1, 6)) for _ in range(3))
    pool = draw(st.sampled_from(["none", "max", "average"]))
    window = (1, 1)
    if pool != "none":
        window = (draw(st.integers(1, rows)), draw(st.integers(1, columns)))
    extreme = draw(st.booleans())

    def ints(low: int, high: int, shape: Any) -> Any:  # noqa: ANN401
        if extreme:
            return rng.choice(np.array([low, high]), shape)
        return rng.integers(low, high, shape, endpoint=True)

    low, high = sorted((draw(st.integers(-(2**15), 2**15)), draw(st.integers(-(2**15), 2**15))))
    has_residual = draw(st.booleans())
    stage = OutputStage(
        ints(-(2**31), 2**31 - 1, channels),
        ints(0, 2**16 - 1, channels),
        ints(0, 47, channels),
        low,
        high,
        ints(0, 2**16 - 1, channels) if has_residual else None,
        pool,  # type: ignore[arg-type]
        window,
        draw(st.integers(0, 2**16 - 1)),
        draw(st.integers(0, 31)),
    )
    shape = (channels, rows, columns)
    residual = ints(-(2**15), 2**16 - 1, shape) if has_residual else None
    return ints(-(2**31), 2**31 - 1, shape), stage, residual


@settings(max_examples=examples(150, 1500), deadline=None)
@given(cases())
def test_it_is_the_formula(case: tuple[Any, OutputStage, Any]) -> None:
    sums, stage, residual = case
    found = output_stage(sums, stage, residual)
    assert found.tolist() == by_loops(sums, stage, residual)
    # A batch is its parts.
    batch = output_stage(
        np.stack([sums, sums[..., ::-1]]),
        stage,
        None if residual is None else np.stack([residual, residual[..., ::-1]]),
    )
    assert (batch[0] == found).all()
    turned = None if residual is None else residual[..., ::-1]
    assert batch[1].tolist() == by_loops(sums[..., ::-1], stage, turned)


def plain(**changes: Any) -> OutputStage:  # noqa: ANN401
    two = np.array([1, 2])
    return replace(OutputStage(two, two, two, -128, 127), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bias": np.array([1])}, "multiplier: has the shape"),
        ({"bias": np.array([0, 2**31])}, "bias: 2147483648 is out of range"),
        ({"bias": np.array([0.5, 1])}, "bias: is no integer"),
        ({"multiplier": np.array([-1, 0])}, "multiplier: -1 is out of range"),
        ({"multiplier": np.array([2**16, 0])}, "multiplier: 65536 is out of range"),
        ({"shift": np.array([0, 48])}, "shift: 48 is out of range"),
        ({"residual_multiplier": np.array([1])}, "residual_multiplier: has the shape"),
        ({"low": 3, "high": 2}, "low 3 is above high 2"),
        ({"high": 2**16}, "high: 65536 is out of range"),
        ({"pool": "min"}, "no pool 'min'"),
        ({"pool": "max", "window": (0, 1)}, "rows and columns, 1 or more"),
        ({"window": (2, 2)}, "without a pool"),
        ({"pool_multiplier": 2**16}, "pool_multiplier: 65536"),
        ({"pool_shift": 32}, "pool_shift: 32"),
    ],
)
def test_what_is_out_of_range_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        plain(**changes)
    assert message in str(caught.value)


def test_shapes_must_fit() -> None:
    sums = np.zeros((2, 3, 4), np.int64)
    assert output_stage(sums, plain(pool="max", window=(2, 3))).shape == (2, 1, 1)
    adds = plain(residual_multiplier=np.array([1, 1]))
    for stage, given_sums, residual in (
        (plain(), sums[:1], None),
        (plain(), sums[0], None),
        (plain(), sums + 2**31, None),
        (plain(), sums, sums),
        (adds, sums, None),
        (adds, sums, sums[:, :2]),
        (adds, sums, sums + 2**16),
        (plain(pool="max", window=(4, 1)), sums, None),
    ):
        with pytest.raises(InputError, match=r".+; .+"):
            output_stage(given_sums, stage, residual)

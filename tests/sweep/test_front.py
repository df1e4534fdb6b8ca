"""The front against brute force, and what is said of its points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelgen.errors import InfeasibleError, InputError
from accelgen.names import FrozenMap
from accelgen.sweep import (
    Constraint,
    Results,
    Sweep,
    explain,
    non_dominated,
    pareto_front,
)
from accelgen.sweep.front import objective_names
from accelgen.sweep.metrics import ACCURACY_FROM
from accelgen.sweep.picture import draw_front
from accelgen.sweep.results import Cell, results_of
from tests.sweep.tasks import quick, sweep


@st.composite
def tables(draw: st.DrawFn) -> NDArray[np.float64]:
    columns = draw(st.integers(1, 4))
    cell = st.integers(0, 5).map(float) | st.just(float("nan"))
    row = st.lists(cell, min_size=columns, max_size=columns)
    return np.array(draw(st.lists(row, max_size=25)), dtype=np.float64).reshape(-1, columns)


@given(tables())
def test_the_front_is_that_of_brute_force(values: NDArray[np.float64]) -> None:
    expected = [
        not np.isnan(row).any()
        and not any((other <= row).all() and (other < row).any() for other in values)
        for row in values
    ]
    assert non_dominated(values).tolist() == expected


def test_a_large_front_is_quick() -> None:
    values = np.random.default_rng(0).random((100_000, 3))
    mask = non_dominated(values)
    assert 20 < mask.sum() < 500


def results(count: int = 60, **changes: object) -> Results:
    made: Sweep = sweep(count, **changes)
    points = made.points()
    return results_of(made, points, [quick(point) for point in points])


def test_the_front_is_feasible_and_sorted_by_the_first_objective() -> None:
    found = results(objectives=("latency", "area"))
    front = pareto_front(found)
    # The faster clock always wins; array.i 13 cannot be.
    assert [found.row(n)["array.i"] for n in front] == [i for i in range(30, 0, -1) if i != 13]
    assert {found.row(n)["clock_mhz"] for n in front} == {1000.5}


def test_more_utilisation_is_better() -> None:
    front = pareto_front(results(), ["utilisation"])
    assert [results().row(n)["array.i"] for n in front] == [1, 1]


def test_a_point_of_the_front_and_its_neighbours() -> None:
    found = results(objectives=("latency", "area"))
    at = {found.row(n)["array.i"]: n for n in pareto_front(found)}
    said = explain(found, at[10])
    assert said.on_front
    assert said.reason is None
    assert sorted(change.point for change in said.changes) == [at[9], at[11]]
    change = next(change for change in said.changes if change.point == at[11])
    assert change.fields == (("array.i", 10, 11),)
    assert dict(change.ratios) == pytest.approx({"latency_ms": 10 / 11, "area_mm2": 1.1})


def test_a_point_that_is_beaten() -> None:
    found = results(objectives=("latency", "area"))
    slow = next(n for n in range(60) if found.row(n)["array.i"] == 10)
    said = explain(found, slow)
    assert not said.on_front
    # The same array with the faster clock is the nearest of those that beat it.
    assert said.changes[0].fields == (("clock_mhz", 500.0, 1000.5),)
    for change in said.changes:
        assert all(ratio <= 1 for _, ratio in change.ratios)


def test_a_point_that_cannot_be() -> None:
    found = results(objectives=("latency", "area"))
    said = explain(found, 24)
    assert (said.on_front, said.reason) == (False, "thirteen")
    with pytest.raises(InputError, match="no point 60; points are 0 to 59"):
        explain(found, 60)


def test_constraints_that_leave_nothing() -> None:
    found = results(constraints=(Constraint("area", high=0.05), Constraint("latency", high=1e9)))
    with pytest.raises(InfeasibleError) as caught:
        pareto_front(found)
    text = str(caught.value)
    assert "none of 60 points is feasible" in text
    assert "area_mm2 <= 0.05 keeps 58 out (area_mm2 is 0.1 to 3)" in text
    assert "latency_ms" not in text


def without_area() -> Results:
    """Results of hardware of which no area is known."""
    found = results(objectives=("latency", "area"), constraints=(Constraint("area", high=4),))
    columns = {**found.columns, "area_mm2": (None,) * len(found)}
    return replace(found, columns=columns)


def test_what_is_not_known_of_any_point() -> None:
    """An objective of the sweep is left out; one that is asked for is an error."""
    found = without_area()
    assert objective_names(found) == ("latency_ms",)
    with pytest.raises(InputError, match="no point has a number for area_mm2; give areas in the"):
        pareto_front(found, ["area"])
    made = sweep(20, constraints=(Constraint("area", high=4),))
    records = [{**quick(point), "area_mm2": None} for point in made.points()]
    with pytest.raises(
        InfeasibleError, match=r"area_mm2 <= 4 keeps 20 out \(area_mm2 is not known"
    ):
        pareto_front(results_of(made, made.points(), records))


def test_objectives_nothing_is_known_of() -> None:
    with pytest.raises(InputError, match="unknown metric 'laten'; did you mean 'latency'"):
        pareto_front(results(), ["laten"])
    with pytest.raises(InputError, match="unknown metric 'energy_l2_uj'; did you mean"):
        pareto_front(results(), ["energy_l2_uj"])
    assert pareto_front(results(), ["energy_sram_uj", "array.i"])


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_picture(tmp_path: Path, suffix: str) -> None:
    found = results(objectives=("latency", "area", "energy"))
    path = draw_front(found, tmp_path / f"f.{suffix}", chosen=3)
    data = path.read_bytes()
    assert data.startswith(b"<?xml" if suffix == "svg" else b"\x89PNG")
    assert data == draw_front(found, path, chosen=3).read_bytes()


def test_pictures_say_where_accuracies_are_from(tmp_path: Path) -> None:
    found = results(objectives=("latency", "area"))
    judged: dict[str, tuple[Cell, ...]] = {
        "accuracy": (0.5,) * len(found),
        ACCURACY_FROM: ("predicted: a file",) * len(found),
    }
    told = replace(found, columns=FrozenMap({**found.columns, **judged}))
    path = draw_front(told, tmp_path / "f.svg", ["accuracy", "latency"])
    assert "accuracy (predicted)" in path.read_text(encoding="utf-8")
    assert "(predicted)" not in draw_front(found, path).read_text(encoding="utf-8")


def test_pictures_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.svg or \.png"):
        draw_front(results(), tmp_path / "f.pdf")
    with pytest.raises(InputError, match="needs two"):
        draw_front(results(), tmp_path / "f.svg", ["latency"])
    with pytest.raises(InputError, match="no point 99"):
        draw_front(results(), tmp_path / "f.svg", chosen=99)
    assert not list(tmp_path.iterdir())

"""Optimisers find known minima, and depend on the seed alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from accelgen.search.hypervolume import Volume, hypervolume, logarithms
from accelgen.search.optimisers.offspring import Children
from accelgen.search.optimisers.optimiser import CmaEs, Nsga2, Optimiser, RandomVectors
from accelgen.search.optimisers.outlook import VectorOutlook
from accelgen.search.optimisers.screening import Screened
from accelgen.search.vector import Gene, Vector

GENES = tuple(Gene(f"part.{n}", "a number") for n in range(6))
MAKERS: dict[str, Callable[[int], Optimiser]] = {
    "cma_es": lambda seed: CmaEs(6, seed),
    "nsga2": lambda seed: Nsga2(6, 1, seed, 16),
    "forest": lambda seed: Nsga2(
        6, 1, seed, 16, (), Screened(GENES, seed, 1e30, 16, VectorOutlook(GENES, 1))
    ),
    "random": lambda seed: RandomVectors(6, 1, seed, 16),
}


def sphere(vector: Vector) -> tuple[float, ...] | None:
    # A corner is infeasible.
    return None if vector[0] > 0.95 else (sum((x - 0.3) ** 2 for x in vector),)


def asked(optimiser: Optimiser, count: int) -> list[Vector]:
    vectors: list[Vector] = []
    while len(vectors) < count:
        batch = optimiser.ask()
        optimiser.tell([(vector, sphere(vector)) for vector in batch])
        vectors += batch
    return vectors[:count]


def best(vectors: list[Vector]) -> float:
    return min(value[0] for value in map(sphere, vectors) if value is not None)


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_seed_asks_the_same(name: str) -> None:
    first, again, other = (asked(MAKERS[name](seed), 80) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert all(0 <= x <= 1 for vector in first for x in vector)


def test_cma_es_beats_random_vectors() -> None:
    found = {name: best(asked(MAKERS[name](3), 600)) for name in MAKERS}
    assert found["cma_es"] < 1e-3
    assert found["cma_es"] < found["nsga2"] < found["random"]
    assert found["forest"] < found["nsga2"]


def test_cma_es_begins_at_starts_and_others() -> None:
    start = (0.25, 0.75, 0.5)
    optimiser = CmaEs(3, 0, starts=(start,))
    first = optimiser.ask()
    assert first[0] == start
    assert first[1:] == CmaEs(3, 0).ask()[: len(first) - 1]
    # The best of them is where it goes on from.
    optimiser.tell(
        [(v, (sum((x - y) ** 2 for x, y in zip(v, start, strict=True)),)) for v in first]
    )
    middle = np.mean(optimiser.ask(), axis=0)
    assert np.abs(middle - start).max() < 0.25


def test_cma_es_of_one_gene() -> None:
    optimiser = CmaEs(1, 0)
    for _ in range(30):
        optimiser.tell([(vector, ((vector[0] - 0.7) ** 2,)) for vector in optimiser.ask()])
    assert min(abs(vector[0] - 0.7) for vector in optimiser.ask()) < 0.05


def test_cma_es_begins_again() -> None:
    optimiser = CmaEs(6, 0)
    population = optimiser.population
    asked(optimiser, 4000)
    assert optimiser.population > population


def test_nsga2_spreads_over_a_front() -> None:
    optimiser = Nsga2(3, 2, 0, 24)
    for _ in range(30):
        optimiser.tell([(v, (v[0] ** 2 + v[1], (v[0] - 1) ** 2 + v[2])) for v in optimiser.ask()])
    values = np.array([(v[0] ** 2 + v[1], (v[0] - 1) ** 2 + v[2]) for v in optimiser.ask()])
    # The front from (0, 1) to (1, 0) leaves 1/6 of the square undominated.
    assert hypervolume(values, (1.0, 1.0)) > 0.6


def test_hypervolume_by_hand() -> None:
    points = np.array([[1.0, 3.0], [2.0, 2.0], [2.0, 2.5], [5.0, 0.0]])
    assert hypervolume(points, (4.0, 4.0)) == 3 * 1 + 2 * 1
    assert hypervolume(np.array([[1.0]]), (4.0,)) == 3.0
    assert hypervolume(np.array([[0.0, 0.0, 0.0]]), (2.0, 3.0, 4.0)) == 24.0
    assert hypervolume(np.array([[5.0, 5.0]]), (4.0, 4.0)) == 0.0


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_hypervolume_is_what_random_points_say(objectives: int) -> None:
    draws = np.random.default_rng(objectives)
    front = draws.random((12, objectives))
    sample = draws.random((40_000, objectives))
    below: NDArray[np.bool_] = np.all(sample[:, None, :] >= front[None], axis=2)
    inside = below.any(axis=1).mean()
    assert hypervolume(front, (1.0,) * objectives) == pytest.approx(inside, abs=0.01)


def test_a_growing_volume() -> None:
    draws = np.random.default_rng(0)
    values = np.exp(draws.random((60, 2)))
    volume, before = Volume(2), 0.0
    for row in values:
        volume.add(row.tolist())
        assert volume.value >= before
        before = volume.value
    assert volume.reference == tuple(np.log(values[:16]).max(axis=0))
    assert volume.value == pytest.approx(hypervolume(np.log(values), volume.reference))


def test_a_growing_volume_is_that_of_all() -> None:
    draws = np.random.default_rng(1)
    values = draws.random((120, 3)) * [1.0, 1.0, -1.0]
    volume = Volume(3)
    for row in values:
        volume.add(row.tolist())
    assert volume.reference is not None
    assert volume.value == pytest.approx(hypervolume(logarithms(values), volume.reference))
    before = volume.value
    volume.add([0.5, 0.5, -0.0])  # an accuracy of nothing
    assert volume.value == before


def test_logarithms_keep_the_order() -> None:
    signs = np.array([[-0.99], [-0.5], [-1e-6], [-0.0]])
    assert (np.diff(logarithms(signs), axis=0) > 0).all()
    assert (np.diff(logarithms(np.array([[0.0], [1e-12], [2.0]])), axis=0) > 0).all()


@pytest.mark.parametrize("starts", [0, 3, 4, 7])
def test_the_second_generation_are_children_whatever_the_first_is(starts: int) -> None:
    made: list[dict[str, float]] = []

    class Counted(Children):
        def __call__(self, study: Any, space: dict[str, Any], parents: list[Any]) -> Any:  # noqa: ANN401 - Optuna's
            made.append(super().__call__(study, space, parents))
            return made[-1]

    draws = np.random.default_rng(0)
    first = [tuple(draws.random(6).tolist()) for _ in range(starts)]
    optimiser = Nsga2(6, 1, 0, 4, first, Counted((6,), 0))
    batch = optimiser.ask()
    assert batch[:starts] == first
    assert not made
    optimiser.tell([(vector, sphere(vector)) for vector in batch])
    assert optimiser.ask() == [tuple(child.values()) for child in made]
    assert len(made) == 4

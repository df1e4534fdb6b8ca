"""Children of NSGA-II: parts stay together, and a forest finds the better of many."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from accelgen.search.hypervolume import hypervolume
from accelgen.search.offspring import Children, Elite, crowding, fitness, parts_of
from accelgen.search.optimisers import Nsga2
from accelgen.search.screening import Screened, features
from accelgen.search.vector import Gene, Vector

GENES = tuple(
    Gene(name, "")
    for name in (*(f"hardware.time.{x}" for x in "abcd"), "hardware.size", "bits.budget")
)


def test_parts_are_named_in_front_of_the_dot() -> None:
    assert parts_of(GENES) == (5, 1)
    assert parts_of([Gene("x", ""), Gene("y", "")]) == (1, 1)
    assert parts_of(()) == ()


def test_ranks_and_crowding() -> None:
    values = np.array([[1.0, 4.0], [2.0, 2.0], [4.0, 1.0], [3.0, 3.0], [5.0, 5.0], [2.0, 3.9]])
    found = fitness(values)
    assert found[:, 0].tolist() == [0, 0, 0, 1, 2, 1]
    assert found[:3, 1].tolist() == [np.inf, 2.0, np.inf]
    assert crowding(np.array([[1.0, 1.0]])).tolist() == [0.0]


class Trial:
    def __init__(self, number: int, values: tuple[float, ...], vector: Vector) -> None:
        self.number, self.values = number, values
        self.params = {f"g{k}": x for k, x in enumerate(vector)}


def test_the_elite_is_distinct() -> None:
    trials = [Trial(k, v, ()) for k, v in enumerate([(1.0, 2.0), (1.0, 2.0), (3.0, 3.0)])]
    assert [trial.number for trial in Elite(2)(None, trials)] == [0, 2]
    assert [trial.number for trial in Elite(1)(None, trials)] == [0]


def test_a_child_has_one_part_changed_and_the_others_of_a_parent() -> None:
    low, high = Trial(0, (0.0, 1.0), (0.25,) * 6), Trial(1, (1.0, 0.0), (0.75,) * 6)
    space = dict.fromkeys(low.params)
    made = Children((5, 1), 0)
    children = np.array([list(made(None, space, [low, high]).values()) for _ in range(400)])
    assert ((children >= 0) & (children <= 1)).all()
    new = ~np.isin(children, (0.25, 0.75))
    assert not (new[:, :5].any(axis=1) & new[:, 5]).any()
    # The part of one gene is changed as often as that of five.
    assert 0.4 < new[:, 5].mean() < 0.6
    whole = (children[:, :5] == children[:, :1]).all(axis=1)
    assert whole.any()


def test_features_have_ranks_of_importances() -> None:
    found = features(GENES, np.array([[0.1, 0.4, 0.3, 0.2, 0.9, 0.5]]))
    assert found[0, :6].tolist() == [0.1, 0.4, 0.3, 0.2, 0.9, 0.5]
    assert [0.0, 3.0, 2.0, 1.0] in [found[0, k : k + 4].tolist() for k in range(6, 8)]


def two(vector: Vector) -> tuple[float, float]:
    rest = sum((x - 0.4) ** 2 for x in vector[1:])
    return 0.1 + vector[0] ** 2 + rest, 0.1 + (vector[0] - 1) ** 2 + rest


def volume(optimiser: Nsga2, batches: int) -> float:
    values: list[tuple[float, float]] = []
    for _ in range(batches):
        told = [(vector, two(vector)) for vector in optimiser.ask()]
        optimiser.tell(told)
        values += [found for _, found in told]
    return hypervolume(np.array(values), (1.2, 1.2))


def slots(vector: Vector) -> tuple[float, float]:
    """What depends on the order of importances and on options, as hardware does."""
    order = sorted(range(4), key=lambda k: -vector[k])
    misplaced = sum(abs(place - k) for place, k in enumerate(order))
    size, budget = int(vector[4] * 4), int(vector[5] * 8) / 8
    return 2.0 ** (misplaced + 3 - size) * (0.5 + budget), 2.0 ** (misplaced + size) / (
        0.5 + budget
    )


def volume(optimiser: Nsga2, batches: int) -> float:
    values: list[tuple[float, float]] = []
    for _ in range(batches):
        told = [(vector, slots(vector)) for vector in optimiser.ask()]
        optimiser.tell(told)
        values += [found for _, found in told]
    return hypervolume(np.log(np.array(values)), (8.0, 8.0))


def test_a_screened_generation_is_worth_more() -> None:
    makers: dict[str, Callable[[int], Children]] = {
        "plain": lambda seed: Children(parts_of(GENES), seed),
        "screened": lambda seed: Screened(GENES, seed, 1e30),
    }
    found = {
        name: np.mean([volume(Nsga2(len(GENES), 2, k, 6, children=make(k)), 5) for k in range(4)])
        for name, make in makers.items()
    }
    assert found["screened"] > found["plain"]


def test_the_first_generation_has_the_starts() -> None:
    starts = [(0.1,) * 6, (0.9,) * 6]
    asked = Nsga2(6, 2, 0, 4, starts).ask()
    assert asked[:2] == starts
    assert len(asked) == 4
    assert len(Nsga2(6, 2, 0, 2, [(k / 8,) * 6 for k in range(5)]).ask()) == 5

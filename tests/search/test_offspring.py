"""Children of NSGA-II: parts stay together, and a part changes at a time."""

from __future__ import annotations

import numpy as np

from accelgen.search.optimisers.offspring import Children, Elite, crowding, fitness, parts_of
from accelgen.search.optimisers.optimiser import Nsga2
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


def test_where_no_parent_is_better_children_come_from_anywhere() -> None:
    space = {f"g{k}": None for k in range(6)}

    def far(values: list[tuple[float, ...]]) -> float:
        """The part of the children of which most genes are of no parent."""
        parents = [Trial(k, own, (0.25,) * 6) for k, own in enumerate(values)]
        made = Children((5, 1), 0)
        found = np.array([list(made(None, space, parents).values()) for _ in range(400)])
        return float(((found != 0.25).sum(axis=1) > 4).mean())

    assert far([(1.0, 2.0), (2.0, 1.0)]) < 0.01
    assert 0.4 < far([(1e30, 1e30)]) < 0.6
    assert 0.4 < far([(1e30, 1e30), (1e30, 1e30)]) < 0.6


def test_the_first_generation_has_the_starts() -> None:
    starts = [(0.1,) * 6, (0.9,) * 6]
    asked = Nsga2(6, 2, 0, 4, starts).ask()
    assert asked[:2] == starts
    assert len(asked) == 4
    assert len(Nsga2(6, 2, 0, 2, [(k / 8,) * 6 for k in range(5)]).ask()) == 5

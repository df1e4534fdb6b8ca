"""Children that a model chooses: what they add, what it knows, what is not proposed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from accelgen.search import load_search
from accelgen.search.hypervolume import hypervolume
from accelgen.search.optimisers.improvement import improvements, open_boxes, shortfalls
from accelgen.search.optimisers.model import Chance, Model
from accelgen.search.optimisers.offspring import Children, Elite, parts_of
from accelgen.search.optimisers.optimiser import Nsga2
from accelgen.search.optimisers.outlook import Outlook, OutlookOf, VectorOutlook, outlook_of
from accelgen.search.optimisers.screening import Screened
from accelgen.search.subject import Foretold
from accelgen.search.vector import Gene, Rejected, Vector
from tests.search import small

GENES = tuple(
    Gene(name, "")
    for name in (*(f"hardware.time.{x}" for x in "abcd"), "hardware.size", "bits.budget")
)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [0, 1, 9])
def test_improvements_are_differences_of_hypervolumes(objectives: int, count: int) -> None:
    draws = np.random.default_rng(objectives)
    front, reference = draws.random((count, objectives)), [0.9] * objectives
    # Of equal values too.
    front = np.round(front, 1)
    points = np.concatenate([draws.random((40, objectives)), front])
    found = improvements(points, open_boxes(front, np.array(reference)))
    before = hypervolume(front, reference)
    whole = [hypervolume(np.concatenate([front, [point]]), reference) for point in points]
    np.testing.assert_allclose(found, np.array(whole) - before, atol=1e-12)


def test_open_boxes_are_disjoint() -> None:
    draws = np.random.default_rng(0)
    boxes = open_boxes(draws.random((12, 3)), np.ones(3))
    points = draws.random((500, 3))
    inside = (boxes[:, 0] <= points[:, None]) & (points[:, None] < boxes[:, 1])
    assert set(inside.all(axis=2).sum(axis=1)) == {0, 1}


def test_what_falls_short_is_not_dominated_when_it_is_that_much_less() -> None:
    draws = np.random.default_rng(0)
    front, points = draws.random((9, 3)), draws.random((60, 3))
    found = shortfalls(points, front)
    for point, lacking in zip(points, found, strict=True):
        assert not (front < point - lacking - 1e-9).all(axis=1).any()
        assert lacking == 0 or (front < point - lacking + 1e-9).all(axis=1).any()
    assert (found == 0).any()
    assert (found > 0).any()


def test_a_model_knows_what_it_was_told() -> None:
    draws = np.random.default_rng(1)
    known = draws.random((30, 4))
    values = np.stack([(known[:, 0] > 0.5) * 3.0, known[:, 1]], axis=1)
    mean, deviation = Model(known, values, 0).predict(known)
    np.testing.assert_allclose(mean, values, atol=1e-6)
    assert deviation.max() < 1e-6
    others = draws.random((200, 4))
    mean, deviation = Model(known, values, 0).predict(others)
    right = np.abs(mean[:, 0] - (others[:, 0] > 0.5) * 3.0) < 1.5
    assert right.mean() > 0.8
    assert deviation[:, 1].mean() > 0.01


def test_outlooks_of_digits() -> None:
    search = load_search("digits", evaluations=1)
    found, candidate = small.started(search)
    assert isinstance(search.subject, Foretold)
    forecast = search.subject.forecast(candidate.design)
    assert found.traits == tuple(forecast.traits.values())
    first = [forecast.figures[name] for name in ("latency_ms", "energy_uj")]
    # Of accuracy, which is maximised, there is no estimate.
    assert found.first == (0.0, *np.log(first).tolist())


def test_outlooks_of_other_subjects_are_vectors(tmp_path: Path) -> None:
    search = small.search(tmp_path)
    outlook, draws = outlook_of(search), np.random.default_rng(0)
    for _ in range(60):
        vector = tuple(map(float, draws.random(len(search.space.genes))))
        found = outlook(vector)
        assert (found is None) == isinstance(search.space.decode(vector), Rejected)
        assert found is None or found.traits[: len(vector)] == vector


def test_vectors_have_ranks_of_importances() -> None:
    found = VectorOutlook(GENES, 2)((0.1, 0.4, 0.3, 0.2, 0.9, 0.5))
    assert found.traits[:6] == (0.1, 0.4, 0.3, 0.2, 0.9, 0.5)
    assert [0.0, 3.0, 2.0, 1.0] in [list(found.traits[k : k + 4]) for k in range(6, 8)]
    assert found.first == (0.0, 0.0)


class Trial:
    def __init__(self, number: int, values: tuple[float, ...], vector: Vector) -> None:
        self.number, self.values = number, values
        self.params = {f"g{k}": x for k, x in enumerate(vector)}


class Study:
    def __init__(self, trials: list[Trial]) -> None:
        self.trials = trials

    def get_trials(self, *, deepcopy: bool) -> list[Trial]:
        return self.trials


def cost(vector: Vector) -> float:
    """What depends on the order of importances and on an option, as hardware does."""
    order = sorted(range(4), key=lambda k: -vector[k])
    misplaced = sum(abs(place - k) for place, k in enumerate(order))
    return float(np.exp(misplaced + int(vector[4] * 4) + vector[5]))


def children(made: Children, trials: list[Trial], count: int = 40) -> list[Vector]:
    parents, space = Elite(20)(None, trials), dict.fromkeys(trials[0].params)
    return [tuple(made(Study(trials), space, parents).values()) for _ in range(count)]


def trials_of(count: int, values: Callable[[Vector], float] = cost) -> list[Trial]:
    draws = np.random.default_rng(0)
    vectors = [tuple(map(float, draws.random(6))) for _ in range(count)]
    return [Trial(k, (values(vector),), vector) for k, vector in enumerate(vectors)]


def screened(outlook: OutlookOf, count: int = 40) -> Screened:
    return Screened(GENES, 0, 1e30, count, outlook)


def mean_cost(vectors: list[Vector]) -> float:
    return float(np.mean([np.log(cost(vector)) for vector in vectors]))


def test_a_model_picks_better_children() -> None:
    trials = trials_of(60)
    plain = mean_cost(children(Children(parts_of(GENES), 0), trials))
    assert mean_cost(children(screened(VectorOutlook(GENES, 1)), trials)) < plain - 1


def test_first_estimates_carry_beyond_what_is_known() -> None:
    trials = trials_of(12)

    def first(vector: Vector) -> Outlook:
        # Off by a constant, which the model finds.
        return Outlook(vector, (float(np.log(cost(vector))) + 2.0,))

    without = mean_cost(children(screened(VectorOutlook(GENES, 1)), trials))
    assert mean_cost(children(screened(first), trials)) < without - 0.5


def test_designs_that_look_the_same_are_proposed_once() -> None:
    def known(vector: Vector) -> Outlook:
        return Outlook(tuple(int(x * 4) for x in vector[:4]), (0.0,))

    trials = trials_of(40)
    made = screened(known)
    told = {known(tuple(trial.params.values())).traits for trial in trials}
    space = dict.fromkeys(trials[0].params)
    parents = Elite(20)(None, trials)
    assert made._is_new(parents)
    proposed = made._chosen(trials, space, parents)
    looks = [known(tuple(vector.tolist())).traits for vector in proposed]
    assert looks
    assert len(set(looks)) == len(looks)
    assert not told & set(looks)


def test_candidates_that_are_left_go_on_with_the_next_generation() -> None:
    trials = trials_of(40)
    made = screened(VectorOutlook(GENES, 1))
    space = dict.fromkeys(trials[0].params)
    parents = Elite(20)(None, trials)
    assert made._is_new(parents)
    first = {tuple(vector.tolist()) for vector in made._chosen(trials, space, parents)}
    again = {tuple(vector.tolist()) for vector in made._chosen(trials, space, parents)}
    # Nothing was told, and children are others: what is in both was there before.
    assert first & again
    made._kept = []
    assert not first & {tuple(x.tolist()) for x in made._chosen(trials, space, parents)}


def test_what_is_no_design_is_not_proposed() -> None:
    vectors = VectorOutlook(GENES, 1)

    def half(vector: Vector) -> Outlook | None:
        return vectors(vector) if vector[4] < 0.5 else None

    trials = [trial for trial in trials_of(80) if trial.params["g4"] < 0.5]
    made = screened(half)
    found = children(made, trials)
    # A part of all children is made without a model.
    assert sum(vector[4] < 0.5 for vector in found) >= 0.7 * len(found)
    assert sum(vector[4] >= 0.5 for vector in children(Children((5, 1), 0), trials)) > 0


def test_what_breaks_a_constraint_is_learnt() -> None:
    """Two objectives that are best where a constraint forbids it; four of five children broke it
    when only feasible designs taught anything.
    """
    made = Screened(GENES, 0, 1e30, 6, VectorOutlook(GENES, 2))
    optimiser = Nsga2(len(GENES), 2, 0, 6, (), made)
    feasible = []
    for _ in range(20):
        told: list[tuple[Vector, tuple[float, ...] | None]] = []
        for vector in optimiser.ask():
            feasible.append(vector[4] + vector[5] >= 1.0)
            told.append((vector, (1 + vector[4], 1 + vector[5]) if feasible[-1] else None))
        optimiser.tell(told)
    assert np.mean(feasible[60:]) > 0.4


def test_nothing_feasible_is_no_model() -> None:
    trials = trials_of(30)
    for trial in trials:
        trial.values = (1e30,)
    found = children(screened(VectorOutlook(GENES, 1)), trials)
    assert len(set(found)) > 30


def test_a_chance_is_that_of_what_was_told() -> None:
    known = np.random.default_rng(0).random((60, 3))
    feasible = known[:, 1] > 0.4
    chance = Chance(known, feasible, 0)
    np.testing.assert_allclose(chance.predict(known), feasible, atol=1e-9)
    assert (Chance(known, np.ones(60, bool), 0).predict(known) == 1).all()


def test_too_few_designs_are_no_model() -> None:
    calls: list[Vector] = []

    def outlook(vector: Vector) -> Outlook:
        calls.append(vector)
        return VectorOutlook(GENES, 1)(vector)

    children(screened(outlook), trials_of(5))
    assert not calls

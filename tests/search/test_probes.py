"""What is measured of designs that are not evaluated: once, right, and used."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelgen.accuracy.source import LayerBits
from accelgen.digits.supernet import load_supernet
from accelgen.errors import InputError, MissingToolError
from accelgen.names import FrozenMap
from accelgen.search import load_search
from accelgen.search.optimisers.optimiser import optimiser_of
from accelgen.search.optimisers.outlook import Outlook, outlook_of
from accelgen.search.optimisers.pool import Evaluated, Pool
from accelgen.search.optimisers.probes import Probes, probes_of
from accelgen.search.search import METHODS, Method
from accelgen.search.space import Given, Joint
from accelgen.search.subject import Figures, Forecast, Probed
from accelgen.search.subjects.digits import DigitsTrial, evaluate_point
from accelgen.search.subjects.digits_accuracy import accuracy_traits
from accelgen.sweep.metrics import Constraint
from tests.search import small

NONE = np.full(2, np.inf)


@dataclass(frozen=True)
class Figured:
    """A design that is its figures."""

    accuracy: float
    latency: float


class Subject:
    """Accuracies are probed, to two digits alike; counts how often."""

    probed = ("accuracy",)

    def __init__(self) -> None:
        self.calls, self.missing = 0, False

    def forecast(self, design: Figured) -> Forecast:
        return Forecast({"x": design.latency}, {})

    def probe_key(self, design: Figured) -> Hashable:
        return round(design.accuracy, 2)

    def probe_traits(self, design: Figured) -> dict[str, float]:
        return {"x": design.accuracy}

    def probe(self, design: Figured) -> Figures:
        self.calls += 1
        if self.missing:
            raise MissingToolError("no tool", hint="install it")
        if design.accuracy > 1:
            raise InputError("no such network")
        return {"accuracy": design.accuracy}


def probes(least: float = 0.0) -> tuple[Subject, Probes]:
    search = replace(
        load_search("digits", evaluations=1),
        objectives=("latency", "accuracy"),
        constraints=(Constraint("accuracy", least), Constraint("latency", high=1.0)),
    )
    subject = Subject()
    assert isinstance(subject, Probed)
    return subject, Probes(search, subject)


def outlook(accuracy: float, latency: float) -> Outlook:
    design: Any = Figured(accuracy, latency)
    first = float(np.log(latency)), 0.0
    return Outlook((accuracy, latency), first, design, (accuracy,))


def test_designs_that_have_it_in_common_are_measured_once() -> None:
    subject, found = probes(0.9)
    assert found.columns == [1]
    assert found.known(outlook(0.95, 1.0)) is None
    probe = found.measured(outlook(0.95, 1.0))
    assert probe.values == (-np.log(0.95),)
    assert probe.feasible
    assert found.measured(outlook(0.9501, 7.0)) is probe
    assert found.known(outlook(0.9501, 7.0)) is probe
    assert subject.calls == 1
    # Constraints on other figures are not the probe's to judge.
    assert not found.measured(outlook(0.5, 0.1)).feasible
    assert [x.feasible for x in found.found] == [True, False]


def test_what_cannot_be_measured_is_not_feasible_and_missing_tools_are_told() -> None:
    subject, found = probes()
    broken = found.measured(outlook(1.5, 1.0))
    assert not broken.feasible
    assert broken.values == (np.inf,)

    subject.missing = True
    with pytest.raises(MissingToolError):
        found.measured(outlook(0.7, 1.0))


def test_digits_are_probed_as_they_are_evaluated() -> None:
    search = load_search("digits", evaluations=1)
    found = probes_of(search)
    assert found is not None
    known, candidate = small.started(search, 4)
    assert isinstance(candidate.trial, DigitsTrial)
    record = evaluate_point(candidate.trial)
    assert np.exp(-found.measured(known).values[0]) == pytest.approx(record["accuracy"])
    # Another kernel changes nothing of it.
    _, other = small.started(search, 4 + 9)
    assert isinstance(search.subject, Probed)
    assert other.design != candidate.design
    assert search.subject.probe_key(other.design) == search.subject.probe_key(candidate.design)


def test_accuracy_follows_the_network_and_all_of_its_formats() -> None:
    space = load_supernet().space
    layers = [layer.name for layer in space.layers(space.smallest)]

    def traits(architecture: FrozenMap[str, int], **formats: LayerBits) -> dict[str, float]:
        plain = dict.fromkeys(layers, LayerBits("int4", "uint8"))
        return accuracy_traits(architecture, {**plain, **formats})

    found = [
        traits(space.smallest),
        traits(space.legal({**space.smallest, "width3": 24})),
        *(traits(space.smallest, **{layer: LayerBits("int8", "uint8")}) for layer in layers),
        *(traits(space.smallest, **{layer: LayerBits("int4", "uint4")}) for layer in layers),
        # As many bits, but not the same numbers.
        *(traits(space.smallest, classify=LayerBits(x, "uint8")) for x in ("nvfp4", "if4")),
        *(traits(space.smallest, **{x: LayerBits("nvfp4_4over6", "uint8")}) for x in layers),
    ]
    assert len({tuple(one) for one in found}) == 1
    assert len({tuple(one.values()) for one in found}) == len(found)
    assert np.isfinite([list(one.values()) for one in found]).all()
    whole = {layer.name: LayerBits("int4", "uint8") for layer in space.layers(space.largest)}
    assert accuracy_traits(space.largest, whole).keys() == found[0].keys()


def test_designs_whose_accuracies_differ_are_told_apart() -> None:
    """Whatever else is known of them is the same."""
    _, found = probes()
    pool = Pool(evaluated(BEFORE), NONE, found, 0)
    here = [Outlook((1.0,), (0.0, 0.0), Figured(x, 1.0), (0.5,)) for x in (0.91, 0.92, 0.92)]  # type: ignore[arg-type]
    assert [pool.is_new(one) for one in here] == [True, True, False]


def test_kernels_that_cannot_be_built_have_no_outlook() -> None:
    search = load_search("digits", evaluations=1, hardware={"space": "kernels", "buses": [16, 64]})
    outlook, draws = outlook_of(search), np.random.default_rng(0)
    vectors = draws.random((40, len(search.space.genes)))
    known = [outlook(tuple(vector.tolist())) for vector in vectors]
    buses = [one.design.described()["bus_bits"] for one in known if one is not None and one.design]
    assert set(buses) == {64}
    assert None in known


def test_searches_without_such_objectives_have_no_probes(tmp_path: Path) -> None:
    assert probes_of(small.search(tmp_path)) is None
    digits = load_search("digits", evaluations=1)
    assert probes_of(replace(digits, objectives=("latency", "energy"))) is None


def evaluated(points: list[tuple[float, float]], bad: int = 0) -> Evaluated:
    """The traits are the objectives; the first ``bad`` are infeasible."""
    outlooks = [outlook(accuracy, latency) for accuracy, latency in points]
    feasible = np.arange(len(points)) >= bad
    values = np.array([(np.log(latency), -np.log(accuracy)) for accuracy, latency in points])
    return Evaluated(outlooks, feasible, values[feasible])


BEFORE = [(0.9 + 0.01 * k, 1.0 + 0.2 * k) for k in range(8)]


def test_what_was_probed_is_known_and_only_that_is_taken() -> None:
    _, found = probes(0.5)
    pool = Pool(evaluated(BEFORE), NONE, found, 0)
    accuracies = [k / 100 for k in range(80, 100)]
    pool.add([(np.array([x]), outlook(x, 1.1)) for x in accuracies])
    pool.probe(8)
    assert len(found.found) == 8
    taken = pool.take(3)
    assert len(taken) == 3
    known = [found.known(outlook(x, 1.1)) for (x,) in taken]
    # At one latency the best of what was probed is the best of all that was.
    assert None not in known
    assert known[0] == min(found.found, key=lambda probe: probe.values)
    pool.probe(100)
    assert pool.take(1)[0] == 0.99


def test_probes_are_spent_on_what_is_new() -> None:
    subject, found = probes(0.5)
    pool = Pool(evaluated(BEFORE), NONE, found, 0)
    pool.add([(np.array([k / 30]), outlook(0.95, 1.0 + k / 30)) for k in range(30)])
    pool.add([(np.array([1 + k / 30]), outlook(0.96, 1.0 + k / 30)) for k in range(30)])
    pool.probe(5)
    assert subject.calls == 2


def test_a_space_that_is_exhausted_has_nothing_to_probe() -> None:
    _, found = probes()
    pool = Pool(evaluated(BEFORE), NONE, found, 0)
    pool.add([])
    pool.keep(4, np.random.default_rng(0))
    pool.probe(3)
    assert pool.take(2) == []


def test_what_breaks_a_constraint_in_a_probe_is_not_hoped_for() -> None:
    _, found = probes(0.92)
    pool = Pool(evaluated(BEFORE, bad=2), NONE, found, 0)
    # The faster one is not accurate enough.
    pool.add([(np.array([0.0]), outlook(0.85, 0.2)), (np.array([1.0]), outlook(0.95, 0.9))])
    pool.probe(2)
    assert pool.take(1)[0] == 1.0


@pytest.mark.parametrize(("least", "adds"), [(0.95, False), (0.9, True), (0.0, True)])
def test_fronts_may_become_wider_where_no_constraint_is(least: float, adds: bool) -> None:
    """A front of accuracies above 97 %, and half its latency at 92 %."""
    front = [(0.97 + 0.005 * k, 1.0 + 0.2 * k) for k in range(6)]
    limits = np.array([np.inf, np.inf if not least else -np.log(least)])
    _, found = probes(0.9)
    pool = Pool(evaluated(front), limits, found, 0)
    pool.add([(np.array([0.0]), outlook(0.92, 0.5))])
    pool.probe(1)
    assert (pool._worths[0] > 0) == adds


def test_limits_are_of_objectives() -> None:
    search = load_search("digits", evaluations=1)
    assert search.objectives == ("accuracy", "latency_ms", "energy_uj")
    assert search.limits == (-0.9, np.inf, np.inf)
    bounded = replace(
        search, constraints=(Constraint("latency", high=3.0), Constraint("area", high=1.0))
    )
    assert bounded.limits == (np.inf, 3.0, np.inf)


def test_parts_take_turns_in_what_is_evaluated_first() -> None:
    space = load_search("digits", evaluations=1).space
    assert isinstance(space, Joint)
    starts, opening = space.starts, space.opening
    assert len(starts) == 18
    assert len(opening) == 6
    assert opening[0] == starts[0]
    assert set(opening) < set(starts)
    begin = 0
    for part in space.spaces.values():
        end = begin + len(part.genes)
        assert {x[begin:end] for x in opening} == {x[begin:end] for x in starts}
        begin = end
    first = space.decode(starts[0])
    assert isinstance(first, FrozenMap)
    given = Given({"hardware": space.spaces["hardware"]}, (first,))
    assert given.opening == given.starts
    bare = Joint({"x": small_space()})
    assert bare.starts == bare.opening == ()


def small_space() -> Any:  # noqa: ANN401 - a space
    class Bare:
        genes = ()

        def decode(self, vector: object) -> int:
            return 1

    return Bare()


@pytest.mark.parametrize("method", METHODS)
def test_optimisers_tell_what_they_probed(method: Method) -> None:
    search = load_search("digits", evaluations=1)
    search = replace(search, method=method, objectives=("accuracy",))
    optimiser = optimiser_of(search)
    optimiser.tell([(vector, (-0.95,)) for vector in optimiser.ask()])
    optimiser.ask()
    assert (optimiser.probed > 0) == (method == "forest")

"""Joint searches on digits: what they judge, and that a point of theirs is made again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelgen.accuracy.measured import MeasuredDigits
from accelgen.content import content_path
from accelgen.digits import supernet
from accelgen.digits.supernet import Supernet, load_supernet, write_supernet
from accelgen.errors import InfeasibleError, InputError, MissingToolError
from accelgen.realize.kernel import check_weights
from accelgen.realize.point import Point, read_point
from accelgen.realize.program import compile_network, design_kernel, largest_bounds
from accelgen.search import Search, make_search, run
from accelgen.search.subject import Candidate
from accelgen.search.subjects import digits as digits_subject
from accelgen.search.subjects.digits import DigitsSubject, DigitsTrial, evaluate_point
from accelgen.search.vector import Rejected
from benchmarks import digits_codesign


def search(**changes: Any) -> Search:  # noqa: ANN401 - any key's value
    values = {
        "name": "joint",
        "network": {"space": "digits"},
        "hardware": {"units": 16, "sizes": [2, 4]},
        "evaluations": 24,
        "population": 8,
        **changes,
    }
    return make_search(values)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"network": {"space": "ofa_resnet50"}, "hardware": {"space": "kernels"}}, "network"),
        ({"network": {"space": "ofa_resnet50"}}, "accuracy"),
        ({"accuracy": "guessed"}, "accuracy"),
        ({"bits": {"weights": []}}, "bits"),
        ({"bits": {"sums": ["int8"]}}, "bits"),
        ({"hardware": {"space": "importance"}}, "hardware"),
        ({"hardware": {"units": 2, "sizes": [4]}}, "hardware"),
        ({"minimise": "edp"}, "minimise"),
        ({"technology": "asap7"}, "technology"),
        ({"technology": "nope"}, "technology"),
        ({"technology": "cacti_45nm_lop"}, "technology"),
        ({"objectives": ["accuracy", "energy_typo_uj"]}, "objectives"),
        ({"objectives": ["energy_dram_uj"]}, "objectives"),
        ({"bits": {"weights": ["nvfp4"]}}, "bits: weights"),
        ({"bits": {"weights": ["int4", "if4"]}}, "bits: weights"),
        ({"bits": {"weights": ["int4", "int9"]}}, "bits: weights"),
        ({"bits": {"activations": ["uint8", "int8"]}}, "bits: activations"),
        ({"hardware": {"multipliers": ["plain", "nvfp4"]}}, "bits: weights"),
    ],
)
def test_what_is_not_searched_is_refused_by_its_key(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as caught:
        search(**changes)
    assert str(caught.value.where).startswith(where)
    assert caught.value.hint


def test_figures_are_measured_and_those_of_the_hardware(tmp_path: Path) -> None:
    result = run(search(), tmp_path / "out" / "journal", jobs=1).result
    result.write(tmp_path / "out")
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert "measured" in found["about"]
    for number in result.front[:2]:
        point, entry = read_point(tmp_path / "out", number)
        design = result.steps[number].design
        assert isinstance(design, Point)
        assert point == design
        assert entry["accuracy"] == MeasuredDigits().accuracy(point.architecture, point.bits).value
        network = point.network()
        model = design_kernel(point.kernel, largest_bounds([network], point.kernel))
        assert entry["cycles"] == compile_network(network, point.kernel, model).cycles
        assert (tmp_path / "out" / f"kernel_{number}.yaml").is_file()
    with pytest.raises(InputError, match="not on the front"):
        read_point(tmp_path / "out", 10_000)


def test_where_every_trial_fails_the_first_reason_is_said(tmp_path: Path) -> None:
    found = search(evaluations=4, population=4)
    subject = found.subject
    assert isinstance(subject, DigitsSubject)
    # As loading refuses it.
    failing = replace(found, subject=replace(subject, technology="asap7"))
    result = run(failing, tmp_path / "j", jobs=1).result
    with pytest.raises(InfeasibleError, match=r"none of 4 points is feasible.*asap7 has no SRAM"):
        _ = result.front


def test_energies_by_part_can_be_objectives() -> None:
    found = search(
        objectives=["accuracy", "energy_clock_uj"],
        hardware={"units": 16, "sizes": [2, 4], "multipliers": ["plain"]},
        technology="cacti_45nm_lop",
    )
    assert found.objectives == ("accuracy", "energy_clock_uj")


def test_layers_have_weights_that_multipliers_take() -> None:
    kinds = ["plain", "nvfp4", "mxfp4"]
    weights = ["int4", "nvfp4", "nvfp4_4over6", "mxfp4", "int8"]
    hardware = {"units": 16, "sizes": [2, 4], "multipliers": kinds, "buses": [256]}
    found = search(hardware=hardware, bits={"weights": weights})
    rng = np.random.default_rng(0)
    seen: dict[str, set[str]] = {kind: set() for kind in kinds}
    for number in range(60):
        values = found.space.decode(rng.random(len(found.space.genes)).tolist())
        if isinstance(values, Rejected):
            continue
        made = found.subject.candidate(number, values)
        assert isinstance(made, Candidate)
        assert isinstance(made.design, Point)
        seen[made.design.kernel.multiplier] |= {x.weights for x in made.design.bits.values()}
        for layer in made.design.network().layers:
            check_weights(made.design.kernel.multiplier, layer.weight_name)
    assert seen == {
        "plain": {"int4", "int8"},
        "nvfp4": {"nvfp4", "nvfp4_4over6"},
        "mxfp4": {"mxfp4"},
    }


def test_points_of_block_formats_are_judged() -> None:
    hardware = {"units": 16, "sizes": [2, 4], "multipliers": ["nvfp4"], "buses": [128]}
    found = search(hardware=hardware, bits={"weights": ["nvfp4", "nvfp4_4over6"]})
    rng = np.random.default_rng(3)
    judged = []
    for number in range(8):
        values = found.space.decode(rng.random(len(found.space.genes)).tolist())
        if not isinstance(values, Rejected):
            made = found.subject.candidate(number, values)
            assert isinstance(made, Candidate)
            judged.append(found.subject.figures(found.subject.task(made.trial)))
    figures = [x for x in judged if x["accuracy"] is not None]
    assert figures
    for one in figures:
        assert (one["energy_uj"] or 0) > (one["energy_products_uj"] or 0) > 0


def test_units_are_at_most_all_busy() -> None:
    """Composable units make up to 16 products of elements in a cycle, which are one of words."""
    values: dict[str, Any] = {"units": 2, "sizes": [2], "multipliers": ["composable"]}
    found = search(hardware=values, bits={"weights": ["int2"], "activations": ["uint2"]})
    rng = np.random.default_rng(1)
    shares, elements = [], []
    for number in range(8):
        decoded = found.space.decode(rng.random(len(found.space.genes)).tolist())
        if isinstance(decoded, Rejected):
            continue
        made = found.subject.candidate(number, decoded)
        assert isinstance(made, Candidate)
        assert isinstance(made.design, Point)
        record = found.subject.task(made.trial)
        if "error" in record:
            continue
        kernel, network = made.design.kernel, made.design.network()
        model = design_kernel(kernel, largest_bounds([network], kernel))
        steps = compile_network(network, kernel, model).steps
        cycles = float(str(record["cycles"]))
        words = sum(prod(step.bounds.values()) for step in steps)
        assert record["utilisation"] == pytest.approx(words / (kernel.units * cycles))
        shares.append(words / (kernel.units * cycles))
        elements.append(sum(step.macs for step in steps) / (kernel.units * cycles))
    assert 0 < max(shares) <= 1
    assert max(elements) > 1


def test_a_missing_tool_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise MissingToolError("no solver", hint="install one")

    found = search()
    values = found.space.decode([0.5] * len(found.space.genes))
    assert not isinstance(values, Rejected)
    made = found.subject.candidate(0, values)
    assert isinstance(made, Candidate)
    assert isinstance(made.trial, DigitsTrial)
    monkeypatch.setattr(digits_subject, "estimate", missing)
    with pytest.raises(MissingToolError):
        evaluate_point(made.trial)


@pytest.mark.parametrize(
    "changes",
    [
        {"kernel": {}},
        {"kernel": {"space": [["k", "many"]]}},
        {"bits": {"stem": "int8"}},
        {"bits": {"stem": {"weights": "int8"}}},
        {"technology": 7},
        {"period_ns": 0},
        {"period_ns": "soon"},
    ],
)
def test_entries_that_are_no_point_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    found = search()
    values = found.space.decode([0.5] * len(found.space.genes))
    assert not isinstance(values, Rejected)
    made = found.subject.candidate(0, values)
    assert isinstance(made, Candidate)
    good = {"point": 0, **made.design.to_json()}
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"front": [good]}))
    assert read_point(tmp_path, 0)[0] == made.design
    path.write_text(json.dumps({"front": [good | changes]}))
    with pytest.raises(InputError, match="point 0"):
        read_point(tmp_path, 0)


def test_searches_of_hardware_have_no_point_to_realise(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"front": [{"point": 0}]}))
    with pytest.raises(InputError, match="has no kernel"):
        read_point(tmp_path, 0)


@pytest.fixture
def retrain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Puts a supernet in the place of the shipped one that gives every image the same answer."""

    def put() -> None:
        shipped = load_supernet()
        values = {
            name: np.zeros_like(x) if name.endswith(".gain") else x
            for name, x in shipped.parameters.items()
        }
        write_supernet(tmp_path / "other.npz", Supernet(values, shipped.facts))
        monkeypatch.setattr(supernet, "content_path", lambda *_: tmp_path / "other.npz")
        load_supernet.cache_clear()

    yield put
    load_supernet.cache_clear()


@pytest.mark.parametrize("space", ["kernels", "fixed"])
def test_records_are_of_the_weights(
    tmp_path: Path, retrain: Callable[[], None], space: str
) -> None:
    fixed = {"hardware": {"space": "fixed", "baseline": "composable16"}}
    changes = {"evaluations": 2, "population": 2, **(fixed if space == "fixed" else {})}
    before = run(search(**changes), tmp_path / "j", jobs=1)
    assert before.evaluated > 0
    assert run(search(**changes), tmp_path / "j", jobs=1).evaluated == 0
    retrain()
    with pytest.raises(InputError, match=r"another search \(accuracy differ\)"):
        run(search(**changes), tmp_path / "j", jobs=1)
    after = run(search(**changes), tmp_path / "other", jobs=1)
    assert not {x.key for x in before.result.steps} & {x.key for x in after.result.steps}
    assert all(0.05 < float(str(x.record["accuracy"])) < 0.2 for x in after.result.steps)


def test_records_are_of_the_prices(tmp_path: Path) -> None:
    text = content_path("mapping", "technology/energy/sg13g2.yaml").read_text()
    other = tmp_path / "own.yaml"
    definitions = []
    for pj in ("0.01", "0.02"):
        changed = re.sub(r"pj_per_bit: [\d.]+", f"pj_per_bit: {pj}", text)
        assert changed != text
        other.write_text(changed)
        definitions.append(search(technology=str(other)).definition)
    assert definitions[0] != definitions[1]


def test_points_have_the_technology_and_the_clock_of_their_search(tmp_path: Path) -> None:
    result = run(search(period_ns=12.5, evaluations=8), tmp_path / "out" / "j", jobs=1).result
    result.write(tmp_path / "out")
    path = tmp_path / "out" / "results.json"
    point, _ = read_point(path, result.front[0])
    assert (point.technology, point.period_ns) == ("sg13g2", 12.5)
    written = json.loads(path.read_text())
    del written["front"][0]["period_ns"]
    path.write_text(json.dumps(written))
    with pytest.raises(InputError, match="no clock period"):
        read_point(path, result.front[0])


def test_the_benchmark_takes_the_most_accurate_point_where_none_is_accurate_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = run(search(evaluations=16), tmp_path / "j", jobs=1)
    front = outcome.result.front
    accuracy = outcome.result.table.numbers("accuracy")
    energy = outcome.result.table.numbers("energy_uj")
    best = max(accuracy[n] for n in front)
    monkeypatch.setattr(digits_codesign, "SOUGHT", 1.01)
    assert accuracy[digits_codesign.choice(outcome, front)] == best
    least = float(np.median([accuracy[n] for n in front]))
    monkeypatch.setattr(digits_codesign, "SOUGHT", least)
    chosen = digits_codesign.choice(outcome, front)
    assert energy[chosen] == min(energy[n] for n in front if accuracy[n] >= least)

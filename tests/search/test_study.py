"""Searches: the same trials for the same seed, whatever is killed and however many work."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from accelgen.errors import InputError
from accelgen.hardware import load_hardware
from accelgen.mapper.cache import Solved
from accelgen.search import Design, SearchResult, State, run
from accelgen.search.pictures import draw_all, gene_importance
from accelgen.search.search import METHODS
from accelgen.search.study import NoDesignError
from accelgen.search.subjects.evaluate import Trial, evaluate, figures_of
from accelgen.simulation import simulate
from accelgen.store import Json
from accelgen.sweep import BugError, Results
from accelgen.sweep.evaluate import read_network
from tests.search import small


def rows(result: SearchResult) -> list[tuple[object, ...]]:
    return [(step.trial, step.vector, step.figures["edp_js"]) for step in result.steps]


def test_jobs_change_nothing(tmp_path: Path) -> None:
    search = small.search(tmp_path)
    alone = run(search, tmp_path / "a", jobs=1)
    two = run(search, tmp_path / "b", jobs=2)
    assert rows(alone.result) == rows(two.result)
    assert len(alone.result.steps) == 40
    assert alone.evaluated + alone.reused == 40
    assert alone.result.table.feasible.any()


@pytest.mark.parametrize("optimiser", METHODS)
def test_a_killed_search_goes_on(tmp_path: Path, optimiser: str) -> None:
    search = small.search(tmp_path, evaluations=60, optimiser=optimiser)
    whole = run(search, tmp_path / "whole", jobs=1, task=small.quick)
    count = [0]

    def dies(trial: Trial) -> dict[str, Json]:
        count[0] += 1
        if count[0] == 23:
            raise KeyboardInterrupt
        return small.quick(trial)

    with pytest.raises(KeyboardInterrupt):
        run(search, tmp_path / "journal", jobs=1, task=dies)
    again = run(search, tmp_path / "journal", jobs=1, task=small.quick)
    assert rows(again.result) == rows(whole.result)
    # 22 were in the journal, and nothing of them is computed again.
    assert again.evaluated == whole.evaluated - 22
    known = run(search, tmp_path / "journal", jobs=1, task=small.broken)
    assert (known.evaluated, rows(known.result)) == (0, rows(whole.result))


def test_more_evaluations_go_on_from_there(tmp_path: Path) -> None:
    few = run(small.search(tmp_path, evaluations=30), tmp_path / "j", jobs=1, task=small.quick)
    many = run(small.search(tmp_path, evaluations=50), tmp_path / "j", jobs=1, task=small.quick)
    assert rows(many.result)[:30] == rows(few.result)
    assert many.reused >= few.evaluated


def test_a_journal_of_another_search(tmp_path: Path) -> None:
    search = small.search(tmp_path)
    run(search, tmp_path / "j", jobs=1, task=small.quick)
    with pytest.raises(InputError, match="designs of this search; go on with --resume"):
        run(search, tmp_path / "j", jobs=1, task=small.quick, resume=False)
    with pytest.raises(InputError, match=r"is of another search \(seed differ\)"):
        run(small.search(tmp_path, seed=1), tmp_path / "j", jobs=1, task=small.quick)


def test_a_bug_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(BugError, match="trial"):
        run(small.search(tmp_path), tmp_path / "j", jobs=1, task=small.broken)


def test_nothing_but_rejections_ends(tmp_path: Path) -> None:
    tiny = {"baseline": "eyeriss", "budget": {"units": 16, "on_chip_bytes": 16}}
    with pytest.raises(InputError, match="no vector of the last 50 batches is a design"):
        run(small.search(tmp_path, hardware=tiny), tmp_path / "j", jobs=1, task=small.quick)


def test_errors_and_nothing_else_end_a_search(tmp_path: Path) -> None:
    count = [0]

    def fails(trial: Trial) -> dict[str, Json]:
        count[0] += 1
        said = "KeyError: 'two'" if count[0] > 1 else "no figure of this one"
        return {**small.quick(trial), "error": f"judge: {said}"}

    search = small.search(tmp_path, evaluations=60)
    reason = r"all of \d+ designs end in an error: judge: KeyError: 'two' \(\d+ times, 1 more\)"
    with pytest.raises(NoDesignError, match=reason):
        run(search, tmp_path / "journal", jobs=1, task=fails)
    assert 30 <= count[0] < 50

    def sometimes(trial: Trial) -> dict[str, Json]:
        return fails(trial) if trial.hardware.units % 2 else small.quick(trial)

    found = run(search, tmp_path / "another", jobs=1, task=sometimes)
    assert len(found.result.steps) == 60
    assert any("KeyError" in step.reason for step in found.result.steps)


def test_progress(tmp_path: Path) -> None:
    said: list[State] = []
    search = small.search(tmp_path, objectives=["latency", "energy"], evaluations=48)
    outcome = run(search, tmp_path / "j", jobs=1, task=small.quick, progress=said.append)
    assert (said[0].done, said[-1].done, said[-1].total) == (0, 48, 48)
    assert [state.done for state in said] == sorted(state.done for state in said)
    assert said[-1].hypervolume > 0
    assert said[-1].seconds_left == pytest.approx(0, abs=1)
    assert (outcome.result.hypervolume() or 0) > 0


def test_figures_are_those_of_the_simulation(tmp_path: Path) -> None:
    networks = small.networks(tmp_path, ["net.yaml", "squeezenet"])
    trial = Trial(0, "k", load_hardware("nvdla_256"), networks, "edp")
    found = figures_of(evaluate(trial))
    results = [simulate(read_network(x), trial.hardware, solved=Solved()) for x in networks]
    assert found["cycles"] == pytest.approx(np.sqrt(np.prod([x.cycles for x in results])))
    joules = [x.joules for x in results]
    assert found["energy_uj"] == pytest.approx(1e6 * np.sqrt(np.prod(joules)))
    seconds = [x.seconds for x in results]
    assert found["edp_js"] == pytest.approx(np.sqrt(np.prod(joules) * np.prod(seconds)))
    assert found["latency_ms.squeezenet"] == pytest.approx(1e3 * results[1].seconds)


@pytest.mark.parametrize("metric", ["edp_js", "latency_ms", "energy_uj"])
def test_what_is_beyond_a_limit_is_not_mapped(tmp_path: Path, metric: str) -> None:
    networks = small.networks(tmp_path, ["net.yaml", "squeezenet"])
    hardware = load_hardware("nvdla_256")
    whole = Trial(0, "k", hardware, networks, "edp")
    value = figures_of(evaluate(whole))[metric]
    assert value is not None
    below = evaluate(Trial(0, "k", hardware, networks, "edp", metric, 1.001 * value))
    assert figures_of(below)[metric] == pytest.approx(value)
    above = evaluate(Trial(0, "k", hardware, networks, "edp", metric, 0.8 * value))
    assert "networks" not in above
    least = above["at_least"]
    assert isinstance(least, float)
    assert 0.8 * value < least <= 1.0001 * value


def test_constraints_decide_what_is_feasible(tmp_path: Path) -> None:
    search = small.search(tmp_path, constraints={"latency_ms": "0.0001"})
    result = run(search, tmp_path / "j", jobs=1, task=small.quick).result
    out = [step for step in result.steps if step.reason]
    assert out
    assert all("latency_ms <= 0.0001 is wanted" in step.reason for step in out)
    latency = result.table.numbers("latency_ms")
    assert (latency[result.table.feasible] <= 1e-4).all()


@pytest.mark.parametrize("limited", [True, False])
def test_no_design_is_given_up_where_constraints_come_first(tmp_path: Path, limited: bool) -> None:
    limits: list[float] = []

    def noted(trial: Trial) -> dict[str, Json]:
        limits.append(trial.limit)
        return small.quick(trial)

    constraints = {} if limited else {"latency_ms": 1}
    search = small.search(tmp_path, constraints=constraints)
    run(search, tmp_path / "j", jobs=1, task=noted)
    assert any(limit < math.inf for limit in limits) == limited


def test_results_are_files(tmp_path: Path) -> None:
    search = small.search(tmp_path, objectives=["latency", "energy"], evaluations=64)
    result = run(search, tmp_path / "j", jobs=1, task=small.quick).result
    written = result.write(tmp_path / "out")
    table = Results.read(tmp_path / "out" / "results.parquet")
    assert table == result.table == Results.read(tmp_path / "out")
    figures = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (figures["schema"], figures["kind"], figures["designs"]) == (1, "search", 64)
    assert [x["point"] for x in figures["front"]] == list(result.front)
    for number in result.front:
        path = tmp_path / "out" / f"hardware_{number}.yaml"
        assert path in written
        again = load_hardware(path)
        design = result.steps[number].design
        assert isinstance(design, Design)
        assert again.array == design.hardware.array
        assert again.levels == design.hardware.levels
    own = tmp_path / "out" / "my_hardware.yaml"
    own.write_text("name: mine\n")
    shorter = run(replace(search, evaluations=16), tmp_path / "j", jobs=1, task=small.quick).result
    kept = set(shorter.write(tmp_path / "out"))
    assert set((tmp_path / "out").glob("*.yaml")) == {own} | {
        x for x in kept if x.suffix == ".yaml"
    }
    pictures = draw_all(result, tmp_path / "out")
    assert [path.name for path in pictures] == ["convergence.svg", "front.svg", "importance.svg"]
    assert all(path.stat().st_size > 1000 for path in pictures)


def test_the_gene_that_decides_is_the_most_important(tmp_path: Path) -> None:
    search = small.search(tmp_path, objectives=["latency"], optimiser="random", evaluations=300)
    result = run(search, tmp_path / "j", jobs=1, task=small.quick).result
    found = gene_importance(result)
    assert next(iter(found)) == "hardware.units"
    assert sum(found.values()) == pytest.approx(1)

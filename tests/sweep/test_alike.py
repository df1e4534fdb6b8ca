"""Points that are alike: which are, and that one of them is evaluated for all."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from accelgen.hardware import Hardware
from accelgen.store import Store
from accelgen.sweep import Axis, Point, Results, Sweep, alike, evaluate, load_sweep, run
from accelgen.sweep.alike import alike_key, grouped
from accelgen.sweep.evaluate import hardware_of
from accelgen.sweep.fields import Value
from accelgen.sweep.metrics import figures
from accelgen.sweep.results import results_of
from accelgen.sweep.run import JOURNAL
from tests.sweep import tasks

ROOT = Path(__file__).resolve().parents[2]
NETWORK = """\
layers:
  - {name: fc, expression: "Y[m,n] += A[m,k] * W[k,n]", bounds: {m: 3, n: 10, k: 16}}
  - {name: conv, expression: "Y[k,p] += X[c,p + r] * W[k,c,r]", bounds: {k: 5, c: 4, p: 7, r: 3}}
"""
SYSTOLIC = """\
name: systolic
array: {i: 4, j: 4}
mac_pj: 0.23
skewed: [i]
dataflows: [{name: one, unrolls: {i: [k, c], j: [k, c]}}, {name: two, unrolls: {i: [p], j: [k]}}]
levels:
  - {name: sram, bytes: 400, pj_per_bit: 0.4375}
  - {name: dram, bytes_per_cycle: 3, pj_per_bit: 20}
"""
SIZES = 6
GROUPS = 21
"""Arrays of 1 to 6 by 1 to 6 that differ; 2 of them (2 x 6, 3 x 4) have 12 units."""
ERRORS = 4


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv(tasks.LOG, str(path))
    return path


def evaluations(log: Path) -> Counter[str]:
    return Counter(line.split()[0] for line in log.read_text().splitlines())


def timeless(results: Results) -> Results:
    columns = {k: v for k, v in results.columns.items() if k != "seconds"}
    return replace(results, columns=columns)


def are_alike(one: dict[str, Value], other: dict[str, Value]) -> bool:
    base: dict[str, Value] = {"network": "alexnet", "hardware": "array16_64k"}
    first, second = Sweep("test", base, given=(one, other)).points()
    assert first.key != second.key
    return alike_key(first) == alike_key(second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"array.i": 4, "array.j": 8}, {"array.i": 8, "array.j": 4}),
        ({"array.i": 4, "array.j": 8}, {"array.j": 4, "array.i": 8}),
        ({"array.i": 4}, {"array": {"i": 16, "j": 4}}),
        ({"array": {"a": 4, "b": 16, "c": 1}}, {"array": {"i": 16, "j": 4}}),
        ({"skewed": ["i"], "array.i": 4}, {"skewed": ["j"], "array.j": 4}),
        ({"dataflows": ["gemm_ws_systolic"]}, {"dataflows": ["gemm_ws_broadcast"]}),
        ({"minimise": "edp"}, {"minimise": [1, "1.0"]}),
        ({"uneven": "false"}, {}),
        ({"uneven": "true", "array.i": 4}, {"uneven": True, "array.j": 4}),
        ({"name": "x", "sources": "y"}, {}),
        (
            {"hardware": "array16_256k", "levels.sram.bytes": 65536, "levels.sram.pj_per_bit": 1},
            {"levels.sram.pj_per_bit": 1},
        ),
    ],
)
def test_these_are_alike(one: dict[str, Value], other: dict[str, Value]) -> None:
    assert are_alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"array.i": 4, "array.j": 8}, {"array.i": 2, "array.j": 16}),
        ({"skewed": ["i"], "array.i": 4}, {"skewed": ["i"], "array.j": 4}),
        ({"clock_mhz": 500}, {"clock_mhz": 501}),
        ({"minimise": "edp"}, {"minimise": "latency"}),
        ({"uneven": "true"}, {}),
        ({"network": "vgg16"}, {}),
        ({"formats.weights": "int4"}, {"formats.activations": "int4"}),
        ({"parameters.batch": 2}, {"parameters.batch": 3}),
        # Of mappings with the least latency any may be found.
        ({"minimise": [0, 1], "array.i": 4}, {"minimise": [0, 1], "array.j": 4}),
        # There is no such hardware or objective.
        ({"array.i": 0, "array.j": 4}, {"array.i": 4, "array.j": 0}),
        ({"array.i": "a", "array.j": 4}, {"array.i": 4, "array.j": "a"}),
        ({"array.l": 4, "array.j": 4}, {"array.l": 4, "array.i": 4}),
        ({"mac_pj": "x", "array.i": 4}, {"mac_pj": "x", "array.j": 4}),
        ({"minimise": "time", "array.i": 4}, {"minimise": "time", "array.j": 4}),
    ],
)
def test_these_are_not(one: dict[str, Value], other: dict[str, Value]) -> None:
    assert not are_alike(one, other)


def test_hardware_is_built_once_for_all_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes longest must not be done for each of 10,000 points."""
    built: list[Point] = []

    def counted(point: Point) -> Hardware:
        built.append(point)
        return hardware_of(point)

    monkeypatch.setattr(alike, "_known", {})
    monkeypatch.setattr(alike, "hardware_of", counted)
    groups = grouped(load_sweep("mobilenet_v2_10k").points())
    assert len(groups) == 5500
    assert len(built) == 100
    assert [x.points[0].number for x in groups] == sorted(x.points[0].number for x in groups)
    assert sorted(p.number for group in groups for p in group.points) == list(range(10_000))


@pytest.mark.parametrize("objective", ["edp", "latency"])
def test_alike_points_have_the_same_figures(tmp_path: Path, objective: str) -> None:
    """Every one really evaluated."""
    (tmp_path / "net.yaml").write_text(NETWORK)
    (tmp_path / "systolic.yaml").write_text(SYSTOLIC)
    values = ((2,), (3,), (4,))
    sweep = Sweep(
        "test",
        {
            "network": "net.yaml",
            "minimise": objective,
            "unit_area_mm2": 0.003,
            "levels.sram.area_mm2": 0.1,
        },
        (
            Axis(("hardware",), (("systolic.yaml",), ("array16_64k",))),
            Axis(("skewed",), (([],), (["i"],), (["j"],), (["i", "j"],))),
            Axis(("array.i",), values),
            Axis(("array.j",), values),
        ),
        folder=tmp_path,
    )
    # Axes of the first differ; of the others 9, 6 where both are alike, skewed or not.
    groups = grouped(sweep.points())
    assert len(groups) == 4 * 9 + 6 + 9 + 6
    found = run(sweep, tmp_path / "journal", jobs=1)
    assert (found.evaluated, found.alike, found.reused) == (57, 15, 0)
    for group in groups:
        for point in group.points:
            row, alone = found.results.row(point.number), figures(evaluate(point))
            assert {name: row[name] for name in alone} == pytest.approx(alone, rel=1e-12)
            assert (row["seconds"] == 0.0) == (point != group.points[0])


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_of_them_is_evaluated(tmp_path: Path, log: Path, jobs: int) -> None:
    told: list[tuple[int, int, int]] = []
    sweep = tasks.shapes(SIZES)
    outcome = run(
        sweep,
        tmp_path / "journal",
        jobs=jobs,
        task=tasks.symmetric,
        progress=lambda *x: told.append(x),
    )
    evaluated = GROUPS - 2 + ERRORS
    assert (outcome.evaluated, outcome.alike, outcome.reused) == (evaluated, 36 - evaluated, 0)
    assert len(evaluations(log)) == evaluated
    assert set(evaluations(log).values()) == {1}
    assert (told[0], told[-1]) == ((0, 36, 0), (36, 36, evaluated))
    assert [known for known, _, _ in told] == sorted(known for known, _, _ in told)
    with Store(tmp_path / "journal", JOURNAL) as store:
        assert (len(store), store.records) == (36, 36)
    rows = [tasks.symmetric(point) for point in sweep.points()]
    assert timeless(outcome.results) == timeless(results_of(sweep, sweep.points(), rows))
    # An error says which point it is of.
    assert outcome.results.row(11)["reason"] == "2 by 6 cannot be"
    assert outcome.results.row(31)["reason"] == "6 by 2 cannot be"
    again = run(sweep, tmp_path / "journal", jobs=jobs, task=tasks.symmetric)
    assert (again.evaluated, again.alike, again.reused) == (0, 0, 36)
    assert again.results == outcome.results


def test_points_alike_to_known_ones_are_not_evaluated(tmp_path: Path, log: Path) -> None:
    """A sweep that has grown, with nothing left to evaluate, and with more."""
    values = ((2, 4), (2, 5), (2, 6), (3, 5))
    wide = tasks.shapes(axes=(Axis(("array.i", "array.j"), values),))
    outcome = run(wide, tmp_path / "journal", jobs=1, task=tasks.symmetric)
    assert (outcome.evaluated, outcome.alike, outcome.reused) == (4, 0, 0)
    given: list[dict[str, Value]] = [*map(wide.axes[0].at, range(4))]
    given.append({"array.i": 5, "array.j": 2})
    longer = replace(wide, axes=(), given=tuple(given))
    outcome = run(longer, tmp_path / "journal", jobs=1, task=tasks.symmetric)
    assert (outcome.evaluated, outcome.alike, outcome.reused) == (0, 1, 4)
    longest = replace(longer, axes=(Axis(("array.j", "array.i"), values),))
    outcome = run(longest, tmp_path / "journal", jobs=1, task=tasks.symmetric)
    assert (outcome.evaluated, outcome.alike, outcome.reused) == (1, 2, 5)
    assert len(evaluations(log)) == 5


def test_cut_anywhere_it_goes_on(tmp_path: Path) -> None:
    """As the end of a process leaves the journal: nothing whole is lost, nothing done twice."""
    journal, sweep = tmp_path / "journal", tasks.shapes(3)
    first = run(sweep, journal, jobs=1, task=tasks.symmetric)
    assert (first.evaluated, first.alike) == (6, 3)
    whole = journal.read_bytes()
    for end in range(whole.index(b"\n") + 1, len(whole) + 1, 43):
        journal.write_bytes(whole[:end])
        with Store(journal, JOURNAL) as store:
            known = {*store}
        todo = [g for g in grouped(sweep.points()) if known.isdisjoint(p.key for p in g.points)]
        again = run(sweep, journal, jobs=1, task=tasks.symmetric)
        assert timeless(again.results) == timeless(first.results)
        assert (again.evaluated, again.reused) == (len(todo), len(known))
        assert again.alike == 9 - len(todo) - len(known)


def test_a_known_error_is_not_that_of_others(tmp_path: Path, log: Path) -> None:
    points = tasks.shapes(SIZES).points()
    with Store(tmp_path / "journal", JOURNAL) as store:
        store.put(points[11].key, {"error": "2 by 6 was no good", "seconds": 1.0})
    found = run(tasks.shapes(SIZES), tmp_path / "journal", jobs=1, task=tasks.symmetric)
    assert found.results.row(11)["reason"] == "2 by 6 was no good"
    assert found.results.row(31)["reason"] == "6 by 2 cannot be"
    assert found.reused == 1
    assert evaluations(log)[points[31].key] == 1


RUN = """
import sys
from accelgen.sweep import Axis, run
from tests.sweep import tasks
values = tuple((n,) for n in range(1, 13))
axes = tuple(Axis((field,), values) for field in sys.argv[2:])
outcome = run(tasks.shapes(axes=axes), sys.argv[1], jobs=1, task=tasks.slow_symmetric)
print(outcome.evaluated, outcome.alike, outcome.reused)
"""


def start(journal: Path, *fields: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(journal), *fields],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, ...]:
    printed, _ = process.communicate(timeout=120)
    return tuple(map(int, printed.split()))


def test_two_processes_evaluate_one_of_them(tmp_path: Path, log: Path) -> None:
    """Sweeps that go through the same arrays in different orders."""
    orders = ("array.i", "array.j"), ("array.j", "array.i")
    counts = [finish(x) for x in [start(tmp_path / "journal", *fields) for fields in orders]]
    assert [sum(count) for count in counts] == [144, 144]
    # 78 arrays differ; of 1 x 12, 2 x 6 and 3 x 4 both ways are evaluated.
    assert sum(evaluated for evaluated, _, _ in counts) == 78 + 3
    assert all(evaluated > 0 for evaluated, _, _ in counts)
    assert set(evaluations(log).values()) == {1}
    with Store(tmp_path / "journal", JOURNAL) as store:
        assert (len(store), store.records) == (144, 144)


@pytest.mark.slow
def test_killed_and_started_again(tmp_path: Path, log: Path) -> None:
    """One of two processes at a time, while it claims, evaluates or writes."""
    journal = tmp_path / "journal"
    fields = "array.i", "array.j"
    other = start(journal, *fields)
    for number in range(12):
        killed, other = other, start(journal, *fields)
        time.sleep(0.9 + 0.013 * number)
        killed.kill()
        killed.communicate()
    finish(other)
    with Store(journal, JOURNAL) as store:
        assert len(store) == 144
    sweep = tasks.shapes(12)
    again = run(sweep, journal, jobs=1, task=tasks.symmetric)
    assert (again.evaluated, again.alike, again.reused) == (0, 0, 144)
    rows = [tasks.symmetric(point) for point in sweep.points()]
    assert timeless(again.results) == timeless(results_of(sweep, sweep.points(), rows))
    # What a killed process had under way is all that is evaluated again.
    assert sum(evaluations(log).values()) - 144 <= 81 + 2 * 12


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_ray_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    sweep = tasks.shapes(SIZES)
    here = run(sweep, tmp_path / "here", jobs=1, task=tasks.symmetric)
    ray = run(sweep, tmp_path / "ray", jobs=2, executor="ray", task=tasks.symmetric)
    assert (ray.evaluated, ray.alike) == (here.evaluated, here.alike)
    assert timeless(ray.results) == timeless(here.results)

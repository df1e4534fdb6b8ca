"""A small array of two dataflows on a made-up library: power of each, and names of its parts."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from accelgen import Description, load_description
from accelgen.cli import main
from accelgen.errors import InputError
from accelgen.processor.design import design_processor
from accelgen.processor.generate import generate_processor
from accelgen.processor.manifest import read_model
from accelgen.silicon import activity
from accelgen.silicon.activity import choose_problems, record
from accelgen.silicon.power import Power, ProblemPower
from accelgen.silicon.report import SiliconReport, to_markdown
from accelgen.silicon.synth import Options, synthesise

TINY = Path(__file__).with_name("tiny.lib")
FLOWS = ("gemm_os_systolic", "gemm_ws_systolic")
rtl = pytest.mark.rtl


def small(name: str) -> Description:
    return load_description(name).with_overrides(
        bounds={"m": 4, "n": 4, "k": 8}, space={"i": 2, "j": 2}, types={"Y": "int32"}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two GEMMs on 2 x 2 units."""
    output = tmp_path_factory.mktemp("synth") / "fused"
    generate_processor([small(name) for name in FLOWS], output, name="fused", bus_bits=32)
    return output


@pytest.fixture(scope="module")
def report(folder: Path) -> SiliconReport:
    return synthesise(folder, Options(liberty=(TINY,)))


@rtl
def test_every_dataflow_runs_at_its_largest_bounds(folder: Path) -> None:
    """A window has every cycle of one problem, of its own dataflow, and none of another."""
    trace, runs = record(folder, 0)
    model = read_model(folder)
    assert tuple(run.name for run in runs) == FLOWS
    for number, run in enumerate(runs):
        assert run.largest
        assert dict(run.bounds) == {"m": 4, "n": 4, "k": 8}
        compute = model.problem(number, run.bounds).cycles.compute_cycles
        assert len(run.sampled) == run.cycles >= compute
        busy = trace.planes([""], "busy", run.sampled)
        assert busy is not None
        assert busy[0].bit_count() == compute
        active = trace.planes([""], "active_dataflow", run.sampled)
        assert active is not None
        assert active[0].bit_count() == (run.cycles if number else 0)


@rtl
def test_power_of_each_dataflow_adds_up_to_that_of_the_run(report: SiliconReport) -> None:
    power = report.power
    assert power is not None
    assert [p.run.name for p in power.problems] == list(FLOWS)
    assert power.annotated > 0.99
    assert power.compared > 10_000
    assert power.mismatches == 0
    names = {"array", "buffers", "controller", "registers", "streams"}
    every: list[Power | ProblemPower] = [power, *power.problems]
    for problem in every:
        assert {g.group for g in problem.groups} == names
        assert all(g.internal > 0 and g.switching > 0 for g in problem.groups)
        assert problem.total == pytest.approx(sum(g.total for g in problem.groups))
        assert 0 < problem.glitches < problem.total
    assert power.energy == pytest.approx(sum(p.energy for p in power.problems))
    assert power.total * power.period * power.cycles * 1e-3 == pytest.approx(power.energy)
    # The same cells leak in all of them.
    leaks = {sum(g.leakage for g in problem.groups) for problem in every}
    assert max(leaks) == pytest.approx(min(leaks))


@rtl
def test_the_report_has_a_row_per_dataflow(report: SiliconReport) -> None:
    values = json.loads(json.dumps(report.to_json()))["power"]
    text = to_markdown(report)
    assert [p["dataflow"] for p in values["problems"]] == list(FLOWS)
    for problem in values["problems"]:
        assert problem["iterations"] == 4 * 4 * 8
        row = f"| {problem['dataflow']} | m=4 n=4 k=8 | {problem['cycles']} |"
        assert row in text
    mean = sum(p["energy_nj"] for p in values["problems"]) / 2
    assert values["energy_nj_per_problem"] == pytest.approx(mean, abs=1e-5)


@rtl
@pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA is not there")
def test_modules_and_paths_are_named(report: SiliconReport) -> None:
    assert report.area is not None
    assert report.timing is not None
    modules = {module.module for module in report.area.modules}
    assert {"fused", "fused_array", "fused_registers", "fused_controller"} <= modules
    assert report.area.total == pytest.approx(sum(m.own * m.instances for m in report.area.modules))
    assert len(report.timing.path) > 1
    for step in report.timing.path:
        assert re.fullmatch(r"[a-z]\w*(\.\w+)*(\[\d+\])?", step), report.timing.path
        assert not re.search(r"\.dataflow_(?!chosen)", step), report.timing.path


@rtl
def test_a_problem_that_is_asked_for(folder: Path, tmp_path: Path) -> None:
    asked = "gemm_ws_systolic:m=2,k=3"
    words = ["synth", str(folder), "--liberty", str(TINY), "--problem", asked, "-o", str(tmp_path)]
    assert main(words) == 0
    power = json.loads((tmp_path / "synth.json").read_text(encoding="utf-8"))["power"]
    (problem,) = power["problems"]
    assert problem["bounds"] == {"m": 2, "n": 4, "k": 3}
    assert not problem["largest"]
    assert power["cycles_per_problem"] == problem["cycles"]


def test_large_problems_are_halved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = read_model(folder)
    monkeypatch.setattr(activity, "MOST_CYCLES", 30)
    for (problem, bounds), flow in zip(choose_problems(model), model.flows, strict=True):
        largest = flow.description.workload.bounds
        assert all(bounds[loop] <= n for loop, n in largest.items())
        assert np.prod(list(bounds.values())) < np.prod(list(largest.values()))
        assert problem.cycles.compute_cycles <= 30
    (chosen,) = choose_problems(model, [("1", {"k": 2})])
    assert (chosen[0].dataflow, chosen[1]["k"]) == (1, 2)


def test_problems_that_fit_small_memories_are_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    model = design_processor([small(FLOWS[0])], "few", bus_bits=32, words={"Y": 2})
    ((problem, bounds),) = choose_problems(model)
    assert problem.fabric.output.banked.layout.depth == 2
    assert bounds != dict(model.flows[0].description.workload.bounds)
    most = problem.cycles.compute_cycles
    monkeypatch.setattr(activity, "MOST_CYCLES", most - 1)
    ((shorter, fewer),) = choose_problems(model)
    assert shorter.cycles.compute_cycles < most
    assert all(fewer[loop] <= n for loop, n in bounds.items())


@pytest.mark.parametrize(
    ("asked", "says"),
    [(("gemm", {}), "gemm"), (("7", {}), "no dataflow 7"), ((FLOWS[0], {"m": 99}), "reaches 4")],
)
def test_problems_that_cannot_be_run(
    folder: Path, asked: tuple[str, dict[str, int]], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        choose_problems(read_model(folder), [asked])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--liberty", str(TINY), "--problem", "gemm"], "--problem: unknown dataflow 'gemm'"),
        (["--liberty", str(TINY), "--problem", f"{FLOWS[0]}:m=99"], "reaches 4"),
        (["--liberty", str(TINY), "--problem", f"{FLOWS[0]}:q=1"], "unknown loop 'q'"),
        (["--problem", FLOWS[0]], "--problem: its power is not measured; add --liberty FILE.lib"),
        (["--target", "generic", "--problem", FLOWS[0]], "add --liberty FILE.lib"),
        (["--liberty", str(TINY), "--no-power", "--problem", "0"], "leave out --no-power"),
    ],
)
def test_problems_are_refused_before_anything_is_mapped(
    folder: Path,
    options: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def nothing(*_: object) -> None:
        raise AssertionError("the design is elaborated")

    monkeypatch.setattr("accelgen.silicon.synth.elaborate", nothing)
    assert main(["synth", str(folder), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line

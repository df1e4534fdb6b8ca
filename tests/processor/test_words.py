"""Memories with fewer words than the largest bounds need: any problem that fits them runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from accelgen.affine import Description, load_description
from accelgen.cli import main
from accelgen.cosim.verify_processor import make_sequences, verify_processor
from accelgen.errors import InputError
from accelgen.processor.design import ProcessorModel, design_processor
from accelgen.processor.generate import generate_processor
from accelgen.processor.largest import largest_problem, problem_at_largest
from accelgen.processor.manifest import read_model

NAMES = ("gemm_os_systolic", "gemm_ws_systolic")
LARGEST = {"m": 9, "n": 12, "k": 30}
WORDS = {"A": 10, "Y": 12}


def small(name: str = NAMES[0]) -> Description:
    return load_description(name).with_overrides(
        space={"i": 2, "j": 2}, bounds=LARGEST, types={"Y": "int32"}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("words") / "few"
    generate_processor(
        [small(name) for name in NAMES],
        made,
        name="few",
        bus_bits=32,
        words=WORDS,
        accumulate_in=True,
    )
    return made


def depths(model: ProcessorModel, number: int, bounds: dict[str, int]) -> dict[str, int]:
    plans = model.problem(number, bounds).fabric.plans
    return {plan.tensor.name: plan.banked.layout.depth for plan in plans}


def test_cycles_that_there_are_not_are_left_out(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    nothing = {"compute_cycles": None, "total_cycles": None}
    assert manifest["predicted"] == nothing
    assert [flow["predicted_at_largest"] for flow in manifest["dataflows"]] == [nothing, nothing]
    assert [flow["largest"] for flow in manifest["dataflows"]] == [LARGEST, LARGEST]
    assert {name: manifest["memories"][name]["words"] for name in WORDS} == WORDS
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "| m=9 n=12 k=30 | - | - |" in report


@pytest.mark.parametrize("number", [0, 1])
def test_no_loop_of_the_largest_problem_can_be_longer(folder: Path, number: int) -> None:
    model = read_model(folder)
    assert problem_at_largest(model, number) is None
    problem, bounds = largest_problem(model, number)
    assert problem.setting == model.problem(number, bounds).setting
    assert all(depths(model, number, bounds)[name] <= n for name, n in WORDS.items())
    for loop, most in LARGEST.items():
        if bounds[loop] < most:
            with pytest.raises(InputError, match="words in each memory"):
                model.problem(number, bounds | {loop: bounds[loop] + 1})


def test_the_largest_problem_is_at_the_largest_bounds_where_they_fit() -> None:
    for words in ({}, {"A": 200}):
        model = design_processor([small()], "whole", words=words)
        problem, bounds = largest_problem(model, 0)
        assert bounds == LARGEST
        at_largest = problem_at_largest(model, 0)
        assert at_largest is not None
        assert at_largest.cycles == problem.cycles


def test_phases_are_of_problems_that_fit(folder: Path) -> None:
    model = read_model(folder)
    phases = {phase.name: phase for phase in make_sequences(model, np.random.default_rng(0), 8)}
    for number, name in enumerate(NAMES):
        problem, _ = largest_problem(model, number)
        (asked,) = phases[f"{name}, largest"].results
        assert asked.problem.cycles == problem.cycles
        assert any(phase.startswith(f"{name}, split along") for phase in phases)
    mixed = [asked.problem for asked in phases["back to back"].results]
    assert len({tuple(problem.setting.items()) for problem in mixed}) > 4


@pytest.mark.rtl
def test_small_memories_are_right(folder: Path) -> None:
    report = verify_processor(folder, seed=3)
    assert report.faults == ()


def test_the_command_line_says_how_far_it_reaches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["generate", NAMES[0], "--programmable", "--space", "i=2,j=2", "--bounds", "m=9"]
    for words, remark in (("A=10", True), ("A=5000", False)):
        assert main([*arguments, "--words", words, "-o", str(tmp_path / "out")]) == 0
        assert ("as far as its memories go" in capsys.readouterr().out) is remark

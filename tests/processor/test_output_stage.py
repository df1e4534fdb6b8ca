"""Designs with an output stage: verified, described by manifest, driver, command line and files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelgen.affine import Description, load_description
from accelgen.affine.description import parse_description
from accelgen.cli import main
from accelgen.cosim.sequence import Asked, Phase, run_sequences
from accelgen.cosim.staged import draw_staged
from accelgen.cosim.verify_processor import verify_processor
from accelgen.errors import InputError
from accelgen.golden import OutputStage, output_stage
from accelgen.processor.design import ProcessorDesign, design_processor
from accelgen.processor.generate import generate_processor
from accelgen.processor.manifest import read_model
from accelgen.processor.output_stage import Staged, worked_off
from accelgen.processor.suite import load_suite
from accelgen.rtl.output_stage import OutputStage as StageUnit
from accelgen.rtl.streams import Collector
from accelgen.technology import load_technology
from tests.processor.c_programs import compiled, needs_compiler, printed

NAMES = ("gemm_os_systolic", "conv2d_ws_nvdla", "depthwise")
BOUNDS = {"m": 5, "n": 6, "k": 4, "c": 3, "p": 5, "q": 4, "r": 2, "s": 3}

BATCHED = """
name: batched
expression: Y[n,k,p,q] += X[n,c,p + r,q + s] * W[k,c,r,s]
bounds: {n: 3, k: 3, c: 2, p: 4, q: 3, r: 2, s: 2}
space: {i: 2, j: 3}
time: [n, k, p1, q1, c, r, s]
map: {p: size(i)*p1 + i, q: size(j)*q1 + j}
"""


def small(name: str = "conv2d_ws_nvdla", **types: str) -> Description:
    description = load_description(name)
    return description.with_overrides(
        space={"i": 2, "j": 3},
        types=types,
        bounds={loop: BOUNDS[loop] for loop in description.workload.loops},
    )


def staged(*names: str, bits: int = 8) -> ProcessorDesign:
    return design_processor([small(name) for name in names], "staged", output_stage=bits)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A design of several dataflows, generated."""
    made = tmp_path_factory.mktemp("stage") / "staged"
    generate_processor([small(name) for name in NAMES], made, name="staged", output_stage=8)
    return made


@pytest.mark.rtl
def test_every_dataflow_is_verified_with_every_stage(folder: Path) -> None:
    report = verify_processor(folder, seed=1, problems=8)
    assert report.faults == ()
    names = [phase.name for phase in report.phases]
    for name in NAMES:
        for pool in ("none", "max", "average"):
            assert f"{name}, {pool} pool" in names
            assert f"{name}, {pool} pool, residual" in names
        assert f"{name}, extremes of the stage" in names
    for stream in ("parameters", "residual"):
        assert f"early and late tlast on s_axis_out_{stream}" in names


@pytest.mark.rtl
@pytest.mark.parametrize(
    ("source", "bits", "bus", "period"),
    [
        # A bus with one sum per beat; logits.
        (BATCHED, 16, 32, 2.8),
        pytest.param(BATCHED, 8, None, 20.0, marks=pytest.mark.slow),
        pytest.param("gemm_ws_systolic", 16, 136, None, marks=pytest.mark.slow),
    ],
)
def test_other_forms_are_verified(
    source: str, bits: int, bus: int | None, period: float | None, tmp_path: Path
) -> None:
    found = parse_description(source, "test") if "\n" in source else small(source)
    made = generate_processor(
        [found], tmp_path / "d", name="d", output_stage=bits, bus_bits=bus, period=period
    )
    assert made.stage is not None
    assert verify_processor(tmp_path / "d", seed=2, problems=6).faults == ()


@pytest.mark.rtl
@pytest.mark.parametrize(
    "register",
    [
        "window_columns",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("high", "pool_shift", "residual")
        ),
    ],
)
def test_a_setting_that_is_not_kept_with_its_problem_is_found(
    folder: Path, tmp_path: Path, register: str
) -> None:
    text = (folder / "staged.v").read_text(encoding="utf-8")
    at = text.index(" staged_stage_out ")
    before, after = text[:at], text[at:]
    spoilt = re.sub(rf"\.{register}\([^)]*\)", f".{register}(stage_{register})", after, count=1)
    assert spoilt != after
    broken = tmp_path / "staged.v"
    broken.write_text(before + spoilt, encoding="utf-8")
    model, rng = read_model(folder), np.random.default_rng(2)
    pools: list[Any] = ["average", "max", "average", "none"]
    problems = []
    for k, pool in enumerate(pools):
        shape = model.problem(1, {}).fabric.output.tensor.shape
        assert model.stage is not None
        what = draw_staged(model.stage, shape, rng, pool=pool, residual=bool(k % 2))
        problems.append(Asked.random(model, 1, {}, rng, staged=what))
    seen = run_sequences(model, broken, [Phase(problems)])
    assert seen[0].faults


@pytest.mark.rtl
def test_a_block_of_a_network_runs_layer_by_layer(folder: Path) -> None:
    """Codes of one layer are the next one's input, and its residual."""
    model, rng = read_model(folder), np.random.default_rng(5)
    x = rng.integers(0, 128, (3, 6, 6))
    ones = np.ones(3, np.int64)
    first = Staged(OutputStage(100 * ones, 900 * ones, 17 * ones, 0, 127))
    adds = OutputStage(-50 * ones, 1000 * ones, 17 * ones, 0, 127, 2**15 * ones, "max", (2, 2))
    weights = [rng.integers(-128, 128, (3, 3, 2, 3)) for _ in range(2)]
    asked = Asked.of(
        model, "conv2d_ws_nvdla", {"k": 3, "p": 5, "q": 4}, {"X": x, "W": weights[0]},
        staged=first,
    )  # fmt: skip
    padded = np.pad(asked.output, ((0, 0), (0, 1), (1, 1)))
    second = Asked.of(
        model, 1, {"k": 3, "p": 5, "q": 4}, {"X": padded, "W": weights[1]},
        staged=Staged(adds), residual=asked.output,
    )  # fmt: skip
    assert second.output.shape == (3, 2, 2)
    assert second.output.std() > 5
    seen = run_sequences(model, folder / "staged.v", [Phase([asked]), Phase([second])])
    assert [found.faults for found in seen] == [(), ()]


@pytest.mark.rtl
def test_a_shape_that_the_sums_do_not_have_spoils_no_other_problem(folder: Path) -> None:
    """Codes are the same whatever the stage takes for rows, of channels that are all alike."""
    model, rng = read_model(folder), np.random.default_rng(3)
    three = np.ones(3, np.int64)
    alike = Staged(OutputStage(7 * three, 999 * three, 18 * three, -90, 99))
    asked = Asked.random(model, 2, {"c": 3, "p": 5, "q": 4}, rng, staged=alike)
    assert (asked.problem.setting["stage_rows"], asked.problem.setting["stage_columns"]) == (4, 3)
    mixed = []
    for k, (rows, columns) in enumerate(((0, 0), (3, 2), (4, 5), (1, 3))):
        told = {**asked.problem.setting, "stage_rows": rows, "stage_columns": columns}
        mixed.append(replace(asked, problem=replace(asked.problem, setting=told)))
        mixed.append(Asked.random(model, k % 3, {}, rng))
    (seen,) = run_sequences(model, folder / "staged.v", [Phase(mixed)])
    assert seen.faults == ()


def test_sums_are_those_of_the_workload_and_codes_those_of_the_model() -> None:
    made = staged("conv2d_ws_nvdla")
    rng = np.random.default_rng(0)
    asked = Asked.random(made, 0, {}, rng)
    assert asked.sums is not None
    assert asked.problem.staged is not None
    assert (asked.output == output_stage(asked.sums, asked.problem.staged.stage,
                                         asked.residual)).all()  # fmt: skip
    # A GEMM's output is of channels and one row.
    gemm = Asked.random(staged("gemm_os_systolic"), 0, {"m": 3, "n": 5}, rng)
    assert gemm.problem.setting["stage_channels"] == 2
    assert gemm.problem.setting["stage_rows"] == 0
    assert gemm.problem.setting["stage_columns"] == 4


def test_registers_and_cycles_say_so() -> None:
    plain = design_processor([small(Y="int32")], "plain")
    made = staged("conv2d_ws_nvdla")
    assert made.stage is not None
    count = len(made.stage.fields)
    assert made.registers[:-count] == plain.registers
    assert all(register.name.startswith("stage_") for register in made.registers[-count:])
    for bounds in ({}, {"k": 1, "p": 1, "q": 1}, {"k": 2, "q": 3}):
        with_it, without = (d.problem(0, bounds) for d in (made, plain))
        layout = without.fabric.output.banked.layout
        assert with_it.cycles.compute_cycles == without.cycles.compute_cycles
        more = StageUnit.cycles(made.stage, layout) - Collector.cycles(layout)
        loaded = with_it.cycles.load - without.cycles.load
        assert loaded >= 0
        assert with_it.cycles.total_cycles == without.cycles.total_cycles + more + loaded


def test_a_shorter_period_works_off_fewer_bits_a_cycle() -> None:
    for name in ("sg13g2", "asap7"):
        technology = load_technology(name)
        default = technology.default_period
        periods = [default * factor for factor in (0.01, 0.3, 0.5, 0.7, 1, 1.5, 10)]
        found = [worked_off(technology, period) for period in periods]
        assert found == sorted(found)
        assert (found[0], found[-1]) == (1, 16)
        assert len(set(found)) > 2


def test_a_stage_that_the_design_cannot_do_is_refused() -> None:
    made = staged("conv2d_ws_nvdla")
    ones = np.ones(4, np.int64)
    for stage, message in (
        (OutputStage(ones[:3], ones[:3], ones[:3], 0, 1), "3 channels for 4"),
        (OutputStage(ones, ones, ones, -1, 128), "no int8"),
        (OutputStage(ones, ones, ones, 0, 256), "no uint8"),
        (OutputStage(ones, ones, ones, 0, 1, None, "max", (6, 1)), "no window of 6 x 1"),
        (OutputStage(ones, ones, ones, 0, 200, None, "average", (2, 2), 1, 1), "0 to 400"),
    ):
        with pytest.raises(InputError, match=message):
            made.problem(0, {"p": 5}, staged=Staged(stage))
    plain = design_processor([small()], "plain")
    with pytest.raises(InputError, match=r"no output stage; .*--output-stage"):
        plain.problem(0, {}, staged=Staged(OutputStage(ones, ones, ones, 0, 1)))


@pytest.mark.parametrize(
    ("descriptions", "options", "message"),
    [
        ([small()], {"output_stage": 4}, "codes of 4 bits; 8 or 16"),
        ([small(Y="int24")], {}, "takes sums of int32, not of int24"),
        ([small("gemm_os_systolic", A="nvfp4", B="nvfp4")], {}, "takes sums of int32"),
        ([small()], {"accumulate_in": True}, "leave one of the two out"),
    ],
)
def test_designs_that_cannot_have_one_are_refused(
    descriptions: list[Description], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        design_processor(descriptions, "d", **{"output_stage": 8, **options})


def test_without_the_option_there_is_none_of_it() -> None:
    parts = (r"s_axis_y_parameters", r"s_axis_y_residual", r"\bstage_\w+", r"\bmarked\b")
    plain = design_processor([small(Y="int32")], "d").verilog()
    made = design_processor([small()], "d", output_stage=8).verilog()
    for part in parts:
        assert not re.search(part, plain)
        assert re.search(part, made)


def test_the_manifest_lists_it(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["output_stage"]["bits"] == 8
    *_, output, parameters, residual = manifest["streams"]
    assert (output["prefix"], output["format"]) == ("m_axis_out", "int8")
    assert (parameters["kind"], parameters["prefix"], parameters["shape"]) == (
        "parameters", "s_axis_out_parameters", [5, 3],
    )  # fmt: skip
    assert (residual["kind"], residual["prefix"]) == ("residual", "s_axis_out_residual")
    model = read_model(folder)
    assert model.stage is not None
    assert (model.stage.channels, model.stage.rows, model.stage.columns) == (5, 5, 6)
    assert "Output stage" in (folder / "report.md").read_text(encoding="utf-8")


def test_the_command_line_and_files_know_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert main(["generate", "depthwise", "--output-stage", "-o", out]) == 2
    assert "--output-stage is of designs whose bounds are registers" in capsys.readouterr().err
    sizes = ["--space", "i=2,j=2", "--bounds", "c=2,p=3,q=3"]
    asked = ["generate", "depthwise", "--programmable", *sizes, "-o", out]
    assert main([*asked, "--code-bits", "16"]) == 2
    assert "add --output-stage" in capsys.readouterr().err
    assert main([*asked, "--output-stage", "--code-bits", "16"]) == 0
    assert "codes of 16 bits" in capsys.readouterr().out
    stage = read_model(tmp_path / "out").stage
    assert stage is not None
    assert stage.bits == 16
    file = tmp_path / "set.yaml"
    for text, bits in (
        ("output_stage: true", 8),
        ("output_stage: true\ncode_bits: 16", 16),
        ("output_stage: false", None),
    ):
        file.write_text(f"dataflows: [depthwise]\n{text}\n", encoding="utf-8")
        assert load_suite(str(file)).output_stage == bits
    for text, message in (
        ("output_stage: 2", "neither true nor false"),
        ("code_bits: 16", "add output_stage: true"),
        ("output_stage: true\ncode_bits: wide", "an integer expected"),
    ):
        file.write_text(f"dataflows: [depthwise]\n{text}\n", encoding="utf-8")
        with pytest.raises(InputError, match=message):
            load_suite(str(file))


MAIN = """
#include "show.h"

int main(void)
{
    struct NAME_problem conv = {LOUD_DATAFLOW_CONV2D_WS_NVDLA,
                                {.conv2d_ws_nvdla = {4, 3, 5, 4, 2, 3}},
                                {-5, 100, 2, 1, 2, 3, 10923, 16}};
    struct NAME_problem gemm = {LOUD_DATAFLOW_GEMM_OS_SYSTOLIC, {{4, 5, 3}},
                                {0, 255, 0, 0, 1, 1, 1, 0}};

    show(&conv);
    show(&gemm);
    gemm.stage.window_rows = 2;
    show(&gemm);
    gemm.stage.window_rows = 0;
    show(&gemm);
    gemm.stage.window_rows = 1;
    gemm.stage.low = -1000;
    show(&gemm);
    return 0;
}
"""


@needs_compiler
def test_the_driver_sets_the_registers(tmp_path: Path) -> None:
    design = staged("gemm_os_systolic", "conv2d_ws_nvdla")
    rows = printed(compiled(design, tmp_path, MAIN))
    four = np.ones(4, np.int64)
    conv = OutputStage(four, four, four, -5, 100, four, "average", (2, 3), 10923, 16)
    gemm = OutputStage(four, four, four, 0, 255)
    loops = ("k", "c", "p", "q", "r", "s")
    assert design.flows[1].description.workload.loops == loops
    wanted = [
        design.problem(1, dict(zip(loops, (4, 3, 5, 4, 2, 3), strict=True)),
                       staged=Staged(conv, residual_signed=True)),
        design.problem(0, {"m": 4, "n": 5, "k": 3}, staged=Staged(gemm)),
    ]  # fmt: skip
    for row, problem in zip(rows, wanted, strict=False):
        assert row == [0, *(problem.setting[r.name] for r in design.registers)]
    assert [row[0] for row in rows[2:]] == [-1, -4, -4]

"""The accumulate-in stream: what comes in is added to results, where a problem says so."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from accelgen.affine import Description, load_description
from accelgen.cli import main
from accelgen.cosim.sequence import Asked, Phase, run_sequences
from accelgen.cosim.split import split
from accelgen.cosim.verify_processor import verify_processor
from accelgen.errors import InputError
from accelgen.processor.c_driver import write_driver
from accelgen.processor.c_header import write_header
from accelgen.processor.design import ProcessorDesign, design_processor
from accelgen.processor.generate import generate_processor
from accelgen.processor.manifest import read_model
from accelgen.processor.suite import load_suite
from accelgen.rtl.streams import StreamAdder
from tests.processor.c_programs import compiled, needs_compiler, printed

NAMES = ("gemm_os_systolic", "gemm_ws_systolic", "depthwise")
BOUNDS = {"m": 6, "n": 7, "k": 5, "c": 3, "p": 4, "q": 4, "r": 2, "s": 3}


def small(name: str = "gemm_os_systolic") -> Description:
    description = load_description(name)
    return description.with_overrides(
        space={"i": 2, "j": 3},
        types={"Y": "int24"},
        bounds={loop: BOUNDS[loop] for loop in description.workload.loops},
    )


def adding(*names: str) -> ProcessorDesign:
    return design_processor([small(name) for name in names], "adding", accumulate_in=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A design of several dataflows, generated."""
    made = tmp_path_factory.mktemp("accumulate") / "adding"
    generate_processor([small(name) for name in NAMES], made, name="adding", accumulate_in=True)
    return made


@pytest.mark.rtl
def test_results_are_added_to_what_comes_in(folder: Path) -> None:
    report = verify_processor(folder, seed=3, problems=10)
    assert report.faults == ()
    names = [phase.name for phase in report.phases]
    for name in NAMES:
        assert f"{name}, accumulating" in names
        assert any(phase.startswith(f"{name}, split along") for phase in names)
    assert "accumulate out of range" in names


@pytest.mark.rtl
@pytest.mark.parametrize(
    ("module", "right", "wrong"),
    [
        # A lane to which nothing is added; what the registers hold by now in place of what they
        # held for the page.
        ("adding_adder_out", r"\bmarked\[1\]", "1'h0"),
        ("adding", r"\.mark\(mark\)", ".mark(accumulate)"),
    ],
)
def test_a_fault_in_what_is_added_is_found(
    folder: Path, tmp_path: Path, module: str, right: str, wrong: str
) -> None:
    text = (folder / "adding.v").read_text(encoding="utf-8")
    start = text.index(f"module {module}(")
    end = text.index("endmodule", start)
    spoilt = re.sub(right, wrong, text[start:end])
    assert spoilt != text[start:end]
    broken = tmp_path / "adding.v"
    broken.write_text(text[:start] + spoilt + text[end:], encoding="utf-8")
    model, rng = read_model(folder), np.random.default_rng(2)
    plain, adds = (Asked.random(model, 0, {}, rng, accumulate=flag) for flag in (False, True))
    seen = run_sequences(model, broken, [Phase([plain] * 3), Phase([plain, adds, plain, adds])])
    assert seen[0].faults == ()
    assert seen[1].faults


@pytest.mark.rtl
def test_a_long_reduction_is_split_over_problems(folder: Path) -> None:
    model = read_model(folder)
    rng = np.random.default_rng(1)
    a, b = (rng.integers(-128, 127, shape, np.int64, True) for shape in ((6, 23), (23, 7)))
    parts: list[Asked] = []
    for k in range(0, 23, 5):
        piece = {"A": a[:, k : k + 5], "B": b[k : k + 5]}
        # Dataflows take turns: what one gave the other goes on with.
        dataflow = len(parts) % 2
        bounds = {"m": 6, "n": 7, "k": len(piece["B"])}
        parts.append(Asked.of(model, dataflow, bounds, piece, parts[-1].output if parts else None))
    assert (parts[-1].output == a @ b).all()
    quiet, paused = Phase(parts), Phase(parts, pause_in=0.4, pause_out=0.4)
    seen = run_sequences(model, folder / "adding.v", [quiet, paused])
    assert [found.faults for found in seen] == [(), ()]
    wanted = tuple(part.problem.cycles.compute_cycles for part in parts)
    assert seen[0].busy == seen[1].busy == wanted


@pytest.mark.rtl
@pytest.mark.parametrize("beats", [1, 30])
def test_a_packet_of_the_wrong_length_voids_one_result(folder: Path, beats: int) -> None:
    model, rng = read_model(folder), np.random.default_rng(4)
    first, second = (Asked.random(model, 0, {}, rng, accumulate=True) for _ in range(2))
    # Two elements of 24 bits a beat: 21 beats.
    wrong = replace(first, addend=np.ones(2 * beats, dtype=np.int64))
    (seen,) = run_sequences(model, folder / "adding.v", [Phase([wrong, second])])
    assert "error rises although every packet is right" in seen.faults
    assert [fault[:9] for fault in seen.faults if fault.startswith("result")] == ["result 1:"]
    assert seen.busy == (first.problem.cycles.compute_cycles,) * 2


def test_parts_of_a_reduction_add_up_to_the_whole() -> None:
    model = adding(*NAMES)
    rng = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        found = split(model, number, model.flows[number].description.workload.bounds, rng)
        assert found is not None, name
        _, parts = found
        assert [part.addend is None for part in parts] == [True, False, False]
        assert [part.problem.setting["accumulate"] for part in parts] == [0, 1, 1]
        # The last result is that of the whole, computed at once.
        last = parts[-1]
        kernel = last.problem.fabric.kernel
        bounds = dict(zip(kernel.loops, kernel.bounds, strict=True))
        own = {tensor: mine for mine, tensor in model.flows[number].tensors.items()}
        values = {own[tensor]: value for tensor, value in last.inputs.items()}
        again = Asked.of(model, number, bounds, values, last.addend)
        assert (again.output == last.output).all()
        assert not (Asked.of(model, number, bounds, values).output == last.output).all()


def test_sums_wrap_around() -> None:
    model = adding("gemm_os_systolic")
    values = {"A": np.full((1, 1), -128), "B": np.full((1, 1), -128)}
    most = np.full((1, 1), 2**23 - 1)
    asked = Asked.of(model, 0, {"m": 1, "n": 1, "k": 1}, values, most)
    assert asked.output.tolist() == [[2**23 - 1 + 2**14 - 2**24]]


def test_registers_and_cycles_say_so() -> None:
    plain = design_processor([small()], "plain")
    made = adding("gemm_os_systolic")
    assert made.registers[:-1] == plain.registers
    assert (made.registers[-1].name, made.registers[-1].most) == ("accumulate", 1)
    for accumulate in (False, True):
        problem = made.problem(0, {"m": 3}, accumulate=accumulate)
        assert problem.setting == {
            **plain.problem(0, {"m": 3}).setting,
            "accumulate": int(accumulate),
        }
        without = plain.problem(0, {"m": 3}).cycles
        assert problem.cycles.compute_cycles == without.compute_cycles
        assert problem.cycles.total_cycles == without.total_cycles + StreamAdder.LATENCY


def test_without_the_option_there_is_none_of_it() -> None:
    parts = (r"s_axis_y_", r"\baccumulate\b", r"\bmark(ed|_0)?\b", r"_adder_y\b")
    plain = design_processor([small()], "adding").verilog()
    made = adding("gemm_os_systolic").verilog()
    for part in parts:
        assert not re.search(part, plain)
        assert re.search(part, made)
    with pytest.raises(InputError, match="no stream of what is accumulated"):
        design_processor([small()], "plain").problem(0, {}, accumulate=True)


def test_the_manifest_lists_the_stream(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["accumulate_in"] is True
    *_, output, added = manifest["streams"]
    assert (added["kind"], added["direction"], added["prefix"]) == (
        "accumulate", "in", "s_axis_out",
    )  # fmt: skip
    ignored = ("kind", "direction", "prefix")
    assert [v for k, v in added.items() if k not in ignored] == [
        v for k, v in output.items() if k not in ignored
    ]
    model = read_model(folder)
    assert model.accumulate_in
    assert model.registers[-1].name == "accumulate"
    assert "adders of 24 bits" in (folder / "report.md").read_text(encoding="utf-8")


def test_the_command_line_and_files_know_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert main(["generate", "gemm_os_systolic", "--accumulate-in", "-o", out]) == 2
    assert "--accumulate-in is of designs whose bounds are registers" in capsys.readouterr().err
    sizes = ["--space", "i=2,j=2", "--bounds", "m=4,n=4,k=4"]
    asked = ["generate", "gemm_os_systolic", "--programmable", "--accumulate-in", *sizes]
    assert main([*asked, "-o", out]) == 0
    assert "what comes on s_axis_y" in capsys.readouterr().out
    assert read_model(tmp_path / "out").accumulate_in
    file = tmp_path / "set.yaml"
    for text, flag in (("true", True), ("false", False)):
        file.write_text(f"dataflows: [gemm_os_systolic]\naccumulate_in: {text}\n", encoding="utf-8")
        assert load_suite(str(file)).accumulate_in is flag
    file.write_text("dataflows: [gemm_os_systolic]\naccumulate_in: 2\n", encoding="utf-8")
    with pytest.raises(InputError, match="2 is neither true nor false"):
        load_suite(str(file))


MAIN = """
#include "show.h"

int main(void)
{
    for (uint32_t accumulate = 0; accumulate < 4; accumulate++) {
        struct NAME_problem problem = {LOUD_DATAFLOW_GEMM_OS_SYSTOLIC, accumulate, {{4, 5, 3}}};
        show(&problem);
    }
    return 0;
}
"""


@needs_compiler
def test_the_driver_sets_the_register(tmp_path: Path) -> None:
    design = adding("gemm_os_systolic", "gemm_ws_systolic")
    program = compiled(design, tmp_path, MAIN)
    rows = printed(program)
    loops = design.flows[0].description.workload.loops
    bounds = dict(zip(loops, (4, 5, 3), strict=True))
    for accumulate in (0, 1):
        setting = design.problem(0, bounds, accumulate=bool(accumulate)).setting
        assert rows[accumulate] == [0, *(setting[r.name] for r in design.registers)]
    # Beyond what its register takes.
    assert [row[0] for row in rows[2:]] == [-4, -4]


@needs_compiler
def test_the_driver_sets_widths_beside_the_register(tmp_path: Path) -> None:
    types = {"A": "int8/4/2", "B": "int8/4/2", "Y": "int32"}
    description = small().with_overrides(types=types)
    design = design_processor([description], "adding", accumulate_in=True)
    widths = ".a_format = LOUD_A_FORMAT_INT2, .b_format = LOUD_B_FORMAT_INT4"
    program = compiled(design, tmp_path, MAIN.replace("{{4, 5, 3}}", "{{4, 5, 3}}, " + widths))
    rows = printed(program)
    bounds = dict(zip(description.workload.loops, (4, 5, 3), strict=True))
    formats = {"a_format": "int2", "b_format": "int4"}
    for accumulate in (0, 1):
        setting = design.problem(0, bounds, formats, accumulate=bool(accumulate)).setting
        assert rows[accumulate] == [0, *(setting[r.name] for r in design.registers)]
    assert [row[0] for row in rows[2:]] == [-4, -4]


def test_the_header_of_a_design_without_it_has_no_such_field() -> None:
    plain = design_processor([small()], "plain")
    assert "accumulate;" not in write_header(plain)
    assert "#define ACCUMULATE_REGISTER" not in write_driver(plain)
    assert "uint32_t accumulate;" in write_header(adding("gemm_os_systolic"))

"""Lint, structural check and synthesis find what they are for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from accelgen.content import content_path
from accelgen.cosim.lint import lint, synthesise, yosys_check
from accelgen.errors import AccelgenError, InputError
from tests.cosim.gemm_design import make_manifest, write_design

pytestmark = pytest.mark.rtl


def write_module(folder: Path, body: str) -> Path:
    """A design whose Verilog is one small module."""
    text = f"module tiny(input clk, input [3:0] a, output [3:0] y);\n{body}\nendmodule\n"
    (folder / "tiny.v").write_text(text, encoding="utf-8")
    replace(make_manifest(), name="tiny", top="tiny", verilog=("tiny.v",)).write(folder)
    return folder


REGISTER = "reg [3:0] r = 4'd0; always @(posedge clk) r <= a; assign y = r;"


def test_a_clean_design_passes(tmp_path: Path) -> None:
    folder = write_module(tmp_path, REGISTER)
    assert lint(folder).problems == ()
    assert yosys_check(folder).problems == ()


def test_the_hand_written_design_passes(tmp_path: Path) -> None:
    folder = write_design(tmp_path)
    assert lint(folder).problems == ()
    assert yosys_check(folder).problems == ()


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("wire [2:0] t = a; assign y = {1'b0, t};", "WIDTHTRUNC"),
        ("reg [3:0] r; always @* if (a[0]) r = a; assign y = r;", "LATCH"),
        ("assign y = {3'd0, nothing};", "Can't find definition"),
        ("wire [3:0] t; assign y = t;", "UNDRIVEN"),
    ],
)
def test_lint_finds(tmp_path: Path, body: str, rule: str) -> None:
    problems = lint(write_module(tmp_path, body)).problems
    assert any(rule in line for line in problems), problems


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("assign y = a; assign y = ~a;", "multiple conflicting drivers"),
        ("wire [3:0] t; assign y = t;", "no driver"),
        ("wire [3:0] t = t + a; assign y = t;", "logic loop"),
        ("absent u (.a(a), .y(y));", "not part of the design"),
    ],
)
def test_yosys_finds(tmp_path: Path, body: str, says: str) -> None:
    problems = yosys_check(write_module(tmp_path, body)).problems
    assert any(says in line for line in problems), problems


def test_cells_are_counted(tmp_path: Path) -> None:
    folder = write_module(tmp_path, REGISTER)
    assert synthesise(folder, "ecp5").cells == {"TRELLIS_FF": 4}
    assert synthesise(folder, "generic").cells == {"$_DFF_P_": 4}


def test_synthesis_of_broken_verilog_is_one_line(tmp_path: Path) -> None:
    folder = write_module(tmp_path, "assign y = ;")
    with pytest.raises(AccelgenError, match="syntax error") as caught:
        synthesise(folder, "generic")
    assert "\n" not in str(caught.value)


def test_unknown_target(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="use one of ecp5, generic"):
        synthesise(write_module(tmp_path, REGISTER), "asic")  # type: ignore[arg-type]


def test_every_waiver_has_a_reason() -> None:
    lines = content_path("sim", "lint.vlt").read_text(encoding="utf-8").splitlines()
    waivers = [number for number, line in enumerate(lines) if line.startswith("lint_off")]
    assert waivers
    assert all(lines[number - 1].startswith("// ") for number in waivers)

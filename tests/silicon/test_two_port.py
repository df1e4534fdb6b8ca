"""Memories that read and write in one cycle, as macros made up from a size table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accelgen.silicon.memories import Macro, Memory, stub, techmap, tile
from accelgen.silicon.power import group_of
from accelgen.silicon.sram import table_macros
from accelgen.silicon.synth import Options, synthesise
from accelgen.silicon.synthesis import ATTENTION, elaborate
from accelgen.silicon.tools import run_yosys
from accelgen.technology import load_technology

TINY = Path(__file__).with_name("tiny.lib")

BANK = """
module t_bank_8x4(input clk, input write_enable, input [2:0] write_address,
  input [3:0] write_data, input read_enable, input [2:0] read_address, output reg [3:0] read_data);
  reg [3:0] words [7:0];
  always @(posedge clk) begin
    if (write_enable) words[write_address] <= write_data;
    if (read_enable) read_data <= words[read_address];
  end
endmodule
"""
TOP = """
module t(input clk, input rst, input w, input [2:0] wa, input [3:0] wd, input r, input [2:0] ra,
  input [1:0] n, output [3:0] rd, output reg [3:0] level);
  t_bank_8x4 bank(clk, w, wa, wd, r, ra, rd);
  reg [3:0] steps [3:0];
  initial begin steps[0] = 3; steps[1] = 9; steps[2] = 12; steps[3] = 5; end
  always @(posedge clk) level <= steps[n];
endmodule
"""
MODEL = """
module {cell}(input A_CLK, A_MEN, A_WEN, A_REN, input [2:0] A_ADDR, B_ADDR,
  input [3:0] A_DIN, A_BM, output reg [3:0] A_DOUT);
  reg [3:0] words [7:0];
  always @(posedge A_CLK) begin
    if (A_MEN && A_WEN) words[B_ADDR] <= A_DIN;
    if (A_MEN && A_REN) A_DOUT <= words[A_ADDR];
  end
endmodule
"""


@pytest.fixture
def design(tmp_path: Path) -> Path:
    folder = tmp_path / "design"
    folder.mkdir()
    (folder / "t.v").write_text(BANK + TOP, encoding="utf-8")
    write_manifest(folder, ATTENTION)
    return folder


def write_manifest(folder: Path, kind: str) -> None:
    values = {"schema": 1, "name": "t", "top": "t", "verilog": ["t.v"], "design": kind}
    (folder / "manifest.json").write_text(json.dumps(values), encoding="utf-8")


def test_banks_of_attention_accelerators_are_macros_of_two_ports(design: Path) -> None:
    report = synthesise(design, Options(liberty=(TINY,), sram="sg13g2", power=False))
    assert report.area is not None
    assert [t.memory.name for t in report.tilings] == ["8x4"]
    assert (report.tilings[0].count, report.tilings[0].macro.two_port) == (1, True)
    assert report.area.macros == pytest.approx(load_technology("sg13g2").area("memory", 8, 4))
    assert (report.area.memory_bits, report.area.macro_bits) == (32, 32)


def test_other_designs_keep_them_as_flip_flops(design: Path) -> None:
    write_manifest(design, "mxdotp")
    report = synthesise(design, Options(liberty=(TINY,), sram="sg13g2", power=False))
    assert report.area is not None
    assert not report.tilings
    assert report.area.macros == 0
    assert report.area.registers >= 32


def test_macros_of_one_port_do_not_serve(tmp_path: Path) -> None:
    memory = Memory("bank", "cells", 8, 4, 1, paged=False, two_port=True)
    assert tile(memory, [Macro("one", 8, 4, 1.0)], float("inf")) is None
    assert tile(memory, [Macro("two", 8, 5, 1.0, two_port=True)], float("inf")) is None
    macros, timing = table_macros("asap7", [memory], tmp_path)
    assert [(m.depth, m.width, m.two_port) for m in macros] == [(8, 4, True)]
    assert timing is not None
    assert "B_ADDR" in timing.read_text(encoding="utf-8")


def test_power_of_nothing_recorded_is_a_note(design: Path) -> None:
    report = synthesise(design, Options(liberty=(TINY,), sram="sg13g2"))
    assert report.power is None
    assert any("nothing was recorded" in note for note in report.notes)


def test_a_macro_does_what_the_memory_did(design: Path, tmp_path: Path) -> None:
    """Both read the same for six cycles whatever comes, by proof."""
    work = tmp_path / "work"
    work.mkdir()
    source = elaborate(design, work)
    macros, _ = table_macros("sg13g2", source.memories, work)
    tilings = [t for m in source.memories if (t := tile(m, macros, float("inf")))]
    (work / "stubs.v").write_text("".join(stub(m) for m in macros), encoding="utf-8")
    (work / "sram.v").write_text(techmap(tilings), encoding="utf-8")
    (work / "model.v").write_text(MODEL.format(cell=macros[0].cell), encoding="utf-8")
    ready = ["hierarchy -top t", "proc", "flatten", "memory_map", "opt_clean", "rename t {name}"]
    script = [
        "read_rtlil source.il",
        "read_verilog -lib stubs.v",
        "techmap -autoproc -map sram.v",
        "delete =A:blackbox",
        "read_verilog model.v",
        *(line.format(name="gate") for line in ready),
        "design -stash made",
        "read_rtlil source.il",
        *(line.format(name="gold") for line in ready),
        "design -copy-from made gate",
        "miter -equiv -flatten -make_outputs gold gate both",
        "sat -verify -set-init-zero -seq 6 -prove trigger 0 both",
    ]  # fmt: skip
    assert "SUCCESS" in run_yosys(script, work, "t", "prove")


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("engine_0.array.cell_0_1", "array"),
        ("engine_0.masks.words", "softmax"),
        ("engine_1.softmax.lane_3", "softmax"),
        ("engine_0.tiles_k.bank_0", "buffers"),
        ("engine_0.fold_2", "streams"),
        ("engine_0.scheduler", "controller"),
        ("engine_0", "controller"),
        ("registers", "registers"),
        ("array.pe_0_0", "array"),
    ],
)
def test_units_of_accelerators_have_groups(path: str, group: str) -> None:
    assert group_of(path) == group

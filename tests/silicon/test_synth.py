"""A small kernel on a made-up library: area, timing, power, and what they are checked against."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from accelgen import generate, load_description
from accelgen.cli import main
from accelgen.cosim.verify import verify
from accelgen.errors import InputError, MissingToolError
from accelgen.manifest import Manifest
from accelgen.silicon.hierarchy import Json
from accelgen.silicon.liberty import Cells
from accelgen.silicon.libraries import library_of, read_liberty
from accelgen.silicon.memories import Macro, tile
from accelgen.silicon.report import SiliconReport, to_markdown
from accelgen.silicon.synth import Options, synthesise
from accelgen.silicon.synthesis import elaborate, map_design
from accelgen.silicon.timing import between, time_netlist
from accelgen.silicon.tools import nextpnr_command

TINY = Path(__file__).with_name("tiny.lib")
pytestmark = pytest.mark.rtl
needs_sta = pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA is not there")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GEMM of 2 x 2 units."""
    output = tmp_path_factory.mktemp("synth") / "gemm"
    small = load_description("gemm_os_systolic").with_overrides(
        bounds={"m": 4, "n": 4, "k": 4}, space={"i": 2, "j": 2}
    )
    generate(small, output, bus_bits=32)
    return output


@pytest.fixture(scope="module")
def report(folder: Path) -> SiliconReport:
    return synthesise(folder, Options(liberty=(TINY,)))


def test_areas_add_up(report: SiliconReport) -> None:
    area = report.area
    assert area is not None
    assert area.modules[0].module == "gemm_os_systolic"
    assert area.total == pytest.approx(sum(m.own * m.instances for m in area.modules))
    assert area.registers == area.cells["DFF"] == area.modules[0].registers
    assert area.register_area == 8 * area.registers
    units = {m.module: m for m in area.modules}
    assert sum(m.instances for name, m in units.items() if "_pe_" in name) == 4
    assert area.memory_bits == sum(
        banks["banks"] * banks["pages"] * banks["words"] * banks["bits"]
        for tensor in json.loads(json.dumps(report_memories(report))).values()
        for banks in tensor
    )


def report_memories(report: SiliconReport) -> object:
    """Of the 2 x 2 GEMM: A in two banks that rotate, and so on, from its manifest."""
    small = load_description("gemm_os_systolic").with_overrides(
        bounds={"m": 4, "n": 4, "k": 4}, space={"i": 2, "j": 2}
    )
    from accelgen import design
    from accelgen.report import count_memories

    return count_memories(design(small, bus_bits=32).fabric)


def test_the_gates_do_what_the_verilog_does(report: SiliconReport) -> None:
    power = report.power
    assert power is not None
    assert power.annotated > 0.99
    assert power.compared > 10_000
    assert power.mismatches == 0
    assert {g.group for g in power.groups} == {"array", "buffers", "controller", "streams"}
    assert all(g.internal > 0 and g.switching > 0 and g.leakage > 0 for g in power.groups)
    assert 0 < power.glitches < power.total


def test_leakage_is_that_of_the_cells(report: SiliconReport) -> None:
    assert report.area is not None
    assert report.power is not None
    cells = report.area.cells
    # nW: 1 a cell, 2 a flip-flop; constants are tied after counting.
    expected = (sum(cells.values()) + cells["DFF"]) * 1e-6
    assert sum(g.leakage for g in report.power.groups) == pytest.approx(expected, rel=0.01)


def test_memories_of_no_power_of_two_are_compared_where_they_have_words(tmp_path: Path) -> None:
    """Addresses pass the last word while nothing is read: gates and simulation differ there."""
    odd = load_description("gemm_os_systolic").with_overrides(
        bounds={"m": 6, "n": 6, "k": 6}, space={"i": 2, "j": 3}
    )
    generate(odd, tmp_path)
    power = synthesise(tmp_path, Options(liberty=(TINY,))).power
    assert power is not None
    assert power.compared > 10_000
    assert power.mismatches == 0


def test_no_period_where_none_is_measured(folder: Path) -> None:
    for options in (Options(target="generic", period=5), Options(route=False, period=5)):
        with pytest.raises(InputError, match="no period is measured"):
            synthesise(folder, options)


@needs_sta
def test_the_critical_path_is_named(report: SiliconReport) -> None:
    timing = report.timing
    assert timing is not None
    assert timing.slack == pytest.approx(timing.period - timing.least_period)
    assert any(step.endswith("product") for step in timing.path), timing.path
    assert timing.path[-1].startswith("array.pe_")


def test_what_verilog_functions_are_called_is_no_name() -> None:
    """Yosys names their inputs by the file that they are in."""
    cells = {
        "a": {"type": "$not", "connections": {"A": [2], "Y": [3]}},
        "b": {"type": "$not", "connections": {"A": [3], "Y": [4]}},
        "c": {"type": "$not", "connections": {"A": [4], "Y": [5]}},
    }
    names = {"given": 2, "_296_$func$/some/where/few.v:4272$896.b": 3, "chosen": 4, "y": 5}
    module = {
        "ports": {"given": {"direction": "input", "bits": [2]},
                  "y": {"direction": "output", "bits": [5]}},
        "cells": cells,
        "netnames": {name: {"bits": [bit]} for name, bit in names.items()},
    }  # fmt: skip
    assert between(module, None, None) == ["given", "chosen", "y"]


def test_markdown_and_json_say_the_same(report: SiliconReport) -> None:
    values = report.to_json()
    text = to_markdown(report)
    area = values["area"]
    assert isinstance(area, dict)
    assert f"{area['total']:,.0f} um2 in all" in text
    assert "## Power" in text


def test_without_opensta_there_is_a_note(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accelgen.silicon.tools.shutil.which", lambda name: None)
    found = synthesise(folder, Options(liberty=(TINY,), power=False))
    assert found.area is not None
    assert found.timing is None
    assert any("sudo apt install opensta" in note for note in found.notes)


def test_timing_alone_needs_opensta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accelgen.silicon.tools.shutil.which", lambda name: None)
    netlist: Json = {"modules": {"top": {"attributes": {}, "ports": {}, "cells": {}}}}
    library = library_of(read_liberty([TINY], tmp_path))
    with pytest.raises(MissingToolError, match="opensta"):
        time_netlist(library, [], tmp_path, "top", "clk", 1.0, netlist, "here")


@pytest.mark.parametrize("rows", [1, 2])
def test_memories_as_single_port_macros_keep_the_design_right(
    folder: Path, tmp_path: Path, rows: int
) -> None:
    """The Verilog with macros for its memories passes the project's own bench."""
    work = tmp_path / "work"
    work.mkdir()
    source = elaborate(folder, work)
    files = read_liberty([TINY], work)
    tilings, macros = [], []
    for memory in source.memories:
        depth = max(1, memory.depth // 2 // rows)
        macro = Macro(f"sram_{memory.name}", depth, memory.width // 2 + 1, 0.0, bist=False)
        tiling = tile(memory, [macro], float("inf"))
        assert tiling is not None
        assert (tiling.columns, tiling.rows >= rows or depth == 1) == (2, True)
        tilings.append(tiling)
        macros.append(macro)
    library = library_of(files)
    cells = Cells([files[0].path], library.slew, library.wire_load)
    map_design(source, work, library, cells, [str(files[0].path)], tilings, macros,
               target_ps=1000)  # fmt: skip
    manifest = Manifest.read(folder)
    design = tmp_path / "design"
    design.mkdir()
    models = "".join(behaviour(macro) for macro in {m.cell: m for m in macros}.values())
    text = (work / "with_macros.v").read_text(encoding="utf-8")
    (design / manifest.verilog[0]).write_text(text + models, encoding="utf-8")
    manifest.write(design)
    found = verify(design)
    assert found.passed, found.faults


def behaviour(macro: Macro) -> str:
    """A single-port memory that keeps what it read last."""
    bits, wide = macro.address_bits, macro.width
    return f"""
module {macro.cell}(input A_CLK, A_MEN, A_WEN, A_REN, input [{bits - 1}:0] A_ADDR,
  input [{wide - 1}:0] A_DIN, A_BM, output reg [{wide - 1}:0] A_DOUT);
  reg [{wide - 1}:0] words [{max(2, macro.depth) - 1}:0];
  always @(posedge A_CLK) if (A_MEN) begin
    if (A_WEN) words[A_ADDR] <= (A_DIN & A_BM) | (words[A_ADDR] & ~A_BM);
    else if (A_REN) A_DOUT <= words[A_ADDR];
  end
endmodule
"""


def test_gate_equivalents_and_ecp5(folder: Path) -> None:
    gates = synthesise(folder, Options(target="generic"))
    assert gates.area is not None
    assert gates.area.unit == "GE"
    assert gates.area.registers > 200
    fpga = synthesise(folder, Options(target="ecp5", route=False)).fpga
    assert fpga is not None
    assert fpga.resources["LUT4"] > 100
    assert fpga.resources["MULT18X18D"] == 4
    assert fpga.resources["FF"] > 200


@pytest.mark.slow
@pytest.mark.skipif(nextpnr_command() is None, reason="nextpnr-ecp5 is not there")
def test_place_and_route(folder: Path) -> None:
    placed = synthesise(folder, Options(target="ecp5", device="25k")).placed
    assert placed is not None
    assert placed.megahertz > 30
    assert placed.path


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options(target="liberty"), "no cell library"),
        (Options(target="ecp5", liberty=(TINY,)), "ecp5 uses no cell library"),
        (Options(target="generic", sram="macros"), "memories of its own"),
        (Options(liberty=(TINY,), sram="macros"), "no SRAM macro"),
        (Options(liberty=(TINY,), sram="cacti"), "unknown size table"),
        (Options(liberty=(TINY,), problems=(("fir", {}),)), "bounds of this design are wired in"),
        (Options(problems=(("fir", {}),)), "power is not measured"),
        (Options(period=-1.0), "no clock period"),
        (Options(device="12k"), "unknown device"),
    ],
)
def test_contradictions_are_one_line(folder: Path, options: Options, says: str) -> None:
    with pytest.raises(InputError, match=says):
        synthesise(folder, options)


def test_a_unit_of_mac_has_area_and_no_power(tmp_path: Path) -> None:
    assert main(["mac", "--format", "nvfp4", "--lanes", "4", "-o", str(tmp_path / "mac")]) == 0
    with pytest.raises(InputError, match="an arithmetic unit has no problems"):
        synthesise(tmp_path / "mac", Options(liberty=(TINY,), problems=(("0", {}),)))
    found = synthesise(tmp_path / "mac", Options(liberty=(TINY,)))
    assert found.area is not None
    assert found.area.total > 1000
    assert found.power is None
    assert any("not measured of units" in note for note in found.notes)


def test_the_command_writes_its_report(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["synth", str(folder), "--liberty", str(TINY), "--no-power", "-o", str(tmp_path)]
    assert main([*words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    written = json.loads((tmp_path / "synth.json").read_text(encoding="utf-8"))
    assert printed["schema"] == written["schema"] == 1
    assert printed["area"] == written["area"]
    assert (tmp_path / "synth.md").read_text(encoding="utf-8").startswith("# gemm_os_systolic")
    assert main(words) == 0
    assert "accelgen verify" in capsys.readouterr().out


@needs_sta
def test_a_period_that_is_asked_for_must_be_met(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["synth", str(folder), "--liberty", str(TINY), "--no-power", "-o", str(tmp_path)]
    assert main([*words, "--period", "0.2"]) == 1
    assert "MISSED" in capsys.readouterr().out
    assert main([*words, "--period", "20"]) == 0


def test_a_period_that_cannot_be_checked_is_a_missing_tool(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accelgen.silicon.tools.shutil.which", lambda name: None)
    words = ["synth", str(folder), "--liberty", str(TINY), "--no-power", "-o", str(tmp_path)]
    assert main([*words, "--period", "20"]) == 3

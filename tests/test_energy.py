"""Energies of technologies: tables of memories, files, and hardware that uses them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from accelgen.content import content_path
from accelgen.energy import (
    Energies,
    Row,
    SizeTable,
    list_energies,
    load_energies,
    mac_name,
    parse_energies,
)
from accelgen.errors import InputError
from accelgen.hardware import parse_hardware
from accelgen.silicon.energies import Energy, simulate
from accelgen.silicon.gates import Netlist
from accelgen.silicon.liberty import Cells
from accelgen.technology import list_technologies

MINIMAL = """
name: mine
source: measured
macs:
  source: measured
  formats:
    int8: {pj: 0.3, leakage_mw: 0.001, area_mm2: 0.0005}
    int8*int4: {pj: 0.2}
sram:
  source: measured
  rows:
    - [1024, 32, 1, 2, 0.5, 0.01]
    - [4096, 32, 2, 4, 2.0, 0.04]
"""


def with_sram() -> list[str]:
    """The shipped technologies that have SRAM."""
    return [name for name in list_energies() if load_energies(name).sram_table is not None]


@pytest.mark.parametrize("name", list_energies())
def test_shipped_files_name_the_source_of_every_group(name: str) -> None:
    text = content_path("mapping", f"technology/energy/{name}.yaml").read_text(encoding="utf-8")
    groups = yaml.safe_load(text)
    energies = load_energies(name)
    assert energies.name == name
    assert energies.source
    assert "\n" not in energies.source
    for key in set(groups) & {"macs", "registers", "sram", "link"}:
        assert groups[key]["source"].strip(), key
    for kind in energies.drams:
        assert energies.dram(kind).read_pj > 0


def test_every_kind_of_dram_has_a_source() -> None:
    path = content_path("mapping", "technology/energy/shared/dram.yaml")
    kinds = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(kinds) == set(load_energies("horowitz_45nm").drams)
    assert all(kind["source"].strip() for kind in kinds.values())


def test_energies_are_no_technologies_of_delays() -> None:
    assert list_technologies() == ("asap7", "sg13g2")


@pytest.mark.parametrize("name", list_energies())
def test_the_points_of_a_table_are_returned(name: str) -> None:
    energies = load_energies(name)
    for table, memory in (
        (energies.sram_table, energies.sram),
        (energies.register_table, energies.registers),
    ):
        for row in table.rows if table else ():
            cost = memory(row.size, row.width)
            assert cost.read_pj * row.width == pytest.approx(row.read_pj, rel=1e-12)
            assert cost.write_pj * row.width == pytest.approx(row.write_pj, rel=1e-12)
            assert cost.leakage_mw == row.leakage_mw
            assert cost.area_mm2 == row.area_mm2


@given(
    st.sampled_from(with_sram()),
    st.integers(512, 1 << 24),
    st.integers(512, 1 << 24),
    st.sampled_from([8, 32, 64, 100, 512, 1024]),
)
def test_a_larger_sram_never_costs_less(name: str, one: int, two: int, width: int) -> None:
    energies = load_energies(name)
    small, large = (energies.sram(size, width) for size in sorted((one, two)))
    slack = 1 - 1e-9
    assert large.read_pj >= slack * small.read_pj > 0
    assert large.write_pj >= slack * small.write_pj > 0
    assert large.leakage_mw >= slack * small.leakage_mw
    assert (large.area_mm2 or 0) >= slack * (small.area_mm2 or 0)


def test_between_and_beyond_sizes_figures_are_powers_of_the_size() -> None:
    energies = parse_energies(MINIMAL)
    assert energies.sram(2048, 32).read_pj * 32 == pytest.approx(2**0.5)
    assert energies.sram(16384, 32).write_pj * 32 == pytest.approx(8)
    assert energies.sram(256, 32).leakage_mw == pytest.approx(0.125)
    assert energies.sram(2048, 64).read_pj == energies.sram(2048, 32).read_pj


def test_between_widths_figures_are_powers_of_the_width() -> None:
    rows = [Row(s, w, w * s**0.5, w * s, 0, s) for w in (16, 64) for s in (100, 400)]
    table = SizeTable(tuple(rows))
    assert table.read_pj(225, 32) == pytest.approx(32 * 15)
    assert table.write_pj(225, 32) == pytest.approx(32 * 225)
    assert table.area_mm2(225, 32) == pytest.approx(225)


def test_outside_the_widths_the_energy_per_bit_is_that_of_the_nearest() -> None:
    rows = [Row(s, w, w**0.5 * s, s, w, s) for w in (16, 64) for s in (100, 400)]
    table = SizeTable(tuple(rows))
    assert table.read_pj(100, 256) == pytest.approx(4 * table.read_pj(100, 64))
    assert table.read_pj(100, 4) == pytest.approx(table.read_pj(100, 16) / 4)
    assert table.leakage_mw(100, 256) == table.leakage_mw(100, 64)


def test_banks_repeat_the_largest_memory() -> None:
    rows = (Row(1024, 32, 1, 1, 1, 1), Row(4096, 32, 2, 2, 3, 3))
    table = SizeTable(rows, banks=True)
    assert table.read_pj(4097, 32) == 2
    assert table.leakage_mw(4097, 32) == 6
    assert table.area_mm2(8193, 32) == 9


def test_a_port_is_not_wider_than_the_memory() -> None:
    energies = load_energies("horowitz_45nm")
    assert energies.registers(2, 64) == energies.registers(2, 16)


def test_wide_register_files_are_narrow_ones_side_by_side() -> None:
    energies = load_energies("sg13g2")
    narrow = energies.registers(64 * 32 // 8, 32)
    for files in (2, 8):
        wide = energies.registers(64 * 32 // 8 * files, 32 * files)
        assert (wide.read_pj, wide.write_pj) == (narrow.read_pj, narrow.write_pj)
        assert wide.leakage_mw == pytest.approx(files * narrow.leakage_mw)
        assert wide.area_mm2 == pytest.approx(files * (narrow.area_mm2 or 0.0))


def test_names_of_formats_are_sorted_pairs() -> None:
    assert mac_name("int8") == mac_name("int8*int8") == "int8*int8"
    assert mac_name("int8 * int4") == "int4*int8"
    assert set(parse_energies(MINIMAL).macs) == {"int8*int8", "int4*int8"}


def test_one_figure_of_each_source() -> None:
    horowitz, eyeriss = load_energies("horowitz_45nm"), load_energies("eyeriss_65nm")
    assert horowitz.macs["int8*int8"].pj == pytest.approx(0.3)
    assert horowitz.sram(32768, 64).read_pj * 64 == pytest.approx(20)
    assert eyeriss.dram("dram").read_pj * 16 == pytest.approx(200)
    assert eyeriss.sram(110592, 16).read_pj * 16 == pytest.approx(6)
    assert load_energies("cacti_45nm_hp").sram(65536, 64).read_pj * 64 == pytest.approx(28.984)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: mine", "name: 1x", "name: '1x' is no legal technology name"),
        ("source: measured\nmacs", "macs", "no source"),
        ("sram:", "srams:", ":10: unknown key 'srams'; did you mean 'sram'?"),
        ("int8: {pj", "int88: {pj", "unknown format 'int88'"),
        ("pj: 0.2", "pj: -1", "'int8*int4': pj: -1 is no number from 0 up"),
        ("pj: 0.2", "joule: 1", "'int8*int4': unknown key 'joule'"),
        ("int8*int4", "int8*int8", "given twice"),
        ("[1024, 32, 1,", "[1024, 32, nan,", "rows: read_pj: 'nan' is no number from 0 up"),
        ("[1024, 32, 1,", "[1024, 32, 0,", "sram: rows: size, width and energies"),
        ("[1024, 32, 1,", "[1024.5, 32, 1,", "use integers"),
        ("[1024, 32,", "[1024, 16,", "give at least two sizes"),
        ("[1024, 32,", "[4096, 32,", "give at least two sizes, each once"),
        ("0.5, 0.01]", "0.5, ~]", "area in some rows only"),
        ("0.5, 0.01]", "0.5]", "is no row"),
        ("  rows:\n", "  banks: perhaps\n  rows:\n", "banks: neither true nor false"),
    ],
)
def test_wrong_files_say_what_is_wrong(old: str, new: str, message: str) -> None:
    assert old in MINIMAL
    with pytest.raises(InputError) as error:
        parse_energies(MINIMAL.replace(old, new), "mine.yaml")
    assert message in str(error.value)
    assert str(error.value).startswith("mine.yaml")
    assert "\n" not in str(error.value)


def test_unknown_technologies_name_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'horowitz_45nm'"):
        load_energies("horowitz_45")


def test_unknown_kinds_of_memory_name_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'lpddr4'"):
        load_energies("horowitz_45nm").dram("lpddr44")
    with pytest.raises(InputError, match=r"mine has no registers; give pj_per_bit"):
        parse_energies(MINIMAL).registers(16, 8)
    with pytest.raises(InputError, match="width: 0 is below 1"):
        parse_energies(MINIMAL).sram(16, 0)
    with pytest.raises(InputError, match="mine has no SRAM"):
        Energies("mine").sram(16, 8)


HARDWARE = """
name: chip
array: {{i: 4, j: 4}}
technology: {technology}
clock_mhz: 500
{macs}
levels:
  - {{name: buffer, bytes: 16384, width: 64, bytes_per_cycle: 16}}
  - {{name: dram, type: {dram}}}
"""


@pytest.mark.parametrize("name", with_sram())
def test_hardware_of_a_technology(name: str) -> None:
    energies = load_energies(name)
    kind = next(iter(energies.drams))
    macs = "" if energies.macs else "mac_pj: 0.1"
    hardware = parse_hardware(HARDWARE.format(technology=name, dram=kind, macs=macs))
    buffer, dram = (level.memory("weights") for level in hardware.levels)
    cost = energies.sram(16384, 64)
    assert (buffer.read_pj, buffer.write_pj) == (cost.read_pj, cost.write_pj)
    assert (buffer.leakage_mw, buffer.area_mm2) == (cost.leakage_mw, cost.area_mm2)
    assert dram.read_pj == energies.dram(kind).read_pj
    assert energies.source in hardware.sources


def test_hardware_of_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(MINIMAL, encoding="utf-8")
    hardware = parse_hardware(HARDWARE.format(technology=file, dram="hbm2", macs=""))
    assert hardware.levels[0].memory("inputs").read_pj == pytest.approx(4 / 32)
    assert hardware.unit_leakage_mw == pytest.approx(0.001)
    with pytest.raises(InputError, match="unknown technology 'nothing'"):
        parse_hardware(HARDWARE.format(technology="nothing", dram="hbm2", macs=""))


LIBERTY = """
library (tiny) {
  nom_voltage : 1.0; capacitive_load_unit (1,pf); leakage_power_unit : "1nW";
  wire_load ("w") { capacitance : 0.5; slope : 2; fanout_length (1, 2); fanout_length (2, 6); }
  cell (XOR) {
    cell_leakage_power : 7;
    pin (A) { direction : input; capacitance : 1; }
    pin (B) { direction : input; capacitance : 2; }
    pin (Y) { direction : output; function : "(A^B)";
      internal_power () { related_pin : "A";
        rise_power (t) { index_1 ("0, 1"); index_2 ("0, 8"); values ("0, 8", "2, 10"); }
        fall_power (t) { index_1 ("0, 1"); index_2 ("0, 8"); values ("0, 4", "2, 6"); }
      }
    }
  }
  cell (FLOP) {
    cell_leakage_power : 11;
    ff (IQ,IQN) { clocked_on : "C"; next_state : "D"; }
    pin (C) { direction : input; capacitance : 1;
      internal_power () { when : "D&Q"; rise_power (s) { values ("1"); } fall_power (s) { values ("2"); } }
      internal_power () { when : "!D&!Q"; rise_power (s) { values ("3"); } fall_power (s) { values ("4"); } }
      internal_power () { when : "D^Q"; rise_power (s) { values ("0"); } fall_power (s) { values ("10"); } }
    }
    pin (D) { direction : input; capacitance : 3; }
    pin (Q) { direction : output; function : "IQ"; }
  }
}
"""  # noqa: E501


def test_the_benchmark_counts_toggles_glitches_and_clocks(tmp_path: Path) -> None:
    """Of y <= a ^ delayed a: two toggles in every cycle in which a changes, none that is kept."""
    liberty = tmp_path / "tiny.lib"
    liberty.write_text(LIBERTY, encoding="utf-8")
    cells = Cells([liberty], slew=0.5, wire_load="w")
    assert list(cells["FLOP"].clocked) == [5, 10]
    assert [cells.wire(n) for n in (1, 2, 4)] == [1, 3, 5]
    module = {
        "ports": {
            "c": {"direction": "input", "bits": [2]},
            "a": {"direction": "input", "bits": [3]},
            "y": {"direction": "output", "bits": [6]},
        },
        "netnames": {"y": {"bits": [6]}},
        "cells": {
            "late": {"type": "XOR", "connections": {"A": [3], "B": ["0"], "Y": [4]}},
            "edge": {"type": "XOR", "connections": {"A": [3], "B": [4], "Y": [5]}},
            "flop": {"type": "FLOP", "connections": {"C": [2], "D": [5], "Q": [6]}},
        },
    }
    stimuli = [{"a": [bit]} for bit in (0b00, 0b01, 0b00, 0b01)]

    def energy(late: int, apart: Sequence[str] = ()) -> Energy:
        netlist = Netlist(module, cells, {"late": late, "edge": 2, "flop": 1}, apart)
        return simulate(netlist, stimuli, lanes=2, skip=1)

    # Nets 4 and 5 carry 2 + 1 and 3 + 1 pF; a toggle takes half of that and, at slew 0.5 and that
    # load, the mean of 1 + load and 1 + load / 2 inside.
    pulse = energy(late=3)
    assert pulse.settled == pytest.approx((1.5 + 3.25) / 2 + 5)
    assert pulse.units == pytest.approx((1.5 + 3.25 + 2 * (2 + 4)) / 2 + 5)
    assert pulse.held == pytest.approx(5)
    assert pulse.leakage == pytest.approx(25e-6)
    swallowed = energy(late=1)
    assert swallowed.units == pytest.approx(swallowed.settled) == pytest.approx(pulse.settled)
    assert energy(1, apart=["y"]).apart == pytest.approx(5)
    assert energy(1, apart=["y"]).leakage == pytest.approx(14e-6)

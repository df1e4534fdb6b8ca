"""``accelgen hardware``."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from accelgen.affine.yaml_text import Plain
from accelgen.cli import main
from accelgen.hardware import hardware_from, list_hardware, load_hardware

SMALL = """\
name: small
array: {i: 4}
mac_pj: {int8: 0.3, int8*int4: 0.2}
unit_area_mm2: 0.01
unit_leakage_mw: 0.001
link_pj: 0.05
dataflows: [{name: one, unrolls: {i: [k, c]}, stationary: weights}]
registers: {name: file, bytes: 12, pj_per_bit: 0.01, area_mm2: 0.001}
levels:
  - name: buffer
    memories:
      - {name: in, holds: [inputs, weights], bytes: 512, pj_per_bit: 0.5, area_mm2: 0.25,
         buffers: 1}
      - {name: out, holds: [outputs], bytes: 128, pj_per_bit: 0.5, write_pj_per_bit: 0.75,
         area_mm2: 0.5}
    links: {inputs: 2}
  - {name: dram, gbytes_per_second: 2, pj_per_bit: 20}
sources: a test
"""


DERIVED = (
    "units", "on_chip_bytes", "outer_bytes_per_cycle", "area_mm2", "leakage_mw",
)  # fmt: skip


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["hardware", *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_the_table_has_every_file(capsys: pytest.CaptureFixture[str]) -> None:
    heading, *rows = printed(capsys).splitlines()
    assert heading.split()[:4] == ["hardware", "array", "units", "on-chip"]
    assert [row.split()[0] for row in rows] == list(list_hardware())
    row = next(row for row in rows if row.startswith("eyeriss "))
    # 100 + 8 KiB, and 520 bytes in each unit.
    assert row.split()[1:8] == [
        "y=12",
        "x=14",
        "168",
        str(108 * 1024 + 168 * 520),
        "3.6",
        "200",
        "int16",
    ]
    assert "Chen et al., JSSC 2017" in row


def test_the_table_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(printed(capsys, "--json"))
    assert data["schema"] == 1
    found = {entry["name"]: entry for entry in data["hardware"]}
    assert set(found) == set(list_hardware())
    assert found["nvdla_256"]["outer_bytes_per_cycle"] == 8
    assert found["shidiannao"]["area_mm2"] == load_hardware("shidiannao").area_mm2


def test_one_as_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    lines = printed(capsys, str(tmp_path / "small.yaml")).splitlines()
    assert lines[:4] == [
        "small: a test",
        "  array     i=4: 4 units at 1000 MHz",
        "  unit      MAC of int8 0.3 pJ, MAC of int4*int8 0.2 pJ, link 0.05 pJ per bit, 0.01 mm2, "
        "0.001 mW",
        "  dataflow  one  i: k c; weights stay",
    ]
    assert [re.split("  +", line.strip()) for line in lines[4:9]] == [
        ["level", "memory", "holds", "bytes", "bytes/cycle", "pJ/bit read", "written", "area mm2",
         "leakage mW"],
        ["file", "file", "inputs weights outputs", "12", "-", "0.01", "0.01", "0.001", "0",
         "of a unit"],
        ["buffer", "in", "inputs weights", "512", "-", "0.5", "0.5", "0.25", "0", "one buffer"],
        ["buffer", "out", "outputs", "128", "-", "0.5", "0.75", "0.5", "0"],
        ["dram", "dram", "inputs weights outputs", "-", "2", "20", "20", "-", "0"],
    ]  # fmt: skip
    assert lines[9:] == [
        "  links     buffer, bytes per cycle in each direction: inputs 2",
        "  area      0.794 mm2",
        "  leakage   0.004 mW",
    ]


def test_of_a_generated_design(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "fir"
    assert main(["generate", "fir", "-o", str(folder)]) == 0
    capsys.readouterr()
    lines = printed(capsys, str(folder)).splitlines()
    assert lines[0].startswith("fir: fir: sizes and cycles of its manifest; ")
    assert lines[1].startswith("  array     i=8: 8 units at ")


def plain(value: object) -> Plain:
    """As YAML is read: flags are text, and what is not known is left out."""
    if isinstance(value, dict):
        return {name: plain(entry) for name, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    assert isinstance(value, int | float | str)
    return value if isinstance(value, int) else str(value)


@pytest.mark.parametrize("name", list_hardware())
def test_everything_is_in_the_json(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """What it says, read as a hardware file, is the same hardware."""
    hardware = load_hardware(name)
    data = json.loads(printed(capsys, name, "--json"))
    assert data.pop("schema") == 1
    for derived in DERIVED:
        del data[derived]
    read = plain(data)
    assert isinstance(read, dict)
    assert replace(hardware_from(read), dataflows=()) == replace(hardware, dataflows=())
    assert hardware_from(read).dataflows == hardware.dataflows


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["eyeris"], "unknown hardware 'eyeris'; did you mean 'eyeriss'?"),
        (["none.yaml"], "none.yaml: No such file or directory"),
        (["wrong.yaml"], "wrong.yaml:2: aray: unknown key; did you mean 'array'?"),
        (["."], ".: there is no manifest.json; generate a design there"),
        (["eyeriss", "gemmini"], "unknown argument 'gemmini'; see accelgen hardware --help"),
    ],
)
def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yaml").write_text("name: wrong\naray: {i: 4}\n")
    assert main(["hardware", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"accelgen: {says}\n"

"""Hardware files: what they give, and what is said of wrong ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelgen.affine.roles import ROLES
from accelgen.affine.yaml_text import Plain
from accelgen.energy import load_energies
from accelgen.errors import InputError
from accelgen.hardware import (
    hardware_from,
    hardware_values,
    list_hardware,
    load_hardware,
    parse_hardware,
)

FORMATS = {"eyeriss": "int16*int16", "shidiannao": "int16*int16"}

GOOD = """\
name: small
array: {i: 4, j: 8}
clock_mhz: 500
mac_pj: {int8: 0.3, int8*int4: 0.2}
dataflows:
  - conv2d_ws_nvdla
  - {name: two, unrolls: {i: [p, q], j: [k]}, several: true, stationary: outputs}
skewed: [i]
fill: 3
join_cycles: 1
link_pj: 0.1
registers:
  name: spad
  memories:
    - {name: window, holds: [inputs], bytes: 24, slides: true, pj_per_bit: 0.01}
    - {name: filter, holds: [weights], bytes: 448, buffers: 1, pj_per_bit: 0.02}
    - {name: sums, holds: [outputs], bytes: 48, pj_per_bit: 0.01, write_pj_per_bit: 0.03}
levels:
  - name: buffer
    bytes: 65536
    pj_per_bit: 0.4
    leakage_mw: 2.5
    area_mm2: 0.25
    links: {inputs: 2, weights: 8}
  - {name: dram, gbytes_per_second: 2, pj_per_bit: 20}
sources: a test
"""


def values(**changes: Plain) -> dict[str, Plain]:
    base: dict[str, Plain] = {
        "name": "h",
        "array": {"i": 4},
        "mac_pj": "0.3",
        "levels": [{"name": "dram", "pj_per_bit": 20}],
    }
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def failure(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_hardware(text, where="h.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_hardware_from_python_is_checked_as_well() -> None:
    small = parse_hardware(GOOD)
    assert replace(small, mac_pj={"int8*int4": 1.0}).mac_energy("int4*int8") == 1.0
    with pytest.raises(InputError, match="clock_mhz: 0 MHz; give"):
        replace(small, clock_mhz=0)


def test_every_key_is_read() -> None:
    hardware = parse_hardware(GOOD)
    assert (hardware.name, dict(hardware.array), hardware.units) == ("small", {"i": 4, "j": 8}, 32)
    assert hardware.mac_energy("int8*int8") == 0.3
    assert hardware.mac_energy("int8*int4") == hardware.mac_energy("int4*int8") == 0.2
    assert hardware.mac_energy("int8") == 0.3
    assert (hardware.fill, hardware.join_cycles, hardware.skewed) == (3, 1, ("i",))
    assert hardware.link_pj == 0.1
    assert hardware.clock_mhz == 500
    assert hardware.sources == "a test"
    ws, two = hardware.dataflows
    assert dict(ws.unrolls) == {"i": ("c",), "j": ("k",)}
    assert ws.stationary == "weights"
    assert not ws.several
    assert dict(two.unrolls) == {"i": ("p", "q"), "j": ("k",)}
    assert two.stationary == "outputs"
    assert two.several
    assert hardware.registers is not None
    assert hardware.registers.name == "spad"
    window = hardware.registers.memory("inputs")
    assert (window.size, window.slides, window.buffers) == (24, True, 2)
    assert hardware.registers.memory("weights").buffers == 1
    sums = hardware.registers.memory("outputs")
    assert (sums.read_pj, sums.write_pj) == (0.01, 0.03)
    buffer, dram = hardware.levels
    assert dict(buffer.links) == {"inputs": 2, "weights": 8}
    assert buffer.memories[0].holds == ("inputs", "weights", "outputs")
    assert [memory.streams for memory in buffer.memories] == [False]
    assert (buffer.memories[0].leakage_mw, buffer.memories[0].area_mm2) == (2.5, 0.25)
    assert dram.memories[0].bandwidth == 4.0  # 2 GB/s at 500 MHz


def test_technology_gives_what_the_file_leaves_out() -> None:
    energies = load_energies("horowitz_45nm")
    hardware = parse_hardware(
        "{name: h, array: {i: 4}, technology: horowitz_45nm, sources: mine, levels: ["
        "{name: sram, bytes: 32768, width: 64}, {name: kept, bytes: 65536, pj_per_bit: 7}, "
        "{name: half, bytes: 32768, write_pj_per_bit: 9}, {name: dram, type: ddr3}]}"
    )
    sram, kept, half, dram = (level.memories[0] for level in hardware.levels)
    expected = energies.sram(32768, 64)
    assert (sram.read_pj, sram.write_pj) == (expected.read_pj, expected.write_pj)
    assert (kept.read_pj, kept.write_pj) == (7, 7)
    assert (half.read_pj, half.write_pj) == (expected.read_pj, 9)
    assert dram.read_pj == energies.dram("ddr3").read_pj
    assert hardware.mac_energy("int8*int8") == energies.macs["int8*int8"].pj
    assert "mine" in hardware.sources
    assert "Horowitz" in hardware.sources


@pytest.mark.parametrize("name", list_hardware())
def test_shipped_hardware_loads_and_says_where_its_figures_are_from(name: str) -> None:
    hardware = load_hardware(name)
    assert hardware.name == name
    assert hardware.sources
    assert hardware.mac_energy(FORMATS.get(name, "int8*int8")) > 0
    for dataflow in hardware.dataflows:
        assert set(dataflow.unrolls) <= set(hardware.array)
    for role in ROLES:
        energies = [level.memory(role).read_pj for level in hardware.levels]
        assert energies == sorted(energies)  # farther is dearer


def test_plain_values_make_the_same_hardware() -> None:
    name = "array16_64k"
    given = hardware_values(name)
    assert hardware_from(given) == load_hardware(name)
    given["array"] = {"i": 8, "j": 8}
    assert hardware_from(given).units == 64


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("clock_mhz: 500", "clok_mhz: 500", 3, "did you mean 'clock_mhz'"),
        ("bytes: 448", "byte: 448", 16, "did you mean 'bytes'"),
        ("leakage_mw: 2.5", "leakage: 2.5", 22, "did you mean 'leakage_mw'"),
        ("several: true", "severl: true", 7, "did you mean 'several'"),
        ("several: true", "several: 1", 7, "several"),
        ("stationary: outputs", "stationary: output", 7, "did you mean 'outputs'"),
        ("unrolls: {i: [p, q], j: [k]}, ", "", 7, "unrolls"),
        ("i: [p, q]", "i: [x, q]", 7, "role of a loop"),
        ("i: [p, q]", "i: p", 7, "list of names"),
        ("j: [k]", "y: [k]", 7, "unknown axis 'y'"),
        ("conv2d_ws_nvdla", "conv2d_ws_nvdl", 6, "did you mean 'conv2d_ws_nvdla'"),
        ("holds: [weights]", "holds: [weight]", 16, "did you mean 'weights'"),
        ("holds: [weights]", "holds: [inputs]", 13, "inputs"),
        ("buffers: 1", "buffers: 3", 16, "3 buffers"),
        ("slides: true", "streams: maybe", 15, "streams"),
        ("holds: [outputs]", "streams: true, holds: [outputs]", 17, "streams outputs"),
        ("links: {inputs: 2", "links: {inputs: fast", 24, "is no number"),
        ("links: {inputs: 2", "links: {input: 2", 24, "did you mean 'inputs'"),
        ("array: {i: 4", "array: {i: four", 2, "is no integer"),
        ("array: {i: 4", "array: {i: 0", 2, "0 is outside"),
        ("bytes: 65536", "bytes: -1", 19, "-1"),
        ("pj_per_bit: 0.4", "pj_per_bit: -0.4", 19, "-0.4"),
        ("pj_per_bit: 0.4", "", 19, "no energy"),
        ("clock_mhz: 500", "clock_mhz: 0", 3, "positive"),
        ("clock_mhz: 500", "clock_mhz: nan", 3, "is no number"),
        ("clock_mhz: 500", "technology: horowitz", 3, "did you mean 'horowitz_45nm'"),
        ("gbytes_per_second: 2", "gbytes_per_second: 2, bytes_per_cycle: 4", 25, "bandwidth"),
        ("gbytes_per_second: 2", "bytes: 100", 19, "outermost"),
        ("fill: 3", "fill: -3", 9, "0 or more"),
        ("fill: 3", "fill: [3]", 9, "is no integer"),
        ("mac_pj: {int8: 0.3", "mac_pj: {int8: much", 4, "is no number"),
        ("mac_pj: {int8: 0.3, int8*int4: 0.2}\n", "", 1, "multiply-accumulate"),
        ("name: dram", "name: buffer", 19, "two levels"),
        ("name: spad", "name: 7up", 13, "name"),
        ("skewed: [i]", "skewed: [z]", 8, "unknown axis 'z'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, line: int, said: str) -> None:
    assert GOOD.count(old) == 1
    shown = failure(GOOD.replace(old, new))
    assert said in shown
    assert shown.startswith(f"h.yaml:{line}:"), shown


@pytest.mark.parametrize(
    ("text", "said"),
    [("[]", "a mapping expected"), ("a: &x 1", "anchors"), ("name: [", "YAML"), ("", "empty")],
)
def test_what_is_no_hardware_is_refused(text: str, said: str) -> None:
    assert said in failure(text)


def test_formats_are_those_of_the_technology_that_units_have() -> None:
    given = values(technology="horowitz_45nm", mac_pj=None, formats=["int8"])
    assert list(hardware_from(given).mac_pj) == ["int8*int8"]
    with pytest.raises(InputError, match=r"formats: unknown .* 'int9\*int9'"):
        hardware_from(given | {"formats": ["int9"]})
    with pytest.raises(InputError, match="formats: beside mac_pj"):
        hardware_from(given | {"mac_pj": 1})


def test_banks_are_accessed_by_themselves() -> None:
    energies = load_energies("cacti_45nm_lop")
    level: dict[str, Plain] = {"name": "b", "bytes": 65536, "banks": 4, "width": 128}
    dram: Plain = {"name": "dram", "type": "ddr3"}
    found = hardware_from(
        values(technology="cacti_45nm_lop", mac_pj=None, levels=[level, dram])
    ).levels[0]
    bank, memory = energies.sram(16384, 128), found.memories[0]
    assert memory.read_pj == bank.read_pj
    assert memory.leakage_mw == 4 * bank.leakage_mw
    assert memory.area_mm2 == 4 * (bank.area_mm2 or 0)
    with pytest.raises(InputError, match="levels: b: banks: 3 banks"):
        hardware_from(values(technology="cacti_45nm_lop", levels=[level | {"banks": 3}, dram]))


def test_memories_and_keys_of_one_memory_exclude_each_other() -> None:
    level: Plain = {"name": "l", "bytes": 4, "memories": [{"name": "m", "pj_per_bit": 1}]}
    with pytest.raises(InputError, match="beside memories"):
        hardware_from(values(levels=[level, {"name": "dram", "pj_per_bit": 1}]))


def test_memories_of_two_levels_have_names_of_their_own() -> None:
    levels: list[Plain] = [
        {"name": name, "memories": [{"name": "m", "holds": [*ROLES], "pj_per_bit": 1}]}
        for name in ("l1", "l2")
    ]
    with pytest.raises(InputError, match="levels: two levels have a memory m; rename one"):
        hardware_from(values(levels=[*levels, {"name": "dram", "pj_per_bit": 1}]))


@pytest.mark.parametrize(
    "changes",
    [{"levels": None}, {"levels": []}, {"levels": "sram"}, {"levels": ["sram"]},
     {"array": [4]}, {"dataflows": [4]}, {"registers": 8}, {"sources": None, "name": None}],
)  # fmt: skip
def test_values_of_another_kind_are_refused(changes: dict[str, Plain]) -> None:
    with pytest.raises(InputError):
        hardware_from(values(**changes))


def test_names_without_hardware_get_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'array16_64k'"):
        load_hardware("array16_64")
    with pytest.raises(InputError, match=r"missing\.yaml"):
        load_hardware("missing.yaml")


def test_anything_may_run_without_dataflows() -> None:
    hardware = hardware_from(values())
    assert hardware.dataflows == ()
    assert dict(hardware_from(values(unrolls={"i": ["k"]})).dataflows[0].unrolls) == {"i": ("k",)}

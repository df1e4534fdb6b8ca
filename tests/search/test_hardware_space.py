"""Every vector of a space of hardware is a legal design within the budget, or is rejected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.errors import InputError
from accelgen.hardware import hardware_from, load_hardware, parse_hardware
from accelgen.search import (
    Budget,
    Design,
    HardwareSpace,
    Rejected,
    SizingSpace,
    load_baseline,
    make_search,
    resources_of,
)
from accelgen.search.spaces.budget import link_rates
from tests.search import small

BASELINES = ("eyeriss", "nvdla_256", "nvdla_1024", "shidiannao", "gemmini", "tpu_128", "tpu_edge")
KINDS = [
    (name, kind)
    for name in BASELINES
    for kind in ("importance", "index", "sizing")
    # Energies of other sizes are not known of this one.
    if name != "tpu_128" or kind == "sizing"
]


def space_of(
    **hardware: Any,  # noqa: ANN401 - any key's value
) -> HardwareSpace | SizingSpace:
    search = make_search({"name": "s", "networks": ["mobilenet_v2"], "hardware": hardware})
    found = search.space.spaces["hardware"]
    assert isinstance(found, HardwareSpace | SizingSpace)
    return found


SPACES = [space_of(baseline=name, space=kind) for name, kind in KINDS]
SPACES += [
    space_of(baseline="shidiannao", macs=["int8"], copies=[1, 2], several=["false", "true"]),
    space_of(baseline="nvdla_256", dimensions=[2], loops_per_axis=[1], stationary=["outputs"]),
    space_of(baseline="nvdla_256", dram=[2, 4, 8], registers="true", shared=["false"]),
]


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_a_vector_is_within_the_budget_or_rejected(data: st.DataObject) -> None:
    space = data.draw(st.sampled_from(SPACES))
    genes = len(space.genes)
    vector = data.draw(st.lists(st.floats(0, 1), min_size=genes, max_size=genes))
    found = space.decode(vector)
    if isinstance(found, Rejected):
        assert found.reason
        assert "\n" not in found.reason
        return
    used, budget = resources_of(found.hardware), space.budget
    assert used.units <= budget.units
    assert used.on_chip_bytes <= budget.on_chip_bytes
    assert used.link_bytes is not None
    assert budget.link_bytes is not None
    assert used.link_bytes <= budget.link_bytes * (1 + 1e-9)
    assert hardware_from(dict(found.values)) == found.hardware  # type: ignore[arg-type]
    assert space.decode(vector) == found


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_most_vectors_are_designs(name: str, kind: str) -> None:
    import random

    space = space_of(baseline=name, space=kind)
    draws = random.Random(1)
    found = [space.decode([draws.random() for _ in space.genes]) for _ in range(60)]
    assert sum(isinstance(x, Design) for x in found) >= 45


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_search_begins_at_what_resembles_the_baseline(name: str, kind: str) -> None:
    space = space_of(baseline=name, space=kind)
    found = space.decode(space.starts[0])
    assert isinstance(found, Design)
    own, other = load_hardware(name), found.hardware
    assert sorted(other.array.values()) == sorted(own.array.values())
    if len(own.skewed) == len(own.array) or not own.skewed:
        assert len(other.skewed) == len(own.skewed)
    if kind == "sizing" or own.dataflows == ():
        return
    (flow,), mine = other.dataflows, own.dataflows[0]
    roles = [role for axis in mine.unrolls.values() for role in axis]
    if len(set(roles)) == len(roles) == len(own.array):
        # An axis is not given twice to one role: what the encoding can say, it says.
        assert list(flow.unrolls.values()) == list(mine.unrolls.values())
        assert flow.stationary == mine.stationary


def start_of(**hardware: Any) -> Design:  # noqa: ANN401 - any key's value
    space = space_of(**hardware)
    (start,) = space.starts
    found = space.decode(start)
    assert isinstance(found, Design)
    return found


def test_what_a_start_has_of_its_baseline() -> None:
    own, eyeriss = load_hardware("eyeriss"), start_of(baseline="eyeriss").hardware
    assert own.registers is not None
    assert eyeriss.registers is not None
    sizes = [memory.size or 0 for memory in own.registers.memories]
    for memory, size in zip(eyeriss.registers.memories, sizes, strict=True):
        assert size * 0.9 - 2 <= (memory.size or 0) <= size
    assert [memory.slides for memory in eyeriss.registers.memories] == [True, False, False]
    assert eyeriss.levels[0].links == pytest.approx(own.levels[0].links)
    (flow,) = eyeriss.dataflows
    assert flow.inner == ("s", "c")
    single = start_of(baseline="eyeriss", copies=[1, 2]).hardware
    assert single.levels[0].memories[0].buffers == 1
    # Units and DRAM that the baseline has are taken where they are offered.
    slow = start_of(baseline="nvdla_256", dram=[2, 4, 8]).hardware
    assert slow.levels[-1].memories[0].bandwidth == 8
    mixed = start_of(baseline="nvdla_256", set={"technology": "sg13g2"}, macs=["nvfp4", "int8"],
                     unit=["plain", "composable"])  # fmt: skip
    assert mixed.hardware.unit == "plain"
    assert list(mixed.hardware.mac_pj) == ["int8*int8"]


def test_a_start_is_as_near_as_a_space_allows() -> None:
    tall = start_of(baseline="nvdla_256", dimensions=[1]).hardware
    assert list(tall.array.values()) == [256]
    wide = start_of(baseline="nvdla_256", loops_per_axis=[2, 3]).hardware
    (flow,) = wide.dataflows
    assert [roles[0] for roles in flow.unrolls.values()] == ["c", "k"]
    assert all(len(roles) == 2 for roles in flow.unrolls.values())
    filed = start_of(baseline="nvdla_256", registers="true").hardware
    assert filed.dataflows[0].inner == ()
    assert filed.registers is not None
    # A budget that does not hold it has no start.
    assert space_of(baseline="eyeriss", budget={"on_chip_bytes": 2000}).starts == ()


def test_what_candidates_take_from_the_baseline() -> None:
    baseline = load_hardware("eyeriss")
    space = space_of(baseline="eyeriss")
    found = space.decode([0.6] * len(space.genes))
    assert isinstance(found, Design)
    hardware = found.hardware
    assert (hardware.clock_mhz, hardware.mac_pj) == (200, baseline.mac_pj)
    assert (hardware.sum_bits, hardware.fill) == (16, 3)
    assert (hardware.link_pj, hardware.levels[-1]) == (baseline.link_pj, baseline.levels[-1])
    assert hardware.registers is not None
    assert {m.read_pj for m in hardware.registers.memories} == {1 / 16}
    # Not its connections.
    assert hardware.join_cycles == 0
    assert [flow.name for flow in hardware.dataflows] == ["searched"]


def test_sizing_keeps_the_connections() -> None:
    baseline = load_hardware("eyeriss")
    space = space_of(baseline="eyeriss", space="sizing")
    found = space.decode([0.4] * len(space.genes))
    assert isinstance(found, Design)
    assert found.hardware.dataflows == baseline.dataflows
    assert found.hardware.join_cycles == 1
    assert [m.holds for m in found.hardware.levels[0].memories] == [
        m.holds for m in baseline.levels[0].memories
    ]
    assert found.hardware.array != baseline.array


def test_registers_of_composable_baselines_hold_words(tmp_path: Path) -> None:
    path = tmp_path / "composable.yaml"
    path.write_text(
        "name: fused\narray: {i: 4, j: 4}\nclock_mhz: 200\ntechnology: sg13g2\nunit: composable\n"
        "registers: {bytes: 96}\nlevels:\n  - {name: sram, bytes: 8192}\n"
        "  - {name: dram, type: lpddr4, bytes_per_cycle: 8}\n"
    )
    baseline = load_baseline(path)
    own = baseline.element_bytes(baseline.macs)
    assert own == baseline.element_bytes(baseline.macs, "composable", 1)
    plain = baseline.element_bytes(baseline.macs, "plain", 1)
    assert own["inputs"] > plain["inputs"]
    space = SizingSpace(baseline, baseline.budget)
    genes = [gene.name for gene in space.genes]
    found = space.decode([0.0 if name == "registers.bytes" else 0.5 for name in genes])
    assert isinstance(found, Design)
    assert found.hardware.registers is not None
    (registers,) = found.hardware.registers.memories
    assert registers.size == sum(own.values())


def test_importance_decides_what_runs_in_space() -> None:
    space = space_of(baseline="nvdla_256", dimensions=[2], loops_per_axis=[2])
    names = [gene.name for gene in space.genes]
    values = dict.fromkeys(names, 0.5) | {
        "space.q": 0.9, "space.k": 0.8, "space.g": 0.7, "space.c": 0.6, "skew.x": 1.0,
        "size.x": 1.0, "size.y": 0.3, "skew.y": 0.0, "stationary": 0.0,
    }  # fmt: skip
    found = space.decode([values[name] for name in names])
    assert isinstance(found, Design)
    (flow,) = found.hardware.dataflows
    assert dict(flow.unrolls) == {"x": ("q", "g"), "y": ("k", "c")}
    assert found.hardware.skewed == ("x",)
    assert flow.stationary == "outputs"
    assert found.hardware.array["x"] > found.hardware.array["y"]


def test_the_kind_of_unit_is_a_gene() -> None:
    space = space_of(baseline="shidiannao", macs=["int8", "fp16"])
    place = [gene.name for gene in space.genes].index("mac")
    found = []
    for value in (0.1, 0.9):
        vector = [0.6] * len(space.genes)
        vector[place] = value
        design = space.decode(vector)
        assert isinstance(design, Design)
        found.append(tuple(design.hardware.mac_pj))
    assert found == [("int8*int8",), ("fp16*fp16",)]


def test_a_tiny_budget_is_rejected_with_the_reason(tmp_path: Path) -> None:
    tiny = {"units": 16, "on_chip_bytes": 60}
    search = small.search(tmp_path, hardware={"baseline": "eyeriss", "budget": tiny})
    found = search.space.decode([1.0] * len(search.space.genes))
    assert isinstance(found, Rejected)
    assert "60 bytes on chip leave 2 for the registers of each of 12 units" in found.reason


def test_resources() -> None:
    eyeriss = resources_of(load_hardware("eyeriss"))
    assert (eyeriss.units, eyeriss.on_chip_bytes) == (168, 102400 + 8192 + 168 * 520)
    assert (eyeriss.link_bytes, eyeriss.area_mm2) == (18.0, None)
    # 0.72 GB/s at 200 MHz.
    assert eyeriss.dram_bytes == pytest.approx(3.6)
    nvdla = load_hardware("nvdla_256")
    # Sums are not limited in its file: 8 of 32 bits per cycle is what 32 x 8 units have.
    assert link_rates(nvdla) == {"inputs": 32.0, "weights": 32.0, "outputs": 32.0}
    assert resources_of(nvdla).units == 256
    assert resources_of(load_hardware("shidiannao")).area_mm2 == pytest.approx(4.549, abs=1e-3)


@pytest.mark.parametrize("name", BASELINES)
def test_a_design_is_within_its_own_resources(name: str) -> None:
    hardware = load_hardware(name)
    assert resources_of(hardware).excess(hardware) is None


def test_what_exceeds_a_budget_is_named() -> None:
    hardware = load_hardware("nvdla_256")
    assert Budget(255, 1 << 20).excess(hardware) == "units is 256, the budget is 255"
    assert "on_chip_bytes is 131072" in str(Budget(256, 1000).excess(hardware))
    assert "dram_bytes is 8" in str(Budget(256, 1 << 20, None, 4.0).excess(hardware))
    with pytest.raises(InputError, match="budget: units: 0"):
        Budget(0, 100)


def test_an_area_is_no_budget_where_none_is_known() -> None:
    with pytest.raises(InputError, match="area_mm2: the cost model of the baseline knows no areas"):
        space_of(baseline="nvdla_256", budget={"area_mm2": 8})


def test_a_baseline_without_technology() -> None:
    with pytest.raises(InputError, match="energies of its own sizes alone; set:"):
        space_of(baseline="tpu_128")


def test_a_baseline_may_be_changed() -> None:
    changed = load_baseline("eyeriss", {"technology": "cacti_45nm_lop", "formats": ["int8"],
                                        "levels.dram.type": "lpddr4"})  # fmt: skip
    assert tuple(changed.hardware.mac_pj) == ("int8*int8",)
    assert changed.budget.units == 168
    with pytest.raises(InputError, match="set"):
        load_baseline("eyeriss", {"levels.nothing.bytes": 3})


def test_a_design_is_a_hardware_file() -> None:
    space = space_of(baseline="shidiannao")
    found = space.decode([0.3] * len(space.genes))
    assert isinstance(found, Design)
    assert parse_hardware(yaml.safe_dump(dict(found.values), sort_keys=False)) == found.hardware

"""Composable and bit-serial units: how many products per cycle, and what they take."""

from __future__ import annotations

import pytest

from accelgen.affine import Workload
from accelgen.affine.yaml_text import Plain
from accelgen.energy import load_energies, parse_energies
from accelgen.errors import InputError
from accelgen.hardware import Hardware, hardware_from
from accelgen.mapper import best_mapping
from accelgen.networks import Layer, Network
from accelgen.results import layer_table
from accelgen.results.scenes import roofline_scene
from accelgen.simulation import LayerResult, layer_work, simulate

GEMM = Workload("Y[m,n] += A[m,k] * W[k,n]", {"m": 32, "n": 32, "k": 64})
DEPTHWISE = Workload("Y[g,p] += X[g,p + r] * W[g,r]", {"g": 16, "p": 20, "r": 3})
PRODUCTS = {(8, 8): 1, (8, 4): 2, (4, 8): 2, (4, 4): 4, (2, 8): 4, (4, 2): 8, (2, 2): 16}


def hardware(**changes: Plain) -> Hardware:
    values: dict[str, Plain] = {
        "name": "small",
        "array": {"i": 4, "j": 4},
        "levels": [
            {"name": "sram", "bytes": 65536, "pj_per_bit": "0.4"},
            {"name": "dram", "bytes_per_cycle": 64, "pj_per_bit": 20},
        ],
        "mac_pj": {f"int{min(p)}*int{max(p)}": str(p[0] * p[1] / 64) for p in PRODUCTS},
        "unit_leakage_mw": "0.1",
    }
    return hardware_from({**values, **changes})


COMPOSABLE = hardware(unit="composable")
SERIAL = hardware(unit="bit_serial", lanes=16)


def solved(workload: Workload, on: Hardware, types: dict[str, str]) -> LayerResult:
    layer = Layer("one", Workload(workload.expression, workload.bounds, types))
    return simulate(Network("net", (layer,)), on, "latency").layers[0]


@pytest.mark.parametrize(("a", "b"), PRODUCTS)
def test_composable_products_per_cycle(a: int, b: int) -> None:
    found = solved(GEMM, COMPOSABLE, {"A": f"int{a}", "W": f"int{b}"})
    count = PRODUCTS[a, b]
    assert found.words.elements == count
    # As many units as there are, each with this many products per cycle, all of the time.
    assert found.cost.compute_cycles == 32 * 32 * 64 / 16 / count
    assert found.cost.energy_pj["mac"] == pytest.approx(32 * 32 * 64 * a * b / 64)


@pytest.mark.parametrize(("a", "b"), PRODUCTS)
def test_bit_serial_cycles(a: int, b: int) -> None:
    found = solved(GEMM, SERIAL, {"A": f"int{a}", "W": f"int{b}"})
    assert (found.words.elements, found.words.cycles) == (16, a * b)
    assert found.cost.compute_cycles == 32 * 32 * 64 / 16 / 16 * a * b
    assert found.cost.energy_pj["mac"] == pytest.approx(32 * 32 * 64 * a * b / 64)


@pytest.mark.parametrize("on", [COMPOSABLE, SERIAL], ids=["composable", "bit_serial"])
def test_memories_and_leakage_keep_their_cycle(on: Hardware) -> None:
    """Whatever the units do in a cycle, DRAM moves its bytes in one, and time leaks."""
    layer = Layer("one", Workload(GEMM.expression, GEMM.bounds, {"A": "int4", "W": "int4"}))
    found = simulate(Network("net", (layer,)), on, "energy")
    table = layer_table(found)
    moved = 0.5 * (32 * 64 + 64 * 32) + 0.5 * 32 * 32
    assert table["bytes.dram"] == [moved]
    assert found.layers[0].cost.port_cycles["dram"] == pytest.approx(moved / 64)
    leaked = on.units * 0.1 * 1000 / on.clock_mhz * found.cycles
    assert found.energy_pj["leakage"] == pytest.approx(leaked)
    busy = found.layers[0].cost.shares["multiply"]
    assert found.utilisation == pytest.approx(busy)


def test_units_at_8_bits_are_plain_ones() -> None:
    plain = hardware(mac_pj={"int8*int8": 1})
    composable = hardware(mac_pj={"int8*int8": 1}, unit="composable")
    for workload in (GEMM, DEPTHWISE):
        one, other = solved(workload, plain, {}), solved(workload, composable, {})
        assert one.cost == other.cost
        assert one.mapping == other.mapping


def test_without_a_loop_for_words_the_rest_of_a_unit_is_idle() -> None:
    types = {"X": "int4", "W": "int4"}
    for on, cycles in ((COMPOSABLE, 1), (SERIAL, 16)):
        found = solved(DEPTHWISE, on, types)
        assert (found.words.elements, found.words.cycles) == (1, cycles)
        assert found.problem.iterations == 16 * 20 * 3


def test_energy_of_words_by_what_is_in_them() -> None:
    """On the line between a word of one product, 6 pJ here, and a full one of 16, 16 pJ."""
    given: dict[str, Plain] = {"mac_pj": {"int2*int2": 1}, "alone_pj": {"int2*int2": 6}}
    composable = hardware(unit="composable", **given)
    two = {"X": "int2", "W": "int2"}
    assert solved(DEPTHWISE, composable, two).cost.energy_pj["mac"] == pytest.approx(960 * 6)
    for channels, words, pj in ((1, 1, 6), (16, 1, 16), (4, 1, 8), (24, 2, 6 + 11 / 15 * 10)):
        bounds = {"k": 8, "c": channels, "p": 6, "r": 3}
        workload = Workload("Y[k,p] += X[c,p + r] * W[k,c,r]", bounds)
        found = solved(workload, composable, two)
        assert found.problem.iterations == 8 * 6 * 3 * words
        assert found.cost.energy_pj["mac"] == pytest.approx(8 * 6 * 3 * words * pj)
    # Without a figure a word takes as much as a full one.
    costly = solved(DEPTHWISE, hardware(unit="composable", mac_pj={"int2*int2": 1}), two)
    assert costly.cost.energy_pj["mac"] == pytest.approx(960 * 16)


def test_words_that_are_not_full() -> None:
    stem = Workload("Y[k,p] += X[c,p + r] * W[k,c,r]", {"k": 8, "c": 3, "p": 6, "r": 3})
    types = {"X": "uint2", "W": "int2"}
    layer = Workload(stem.expression, stem.bounds, types)
    problem, words = layer_work(layer, "W", COMPOSABLE)
    assert words.elements == 16
    assert problem.bounds[problem.loops.index("c")] == 1
    assert [x.bits for x in problem.operands] == [32, 32, 2]
    assert problem.number_format == "int2*uint2"


def test_widths_are_rounded_up_to_what_the_unit_has() -> None:
    found = solved(GEMM, COMPOSABLE, {"A": "uint3", "W": "int5"})
    assert found.problem.number_format == "int8*uint4"
    few = hardware(unit="composable", mac_pj={"int8*int8": 1})
    assert solved(GEMM, few, {"A": "int2", "W": "int2"}).words.elements == 1
    anything = hardware(unit="composable", mac_pj="0.5")
    assert solved(GEMM, anything, {"A": "int2", "W": "int4"}).words.elements == 8


@pytest.mark.parametrize("on", [COMPOSABLE, SERIAL], ids=["composable", "bit_serial"])
def test_no_layer_is_above_the_roof(on: Hardware) -> None:
    types = {"A": "int4", "W": "int2"}
    layer = Layer("one", Workload(GEMM.expression, GEMM.bounds, types))
    scene = roofline_scene(simulate(Network("net", (layer,)), on, "latency"))
    assert scene.rate == 16 * (8 if on is COMPOSABLE else 16 / 8)
    for point in scene.points:
        assert 0.5 * scene.roof(point.intensity) < point.rate <= scene.roof(point.intensity)


def test_the_paced_hardware_is_what_the_mapper_sees() -> None:
    layer = Workload(GEMM.expression, GEMM.bounds, {"A": "int4", "W": "int8"})
    problem, words = layer_work(layer, "W", SERIAL)
    own = words.paced(SERIAL, problem.number_format)
    cost = best_mapping(problem, own, "latency").cost
    assert solved(GEMM, SERIAL, {"A": "int4", "W": "int8"}).cost.cycles == 32 * cost.cycles
    assert own.leakage_pj_per_cycle == pytest.approx(32 * SERIAL.leakage_pj_per_cycle)


def test_refusals() -> None:
    with pytest.raises(InputError, match="did you mean 'composable'"):
        hardware(unit="composible")
    with pytest.raises(InputError, match="lanes of a composable unit"):
        hardware(unit="composable", lanes=4)
    with pytest.raises(InputError, match="no composable units for int16"):
        solved(GEMM, COMPOSABLE, {"A": "int16", "W": "int8"})
    with pytest.raises(InputError, match="no composable units for nvfp4"):
        solved(GEMM, hardware(unit="composable", mac_pj="0.5"), {"A": "nvfp4", "W": "nvfp4"})
    # Horowitz has no figures of such units, and those of plain ones do not stand for them.
    given: dict[str, Plain] = {"name": "x", "levels": [{"name": "dram", "pj_per_bit": 1}]}
    with pytest.raises(InputError, match="no energy of a multiply-accumulate"):
        hardware_from({**given, "unit": "composable", "technology": "horowitz_45nm"})


def test_measured_energies() -> None:
    """The figures of the technology files, by product: fewer bits take less, in both kinds."""
    for name in ("sg13g2", "asap7"):
        energies = load_energies(name)
        assert energies.lanes == 16
        for kind in ("composable", "bit_serial"):
            costs = [energies.units[kind][f"int{w}*int{w}"] for w in (2, 4, 8)]
            assert costs[0].pj < costs[1].pj < costs[2].pj
            # One unit: area and leakage do not depend on the widths.
            assert len({(cost.area_mm2, cost.leakage_mw) for cost in costs}) == 1
            # One product of several takes less than all of them.
            for width, cost in zip((2, 4, 8), costs, strict=True):
                room = 64 // width**2 if kind == "composable" else 16
                assert cost.alone_pj is not None
                assert cost.alone_pj < room * cost.pj or room == 1
            # A plain multiplier of 8 bits is what these are paid for with.
            assert costs[2].pj > energies.macs["int8*int8"].pj
    values: dict[str, Plain] = {"name": "x", "levels": [{"name": "dram", "pj_per_bit": 1}]}
    found = hardware_from({**values, "unit": "bit_serial", "technology": "sg13g2"})
    assert found.lanes == 16
    assert found.mac_energy("int4*uint4") == 18.83
    assert found.unit_area_mm2 == 0.03481
    assert found.alone_energy("int4*uint4") == 255.9


def test_units_of_a_technology_of_the_users_own() -> None:
    text = "name: mine\nsource: here\nbit_serial:\n  source: here\n  lanes: 4\n"
    found = parse_energies(text + "  formats: {int8: {pj: 2}}\n")
    assert (found.lanes, found.units["bit_serial"]["int8*int8"].pj) == (4, 2.0)
    with pytest.raises(InputError, match="bit_serial: None lanes"):
        parse_energies(text.replace("  lanes: 4\n", "") + "  formats: {int8: {pj: 2}}\n")

"""The estimate of energy: what it counts is what the plans say."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pytest
from numpy.typing import NDArray

from accelgen.accuracy.source import LayerBits
from accelgen.digits.supernet import load_supernet
from accelgen.energy import load_energies
from accelgen.fabric.banks import BankedAccess
from accelgen.names import FrozenMap
from accelgen.processor.design import ProcessorDesign
from accelgen.realize.accesses import traffic_of
from accelgen.realize.estimate import (
    FACTORS,
    PARTS,
    energy_of,
    estimate,
    product_pj,
    waiting_pj,
    word_pj,
)
from accelgen.realize.kernel import Kernel
from accelgen.realize.point import Point
from accelgen.realize.program import Program, compile_network, design_kernel, largest_bounds
from accelgen.realize.structure import _macro, structure_of
from accelgen.silicon.memories import Macro, Memory, tile
from benchmarks.realised_energy import FACTOR_NAMES, Measured, Rows, fit, misfit, rows_of

Built = tuple[ProcessorDesign, Program]
BITS = LayerBits("int4", "uint8")

KERNELS = (
    Kernel((("k", 4), ("q", 2)), ("c", "p", "k", "q", "r", "s"), (True, False)),
    Kernel((("c", 4),), ("r", "s", "k", "p", "q", "c"), (True,), "composable"),
)


@pytest.fixture(scope="module", params=KERNELS, ids=lambda kernel: kernel.multiplier)
def built(request: pytest.FixtureRequest) -> Built:
    kernel = request.param
    space = load_supernet().space
    layers = [layer.name for layer in space.layers(space.smallest)]
    bits = FrozenMap(dict.fromkeys(layers, BITS))
    network = Point(kernel, FrozenMap(space.smallest), bits).network()
    design = design_kernel(kernel, largest_bounds([network], kernel))
    return design, compile_network(network, kernel, design)


def addresses(access: BankedAccess) -> NDArray[np.int64]:
    """Of every memory [accesses, memories], found element by element."""
    layout = access.layout
    found = []
    for t in product(*map(range, access.extents)):
        at = np.array(access.steps).reshape(len(access.origin), -1) @ np.array(t, np.int64)
        row = []
        for memory in product(*map(range, layout.moduli)):
            held = [
                v + (j - v) % n
                for v, j, n in zip(
                    (at + access.origin).tolist(), memory, layout.moduli, strict=True
                )
            ]
            words = [d // n for d, n in zip(held, layout.moduli, strict=True)]
            row.append(sum(x * y for x, y in zip(words, layout.strides, strict=True)))
        found.append(row)
    return np.array(found)


def test_changes_are_those_of_addresses(built: Built) -> None:
    _, program = built
    moved = rotated = 0
    for step in program.steps:
        for plan in step.problem.fabric.plans:
            access = plan.banked
            if prod(access.extents) > 2000:
                continue
            counted = traffic_of(access).accesses
            assert counted.count == prod(access.extents)
            assert 1 <= counted.changes <= counted.moves <= counted.count
            every = np.diff(addresses(access), axis=0) != 0
            # Two dimensions that move at once can lead to the address where it was.
            assert every.mean(axis=1).sum() <= counted.changes - 1 + 1e-9
            if sum(map(any, access.steps)) <= 1:
                assert every.mean(axis=1).sum() == pytest.approx(counted.changes - 1)
            moved += counted.moves > 1
            rotated += counted.changes < counted.moves
    assert moved
    assert rotated


def test_macros_are_those_of_synthesis() -> None:
    energies = load_energies("sg13g2")
    macros = [
        Macro(str(k), 8 * row.size // row.width, row.width, 1e6 * (row.area_mm2 or 0.0))
        for k, row in enumerate(energies.macros)
    ]
    assert len(macros) == 9
    # That of the smallest storage cell of the library, a latch.
    bit = 27.216
    made = 0
    for words, width in product(
        (2, 20, 28, 36, 40, 100, 256, 1000, 3072), (8, 16, 32, 43, 64, 128)
    ):
        found = _macro(energies, words, width)
        best = tile(Memory("m", "c", 2 * words, width, 1, True), macros, bit)
        assert (found is None) == (best is None)
        if found is not None and best is not None:
            assert found.area_mm2 == pytest.approx(best.rows * best.columns * best.macro.area / 1e6)
            made += 1
    assert made > 5


def test_parts_are_where_they_belong(built: Built) -> None:
    design, program = built
    step = program.steps[0]
    energies = load_energies("sg13g2")
    structure = structure_of(design, energies)
    found = energy_of(program.kernel, step, structure, energies, 1000)
    assert set(found) == set(PARTS)
    assert min(found.values()) > 0
    waiting = waiting_pj(structure, energies)
    assert found["clock"] == pytest.approx(1000 * sum(waiting.values()))
    assert min(waiting.values()) > 0
    longer = energy_of(program.kernel, step, structure, energies, 2000)
    assert longer["clock"] == pytest.approx(2 * found["clock"])
    assert longer["products"] == found["products"]
    kind = program.kernel.multiplier
    none = energy_of(
        program.kernel, step, structure, energies, 1000, replace(FACTORS, **{kind: 0.0})
    )
    assert none["products"] == 0
    assert {key: none[key] for key in PARTS[1:]} == {key: found[key] for key in PARTS[1:]}


@pytest.mark.parametrize(("kind", "widths", "count"), [("composable", (4, 4), 4),
                                                        ("nvfp4", (8, 4), 16)])  # fmt: skip
def test_what_fills_up_a_word_takes_its_share(
    kind: str, widths: tuple[int, int], count: int
) -> None:
    energies = load_energies("sg13g2")
    kernel = Kernel((("k", 4),), ("k", "p", "q", "c", "r", "s"), (False,), kind, bus_bits=256)
    assert kernel.elements(*widths) == count

    def pj(channels: int, empty: float) -> float:
        factors = replace(FACTORS, empty=empty)
        return word_pj(kernel, widths, count, channels, energies, factors)

    one = product_pj(kernel, widths, energies)
    for channels in (count, 3 * count):
        assert pj(channels, 0.2) == pytest.approx(count * one)
    assert pj(1, 0.0) == pytest.approx(one)
    assert pj(1, 0.5) == pytest.approx((1 + 0.5 * (count - 1)) * one)
    # Two words, the second of them with one element: as many in each on average.
    assert 2 * pj(count + 1, 0.0) == pytest.approx((count + 1) * one)


def test_an_inference_is_its_layers(built: Built) -> None:
    design, program = built
    found = estimate(program, design)
    total = sum(layer.total_pj for layer in found.layers) + found.energy_pj["leakage"]
    assert found.energy_nj == pytest.approx(total / 1e3)
    assert found.cycles == program.cycles
    memories = structure_of(design, load_energies("sg13g2")).memories
    assert len(memories) == 3
    assert found.area_mm2 > sum(2 * m.count * (m.cost.area_mm2 or 0) for m in memories)


@pytest.fixture(scope="module")
def measured(built: Built) -> Measured:
    _, program = built
    space = load_supernet().space
    bits = FrozenMap(dict.fromkeys((x.name for x in program.network.layers), BITS))
    point = Point(program.kernel, FrozenMap(space.smallest), bits)
    cycles = tuple(step.problem.cycles.total_cycles for step in program.steps)
    names = tuple(step.layer.name for step in program.steps)
    energies = np.tile([1.0, 2.0, 3.0], (len(names), 1)) / len(names)
    activity = Rows(np.ones(1), np.ones(1), np.ones((1, 1)), np.ones(1))
    return Measured("a", point, names, cycles, energies, activity)


def test_rows_of_the_fit_are_the_estimate_with_leakage(built: Built, measured: Measured) -> None:
    design, program = built
    found = estimate(program, design)
    assert found.energy_pj["leakage"] > 0
    rows = rows_of(measured)
    used = np.array([getattr(FACTORS, name) for name in FACTOR_NAMES])
    assert rows.ratio(used) * 6.0 == pytest.approx(found.energy_nj)
    # What a factor is of is in one group, but for register bits and clock gates.
    columns = zip(FACTOR_NAMES, rows.coefficients.T, strict=True)
    groups = {name: np.flatnonzero(column) for name, column in columns}
    assert groups["stage"].tolist() == groups["sum_bits"].tolist() == [2]
    assert groups[program.kernel.multiplier].tolist() == [0]
    assert groups["read"].tolist() == [1]
    inputs = structure_of(design, load_energies("sg13g2")).memories[:-1]
    assert groups["write"].tolist() == ([] if all(m.macro for m in inputs) else [1])
    assert groups["bit"].tolist() == [0, 1, 2]


def test_the_fit_finds_what_rows_were_made_of(measured: Measured) -> None:
    rows = rows_of(measured)
    used = np.array([getattr(FACTORS, name) for name in FACTOR_NAMES])
    true = used * np.linspace(1.1, 1.5, len(used))
    made = replace(rows, measured=rows.constant + rows.coefficients @ true)
    before, after = abs(made.ratio(used) - 1), abs(made.ratio(fit([made] * 20, used)) - 1)
    assert after < 0.01
    assert before > 0.05
    assert misfit([made] * 20, used) < 1e-4

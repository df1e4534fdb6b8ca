"""The estimate of energy: what it counts is what the plans say."""

from __future__ import annotations

from dataclasses import astuple, replace
from itertools import pairwise, product
from math import prod
from pathlib import Path

import numpy as np
import pytest

from accelgen.accuracy.source import LayerBits
from accelgen.digits.supernet import load_supernet
from accelgen.energy import load_energies
from accelgen.names import FrozenMap
from accelgen.processor.design import ProcessorDesign
from accelgen.realize.estimate import FACTORS, PARTS, _moves, energy_of, estimate
from accelgen.realize.kernel import Kernel
from accelgen.realize.point import Point
from accelgen.realize.program import Program, compile_network, design_kernel, largest_bounds
from accelgen.realize.realize import Realised
from accelgen.realize.structure import _macro, structure_of
from accelgen.silicon.memories import Macro, Memory, tile
from benchmarks.realised_energy import rows_of

Built = tuple[ProcessorDesign, Program]

KERNELS = (
    Kernel((("k", 4), ("q", 2)), ("c", "p", "k", "q", "r", "s"), (True, False)),
    Kernel((("c", 4),), ("r", "s", "k", "p", "q", "c"), (True,), "composable"),
)


@pytest.fixture(scope="module", params=KERNELS, ids=lambda kernel: kernel.multiplier)
def built(request: pytest.FixtureRequest) -> Built:
    kernel = request.param
    space = load_supernet().space
    layers = [layer.name for layer in space.layers(space.smallest)]
    bits = FrozenMap({name: LayerBits("int4", "uint8") for name in layers})
    network = Point(kernel, FrozenMap(space.smallest), bits).network()
    design = design_kernel(kernel, largest_bounds([network], kernel))
    return design, compile_network(network, kernel, design)


def test_moves_are_the_cycles_with_another_address(built: Built) -> None:
    _, program = built
    for step in program.steps:
        for plan in step.problem.fabric.inputs:
            pattern = plan.pattern
            if prod(pattern.extents) > 20_000:
                continue
            places = [pattern.element(t, 0) for t in product(*map(range, pattern.extents))]
            changes = 1 + sum(a != b for a, b in pairwise(places))
            # Loops that together leave the index where it was are counted as moving.
            assert _moves(plan) >= changes
            still = [row for row in zip(*pattern.steps, strict=True) if not any(row)]
            if not still:
                assert _moves(plan) == prod(pattern.extents)


def test_macros_are_those_of_synthesis() -> None:
    energies = load_energies("sg13g2")
    macros = [
        Macro(str(k), 8 * row.size // row.width, row.width, 1e6 * (row.area_mm2 or 0.0))
        for k, row in enumerate(energies.macros)
    ]
    assert len(macros) == 9
    for words, width in product((2, 40, 100, 256, 1000, 3072), (8, 16, 32)):
        found = _macro(energies, words, width)
        best = tile(Memory("m", "c", 2 * words, width, 1, True), macros, float("inf"))
        assert best is not None
        if found is not None:
            assert found.area_mm2 == pytest.approx(best.rows * best.columns * best.macro.area / 1e6)
        else:
            files = energies.registers(words * width // 8 or 1, width).area_mm2
            assert files is not None
            assert files < 4 * best.rows * best.columns * best.macro.area / 1e6


def test_parts_are_where_they_belong(built: Built) -> None:
    design, program = built
    step = program.steps[0]
    energies = load_energies("sg13g2")
    structure = structure_of(design, energies)
    found = energy_of(program.kernel, step, structure, energies, 1000)
    assert set(found) == set(PARTS)
    assert min(found.values()) > 0
    longer = energy_of(program.kernel, step, structure, energies, 2000)
    assert longer["clock"] == pytest.approx(2 * found["clock"])
    assert longer["products"] == found["products"]
    kind = program.kernel.multiplier
    none = energy_of(
        program.kernel, step, structure, energies, 1000, replace(FACTORS, **{kind: 0.0})
    )
    assert none["products"] == 0
    assert {key: none[key] for key in PARTS[1:]} == {key: found[key] for key in PARTS[1:]}


def test_an_inference_is_its_layers(built: Built) -> None:
    design, program = built
    found = estimate(program, design)
    total = sum(layer.total_pj for layer in found.layers) + found.energy_pj["leakage"]
    assert found.energy_nj == pytest.approx(total / 1e3)
    assert found.cycles == program.cycles
    memories = structure_of(design, load_energies("sg13g2")).memories
    assert len(memories) == 3
    assert found.area_mm2 > sum(2 * m.count * (m.cost.area_mm2 or 0) for m in memories)


def test_rows_of_the_fit_are_the_estimate_with_leakage(built: Built) -> None:
    design, program = built
    kernel, network = program.kernel, program.network
    point = Point(kernel, FrozenMap(load_supernet().space.smallest), FrozenMap({}))
    found = estimate(program, design)
    assert found.energy_pj["leakage"] > 0
    chip = Realised(Path(), point, design, program, found)
    cycles = [layer.cycles for layer in found.layers]
    rows = rows_of(0, chip, cycles, [1.0] * len(network.layers))
    total = rows.ratio(np.array(astuple(FACTORS))) * len(network.layers)
    assert total == pytest.approx(found.energy_nj)

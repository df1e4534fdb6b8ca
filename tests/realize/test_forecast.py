"""What is known of points at once: counts are those of the design, estimates are near."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise, product
from math import exp, prod

import numpy as np
import pytest

from accelgen.accuracy.source import LayerBits
from accelgen.digits.supernet import load_supernet
from accelgen.names import FrozenMap
from accelgen.realize.counts import (
    INPUT,
    OUTPUT,
    WEIGHT,
    Counts,
    counts_of,
    extents_of,
    tiles_of,
    total,
    widths_of,
    word_bounds_of,
)
from accelgen.realize.estimate import estimate
from accelgen.realize.forecast import forecast_of
from accelgen.realize.kernel import LOOPS, Kernel
from accelgen.realize.point import Point
from accelgen.realize.program import compile_network, design_kernel, largest_bounds

KERNELS = (
    Kernel((("k", 4), ("q", 2)), ("c", "p", "k", "q", "r", "s"), (True, False)),
    Kernel((("c", 4),), ("k", "p", "q", "r", "s", "c"), (True,), "composable"),
    Kernel((("k", 8), ("p", 4)), ("c", "q", "k", "p", "s", "r"), (False, False), bus_bits=128),
    Kernel((("k", 2),), LOOPS, (False,), "nvfp4", bus_bits=128),
)


def point_of(kernel: Kernel) -> Point:
    space = load_supernet().space
    weights = "nvfp4" if kernel.multiplier == "nvfp4" else "int4"
    layers = [layer.name for layer in space.layers(space.smallest)]
    bits = FrozenMap({name: LayerBits(weights, "uint8") for name in layers})
    return Point(kernel, FrozenMap(space.smallest), bits)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: f"{kernel.multiplier}{kernel.units}")
def test_counts_are_those_of_the_design(kernel: Kernel) -> None:
    point = point_of(kernel)
    network = point.network()
    design = design_kernel(kernel, largest_bounds([network], kernel))
    program = compile_network(network, kernel, design)
    layers = load_supernet().space.layers(point.architecture)
    found = [counts_of(kernel, layer, point.bits[layer.name]) for layer in layers]
    for one, step in zip(found, program.steps, strict=True):
        fabric = step.problem.fabric
        assert one.steps == prod(fabric.schedule.extents)
        assert one.products == step.products
        assert one.macs == step.macs
        assert one.sums == fabric.output.banked.layout.elements
        # Words and blocks are filled up with zeros.
        words = -(-step.layer.weights.shape[1] // step.count)
        elements = step.layer.weights.size // step.layer.weights.shape[1] * words * step.count
        assert one.weight_bits == elements * widths_of(kernel, LayerBits("int4", "uint8"))[0][1]
    whole = total(found)
    assert all(
        getattr(whole, x.name) == sum(getattr(one, x.name) for one in found) for x in fields(Counts)
    )
    traits, first = forecast_of(point)
    known = estimate(program, design, point.technology, point.period_ns)
    assert exp(traits["energy_products"]) == pytest.approx(known.energy_pj["products"])
    assert exp(traits["energy_output"]) == pytest.approx(known.energy_pj["output"])
    assert first["latency_ms"] == pytest.approx(known.latency_us / 1e3, rel=0.5)
    assert 0.4 < first["energy_uj"] / (known.energy_nj / 1e3) < 2.5


def test_moves_are_steps_with_another_tile() -> None:
    draws = np.random.default_rng(0)
    for _ in range(30):
        order = tuple(draws.permutation(list(LOOPS)).tolist())
        tiles = dict(zip(LOOPS, draws.integers(1, 4, len(LOOPS)).tolist(), strict=True))
        for shape in (INPUT, WEIGHT, OUTPUT):
            places = [
                tuple(dict(zip(order, at, strict=True))[loop] for loop in shape.moving)
                for at in product(*(range(tiles[loop]) for loop in order))
            ]
            assert shape.moves(order, tiles) == 1 + sum(a != b for a, b in pairwise(places))


def test_waits_are_for_what_stays_less_than_it_takes() -> None:
    layer = next(x for x in load_supernet().space.layers(load_supernet().space.largest))
    order = ("c", "r", "s", "k", "p", "q")
    tiles = tiles_of(word_bounds_of(layer, 1), FrozenMap(dict.fromkeys(LOOPS, 1)))
    none = dict.fromkeys(LOOPS, 1)
    assert WEIGHT.waits(order, tiles, none) == 0
    # Positions run inside of weights, more of them than there are units.
    assert WEIGHT.waits(order, tiles, {**none, "k": 8}) == 0
    stays = prod(tiles[loop] for loop in ("p", "q"))
    moves = WEIGHT.moves(order, tiles)
    assert WEIGHT.waits(order, tiles, {**none, "k": stays + 3}) == 3 * moves
    # Results move in every step.
    assert OUTPUT.waits(order, tiles, {**none, "k": stays + 3}) == 0


def test_traits_have_the_same_names_and_tell_designs_apart() -> None:
    found = [forecast_of(point_of(kernel)) for kernel in KERNELS]
    assert len({tuple(traits) for traits, _ in found}) == 1
    assert len({tuple(traits.values()) for traits, _ in found}) == len(KERNELS)
    assert all(np.isfinite(list(traits.values())).all() for traits, _ in found)


def test_orders_that_make_no_difference_have_the_same_traits() -> None:
    """A loop of one tile may run anywhere among those of its operand."""
    space = load_supernet().space
    small = space.legal({**space.smallest, "width2": 8, "width3": 16})
    bits = FrozenMap({x.name: LayerBits("int8", "uint8") for x in space.layers(small)})
    found = []
    for order in (("k", "c", "p", "q", "r", "s"), ("c", "k", "p", "q", "r", "s")):
        kernel = Kernel((("k", 32), ("c", 32)), order, (False, False))
        point = Point(kernel, small, bits)
        network = point.network()
        program = compile_network(
            network, kernel, design_kernel(kernel, largest_bounds([network], kernel))
        )
        assert extents_of(kernel)["k"] == 32
        found.append((forecast_of(point)[0], program.cycles))
    assert found[0] == found[1]


def test_orders_that_end_in_another_loop_are_told_apart() -> None:
    """Bounds are registers: what stays follows the order of all loops, of one tile or more."""
    found = []
    for order in ("kcpsrq", "kpcqsr"):
        kernel = Kernel((("p", 8), ("q", 8)), tuple(order), (True, False))
        point = point_of(kernel)
        network = point.network()
        design = design_kernel(kernel, largest_bounds([network], kernel))
        cycles = compile_network(network, kernel, design).cycles
        found.append((tuple(forecast_of(point)[0].values()), cycles))
    (one, first), (two, second) = found
    assert first != second
    assert one != two


def test_a_technology_without_wires_has_a_forecast() -> None:
    point = replace(point_of(KERNELS[0]), technology="horowitz_45nm")
    traits, first = forecast_of(point)
    assert np.isfinite(list(traits.values())).all()
    assert first["energy_uj"] > 0
    assert first["edp_js"] == pytest.approx(first["energy_uj"] * first["latency_ms"] * 1e-9)
    assert first["cycles"] * point.period_ns == pytest.approx(first["latency_ms"] * 1e6)

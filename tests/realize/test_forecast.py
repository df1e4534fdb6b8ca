"""What is known of points at once: first estimates are those of the design, nearly."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import numpy as np
import pytest

from accelgen.accuracy.source import LayerBits
from accelgen.digits.supernet import load_supernet
from accelgen.names import FrozenMap
from accelgen.realize.estimate import estimate
from accelgen.realize.forecast import forecast_of
from accelgen.realize.kernel import LOOPS, Kernel
from accelgen.realize.point import Point
from accelgen.realize.program import compile_network, design_kernel, largest_bounds
from accelgen.realize.shape import shape_of

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
def test_first_estimates_are_those_of_the_design_but_for_its_netlist(kernel: Kernel) -> None:
    point = point_of(kernel)
    network = point.network()
    design = design_kernel(kernel, largest_bounds([network], kernel))
    program = compile_network(network, kernel, design)
    layers = load_supernet().space.layers(point.architecture)
    for layer, step in zip(layers, program.steps, strict=True):
        shape = shape_of(kernel, layer, point.bits[layer.name])
        assert shape.count == step.count
        assert shape.bounds == {**step.bounds, "c": -(-step.bounds["c"] // kernel.lanes)}
        assert shape.products == step.products * step.count
    known = estimate(program, design, point.technology, point.period_ns)
    traits, first = forecast_of(point)
    assert first["cycles"] == pytest.approx(known.cycles, rel=0.02)
    assert first["latency_ms"] == pytest.approx(known.latency_us / 1e3, rel=0.02)
    for part in ("products", "inputs", "weights", "results", "output"):
        assert exp(traits[f"energy_{part}"]) == pytest.approx(known.energy_pj[part], rel=0.02), part
    assert first["energy_uj"] == pytest.approx(known.energy_nj / 1e3, rel=0.2)


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


@pytest.mark.parametrize(
    "space",
    [
        (("p", 4), ("r", 3)),
        (("r", 2), ("k", 4), ("p", 4)),
        (("q", 4), ("s", 2)),
        (("s", 4), ("q", 8)),
    ],
)
def test_inputs_that_are_shared_diagonally_are_nearly_known(
    space: tuple[tuple[str, int], ...],
) -> None:
    """Where both loops of a sum run along axes, chains and memories may be others."""
    for order in ("kcpqrs", "rspqck", "pqkcrs"):
        kernel = Kernel(space, tuple(order), (False,) * len(space), "composable")
        point = point_of(kernel)
        network = point.network()
        design = design_kernel(kernel, largest_bounds([network], kernel))
        known = estimate(compile_network(network, kernel, design), design)
        _, first = forecast_of(point)
        assert first["cycles"] == pytest.approx(known.cycles, rel=0.03)
        assert first["energy_uj"] == pytest.approx(known.energy_nj / 1e3, rel=0.25)


def test_a_technology_without_wires_has_a_forecast() -> None:
    point = replace(point_of(KERNELS[0]), technology="horowitz_45nm")
    traits, first = forecast_of(point)
    assert np.isfinite(list(traits.values())).all()
    assert first["energy_uj"] > 0
    assert first["edp_js"] == pytest.approx(first["energy_uj"] * first["latency_ms"] * 1e-9)
    assert first["cycles"] * point.period_ns == pytest.approx(first["latency_ms"] * 1e6)

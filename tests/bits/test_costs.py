"""Costs from the cost model, and sensitivities from a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from accelgen.accuracy.source import Accuracy, AccuracyKind
from accelgen.bits import (
    BitTable,
    LayerBits,
    LayerOptions,
    Option,
    accuracy_losses,
    bit_costs,
    cheapest,
    least_sensitive,
    output_errors,
)
from accelgen.errors import InputError
from accelgen.hardware import Hardware, hardware_from
from accelgen.networks import Network
from accelgen.networks.builder import Builder, Value
from accelgen.simulation import simulate

W8, W4, MIXED = (LayerBits(w, a) for w, a in (("int8", "int8"), ("int4", "int4"), ("int4", "int8")))


def network() -> Network:
    b = Builder()
    x = b.conv("stem", Value((4, 8, 8)), 8, 3)
    x = b.conv("wide", b.vector("relu", x), 16, 3)
    b.linear("fc", b.mean(x), 10)
    return b.network("tiny", "a test")


def composable() -> Hardware:
    return hardware_from(
        {
            "name": "small",
            "array": {"i": 4, "j": 4},
            "unit": "composable",
            "levels": [
                {"name": "sram", "bytes": 16384, "pj_per_bit": "0.4"},
                {"name": "dram", "bytes_per_cycle": 8, "pj_per_bit": 20},
            ],
            "mac_pj": {"int8*int8": "0.6", "int4*int8": "0.4", "int4*int4": "0.2"},
        }
    )


@pytest.mark.parametrize("measure", ["energy", "latency"])
def test_costs_are_those_of_a_simulation_with_these_bits(measure: str) -> None:
    """A network of mixed formats costs what the table says: costs add up."""
    net, hardware = network(), composable()
    table = bit_costs(net, hardware, (W8, W4, MIXED), measure)  # type: ignore[arg-type]
    assert [layer.name for layer in table.layers] == ["stem", "wide", "fc"]
    bits = {"stem": MIXED, "wide": W4, "fc": W8}
    mixed = net
    for name, one in bits.items():
        mixed = mixed.with_formats(activations=one.activations, weights=one.weights, only=[name])
    found = simulate(mixed, hardware, measure)  # type: ignore[arg-type]
    whole = sum(found.energy_pj.values()) if measure == "energy" else found.cycles
    assert table.allocation(bits).cost == pytest.approx(whole)
    fewer = [layer.option(W4).cost < layer.option(W8).cost for layer in table.layers]
    assert all(fewer)


def test_mixed_bits_within_the_latency_of_one_width() -> None:
    """A budget between two uniform costs is met by lowering where least is lost."""
    table = bit_costs(network(), composable(), (W8, W4), "latency")
    lost = {("stem", W4): 0.03, ("wide", W4): 0.01, ("fc", W4): 0.05}
    lost |= {(name, W8): 0.0 for name in ("stem", "wide", "fc")}
    table = table.with_sensitivities(lost)
    wide = table.layers[1]
    budget = table.allocation(dict.fromkeys(("stem", "wide", "fc"), W8)).cost - 1
    found = least_sensitive(table, budget)
    assert found.bits == {"stem": W8, "wide": W4, "fc": W8}
    assert cheapest(table, 0.01).cost == pytest.approx(
        budget + 1 - wide.option(W8).cost + wide.option(W4).cost
    )


@dataclass(frozen=True)
class Falling:
    """Two per cent less for every layer of four bits, one more by chance for ``lucky``."""

    kind: AccuracyKind = "user"
    source: str = "a test"

    def accuracy(self, architecture: Mapping[str, int], bits: Mapping[str, LayerBits]) -> Accuracy:
        low = [name for name, one in bits.items() if one == W4]
        value = 0.9 - 0.02 * len(low) + (0.03 if "lucky" in low else 0)
        return Accuracy(value - 0.1 * architecture["thin"], self.kind, self.source)


def plain_table(*names: str) -> BitTable:
    return BitTable(tuple(LayerOptions(n, (Option(W8, 2), Option(W4, 1))) for n in names))


def test_accuracy_losses() -> None:
    table = plain_table("one", "lucky")
    wide = {"one": W8, "lucky": W8}
    found = accuracy_losses(Falling(), {"thin": 1}, table, wide)
    assert found == pytest.approx(
        {("one", W8): 0, ("one", W4): 0.02, ("lucky", W8): 0, ("lucky", W4): 0}
    )
    assert cheapest(table.with_sensitivities(found), 0.0).bits == {"one": W8, "lucky": W4}


def test_output_errors() -> None:
    def outputs(bits: Mapping[str, LayerBits]) -> NDArray[np.float64]:
        coarse = {"one": 0.1, "two": 0.3}
        error = sum(coarse[name] for name, one in bits.items() if one == W4)
        return np.array([3.0, -4.0]) + error

    wide = {"one": W8, "two": W8}
    found = output_errors(outputs, plain_table("one", "two"), wide)
    assert found["one", W4] == pytest.approx(0.01 / 12.5)
    assert found["two", W4] == pytest.approx(0.09 / 12.5)
    assert found["one", W8] == 0
    with pytest.raises(InputError, match="the outputs are all 0"):
        output_errors(lambda bits: np.zeros(3), plain_table("one"), wide)
    with pytest.raises(InputError, match="two: no wide formats"):
        output_errors(outputs, plain_table("one", "two"), {"one": W8})


def test_refusals() -> None:
    with pytest.raises(InputError, match="unknown measure 'edp'"):
        bit_costs(network(), composable(), (W8,), "edp")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no formats"):
        bit_costs(network(), composable(), ())
    with pytest.raises(InputError, match="one: no sensitivity of int4"):
        plain_table("one").with_sensitivities({("one", W8): 0.0})

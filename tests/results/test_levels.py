"""Results of hardware with several levels of buffers, and of uneven mappings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from accelgen.affine.roles import Role
from accelgen.cli.pins import read_pins
from accelgen.hardware import Hardware, parse_hardware
from accelgen.mapper import Constraints, Objective, cost, moves
from accelgen.names import FrozenMap
from accelgen.networks import Network, parse_network
from accelgen.results import (
    draw_energy,
    draw_latency,
    draw_roofline,
    energy_scene,
    figures,
    layer_table,
    pins_of,
    report,
    roofline_scene,
)
from accelgen.results.layers import detailed
from accelgen.simulation import NetworkResult, simulate

NETWORK = """
name: small
layers:
  - {name: conv, repeats: 2, bounds: {k: 6, c: 3, p: 5, r: 3},
     expression: "Y[k,p] += X[c,p + r] * W[k,c,r]"}
  - {name: fc, expression: "Y[m,n] += A[m,k] * W[k,n]", bounds: {m: 8, n: 24, k: 24}}
"""
TWO = """
name: two
array: {i: 4, j: 4}
mac_pj: 1
levels:
  - name: l1
    memories:
      - {name: operands, holds: [inputs, weights], bytes: 96, pj_per_bit: 0.1, bytes_per_cycle: 6}
      - {name: sums, holds: [outputs], bytes: 64, pj_per_bit: 0.1}
  - {name: l2, bytes: 512, pj_per_bit: 0.5, bytes_per_cycle: 2}
  - {name: dram, bytes_per_cycle: 1, pj_per_bit: 20}
"""
ONE = """
name: one
array: {i: 4, j: 4}
mac_pj: 1
levels:
  - {name: sram, bytes: 256, pj_per_bit: 0.5}
  - {name: dram, bytes_per_cycle: 2, pj_per_bit: 20}
"""


def unlimited(hardware: Hardware) -> Hardware:
    """The hardware with no memory that is ever waited for."""
    levels = tuple(
        replace(level, memories=tuple(replace(x, bandwidth=None) for x in level.memories))
        for level in hardware.levels
    )
    return replace(hardware, levels=levels)


@pytest.fixture(scope="module")
def network() -> Network:
    return parse_network(NETWORK)


@pytest.fixture(scope="module", params=["two", "uneven"])
def found(request: pytest.FixtureRequest, network: Network) -> NetworkResult:
    if request.param == "two":
        return simulate(network, parse_hardware(TWO))
    uneven = Constraints(uneven=True)
    result = simulate(network, parse_hardware(ONE), constraints=uneven)
    assert all(len(x.mapping.tiles) == 4 for x in result.layers)
    return result


def numbers(found: NetworkResult, name: str) -> list[float]:
    """A column of numbers."""
    column = layer_table(found)[name]
    return [value for value in column if isinstance(value, int | float)]


def test_every_level_has_its_columns_and_they_add_up(found: NetworkResult) -> None:
    names = [level.name for level in found.hardware.levels]
    for name in names:
        energy = numbers(found, f"energy_pj.{name}")
        assert sum(energy) == pytest.approx(found.energy_pj[name])
        parts = [x for x in layer_table(found) if x.startswith(f"energy_pj.{name}.")]
        assert len(parts) == 6
        several = zip(*(numbers(found, part) for part in parts), strict=True)
        assert [sum(values) for values in several] == pytest.approx(energy)
    total = numbers(found, "energy_pj")
    levels = zip(*(numbers(found, f"energy_pj.{name}") for name in ("mac", *names)), strict=True)
    assert [sum(values) for values in levels] == pytest.approx(total)
    scene = energy_scene(found)
    assert scene.levels == ("mac", *names)
    assert [sum(bar) for bar in scene.picojoule] == pytest.approx(total)


def test_bytes_are_what_crosses_below_a_level(found: NetworkResult) -> None:
    levels = found.hardware.levels
    for number, x in enumerate(found.layers):
        across = moves(x.problem, found.hardware, x.mapping)
        for level, below in zip(levels, across, strict=True):
            bits = 0
            for operand in x.problem.operands:
                here = below[operand.name]
                # Finished once, each; all else at the width of sums.
                done = here.left - here.entered
                bits += here.entered * (operand.partial_bits if operand.is_output else operand.bits)
                bits += done * operand.bits + (here.left - done) * operand.partial_bits
            moved = x.layer.repeats * bits / 8
            assert numbers(found, f"bytes.{level.name}")[number] == moved
            for memory in level.memories:
                if memory.bandwidth and len(level.memories) == 1:
                    cycles = numbers(found, f"port_cycles.{memory.name}")[number]
                    assert cycles == pytest.approx(moved / memory.bandwidth)
    inner, outer = (numbers(found, f"bytes.{level.name}") for level in (levels[0], levels[-1]))
    assert all(a >= b for a, b in zip(inner, outer, strict=True))


def test_shares_and_waits_add_up(found: NetworkResult) -> None:
    for x in detailed(found):
        shares = x.result.cost.shares
        assert sum(shares.values()) == pytest.approx(1)
        assert all(share >= 0 for share in shares.values())
        assert all(share > 0 for share in x.waits.values())
        assert sum(x.waits.values()) == pytest.approx(shares["wait"])
    parts = [x for x in layer_table(found) if x.startswith("share.wait.")]
    several = zip(*(numbers(found, part) for part in parts), strict=True)
    assert [sum(values) for values in several] == pytest.approx(numbers(found, "share.wait"))


def test_nests_name_every_level(found: NetworkResult) -> None:
    for text, x in zip(report(found).nests, found.layers, strict=True):
        name, *lines = text.splitlines()
        assert name == x.layer.name
        starts = [line.strip().partition(":")[0] for line in lines]
        if found.hardware.name == "two":
            assert starts == ["dram", "l2", "l1", "array"]
            continue
        assert [start.partition(" (")[0] for start in starts] == ["dram", "sram", "sram", "array"]
        held = [start.partition(" (")[2].rstrip(")").split(", ") for start in starts[1:3]]
        assert sorted(held[0] + held[1]) == sorted(o.name for o in x.problem.operands)


def test_pictures_are_drawn(found: NetworkResult, tmp_path: Path) -> None:
    for draw in (draw_energy, draw_latency, draw_roofline):
        assert b"<svg" in draw(found, tmp_path / "picture.svg").read_bytes()
    scene = roofline_scene(found)
    assert all(0 < x.rate <= scene.roof(x.intensity) * (1 + 1e-9) for x in scene.points)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"dram": 0.25}, "dram"),
        ({"l2": 0.25}, "l2"),
        ({"link": 0.25}, "link_l2_weights"),
        ({"operands": 0.25}, "operands"),
        ({"inner link": 0.25}, "link_l1_inputs"),
    ],
)
def test_what_limits_is_waited_for(change: dict[str, float], name: str, network: Network) -> None:
    hardware = unlimited(parse_hardware(TWO))
    linked: dict[tuple[str, str], Role] = {
        ("l2", "link"): "weights",
        ("l1", "inner link"): "inputs",
    }
    levels = []
    for level in hardware.levels:
        memories = tuple(replace(x, bandwidth=change.get(x.name)) for x in level.memories)
        links = {
            role: change[what]
            for (at, what), role in linked.items()
            if at == level.name and what in change
        }
        levels.append(replace(level, memories=memories, links=FrozenMap(links)))
    slowed = simulate(network, replace(hardware, levels=tuple(levels)), "latency")
    for x in detailed(slowed):
        assert x.result.cost.limit == name
        assert x.waits == pytest.approx({name: x.result.cost.shares["wait"]})


def test_each_level_is_charged_what_it_adds(network: Network) -> None:
    found = simulate(network, parse_hardware(TWO))
    l1, l2, dram = found.hardware.levels
    fast = [
        replace(level, memories=(replace(level.memories[0], bandwidth=None),))
        for level in (l2, dram)
    ]
    for x in detailed(found):
        here = x.result
        no_dram, no_l2 = (
            cost(here.problem, replace(found.hardware, levels=levels), here.mapping).cycles
            for levels in ((l1, l2, fast[1]), (l1, *fast))
        )
        waits = [x.waits.get(name, 0.0) * here.cost.cycles for name in ("dram", "l2", "operands")]
        assert waits == pytest.approx(
            [here.cost.cycles - no_dram, no_dram - no_l2, no_l2 - here.cost.compute_cycles]
        )
    assert {"dram", "l2", "operands"} == {name for x in detailed(found) for name in x.waits}


def test_memories_may_be_called_otherwise_than_their_level(network: Network) -> None:
    text = TWO.replace(
        "{name: dram, bytes_per_cycle: 1, pj_per_bit: 20}",
        "{name: dram, memories: [{name: ddr, holds: [inputs, weights, outputs], "
        "bytes_per_cycle: 1, pj_per_bit: 20}]}",
    )
    same, found = (simulate(network, parse_hardware(x)) for x in (TWO, text))
    for x, y in zip(detailed(same), detailed(found), strict=True):
        assert {("ddr" if k == "dram" else k): v for k, v in x.waits.items()} == y.waits


@pytest.mark.parametrize("objective", ["latency", "energy", "edp"])
@pytest.mark.parametrize(("text", "uneven"), [(ONE, False), (ONE, True), (TWO, False)])
def test_what_is_pinned_as_found_is_found_again(
    text: str, uneven: bool, objective: Objective, network: Network, tmp_path: Path
) -> None:
    hardware = parse_hardware(text)
    free = simulate(network, hardware, objective, constraints=Constraints(uneven=uneven))
    for number, x in enumerate(free.layers):
        pins = json.loads(json.dumps(figures(free)))["layers"][number]["pins"]
        assert pins == pins_of(x, free)
        assert ("uneven" in pins) == uneven
        assert ("levels" in pins) == (text == TWO)
        (tmp_path / "pins.yaml").write_text(yaml.safe_dump(pins))
        constraints = read_pins([str(tmp_path / "pins.yaml")])
        alone = replace(network, layers=(x.layer,), edges=())
        (again,) = simulate(alone, hardware, objective, constraints=constraints).layers
        assert again.cost == x.cost
        assert again.certificate.covered < x.certificate.covered
        if not uneven:
            assert again.mapping.tiles == x.mapping.tiles

"""Networks on hardware."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from accelgen.affine import Workload
from accelgen.cli import main
from accelgen.errors import InfeasibleError, InputError
from accelgen.hardware import Hardware, load_hardware
from accelgen.mapper.cache import open_solved
from accelgen.mapper.search import Objective
from accelgen.mapper.space import Constraints
from accelgen.names import FrozenMap
from accelgen.networks import Layer, Network, VectorWork
from accelgen.simulation import simulate

GEMM = "Y[m,n] += A[m,k] * W[k,n]"


def net(*sizes: tuple[int, int, int]) -> Network:
    layers = [
        Layer(f"fc{n}", Workload(GEMM, {"m": m, "n": n_, "k": k}), repeats=1 + n)
        for n, (m, n_, k) in enumerate(sizes)
    ]
    return Network("net", (*layers, VectorWork("relu", "relu", 100)))


def test_a_network_is_the_sum_of_its_layers() -> None:
    hardware = load_hardware("array16_64k")
    found = simulate(net((64, 64, 64), (1, 256, 64)), hardware)
    first, second = found.layers
    assert found.cycles == first.cost.cycles + 2 * second.cost.cycles
    assert sum(found.energy_pj.values()) == pytest.approx(first.energy_pj + second.energy_pj)
    assert sum(found.action_pj.values()) == pytest.approx(sum(found.energy_pj.values()))
    assert found.edp == pytest.approx(found.cycles * sum(found.energy_pj.values()))
    for layer in found.layers:
        assert sum(layer.cost.shares.values()) == pytest.approx(1)
    busy = sum(layer.cost.utilisation * layer.cycles for layer in found.layers)
    assert busy / found.cycles == pytest.approx(found.utilisation)
    # One row of outputs keeps one row of units busy at most, and waits for the weights.
    assert second.cost.limit == "dram"
    assert first.cost.utilisation > 0.5
    for layer in found.layers:
        assert layer.least_cycles <= layer.cycles
    # Every weight is read from DRAM once at least: 8 bits of 20 pJ each.
    assert second.cost.energy_pj["dram"] >= 256 * 64 * 8 * 20


def test_identical_layers_are_solved_once() -> None:
    calls: list[tuple[int, int]] = []
    found = simulate(
        net((32, 32, 32), (32, 32, 32), (16, 32, 32)),
        load_hardware("array16_256k"),
        "energy",
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(0, 2), (1, 2)]
    assert found.layers[0].mapping == found.layers[1].mapping


def shrunk(hardware: Hardware, size: int) -> Hardware:
    buffer, memory = hardware.levels
    (sram,) = buffer.memories
    small = replace(buffer, memories=(replace(sram, size=size),))
    return replace(hardware, levels=(small, memory))


@pytest.mark.parametrize("objective", ["latency", "energy", "edp"])
def test_less_memory_never_costs_less(objective: Objective) -> None:
    hardware = load_hardware("array16_256k")
    work = net((128, 256, 192))
    (much,) = simulate(work, hardware, objective).layers
    (little,) = simulate(work, shrunk(hardware, 4096), objective).layers
    values = {
        "latency": (much.cycles, little.cycles),
        "energy": (much.energy_pj, little.energy_pj),
        "edp": (much.edp, little.edp),
    }
    more, less = values[str(objective)]
    assert more <= less
    # 4 KB do not hold what 256 KB do: something comes twice.
    assert objective == "latency" or more < less


def test_a_layer_that_fits_no_buffer_is_named() -> None:
    tiny = shrunk(load_hardware("array16_64k"), 2)
    with pytest.raises(InfeasibleError, match=r"net: fc0: array16_64k: the smallest tiles need"):
        simulate(net((4, 4, 4)), tiny)


def test_what_is_pinned_holds_for_every_layer() -> None:
    pins = Constraints(buffer=FrozenMap({"n": 8, "k": 16}), inner=("k", "m", "n"))
    found = simulate(net((16, 32, 64), (8, 64, 16)), load_hardware("array16_64k"), constraints=pins)
    for layer in found.layers:
        _, n, k = layer.mapping.tiles[1]
        step = layer.mapping.tiles[0]
        assert (n, k) == (-(-8 // step[1]) * step[1], -(-16 // step[2]) * step[2])
        assert layer.mapping.orders[0] == (2, 0, 1)
    with pytest.raises(InputError, match=r"net: fc0: .*unknown loop 'q'"):
        simulate(
            net((4, 4, 4)), load_hardware("array16_64k"), constraints=Constraints(inner=("q",))
        )


def test_solved_mappings_are_read_again(tmp_path: Path) -> None:
    hardware, work = load_hardware("array16_64k"), net((32, 48, 64), (4, 8, 16))
    first = open_solved(tmp_path / "mappings")
    found = simulate(work, hardware, solved=first)
    assert first.hits == 0
    again = open_solved(tmp_path / "mappings")
    assert simulate(work, hardware, solved=again) == found
    assert again.hits == 2
    # Another objective is another question.
    other = open_solved(tmp_path / "mappings")
    simulate(work, hardware, "latency", solved=other)
    assert other.hits == 0
    # What the file has lost is solved anew.
    path = tmp_path / "mappings"
    path.write_bytes(path.read_bytes()[:-200])
    torn = open_solved(path)
    assert simulate(work, hardware, solved=torn) == found


def test_types_whose_energy_is_not_known_are_refused() -> None:
    blocks = Workload(GEMM, {"m": 4, "n": 4, "k": 64}, {"A": "int8/4/2", "W": "int8/4/2"})
    with pytest.raises(InputError, match=r"net: fc: types: the mapper counts one multiplication"):
        simulate(Network("net", (Layer("fc", blocks),)), load_hardware("array16_64k"))


NETWORK = """
layers:
  - {name: conv, expression: "Y[k,p,q] += X[c,2*p + r,2*q + s] * W[k,c,r,s]",
     bounds: {k: 8, c: 3, p: 7, q: 7, r: 3, s: 3}}
  - {name: fc, expression: "Y[m,n] += A[m,k] * W[k,n]", bounds: {m: 1, n: 10, k: 392}, repeats: 2}
"""


def test_the_command_prints_figures_that_add_up(
    tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(NETWORK)
    arguments = ["simulate", str(path), "--hardware", "array16_64k", "--objective", "energy"]
    assert not empty_cache.exists()
    assert main([*arguments, "--json"]) == 0
    assert (empty_cache / "mappings").exists()
    figures = json.loads(capsys.readouterr().out)
    assert figures["cycles"] == pytest.approx(sum(x["cycles"] for x in figures["layers"]))
    assert figures["schema"] == 1
    for layer in figures["layers"]:
        proof = layer["certificate"]
        parts = proof["too_large"] + proof["bounded"] + proof["evaluated"]
        assert proof["covered"] == parts
        assert layer["mapping"][0].startswith("dram: for ")
    assert main([*arguments, "--mappings"]) == 0
    shown = capsys.readouterr().out
    assert "small on array16_64k, least energy of every layer" in shown
    assert f"latency  {figures['cycles']:.0f} cycles" in shown

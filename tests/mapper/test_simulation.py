"""Networks on hardware, and hardware from YAML."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from accelgen.affine import Workload
from accelgen.cli import main
from accelgen.errors import InfeasibleError, InputError
from accelgen.hardware import load_hardware, parse_hardware
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
    assert found.edp == pytest.approx(found.cycles * sum(found.energy_pj.values()))
    # One row of outputs keeps one row of units busy at most, and waits for the weights.
    assert second.limit == "memory"
    assert first.cost.utilisation > 0.5
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


def test_less_memory_never_costs_less() -> None:
    hardware = load_hardware("array16_256k")
    buffer, memory = hardware.levels
    small = replace(hardware, levels=(replace(buffer, size=4096), memory))
    work = net((128, 256, 192))
    for objective in ("latency", "energy", "edp"):
        assert simulate(work, small, objective).edp >= 0
    assert (
        simulate(work, small, "energy").layers[0].cost.total_pj
        > simulate(work, hardware, "energy").layers[0].cost.total_pj
    )


def test_a_layer_that_fits_no_buffer_is_named() -> None:
    hardware = load_hardware("array16_64k")
    buffer, memory = hardware.levels
    tiny = replace(hardware, levels=(replace(buffer, size=2), memory))
    with pytest.raises(InfeasibleError, match=r"net: fc0: array16_64k: the smallest tiles need"):
        simulate(net((4, 4, 4)), tiny)


def test_types_whose_energy_is_not_known_are_refused() -> None:
    blocks = Workload(GEMM, {"m": 4, "n": 4, "k": 64}, {"A": "nvfp4", "W": "nvfp4"})
    with pytest.raises(InputError, match=r"net: fc: types: the mapper counts one multiplication"):
        simulate(Network("net", (Layer("fc", blocks),)), load_hardware("array16_64k"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nlevel: []\n", r"hw:2: unknown key 'level'; did you mean 'levels'"),
        ("name: x\narray: {i: 0}\nmac_pj: 1\nlevels: []\n", r"hw:2: array: i: 0 is outside"),
        ("name: x\narray: {i: 2}\nmac_pj: 1\nlevels: []\n", r"hw:4: levels: no level"),
        (
            "name: x\narray: {i: 2}\nmac_pj: 1\nlevels: [{name: dram, bytes: 5, pj_per_bit: 1}]\n",
            "the outermost level must hold everything; give it no size",
        ),
        (
            "name: x\narray: {i: 2}\nmac_pj: much\nlevels: [{name: dram, pj_per_bit: 1}]\n",
            r"hw:3: mac_pj: 'much' is no number",
        ),
        (
            "name: x\narray: {i: 2}\nmac_pj: 1\nlevels: [{name: dram, pj: 1}]\n",
            "unknown key of a level 'pj'",
        ),
    ],
)
def test_hardware_that_cannot_be_says_why(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_hardware(text, "hw")


NETWORK = """
layers:
  - {name: conv, expression: "Y[k,p,q] += X[c,2*p + r,2*q + s] * W[k,c,r,s]",
     bounds: {k: 8, c: 3, p: 7, q: 7, r: 3, s: 3}}
  - {name: fc, expression: "Y[m,n] += A[m,k] * W[k,n]", bounds: {m: 1, n: 10, k: 392}, repeats: 2}
"""


def test_the_command_prints_figures_that_add_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(NETWORK)
    arguments = ["simulate", str(path), "--hardware", "array16_64k", "--objective", "energy"]
    assert main([*arguments, "--json"]) == 0
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

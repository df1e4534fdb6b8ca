"""Sweeps from YAML, and the keys of their points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import accelgen.mapper.cache
from accelgen.errors import InputError
from accelgen.sweep import Axis, Constraint, Sweep, list_sweeps, load_sweep, parse_sweep
from accelgen.sweep.evaluate import hardware_of, network_of, objective_of
from tests.sweep.tasks import sweep as simple

TEXT = """\
name: all_keys
network: bert_base
hardware: array16_64k
minimise: [1, 2]
set: {clock_mhz: 500, parameters.tokens: 32}
axes:
  array.i, array.j: [4, [8, 16]]
  levels.sram.bytes: {first: 16384, last: 65536, factor: 2}
  mac_pj: [0.2, 0.5]
  formats.weights: [int8, int4]
points:
  - {array.i: 3}
random: 10
seed: 3
objectives: [latency, area, utilisation]
constraints: {area: 4, power_mw: {min: 1, max: 100.5}}
"""


def test_every_key() -> None:
    found = parse_sweep(TEXT)
    assert found == Sweep(
        "all_keys",
        {
            "network": "bert_base", "hardware": "array16_64k", "minimise": [1, 2],
            "clock_mhz": 500, "parameters.tokens": 32,
        },
        (
            Axis(("array.i", "array.j"), ((4, 4), (8, 16))),
            Axis(("levels.sram.bytes",), ((16384,), (32768,), (65536,))),
            Axis(("mac_pj",), (("0.2",), ("0.5",))),
            Axis(("formats.weights",), (("int8",), ("int4",))),
        ),
        ({"array.i": 3},),
        10,
        3,
        ("latency_ms", "area_mm2", "utilisation"),
        (Constraint("area_mm2", high=4), Constraint("power_mw", 1, 100.5)),
    )  # fmt: skip
    points = found.points()
    assert [point.number for point in points] == list(range(11))
    assert len({point.key for point in points}) == 11
    assert found.fields == (
        "array.i", "array.j", "levels.sram.bytes", "mac_pj", "formats.weights",
    )  # fmt: skip


def test_what_a_point_is_built_from() -> None:
    found = replace(parse_sweep(TEXT), random=None)
    first, second = found.points()[:2]
    hardware = hardware_of(second)
    assert (hardware.array["i"], hardware.array["j"], hardware.clock_mhz) == (4, 4, 500.0)
    assert hardware.levels[0].memories[0].size == 16384
    assert hardware.mac_pj == {"any": 0.2}
    assert hardware_of(first).array["i"] == 3
    assert objective_of(second) == (1.0, 2.0)
    network = network_of(second)
    layer = network.matrix_layers[0]
    assert layer.weights is not None
    assert 32 in layer.workload.bounds.values()
    formats = [network_of(point).matrix_layers[0].workload.types for point in found.points()[1:3]]
    assert [types[layer.weights] for types in formats] == ["int8", "int4"]


@pytest.mark.parametrize("name", list_sweeps())
def test_shipped_sweeps(name: str) -> None:
    assert load_sweep(name).points()


BASE = "network: alexnet\nhardware: array16_64k\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BASE, "s.yaml:1: no points; give axes or points"),
        (BASE + "axs: {}", "s.yaml:3: unknown key 'axs'; did you mean 'axes'?"),
        (BASE + "axes: [1]", "s.yaml:3: a mapping expected"),
        (BASE + "axes: {array.i: 8}", "s.yaml:3: axes: array.i: a list or a range expected"),
        (BASE + "axes: {array.i: []}", "s.yaml:3: axes: array.i: array.i: no values"),
        (BASE + "axes: {array.k: [8]}", "s.yaml:3: array.k: unknown axis 'k'"),
        (BASE + "axes:\n  array.i: [8]\n  array.z: [1]", "s.yaml:5: array.z: unknown axis 'z'"),
        (BASE + "axes: {levls.x: [1]}", "did you mean 'levels'?"),
        (BASE + "axes: {levels.sram.bites: [8]}", "did you mean 'bytes'?"),
        (BASE + "axes: {array.i: [0, -1]}", "s.yaml:3: array: i: 0 is outside"),
        (BASE + "axes: {formats.weights: [in8]}", "s.yaml:3:"),
        (BASE + "axes: {parameters.bach: [1]}", "unknown parameter of alexnet 'bach'; did you"),
        (BASE + "axes: {parameters.batch: [[1]]}", "[1] is neither integer nor name"),
        (BASE + "axes: {minimise: [time]}", "minimise: 'time' cannot be minimised; use latency"),
        (BASE + "axes: {uneven: [maybe]}", "uneven: 'maybe' is neither true nor false"),
        (BASE + "axes: {levels.srma.bytes: [8]}", "unknown entry 'srma'; did you mean 'sram'?"),
        (BASE + "axes: {network: [alexnt]}", "unknown network 'alexnt'; did you mean 'alexnet'?"),
        (BASE + "axes: {hardware: [array16]}", "unknown hardware 'array16'; did you mean 'array16"),
        (BASE + "axes: {'array.i, array.i': [1]}", "axes: 'array.i' twice"),
        (BASE + "points: [{array.i: 4, array.z: 3}]", "unknown axis 'z'"),
        (BASE + "points: {array.i: 4}", "s.yaml:3: points: a list expected"),
        (BASE + "axes: {array.i: [1]}\nrandom: x", "s.yaml:4: random: 'x' is no integer"),
        (BASE + "axes: {array.i: [1]}\nrandom: 0", "random: 0 points; use 1 or more"),
        (BASE + "axes: {array.i: [1]}\nobjectives: [laten]", "unknown metric 'laten'; did you me"),
        (BASE + "axes: {array.i: [1]}\nobjectives: []", "objectives: none"),
        (BASE + "axes: {array.i: [1]}\nconstraints: {area: x}", "s.yaml:4: constraints: area: 'x'"),
        (BASE + "axes: {array.i: [1]}\nconstraints: {area: {mx: 1}}", "unknown limit 'mx'"),
        (BASE + "axes: {array.i: [1]}\nconstraints: {area: {min: 3, max: 1}}", "nothing is at"),
        ("hardware: array16_64k\naxes: {array.i: [1]}", "no network; give network: NAME"),
        ("network: alexnet\naxes: {array.i: [1]}", "no hardware; give hardware: NAME"),
    ],
)
def test_bad_sweeps(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_sweep(text, "s.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("s.yaml:")


def test_one_bad_value_is_a_result_not_an_error() -> None:
    assert len(parse_sweep(BASE + "axes: {array.i: [0, 4]}").points()) == 2


def test_unknown_sweep() -> None:
    with pytest.raises(InputError, match=r"unknown sweep 'mobilenet'"):
        load_sweep("mobilenet")


def keys(sweep: Sweep) -> list[str]:
    return [point.key for point in sweep.points()]


def test_a_key_is_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of files are not in it; what they hold, fields and the model are."""
    text = (
        "name: h\narray: {i: 4, j: 4}\nmac_pj: 0.23\n"
        "levels: [{name: sram, bytes: 65536, pj_per_bit: 1}, {name: dram, pj_per_bit: 20}]\n"
    )
    layers = (
        "layers: [{name: fc, expression: 'Y[m,n] += A[m,k] * W[k,n]', bounds: {m: 2, n: 4, k: 8}}]"
    )
    (tmp_path / "h.yaml").write_text(text)
    (tmp_path / "same.yaml").write_text(text + "# a remark\n")
    (tmp_path / "net.yaml").write_text(layers)
    fixed = {"network": "net.yaml", "hardware": "h.yaml"}
    base = simple(4, fixed=fixed, folder=tmp_path)
    before = keys(base)
    assert keys(simple(4, fixed=fixed, folder=tmp_path, name="other")) == before
    same = simple(4, fixed={**fixed, "hardware": str(tmp_path / "same.yaml")}, folder=tmp_path)
    assert keys(same) == before
    different = [
        keys(simple(4, fixed={**fixed, "levels.sram.bytes": 32768}, folder=tmp_path)),
        keys(simple(4, fixed={**fixed, "minimise": "latency"}, folder=tmp_path)),
        keys(simple(4, fixed={**fixed, "hardware": "array16_64k"}, folder=tmp_path)),
        keys(simple(4, fixed={**fixed, "network": "alexnet"}, folder=tmp_path)),
    ]
    (tmp_path / "h.yaml").write_text(text.replace("65536", "65535"))
    different.append(keys(base))
    (tmp_path / "h.yaml").write_text(text)
    (tmp_path / "net.yaml").write_text(layers.replace("k: 8", "k: 9"))
    different.append(keys(base))
    (tmp_path / "net.yaml").write_text(layers)
    assert keys(base) == before
    with monkeypatch.context() as patch:
        patch.setattr(accelgen.mapper.cache, "MODEL", "another")
        different.append(keys(base))
    everything = [*before, *(key for some in different for key in some)]
    assert len(set(everything)) == len(everything)


def test_files_beside_the_sweep(tmp_path: Path) -> None:
    """``my.yaml`` in a sweep is beside the sweep, wherever the command runs."""
    (tmp_path / "mine.yaml").write_text("builder: alexnet\nparameters: {batch: 2}\n")
    (tmp_path / "s.yaml").write_text(BASE.replace("alexnet", "mine.yaml") + "axes: {array.i: [4]}")
    found = load_sweep(tmp_path / "s.yaml")
    assert found.name == "s"
    assert network_of(found.points()[0]).macs == 2 * network_of(simple(2).points()[0]).macs

"""``accelgen simulate``: what its options do, and what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from accelgen.cli import main
from accelgen.cli.pins import read_pins
from accelgen.cli.simulate import _compiling
from accelgen.errors import InputError
from accelgen.mapper import Constraints
from accelgen.mapper.branch import explore
from accelgen.names import FrozenMap

NETWORK = """
layers:
  - {name: conv, repeats: 2, bounds: {k: 6, c: 3, p: 5, r: 3},
     expression: "Y[k,p] += X[c,p + r] * W[k,c,r]"}
  - {name: fc1, expression: "Y[m,n] += A[m,k] * W[k,n]", bounds: {m: 1, n: 10, k: 30}}
  - {name: fc2, expression: "Y[m,n] += A[m,k] * W[k,n]", bounds: {m: 1, n: 10, k: 30}}
  - {name: relu, operation: relu, elements: 10}
"""
HARDWARE = """
name: hw
array: {i: 4, j: 4}
mac_pj: {int8: 1, int4: 0.5, int4*int8: 0.7}
dataflows:
  - {name: os, unrolls: {i: [p, q], j: [k]}}
  - {name: ws, unrolls: {i: [c, k], j: [k, c]}, stationary: weights}
levels:
  - {name: sram, bytes: 512, pj_per_bit: 0.5, bytes_per_cycle: 5}
  - {name: dram, bytes_per_cycle: 2, pj_per_bit: 20}
"""


@pytest.fixture
def words(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command on a small network and small hardware, in a folder of its own."""
    (tmp_path / "net.yaml").write_text(NETWORK)
    (tmp_path / "hw.yaml").write_text(HARDWARE)
    monkeypatch.chdir(tmp_path)
    return ["simulate", "net.yaml", "--hardware", "hw.yaml"]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """What a command that must succeed prints, on both outputs."""
    assert main(list(words)) == 0
    out, err = capsys.readouterr()
    return out, err


def run_json(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(run(capsys, *words, "--json")[0])
    assert data["schema"] == 1
    return data


def test_solved_layers_are_known_the_next_time(
    words: list[str], capsys: pytest.CaptureFixture[str], empty_cache: Path
) -> None:
    out, err = run(capsys, *words)
    assert "net on hw, least edp of every layer" in out
    assert err == (
        "next: accelgen simulate net.yaml --hardware hw.yaml --layer conv --mappings\n"
    ) or err.endswith("--layer fc1 --mappings\n")
    again, err = run(capsys, *words)
    assert again == out
    assert "2 of 2 distinct layers were solved before" in err
    store = empty_cache / "mappings"
    store.write_bytes(store.read_bytes()[:-9])
    again, err = run(capsys, *words)
    assert again == out
    assert "mappings: 1 damaged records were left out" in err
    assert "1 of 2 distinct layers were solved before" in err
    again, err = run(capsys, *words, "--no-cache")
    assert again == out
    assert "solved before" not in err


def test_a_cache_that_cannot_be_used_is_done_without(
    words: list[str], capsys: pytest.CaptureFixture[str], empty_cache: Path
) -> None:
    empty_cache.mkdir(parents=True)
    (empty_cache / "mappings").write_text("something else\n")
    out, err = run(capsys, *words)
    assert "solved mappings are not kept" in err
    assert "EDP" in out
    assert (empty_cache / "mappings").read_text() == "something else\n"


def test_every_output_is_written(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = ["--csv", "r.csv", "--parquet", "out/r.parquet", "--plot", "pictures"]
    _, err = run(capsys, *words, *files)
    assert err.count("accelgen: wrote ") == 5
    assert pq.read_table("out/r.parquet")["layer"].to_pylist() == ["conv", "fc1", "fc2"]
    assert (tmp_path / "r.csv").read_text().startswith("layer,repeats,macs,")
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "energy.svg",
        "latency.svg",
        "roofline.svg",
    ]
    run(capsys, *words, "--plot", "roofline=r.png")
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "energy.svg").exists()


def test_objectives_weigh_energy_and_latency(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = {
        text: run_json(capsys, *words, "--objective", text)
        for text in ("latency", "energy", "edp", "0,1", "1,0", "1,1", "1,3")
    }
    assert found["edp"]["layers"] == found["1,1"]["layers"]
    # By name, of equal times the one with less energy counts, and the other way round.
    assert found["latency"]["cycles"] == found["0,1"]["cycles"]
    energy = {text: sum(found[text]["energy_pj"].values()) for text in found}
    assert energy["energy"] == pytest.approx(energy["1,0"], rel=1e-6)
    assert energy["latency"] <= energy["0,1"] * (1 + 1e-6)
    assert found["1,3"]["objective"] == [1, 3]

    def value(text: str) -> float:
        (layer,) = (x for x in found[text]["layers"] if x["name"] == "conv")
        cost: float = sum(layer["energy_pj"].values()) * layer["cycles"] ** 3
        return cost

    assert all(value("1,3") <= value(text) * (1 + 1e-9) for text in found)
    out, _ = run(capsys, *words, "--objective", "1,3")
    assert "least energy^1 latency^3 of every layer" in out


def test_formats_are_those_asked_for(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    wide = run_json(capsys, *words)
    narrow = run_json(capsys, *words, "--formats", "int4")
    mixed = run_json(capsys, *words, "--formats", "weights=int4")
    assert [data["layers"][0]["format"] for data in (wide, narrow, mixed)] == [
        "int8*int8",
        "int4*int4",
        "int4*int8",
    ]
    assert narrow["energy_pj"]["mac"] == pytest.approx(0.5 * wide["energy_pj"]["mac"])
    assert mixed["energy_pj"]["mac"] == pytest.approx(0.7 * wide["energy_pj"]["mac"])


def test_types_that_the_hardware_widens_are_named(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = HARDWARE.replace("{int8: 1, int4: 0.5, int4*int8: 0.7}", "{int16: 1}")
    (tmp_path / "hw.yaml").write_text(text)
    out, err = run(capsys, *words, "--json")
    assert {x["format"] for x in json.loads(out)["layers"]} == {"int16*int16"}
    assert "hw has no units for int8*int8: 3 layers are int16*int16" in err
    _, err = run(capsys, *words, "--json", "--formats", "int16")
    assert "no units" not in err
    # Units of mixed types take narrower ones, and say what they are for when these are too wide.
    (tmp_path / "hw.yaml").write_text(HARDWARE.replace("{int8: 1, int4: 0.5, int4*int8: 0.7}",
                                                       "{int8*int4: 0.7}"))  # fmt: skip
    out, err = run(capsys, *words, "--json", "--formats", "int3")
    assert {x["format"] for x in json.loads(out)["layers"]} == {"int4*int8"}
    assert "hw has no units for int3*int3: 3 layers are int4*int8" in err
    assert main(words) == 2
    assert "no units for int8*int8; use formats it has (int4*int8)" in capsys.readouterr().err


def test_layers_can_be_chosen(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    whole = run_json(capsys, *words)
    part = run_json(capsys, *words, "--layer", "fc2,conv")
    assert [x["name"] for x in part["layers"]] == ["conv", "fc2"]
    assert part["layers"] == [whole["layers"][0], whole["layers"][2]]
    out, err = run(capsys, *words, "--layer", "fc1", "--mappings")
    assert out.startswith("fc1\ndram: for ")
    assert "--plot net_pictures" in err


def test_the_mapping_of_a_layer_can_be_pinned(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (free,) = run_json(capsys, *words, "--layer", "conv")["layers"]
    (tmp_path / "pins.yaml").write_text(yaml.safe_dump(free["pins"]))
    (same,) = run_json(capsys, *words, "--layer", "conv", "--pin", "pins.yaml")["layers"]
    assert same["certificate"]["covered"] < free["certificate"]["covered"]
    assert {**same, "certificate": None} == {**free, "certificate": None}
    pins = ["--pin", "dataflow=ws", "--pin", "unroll.i=c:3", "--pin", "buffer=p:2"]
    (pinned,) = run_json(capsys, *words, "--layer", "conv", *pins)["layers"]
    assert pinned["pins"]["dataflow"] == "ws"
    assert pinned["pins"]["unroll"]["i"] == {"c": 3}
    assert pinned["pins"]["buffer"]["p"] == 2
    _, err = run(capsys, *words, "--layer", "conv", *pins)
    assert "--pin unroll.i=c:3 --pin buffer=p:2 --layer conv --mappings" in err


TWO_LEVELS = HARDWARE.replace("levels:\n", "levels:\n  - {name: l1, bytes: 128, pj_per_bit: 0.1}\n")


def test_tiles_of_every_level_can_be_pinned(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "hw.yaml").write_text(TWO_LEVELS)
    pins = ["--pin", "levels.sram=n:8,k:16", "--pin", "levels.l1=k:4"]
    (found,) = run_json(capsys, *words, "--layer", "fc1", *pins)["layers"]
    assert found["pins"]["levels"]["sram"]["k"] == 16
    assert found["pins"]["buffer"]["k"] == 4
    assert [line.strip()[:4] for line in found["mapping"][:3]] == ["dram", "sram", "l1: "]
    assert set(found["energy_pj"]) == {"mac", "l1", "sram", "dram"}
    assert main([*words, "--layer", "fc1", "--pin", "levels.srma=n:8"]) == 2
    assert "unknown level 'srma'; did you mean 'sram'?" in capsys.readouterr().err


def test_uneven_mappings_are_asked_for(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    even = run_json(capsys, *words)
    uneven = run_json(capsys, *words, "--uneven")
    pairs = list(zip(even["layers"], uneven["layers"], strict=True))
    assert all(x["edp_pj_cycles"] >= y["edp_pj_cycles"] for x, y in pairs)
    assert all(x["certificate"]["covered"] < y["certificate"]["covered"] for x, y in pairs)
    assert any("uneven" in y["pins"] for _, y in pairs)
    assert uneven["layers"] == run_json(capsys, *words, "--pin", "uneven=true")["layers"]
    out, err = run(capsys, *words, "--uneven", "--mappings")
    assert "sram (" in out
    assert err.strip().endswith("--uneven --plot net_pictures")
    (tmp_path / "hw.yaml").write_text(TWO_LEVELS)
    assert main([*words, "--uneven"]) == 2
    assert "hw: uneven tiles in 2 levels; use them with one level" in capsys.readouterr().err


def test_pins_are_constraints(tmp_path: Path) -> None:
    assert read_pins([]) == Constraints()
    found = read_pins(
        ["dataflow=ws", "unroll.i=k:4, c:2", "unroll.j=none", "registers=r:3", "inner=k,c"]
    )
    assert found == Constraints(
        "ws",
        FrozenMap({"i": FrozenMap({"k": 4, "c": 2}), "j": FrozenMap()}),
        registers=FrozenMap({"r": 3}),
        inner=("k", "c"),
    )
    levels = FrozenMap({"l1": FrozenMap({"k": 4, "c": 2}), "l2": FrozenMap({"k": 8})})
    pinned = Constraints(levels=levels, uneven=True)
    assert read_pins(["levels.l1=k:4,c:2", "levels.l2=k:8", "uneven=true"]) == pinned
    (tmp_path / "levels.yaml").write_text("levels: {l1: {k: 4, c: 2}, l2: {k: 8}}\nuneven: true\n")
    assert read_pins([str(tmp_path / "levels.yaml")]) == pinned
    assert read_pins(["uneven=false"]) == read_pins([])
    assert read_pins(["uneven=false"], uneven=True) == Constraints(uneven=True)
    file = tmp_path / "pins.yaml"
    file.write_text("dataflow: ws\nunroll: {i: {k: 4, c: 2}, j: {}}\nregisters: {r: 3}\n")
    assert read_pins([str(file), "inner=k,c"]) == found


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        (["flow=ws"], r"--pin: unknown key 'flow'; did you mean 'dataflow'\?"),
        (["flow"], "--pin: 'flow' is neither KEY=VALUE nor a file; keys are dataflow, unroll"),
        (["unroll=k:4"], r"--pin: unroll needs an axis; write --pin unroll\.i=k:16"),
        (["buffer.k=4"], "--pin: buffer has no parts; write --pin buffer=k:64,c:16"),
        (["buffer=k"], "--pin buffer: 'k' is not LOOP:SIZE"),
        (["buffer=k:0"], "--pin: buffer: k: 0; give 1 or more"),
        (["buffer=k:1,k:2"], "--pin buffer: 'k' is given twice"),
        (["outer=k,k"], "--pin: outer: a loop is named twice"),
        (["dataflow=a", "dataflow=b"], "--pin: dataflow is given twice"),
        (["unroll.i=k:2", "unroll.i=c:2"], r"--pin: unroll\.i is given twice"),
        (["levels=k:4"], r"--pin: levels needs a level; write --pin levels\.NAME=k:64,c:16"),
        (["levels.a=k:2", "levels.a=c:2"], r"--pin: levels\.a is given twice"),
        (["levels.a=k:0"], "--pin: levels: a: k: 0; give 1 or more"),
        (["uneven=maybe"], "--pin: uneven: 'maybe' is neither true nor false"),
        (["uneven.a=true"], "--pin: uneven has no parts; write --pin uneven=true"),
        (["missing.yaml"], "missing.yaml: No such file"),
    ],
)
def test_pins_that_cannot_be_say_why(pins: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_pins(pins)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--objective", "latencyy"], "--objective: unknown objective 'latencyy'; did you mean"),
        (["--objective", "1,-1"], "--objective: '1,-1' is not two exponents"),
        (["--objective", "0,0"], "--objective: '0,0' is not two exponents"),
        (["--objective", "nan,1"], "--objective: 'nan,1' is not two exponents"),
        (["--layer", "fc3"], "net: unknown layer 'fc3'; did you mean 'fc"),
        (["--layer", "relu"], "--layer: relu is work on vectors, not mapped"),
        (["--formats", "weight=int4"], "--formats: unknown role 'weight'; did you mean 'weights'?"),
        (["--formats", "int44"], "conv: types: X: int44 is outside int2..int16"),
        (["--plot", "energi=a.svg"], "--plot: there is no picture 'energi'; did you mean 'energy'"),
        (["--plot", "a.svg"], "--plot: which picture is a.svg?; write --plot energy=a.svg"),
        (["--plot", "energy=a.pdf"], "a picture is .svg or .png, not .pdf"),
        (["--csv", "."], "is a folder; name a file"),
        (["--csv", "a", "--parquet", "./a"], "a: is to be written twice; name two files"),
        (["--pin", "dataflow=oss"], "net: conv: hw: unknown dataflow 'oss'; did you mean 'os'?"),
        (["--pin", "buffer=x:1", "--layer", "fc1"], "unknown loop 'x'"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    words: list[str], more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, *more]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("accelgen: ")
    assert err.count("\n") == 1


def test_a_mapping_that_does_not_exist_is_no_bad_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--layer", "conv", "--pin", "unroll.i=r:3"]) == 1
    err = capsys.readouterr().err
    assert "net: conv: hw: unroll: i cannot unroll r: 3; use " in err


def test_a_network_without_matrix_work_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "net.yaml").write_text("layers: [{name: r, operation: relu, elements: 3}]\n")
    assert main(words) == 2
    assert "net: no matrix work" in capsys.readouterr().err


def test_compiling_is_said_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search has no signature before it is compiled; the timer is made to end at once."""

    class Now:
        def __init__(self, seconds: float, call: Callable[[], None]) -> None:
            self.call = call

        def start(self) -> None:
            self.call()

        def cancel(self) -> None:
            pass

    class Waiting:
        signatures: tuple[object, ...] = ()

    said: list[str] = []
    monkeypatch.setattr("accelgen.cli.simulate.threading.Timer", Now)
    monkeypatch.setattr("accelgen.mapper.branch.explore", Waiting())
    with _compiling(said.append):
        assert said == ["compiling the mapper for this machine, once: a minute or two"]
    Waiting.signatures = ("compiled",)
    with _compiling(said.append):
        assert len(said) == 1
    assert hasattr(explore, "signatures")

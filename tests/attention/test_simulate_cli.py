"""``accelgen simulate --attention``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accelgen.cli import main

SIMULATE = ["simulate", "small.yaml", "--hardware", "gemmini", "--no-cache", "--attention"]
NETWORK = "builder: gpt2\nparameters: {mode: prefill, context: 128}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(NETWORK, encoding="utf-8")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main([*SIMULATE, *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    layers = "h3.qkv,h3.scores,h3.mix"
    code, out, err = run(capsys, "streaming(4, 16)", "--layer", layers)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == (
        "small on gemmini, attention on an array of 16 x 16 (int8), dense and streaming"
    )
    assert lines[2].split()[:3] == ["h3", "1", "dense"]
    assert lines[3].split()[:2] == ["1", "streaming(recent=16)"]
    whole = [["attention", "dense"], ["attention", "sparse"], ["network", "dense"]]
    assert [line.split()[:2] for line in lines[5:9]] == [*whole, ["network", "sparse"]]
    assert "buffers of the attention array: SRAM by CACTI 7" in out
    assert "drawn tensors" not in out
    assert err == "next: accelgen attention show 'streaming(4, 16)' --random\n"


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    layers = "h3.scores,h3.mix,h4.scores,h4.mix,h5.scores,h5.mix"
    code, out, err = run(
        capsys, "quest(page=8, budget=16, least=1)", "--layer", layers, "--seed", "7", "--json"
    )
    assert code == 0
    assert err == ""
    data = json.loads(out)
    assert data["schema"] == 1
    assert data["seed"] == 7
    assert data["notes"][0].startswith("quest: 2 of 12 heads of keys and values, seed 7")
    assert data["simulated_others"] is None
    assert data["array"]["rows"] == 16
    assert [layer["name"] for layer in data["layers"]] == ["h3", "h4", "h5"]
    assert [layer["number"] for layer in data["layers"]] == [0, 1, 2]
    assert data["layers"][0]["dense"] == data["layers"][0]["sparse"]
    last = data["layers"][2]
    assert last["shape"]["causal"] is True
    assert last["sparse"]["density"] < last["dense"]["density"]
    for kind in ("dense", "sparse"):
        cycles = sum(layer[kind]["cycles"] for layer in data["layers"])
        assert data["attention"][kind]["cycles"] == pytest.approx(cycles)
        assert data["total"][kind]["cycles"] == pytest.approx(cycles)
        assert sum(data["attention"][kind]["limits"].values()) == pytest.approx(cycles)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["streming"],
            "--attention: unknown pattern or description 'streming'; did you mean 'stre",
        ),
        (["dense", "--csv", "a.csv"], "--csv: not with --attention; use --json"),
        (["dense", "--layer", "h3.qkv"], "small: no attention layer"),
        (["svg(16)", "--layer", "h3.scores,h3.mix"], "small: h3: svg: windows over video need"),
    ],
)
def test_errors(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *words)
    assert code == 2
    assert out == ""
    assert says in err
    assert err.count("\n") == 1

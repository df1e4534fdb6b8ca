"""``accelgen simulate --attention``."""

from __future__ import annotations

import json
import shlex
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
        "small on gemmini, attention on an array of 16 x 16 with 4 query tiles (int8), "
        "dense and streaming"
    )
    assert lines[2].split()[:3] == ["h3", "1", "dense"]
    assert lines[3].split()[:2] == ["1", "streaming(recent=16)"]
    whole = [["attention", "dense"], ["attention", "sparse"], ["network", "dense"]]
    assert [line.split()[:2] for line in lines[5:9]] == [*whole, ["network", "sparse"]]
    assert "buffers of the attention array: SRAM by CACTI 7" in out
    assert "drawn tensors" not in out
    assert err == (
        "next: accelgen attention show 'streaming(4, 16)' --tokens 128 --heads 12 --kv-heads 12"
        " --head-dim 64\n"
    )


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


HINTED = [
    ("quest(page=8, budget=16, least=1)", [], ["--layer", "2", "--random", "--seed", "7"]),
    ("quest(page=8, budget=16, least=1, dense_layers=0)", [], ["--random", "--seed", "7"]),
    ("lserve(sink=8, prefill_local=16)", [], []),
    ("mixed.yaml", [], ["--layer", "1"]),
    ("spatten(layers=4, token_keep=0.3)", ["--layer", "h4.scores,h4.mix,h5.scores,h5.mix"],
     ["--random", "--seed", "7"]),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "words", "last"), HINTED)
def test_the_next_command_shows_what_was_simulated(
    pattern: str,
    words: list[str],
    last: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Of a description that is not causal, for a network that is.
    (tmp_path / "mixed.yaml").write_text(
        "tokens: 64\nheads: 12\nhead_dim: 16\ncausal: false\nlayers: 3\n"
        "pattern: {layers: {0: dense, 1-2: 's2(2, 4, 16)'}}\n",
        encoding="utf-8",
    )
    words = words or ["--layer", "h3.scores,h3.mix,h4.scores,h4.mix,h5.scores,h5.mix"]
    code, out, _ = run(capsys, pattern, *words, "--seed", "7", "--json")
    assert code == 0
    layers = json.loads(out)["layers"]
    code, _, err = run(capsys, pattern, *words, "--seed", "7")
    assert code == 0
    hint = shlex.split(err.splitlines()[-1].removeprefix("next: "))
    assert hint[:4] == ["accelgen", "attention", "show", pattern]
    assert hint[len(hint) - len(last) :] == last
    assert ("--causal" in hint) == (pattern == "mixed.yaml")
    assert main([*hint[1:], "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["queries"], shown["keys"], shown["head_dim"]) == (128, 128, 64)
    assert shown["causal"]
    assert shown["remark"] is None
    number = int(hint[hint.index("--layer") + 1]) if "--layer" in hint else 0
    layer = next(one for one in layers if one["number"] == number)
    pairs = sum(mask["nnz"] * len(mask["heads"]) for mask in shown["masks"])
    # Some heads stand for all.
    assert pairs * 12 / shown["heads"] == layer["sparse"]["pairs"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["streming"],
            "--attention: unknown pattern or description 'streming'; did you mean 'stre",
        ),
        (["dense", "--csv", "a.csv"], "--csv: not with --attention; use --json"),
        (["dense", "--seed", "-1"], "--seed: -1 is below 0; use 0 or more"),
        (
            ["dense", "--layer", "h3.qkv"],
            "--layer: no attention layer; name both parts of one, as h0.scores,h0.mix",
        ),
        (
            ["dense", "--layer", "h2.mix,h1.scores,h1.mix"],
            "--layer: h2.mix is half of an attention layer; name both parts: h2.scores,h2.mix",
        ),
        (["duo", "--layer", "h3.scores,h3.mix"], "accelgen: small: h3: duo: needs gates"),
        (["svg(16)", "--layer", "h3.scores,h3.mix"], "small: h3: svg: windows over video need"),
    ],
)
def test_errors(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *words)
    assert code == 2
    assert out == ""
    assert says in err
    assert err.count("\n") == 1


def test_what_of_a_description_is_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = ["--layer", "h3.scores,h3.mix"]
    head = "heads: 12\nkv_heads: 12\npattern: streaming(4, 16)\n"
    (tmp_path / "other.yaml").write_text(
        f"{head}tokens: 64\nhead_dim: 16\ncausal: false\nformats: {{k: int4}}\n"
        "array: {rows: 8}\n",
        encoding="utf-8",
    )
    says = (
        "of 'other.yaml' the patterns are used, not tokens, head_dim, causal, array, formats: "
        "sizes are those of the network, and array and formats those of attention: in the hardware"
    )
    code, out, err = run(capsys, "other.yaml", *layers)
    assert code == 0
    assert "on an array of 16 x 16 with 4 query tiles (int8)" in out
    assert err.splitlines()[0] == f"accelgen: {says}"
    code, out, err = run(capsys, "other.yaml", *layers, "--json")
    assert code == 0
    assert err == ""
    assert json.loads(out)["remark"] == says
    (tmp_path / "alike.yaml").write_text(
        f"{head}tokens: 128\nhead_dim: 64\nformats: {{k: int8}}\n", encoding="utf-8"
    )
    code, _, err = run(capsys, "alike.yaml", *layers)
    assert code == 0
    assert err.startswith("next: ")


def test_query_tiles_are_those_of_the_hardware(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from accelgen.hardware import hardware_values

    values = {**hardware_values("gemmini"), "attention": {"rows": 16, "query_tiles": 1}}
    (tmp_path / "one.yaml").write_text(json.dumps(values), encoding="utf-8")
    words = ["simulate", "small.yaml", "--hardware", "one.yaml", "--attention", "dense"]
    assert main([*words, "--layer", "h3.scores,h3.mix", "--no-cache"]) == 0
    assert " of 16 x 16 with 1 query tile (int8), " in capsys.readouterr().out.splitlines()[0]

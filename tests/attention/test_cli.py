"""``accelgen attention``."""

from __future__ import annotations

import json
import shlex
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest

from accelgen.attention.inputs import random_inputs
from accelgen.attention.load import list_attention
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.registry import PATTERNS, pattern_names
from accelgen.attention.shape import AttentionShape
from accelgen.cli import main


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    assert main(["attention", *words]) == 0
    out, err = capsys.readouterr()
    return out, err


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = printed(capsys, "list")
    first = [line.split()[0] for line in out.splitlines() if line]
    assert first == ["pattern", *pattern_names(), "description", *list_attention()]
    assert err == "next: accelgen attention show bert_dense\n"
    out, err = printed(capsys, "list", "--json")
    data = json.loads(out)
    assert data["schema"] == 1
    assert [one["name"] for one in data["patterns"]] == list(pattern_names())
    assert [one["name"] for one in data["descriptions"]] == list(list_attention())
    assert err == ""


def test_show_a_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["show", "streaming(16, 16)", "--tokens", "64", "--block", "16", "--heads", "2"]
    out, err = printed(capsys, *words, "--arrays", "2")
    title, heading, row, legend, *picture = out.splitlines()
    assert title == ("streaming: 64 queries x 64 keys, causal, 2 heads, 2 of keys and values")
    assert heading.split()[:3] == ["heads", "pairs", "density"]
    # Loads 1, 2, 3, 3 of the rows of blocks.
    ratios = ["1.33", "1.11", "1.11"]
    pairs = 3 * 16 * 16 + 4 * (16 * 17 // 2) + 2 * (16 * 15 // 2)
    assert pairs == 1552
    assert row.split() == ["0-1", "1552", "0.3789", "0.7462", "120", "3", "4", "2", *ratios]
    assert legend.strip().startswith("heads 0-1: rows are queries")
    assert picture == ["  +...", "  #+..", "  #-+.", "  #.-+"]
    assert err == (
        "next: accelgen attention show 'streaming(16, 16)' --tokens 64 --heads 2 --block 16 "
        "-o attention.svg\n"
    )


def test_json_has_every_mask(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = printed(capsys, "show", "llama3_8b_duo", "--layer", "1", "--json")
    data = json.loads(out)
    assert err == ""
    assert (data["schema"], data["layer"], data["queries"], data["heads"]) == (1, 1, 4096, 32)
    assert sorted(head for mask in data["masks"] for head in mask["heads"]) == list(range(32))
    dense = next(mask for mask in data["masks"] if mask["nnz"] == data["dense_pairs"])
    # 0.64, 0.88, 0.52 and 0.95 are among the 16 largest gates of all layers.
    assert dense["heads"] == [h for kv in (0, 1, 4, 5) for h in range(4 * kv, 4 * kv + 4)]
    assert dense["balance"]["longest_first"] == pytest.approx(1.0)


def test_one_head(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = printed(capsys, "show", "s2", "--tokens", "640", "--head", "3", "--json")
    data = json.loads(out)
    assert [mask["heads"] for mask in data["masks"]] == [[3]]


def test_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["show", "dense", "--queries", "3", "--keys", "70", "--heads", "6", "--kv-heads", "2"]
    data = json.loads(printed(capsys, *words, "--head-dim", "32", "--json")[0])
    assert (data["queries"], data["keys"], data["heads"], data["kv_heads"]) == (3, 70, 6, 2)
    assert (data["head_dim"], data["value_dim"], data["causal"]) == (32, 32, True)
    assert data["masks"][0]["nnz"] == 68 + 69 + 70
    data = json.loads(printed(capsys, *words, "--no-causal", "--json")[0])
    assert (data["causal"], data["masks"][0]["nnz"]) == (False, 210)


@pytest.mark.parametrize("pattern", [one for one in PATTERNS if one.dynamic])
def test_random_tensors(
    pattern: type[Pattern], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, causal = (
        ("svg(16)", ["--no-causal"]) if pattern.name == "svg" else (pattern.name, list[str]())
    )
    words = ["attention", "show", source, *causal, "--random", "--tokens", "64", "--heads", "2"]
    assert main([*words, "--layer", "0", "-o", str(tmp_path / "a.svg")]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith(f"{pattern.name}: 64 queries x 64 keys")
    assert any("rows are queries" in line for line in shown)
    figures = takewhile(lambda line: "rows are queries" not in line, shown[2:])
    pairs = [int(line.split()[1]) for line in figures]
    assert pairs
    assert all(0 < count <= 64 * 64 for count in pairs)
    assert (tmp_path / "a.svg").exists()


def test_frames_of_video_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["attention", "show", "svg", "--no-causal", "--random", "--tokens", "64"]
    assert main(words) == 2
    assert "svg: tokens_per_frame: is not given" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_pictures(capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str) -> None:
    starts = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}
    files = [tmp_path / f"{n}{suffix}" for n in range(2)]
    for file in files:
        out, err = printed(capsys, "show", "s2", "--tokens", "512", "-o", str(file))
        assert out.splitlines()[-1] == str(file)
        assert err == "next: accelgen attention show s2 --tokens 512 --json\n"
    assert files[0].read_bytes().startswith(starts[suffix])
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_picture_takes_no_characters_away(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plain, _ = printed(capsys, "show", "s2", "--tokens", "512")
    file = tmp_path / "not" / "yet" / "a.svg"
    out, _ = printed(capsys, "show", "s2", "--tokens", "512", "-o", str(file))
    assert out == f"{plain}{file}\n"
    assert file.is_file()


def test_sources_are_written_alike(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(printed(capsys, "list", "--json")[0])
    for one in data["patterns"]:
        expected = "Block-Sparse-Attention" if one["name"] == "block_streaming" else "arXiv:"
        assert one["source"].startswith(expected)


SPARSE = [
    (["quest(budget=48)", "--tokens", "64"], "quest keeps every pair of layers 0 to 1, and this is"
     " layer 0; to see what it selects: --layer 2 or quest(budget=48, dense_layers=0)"),
    (["quest(budget=16, dense_layers=1)", "--tokens", "64"], "quest keeps every pair of layer 0,"
     " and this is layer 0; to see what it selects: --layer 1 or quest(budget=16, dense_layers=0)"),
    # No selection is promised where all pages are kept.
    (["quest(budget=64)", "--tokens", "64"], "quest keeps every pair of layers 0 to 1, and this is"
     " layer 0; of only 64 keys it keeps every pair of all layers"),
    (["one.yaml"], "quest keeps every pair of layers 0 to 1, and this is layer 0; to see what it"
     " selects: quest(budget=16, dense_layers=0)"),
    (["three.yaml"], "quest keeps every pair of layers 0 to 1, and this is layer 0; to see what it"
     " selects: --layer 2 or quest(budget=16, dense_layers=0)"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "says"), SPARSE)
def test_a_layer_that_a_pattern_leaves_dense_is_said_to_be(
    words: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "tokens: 64\nheads: 2\nhead_dim: 16\npattern: quest(budget=16)\nlayers: "
    for name, layers in (("one", 1), ("three", 3)):
        (tmp_path / f"{name}.yaml").write_text(f"{text}{layers}\n", encoding="utf-8")
    _, err = printed(capsys, "show", *words)
    remark, hint = err.splitlines()
    assert remark == f"accelgen: {says}"
    assert json.loads(printed(capsys, "show", *words, "--json")[0])["remark"] == says
    # The next command works, and shows a layer that is sparse where there is one.
    following = shlex.split(hint.removeprefix("next: accelgen attention "))
    if "--layer" in says:
        data = json.loads(printed(capsys, *following, "--json")[0])
        assert data["remark"] is None
        assert data["layer"] == int(says.split("--layer ")[1][0])
        assert all(mask["nnz"] < data["dense_pairs"] for mask in data["masks"])
    else:
        assert following[-2:] == ["-o", "attention.svg"]


def test_nothing_is_said_where_nothing_is_dense(capsys: pytest.CaptureFixture[str]) -> None:
    for pattern in ("dense", "sparda", "spatten", "lserve"):
        _, err = printed(capsys, "show", pattern, "--tokens", "64", "--random")
        assert err.startswith("next: ")
        assert err.count("\n") == 1


def test_causal_or_not(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["show", "bert_dense", "--head", "0", "--json"]
    assert json.loads(printed(capsys, *words)[0])["causal"] is False
    assert json.loads(printed(capsys, *words, "--causal")[0])["causal"] is True


def test_tensors(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    inputs = random_inputs(AttentionShape(1, 4096, 4, 2, 8, 6))
    file = tmp_path / "t.npz"
    np.savez(file, q=inputs.q.astype(np.float32), k=inputs.k, v=inputs.v)
    pattern = "lserve(budget=256)"
    data = json.loads(printed(capsys, "show", pattern, "--tensors", str(file), "--json")[0])
    assert (data["queries"], data["keys"], data["heads"], data["kv_heads"]) == (1, 4096, 4, 2)
    assert (data["head_dim"], data["value_dim"]) == (8, 6)
    assert {mask["nnz"] for mask in data["masks"]} == {256, 128 + 256}
    drawn = ["show", pattern, "--queries", "1", "--random", "--seed", "5", "--json"]
    assert printed(capsys, *drawn) == printed(capsys, *drawn)


WRONG = [
    (["draw"], "invalid choice: 'draw'"),
    (["list", "dense"], "list takes no name; accelgen attention show dense"),
    (["show"], "show needs a pattern or a description; accelgen attention list"),
    (["show", "strem"], "unknown pattern or description 'strem'; did you mean 'streaming'?"),
    (["show", "strem(4)"], "unknown pattern 'strem'; did you mean 'streaming'?"),
    (["show", "none.yaml"], "none.yaml: there is no such file"),
    (["show", "dense", "--tokens", "0"], "queries: 0 is no integer in 1.."),
    (["show", "dense", "--queries", "5000"], "5000 queries end at the last of 4096 keys"),
    (["show", "dense", "--kv-heads", "3"], "3 heads of keys and values do not divide 8 heads"),
    (["show", "dense", "--block", "0"], "dense: block: 0 is no integer in 1..4096"),
    (["show", "dense", "--head", "8"], "--head: no head 8 among 8; use 0 to 7"),
    (["show", "dense", "--layer", "-1"], "--layer: no layer -1 among 4096; use 0 to 4095"),
    (["show", "s2_8heads", "--layer", "1"], "--layer: no layer 1 among 1; use 0"),
    (["show", "llama3_8b_duo", "--layer", "4"], "--layer: no layer 4 among 4; use 0 to 3"),
    (["show", "dense", "--arrays", "0"], "--arrays: 0 is no number of arrays; use 1 or more"),
    (["show", "dense", "-o", "a.gif"], "a picture is .svg, .png or .pdf, not .gif"),
    (["show", "dense", "--tensors", "none.npz"], "none.npz: No such file or directory"),
    (["show", "lserve", "--queries", "1"], "give tensors (--tensors FILE), or --random"),
    (["show", "duo"], "duo: needs gates"),
    (["show", "llama3_8b_mixed", "--heads", "8"], "head 31 beyond the last, 7"),
]


@pytest.mark.parametrize(("words", "says"), WRONG)
def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main(["attention", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert says in err


def test_wrong_tensor_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "t.npz"
    file.write_bytes(b"no file")
    other = tmp_path / "a.npy"
    np.save(other, np.zeros(3))
    missing = tmp_path / "m.npz"
    np.savez(missing, q=np.zeros((1, 1, 1)), k=np.zeros((1, 1, 1)))
    flat = tmp_path / "f.npz"
    np.savez(flat, q=np.zeros((1, 1)), k=np.zeros((1, 1, 1)), v=np.zeros((1, 1, 1)))
    for path, says in (
        (file, "is no .npz file"),
        (other, "is no .npz file"),
        (missing, "has no array v"),
        (flat, "q is float64 (1, 1), not numbers"),
    ):
        assert main(["attention", "show", "dense", "--tensors", str(path)]) == 2
        assert says in capsys.readouterr().err

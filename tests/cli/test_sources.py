"""``accelgen generate`` and ``cycles`` of names and folders that are nothing they can take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accelgen.cli import main

COULD = "a YAML file or a name that accelgen list or accelgen attention list shows"
FOLDER = f"{COULD}, or the folder of an attention accelerator"
QUEST = (
    "queries: 1\nkeys: 64\nheads: 2\nhead_dim: 16\narray: {rows: 8}\nlayers: 3\n"
    "pattern: quest(budget=16)\n"
)

WRONG = [
    (["cycles", "qqqqq"], f"unknown description 'qqqqq'; give {FOLDER}"),
    (["generate", "qqqqq"], f"unknown description 'qqqqq'; give {COULD}"),
    (["generate", "fir", "qqqqq"], f"unknown description 'qqqqq'; give {COULD}"),
    (["generate", "firr"], f"unknown description 'firr'; did you mean 'fir'? or give {COULD}"),
    (["cycles", "bert_dens"], f"'bert_dens'; did you mean 'bert_dense'? or give {FOLDER}"),
    (["cycles", "empty"], f"empty: is a folder without an attention accelerator; give {FOLDER}"),
    (["generate", "empty"], f"empty: is a folder; give {COULD}"),
    (["generate", "made"], "made: is the folder of a generated accelerator; give the descripti"),
    (["cycles", "none.yaml"], "none.yaml: there is no such file"),
    (["cycles", "quest.yaml", "--layer", "3"], "--layer: no layer 3 among 3; use 0 to 2"),
    (["cycles", "fir", "--layer", "0"], "--layer: is an option of attention descriptions"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "quest.yaml").write_text(QUEST, encoding="utf-8")


def test_what_a_source_could_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "quest.yaml", "-o", "made"]) == 0
    out, err = capsys.readouterr()
    assert "layer 0, 2 row groups by counters" in out
    assert err == (
        "accelgen: quest keeps every pair of layers 0 to 1, and this is layer 0; to see what it"
        " selects: accelgen cycles made --layer 2 or quest(budget=16, dense_layers=0)\n"
    )
    assert main(["cycles", "made", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["of"]["made_by"] == {"counters": 2}
    assert found["remark"].startswith("quest keeps every pair of layers 0 to 1")
    for words, says in WRONG:
        assert main(words) == 2, words
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert says in err


def test_another_layer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cycles", "quest.yaml", "--layer", "2"]) == 0
    out, err = capsys.readouterr()
    assert "layer 2, 2 row groups by lists (drawn tensors)" in out
    assert err == ""


def test_a_name_is_meant_before_a_folder_of_that_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fir").mkdir()
    assert main(["cycles", "fir"]) == 0
    assert capsys.readouterr().out.startswith("fir: ")

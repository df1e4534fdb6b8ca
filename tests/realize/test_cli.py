"""``accelgen realize``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accelgen.cli import main

SEARCH = """\
network: {space: digits}
hardware: {units: 8, sizes: [2, 4]}
period_ns: 10
population: 4
evaluations: 8
"""


@pytest.mark.rtl
def test_a_point_at_the_clock_of_its_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("slow.yaml").write_text(SEARCH)
    assert main(["codesign", "slow.yaml", "--jobs", "1", "--json", "-o", "out"]) == 0
    said = capsys.readouterr()
    best = json.loads(said.out)["front"][0]
    assert (best["technology"], best["period_ns"]) == ("sg13g2", 10.0)
    words = ["realize", "out", "--point", str(best["point"])]
    assert f"accelgen {' '.join(words)}" in said.err
    assert main(["pareto", "out", "--point", str(best["point"])]) == 0
    assert f"next: accelgen {' '.join(words)}\n" in capsys.readouterr().err

    assert main([*words, "--images", "2"]) == 0
    text = capsys.readouterr().out
    assert f"{1e3 * best['latency_ms']:.4g} us" in text
    assert "in sg13g2 at 10 ns" in text
    assert "2 of validation on Verilog" in text
    assert "2 the same" in text
    assert "PASS" in text
    folder = tmp_path / "out" / f"point_{best['point']}"
    report = (folder / "realised.json").read_text()

    # Again, into the same folder.
    assert main([*words, "--images", "2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["schema"], figures["point"]) == (1, best["point"])
    assert (figures["same_predictions"], figures["faults"]) == (2, [])
    assert figures["cycles"] == figures["cycles_predicted"] == best["cycles"]
    estimate = figures["estimate"]
    assert estimate["period_ns"] == 10.0
    assert estimate["latency_us"] == pytest.approx(1e3 * best["latency_ms"])
    assert estimate["energy_nj"] == pytest.approx(1e3 * best["energy_uj"])
    assert estimate["area_mm2"] == pytest.approx(best["area_mm2"])
    assert (folder / "realised.json").read_text() == report
    assert (folder / "energy.svg").exists()

    # Built alone, it has nothing of what came of the one before.
    assert main([*words, "--images", "0"]) == 0
    assert (folder / "program.json").exists()
    assert not (folder / "realised.json").exists()
    assert not (folder / "energy.svg").exists()
    capsys.readouterr()

    # A file is not taken for a folder, nor is anything of a folder of others touched.
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "energy.svg").write_text("mine")
    (tmp_path / "notes" / "notes.txt").write_text("mine")
    for other, reason in (("slow.yaml", "is not a folder"), ("notes", "did not write")):
        assert main([*words, "--images", "0", "-o", other]) == 2
        assert reason in capsys.readouterr().err
    assert (tmp_path / "notes" / "energy.svg").read_text() == "mine"


def test_a_point_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"front": [{"point": 3}]}))
    assert main(["realize", str(tmp_path), "--point", "7"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "point 7 is not on the front; use one of 3" in said.err

"""``accelgen codesign``."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from accelgen.cli import main
from accelgen.hardware import load_hardware
from accelgen.sweep import Results
from tests.search import small

SEARCH = """\
networks: [net.yaml]
hardware:
  baseline: nvdla_256
  budget: {units: 16, on_chip_bytes: 8192}
objectives: [latency, energy]
population: 8
evaluations: 24
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(small.NETWORK)
    (tmp_path / "tiny.yaml").write_text(SEARCH)
    return tmp_path


def test_a_search_and_its_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["codesign", "tiny.yaml", "--jobs", "1", "--json", "-o", "out"]) == 0
    said = capsys.readouterr()
    figures = json.loads(said.out)
    assert figures["schema"] == 1
    assert (figures["designs"], figures["optimiser"]) == (24, "nsga2")
    assert "its cost model: cacti_45nm_lop, 1000 MHz, units of int8*int8" in figures["about"]
    best = figures["front"][0]
    assert f"--hardware out/hardware_{best['point']}.yaml" in said.err
    load_hardware(folder / "out" / f"hardware_{best['point']}.yaml")
    assert len(Results.read(folder / "out" / "results.parquet")) == 24
    # A figure of the table is what simulate says of the file.
    words = ["simulate", "net.yaml", "--hardware", f"out/hardware_{best['point']}.yaml", "--json"]
    assert main(words) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["cycles"] == pytest.approx(best["cycles"])
    assert main(["pareto", "out/results.parquet"]) == 0
    assert f"{len(figures['front'])} of" in capsys.readouterr().out


def test_going_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["codesign", "tiny.yaml", "--jobs", "1", "--evaluations", "8", "--seed", "3"]
    assert main(words) == 0
    assert "8 designs, 8 evaluated, 0 known before" in capsys.readouterr().out
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "tiny_search/journal: has 8 designs of this search; go on with --resume" in said
    assert said.count("\n") == 1
    words[5] = "16"
    assert main([*words, "--resume"]) == 0
    # Those of before, and maybe designs that were asked for twice.
    found = re.search(r"16 designs, (\d+) evaluated, (\d+) known", capsys.readouterr().out)
    assert found is not None
    evaluated, known = map(int, found.groups())
    assert evaluated <= 8 <= known
    assert evaluated + known == 16
    assert main([*words[:-1], "4", "--resume"]) == 2
    assert "is of another search (seed differ)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("codesign nothing", "unknown search 'nothing'"),
        ("codesign tiny.yaml --evaluations 0", "evaluations: 0; use 1 to"),
        ("codesign tiny.yaml --jobs 0", "--jobs: 0 processes"),
        ("codesign tiny.yaml -o net.yaml", "net.yaml: is no folder"),
        ("codesign tiny.yaml --address x:1", "--address: an address without ray"),
    ],
)
def test_errors_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_nothing_feasible_is_the_answer_no(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "tight.yaml").write_text(f"{SEARCH}constraints: {{latency_ms: '1e-9'}}\n")
    assert main(["codesign", "tight.yaml", "--jobs", "1", "--evaluations", "8"]) == 1
    assert "latency_ms <= 1e-09 keeps 8 out" in capsys.readouterr().err


SLOW = """
import sys
from functools import partial
import accelgen.search
from accelgen.cli import main
from tests.search import small
accelgen.search.run = partial(accelgen.search.run, task=small.slow)
sys.exit(main(["codesign", "tiny.yaml", "--jobs", "2", "--evaluations", "500", *sys.argv[1:]]))
"""


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    root = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *words], cwd=folder, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": root}, start_new_session=True,
        # A shell starts what runs in the background with this signal ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    journal = folder / "tiny_search" / "journal"
    end = time.monotonic() + 120
    count = journal.read_bytes().count(b"\n") if journal.exists() else 0
    while not journal.exists() or journal.read_bytes().count(b"\n") < count + 20:
        assert time.monotonic() < end
        time.sleep(0.02)
    return process


def test_interrupted_and_killed(folder: Path) -> None:
    process = started(folder)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "of 500 designs in tiny_search/journal; the same command with --resume goes on" in said
    assert said.count("\n") == 1
    assert not (folder / "tiny_search" / "results.json").exists()
    journal = folder / "tiny_search" / "journal"
    before = set(journal.read_text().splitlines())
    process = started(folder, "--resume")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    after = journal.read_text().splitlines()
    assert before < set(after)
    keys = [line.split()[1] for line in after[1:]]
    assert len(keys) == len(set(keys))  # nothing was computed twice

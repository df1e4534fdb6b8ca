"""``accelgen sweep`` and ``accelgen pareto``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from accelgen.cli import main
from accelgen.sweep import Results, run
from accelgen.sweep.results import results_of
from tests.sweep import tasks

NETWORK = """\
layers:
  - {name: fc, expression: "Y[m,n] += A[m,k] * W[k,n]", bounds: {m: 2, n: 4, k: 8}}
"""
SWEEP = """\
network: net.yaml
hardware: array16_64k
axes:
  array.i: [0, 2, 4]
  levels.dram.bytes_per_cycle: [4, 8]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(NETWORK)
    (tmp_path / "small.yaml").write_text(SWEEP)
    return tmp_path


def test_a_sweep_and_its_front(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "small.yaml", "--jobs", "1", "--json"]) == 0
    said = capsys.readouterr()
    assert "next: accelgen pareto small.parquet" in said.err
    figures = json.loads(said.out)
    assert figures["schema"] == 1
    assert (figures["points"], figures["feasible"], figures["evaluated"]) == (6, 4, 6)
    assert (figures["alike"], figures["reused"]) == (0, 0)
    assert figures["infeasible"] == {"cannot be mapped or built": 2}
    ((error, count),) = figures["errors"].items()
    assert count == 2
    assert "0 is outside" in error
    results = Results.read(folder / "small.parquet")
    assert results.fields == ("array.i", "levels.dram.bytes_per_cycle")
    assert "0 is outside" in str(results.row(0)["reason"])
    best = figures["best"]["latency_ms"]
    assert best["latency_ms"] == min(results.numbers("latency_ms")[results.feasible])

    assert main(["sweep", "small.yaml", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert "6 points, 0 evaluated, 6 known before" in out
    first = out.index("  infeasible  2 by cannot be mapped or built\n    2: ")
    assert "0 is outside" in out[first:].splitlines()[1]
    assert Results.read(folder / "small.parquet") == results

    assert main(["pareto", "small.parquet", "--json", "--point", "2", "--svg", "f.svg"]) == 0
    said = capsys.readouterr()
    figures = json.loads(said.out)
    assert figures["objectives"] == ["latency_ms", "energy_uj"]
    assert best in figures["front"]
    assert figures["explained"]["point"]["point"] == 2
    assert figures["pictures"] == ["f.svg"]
    assert (folder / "f.svg").is_file()


def test_the_most_frequent_reasons(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.yaml").write_text(
        "network: net.yaml\nhardware: array16_64k\n"
        f"axes: {{array.i: [2, 0, -1, -2, -3], array.j: [2, '{'x' * 120}']}}\n"
    )
    assert main(["sweep", "bad.yaml", "--jobs", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("  infeasible  9 by cannot be mapped or built")
    shown = lines[start + 1 : start + 5]
    assert all(line.startswith("    ") and len(line) < 120 for line in shown)
    assert shown[-1].endswith(" other reasons, in the results")
    assert not lines[start + 5].startswith("    ")


def test_alike_points_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "square.yaml").write_text(
        "network: net.yaml\nhardware: array16_64k\naxes: {array.i: [2, 4], array.j: [2, 4]}\n"
    )
    assert main(["sweep", "square.yaml", "--jobs", "1"]) == 0
    assert " per second, 1 alike, 0 known before\n" in capsys.readouterr().out
    assert main(["sweep", "square.yaml", "--jobs", "1", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["evaluated"], figures["alike"], figures["reused"]) == (0, 0, 4)


LEVELS = """\
name: two
array: {i: 4, j: 4}
technology: cacti_45nm_lop
levels:
  - {name: l1, bytes: 128}
  - {name: l2, bytes: 1024}
  - {name: dram, bytes_per_cycle: 2, type: lpddr4}
"""


def test_any_level_may_be_varied(folder: Path) -> None:
    (folder / "two.yaml").write_text(LEVELS)
    (folder / "net.yaml").write_text(NETWORK.replace("{m: 2, n: 4, k: 8}", "{m: 8, n: 16, k: 24}"))
    (folder / "levels.yaml").write_text(
        "network: net.yaml\nhardware: two.yaml\nminimise: energy\n"
        "axes: {levels.l1.bytes: [64, 256], levels.l2.bytes: [512, 4096]}\n"
    )
    assert main(["sweep", "levels.yaml", "--jobs", "1"]) == 0
    results = Results.read(folder / "levels.parquet")
    assert all(results.feasible)
    for level in ("l1", "l2", "dram"):
        assert all(results.numbers(f"energy_{level}_uj") > 0)
    small, large = results.numbers("energy_dram_uj").reshape(2, 2).T
    # 4 KB hold everything: DRAM moves it once.
    assert all(large <= small)
    assert large[0] == large[1]


def test_uneven_mappings_may_be_asked_for(folder: Path) -> None:
    (folder / "net.yaml").write_text(NETWORK.replace("{m: 2, n: 4, k: 8}", "{m: 8, n: 24, k: 24}"))
    (folder / "both.yaml").write_text(
        "network: net.yaml\nhardware: array16_64k\nset: {levels.sram.bytes: 256}\n"
        "axes: {uneven: [false, true], levels.dram.bytes_per_cycle: [2, 4]}\n"
    )
    assert main(["sweep", "both.yaml", "--jobs", "1"]) == 0
    results = Results.read(folder / "both.parquet")
    assert results.columns["uneven"] == ("false", "false", "true", "true")
    even, uneven = results.numbers("edp_js").reshape(2, 2)
    assert all(uneven < even)
    # With two levels there are none.
    (folder / "two.yaml").write_text(LEVELS)
    (folder / "deep.yaml").write_text(
        "network: net.yaml\nuneven: true\naxes: {hardware: [array16_64k, two.yaml]}\n"
    )
    assert main(["sweep", "deep.yaml", "--jobs", "1"]) == 0
    assert "uneven tiles in 2 levels" in str(Results.read(folder / "deep.parquet").row(1)["reason"])


def made(folder: Path) -> None:
    sweep = tasks.sweep(60, objectives=("latency_ms", "area_mm2"))
    points = sweep.points()
    results_of(sweep, points, [tasks.quick(p) for p in points]).write(folder / "r.parquet")


def test_the_front_as_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(folder)
    assert main(["pareto", "r.parquet", "--point", "19"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "test: 29 of 58 feasible points (60 in all) are on the front of latency_ms, area_mm2"
    )
    assert lines[1].split() == ["point", "latency_ms", "area_mm2", "array.i", "clock_mhz"]
    assert lines[2].split() == ["59", "0.03332", "3", "30", "1000"]
    assert lines[31].startswith("point 19: array.i 10, clock_mhz 1000")
    assert lines[33] == "  on the front; its neighbours there:"
    assert sorted(lines[34:]) == [
        "  point 17: array.i 10 -> 9: latency_ms +11.1 %, area_mm2 -10.0 %",
        "  point 21: array.i 10 -> 11: latency_ms -9.1 %, area_mm2 +10.0 %",
    ]
    assert main(["pareto", "r.parquet", "--point", "24"]) == 0
    assert "infeasible: thirteen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("pareto none.parquet", 2, "none.parquet: there is no such file"),
        ("pareto r.parquet --objectives latenc", 2, "unknown metric 'latenc'; did you mean 'laten"),
        ("pareto r.parquet --point 60", 2, "no point 60; points are 0 to 59"),
        ("pareto r.parquet --png f.svg", 2, "f.svg: no .png file; name it f.png"),
        ("pareto r.parquet --svg f.svg --objectives area", 2, "needs two"),
        ("sweep nothing", 2, "unknown sweep 'nothing'"),
        ("sweep small.yaml --jobs 0", 2, "--jobs: 0 processes"),
        ("sweep small.yaml --address x:1", 2, "--address: an address without ray"),
        ("sweep small.yaml -o .", 2, "cannot hold the results"),
        ("sweep small.yaml --journal net.yaml", 2, "net.yaml: is no store of accelgen"),
        ("sweep tight.yaml --jobs 1", 1, "latency_ms <= 1e-09 keeps 4 out (latency_ms is "),
    ],
)
def test_errors_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: str, code: int, message: str
) -> None:
    made(folder)
    (folder / "tight.yaml").write_text(f"{SWEEP}constraints: {{latency_ms: '1e-9'}}\n")
    assert main(words.split()) == code
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_damaged_journal_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "small.yaml", "--jobs", "1"]) == 0
    journal = folder / "small.journal"
    journal.write_bytes(journal.read_bytes()[:-20])
    capsys.readouterr()
    assert main(["sweep", "small.yaml", "--jobs", "1"]) == 0
    said = capsys.readouterr()
    assert "1 damaged line" in said.err
    assert "1 evaluated" in said.out


SLOW = """
import sys
import accelgen.sweep.run
from accelgen.cli import main
from functools import partial
from tests.sweep import tasks
import accelgen.sweep
accelgen.sweep.run = partial(accelgen.sweep.run, task=tasks.slow)
sys.exit(main(["sweep", "s.yaml", "--jobs", "2"]))
"""


def test_an_interrupt_says_how_to_go_on(folder: Path) -> None:
    (folder / "s.yaml").write_text(
        "network: alexnet\nhardware: array16_64k\nset: {clock_mhz: 500}\n"
        "axes: {array.i: {first: 20, last: 320, step: 1}}\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW], cwd=folder, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": root}, start_new_session=True,
        # A shell starts what runs in the background with this signal ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    journal = folder / "s.journal"
    end = time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b"\n") < 20:
        assert time.monotonic() < end
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "of 301 points in s.journal; the same command goes on from there" in said
    assert said.count("\n") == 1
    assert not (folder / "s.parquet").exists()
    known = journal.read_bytes().count(b"\n") - 1
    from accelgen.sweep import load_sweep

    outcome = run(load_sweep("s.yaml"), journal, jobs=1, task=tasks.quick)
    assert (outcome.reused, outcome.dropped) == (known, 0)

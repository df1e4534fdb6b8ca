"""Everything that can go wrong on the command line is one line and the right exit code."""

from __future__ import annotations

import gc
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import accelgen.pipeline
from accelgen.affine import load_description
from accelgen.cli import main
from accelgen.cosim import toolchain
from accelgen.rtl.array import Array
from accelgen.rtl.control import Controller
from accelgen.rtl.streams.collector import Collector

GEMM = ["generate", "gemm_os_systolic"]


def fail(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """The exit code and the one line of a command that must not succeed or print."""
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("accelgen: ")
    assert err.count("\n") == 1
    return code, err.removeprefix("accelgen: ").rstrip("\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["generat"], "unknown command 'generat'; did you mean 'generate'?"),
        ([], "see accelgen --help"),
        (["generate"], "DESCRIPTION; see accelgen generate --help"),
        (["generate", "fir", "--bound", "m=3"], "unknown argument '--bound'"),
        (["generate", "fir", "--bus", "wide"], "invalid int value"),
        (["synth", "x", "--target", "asic"], "invalid choice"),
        (["synth", "x", "--seed", "-1"], "--seed: -1 is below 0; use 0 or more"),
        (["verify", "x", "--seed", "-3"], "--seed: -3 is below 0; use 0 or more"),
        (["quantize", "x", "--seed", "-1"], "--seed: -1 is below 0; use 0 or more"),
        (["simulate", "x", "--hardware", "y", "--seed=-2"], "--seed: -2 is below 0"),
        (["attention", "show", "dense", "--random", "--seed", "-1"], "--seed: -1 is below 0"),
        (["verify", "x", "--seed", "two"], "--seed: 'two' is no integer; write --seed 0"),
        (["generate", "gemm_os_sistolic"], "did you mean 'gemm_os_systolic'?"),
        (["generate", "missing/file.yaml"], "missing/file.yaml: there is no such file"),
        (["list", "matvek"], "did you mean 'matvec'?"),
        ([*GEMM, "--bounds", "q=3"], "bounds: unknown loop 'q'; known: m, n, k"),
        ([*GEMM, "--bounds", "m"], "--bounds: 'm' is not NAME=VALUE; write --bounds m=64,n=64"),
        ([*GEMM, "--bounds", ""], "--bounds: '' is not NAME=VALUE"),
        ([*GEMM, "--bounds", "m=3,m=4"], "--bounds: 'm' is given twice"),
        ([*GEMM, "--bounds", "m=big"], "--bounds: 'big' is no integer"),
        ([*GEMM, "--bounds", "m=1e3"], "--bounds: '1e3' is no integer"),
        ([*GEMM, "--bounds", "m=-4"], "bounds: m: -4 is outside 1..1048576"),
        ([*GEMM, "--bounds", f"m={10**30}"], f"bounds: m: {10**30} is outside 1..1048576"),
        ([*GEMM, "--bounds", "m=0"], "bounds: m: 0 is outside 1..1048576"),
        ([*GEMM, "--space", "i=-1"], "space: i: -1 is outside 1.."),
        ([*GEMM, "--space", "x=4"], "space: unknown axis 'x'"),
        ([*GEMM, "--time", "k=7"], "k"),
        ([*GEMM, "--types", "A=float8"], "unknown format 'float8'"),
        ([*GEMM, "--types", "A"], "--types: 'A' is not NAME=VALUE; write --types A=int4"),
        ([*GEMM, "--types", "Y=int8"], "int8 is too narrow for Y"),
        ([*GEMM, "--skew", "wavefront"], "unknown skew 'wavefront'; use broadcast or systolic"),
        ([*GEMM, "--chain", "Y=k"], "chain: unknown axis 'k'; known: i, j, none"),
        ([*GEMM, "--chain", "Z=i"], "chain: unknown tensor 'Z'; known: A, B, Y"),
        ([*GEMM, "--time", "k=7"], "gemm_os_systolic:15: map: iteration m=0, n=0, k=7 is never"),
        ([*GEMM, "--technology", "asap8"], "did you mean 'asap7'?"),
        ([*GEMM, "--period", "0"], "period: 0.0 ns is no clock period"),
        ([*GEMM, "--period", "nan"], "period: nan ns is no clock period"),
        ([*GEMM, "--bus", "12"], "bus: 12 bits are no whole number of bytes"),
        ([*GEMM, "--bus", "16"], "use a bus of at least 24 bits"),
        (["cycles", "fir", "--bounds", "q=4"], "q"),
        (["cycles", "gemm_os_systolic", "--bounds", "m=9:3"], "'9:3' is an empty range: 3 is less"),
        (["cycles", "gemm_os_systolic", "--bounds", "m=16:8:4"], "8 is less than 16; write 8:16:4"),
        (["cycles", "gemm_os_systolic", "--bounds", "m=1:9:0"], "'1:9:0' is no range"),
        (["cycles", "gemm_os_systolic", "--bounds", "m=1:9:2:3"], "'1:9:2:3' is no range"),
        (["cycles", "gemm_os_systolic", "--bounds", "m=1:999999999"], "999999999 combinations"),
        (["cycles", "gemm_os_systolic", "--bounds", "m=1:400,n=1:400"], "160000 combinations"),
        (["cycles", "gemm_os_systolic", "--bounds", "m=0:4:2"], "m=0: bounds: m: 0 is outside"),
        (["verify", "nowhere"], "nowhere: there is no such folder; name one that generate wrote"),
        (["verify", "."], ".: there is no manifest.json; generate a design there"),
        (["verify", "nowhere", "--problems", "1"], "use at least 2"),
        (["lint", "nowhere"], "nowhere: there is no such folder"),
        (["synth", "nowhere"], "nowhere: there is no such folder"),
    ],
)
def test_bad_words_are_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, line = fail(capsys, *words)
    assert code == 2
    assert says in line
    assert list(tmp_path.iterdir()) == []


def test_an_infeasible_period_names_what_does_not_fit_and_what_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", "fir", "-o", tmp_path / "fir", "--period"]
    code, line = fail(capsys, *words, "0.3")
    assert code == 1
    assert "0.3 ns" in line
    shortest = line.partition("use a period of ")[2].split()[0]
    assert list(tmp_path.iterdir()) == []
    assert main([str(word) for word in words] + [shortest]) == 0
    assert (tmp_path / "fir" / "fir.v").is_file()


def test_a_foreign_folder_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").write_text("text", encoding="utf-8")
    code, line = fail(capsys, "generate", "fir", "-o", tmp_path)
    assert code == 2
    assert "holds thesis.tex, which accelgen did not write" in line
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    code, line = fail(capsys, "generate", "fir", "-o", tmp_path / "thesis.tex")
    assert code == 2
    assert "is not a folder" in line
    code, line = fail(capsys, "generate", "fir", "-o", tmp_path / "thesis.tex" / "below")
    assert code == 2
    assert "cannot be written" in line


def test_a_missing_tool(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert main(["generate", "fir", "-o", str(tmp_path / "fir")]) == 0
    capsys.readouterr()

    def which(name: str) -> str | None:
        return None if name == "perl" else f"/bin/{name}"

    monkeypatch.setattr(shutil, "which", which)
    monkeypatch.setattr(toolchain, "_first_line", lambda program, option: "1.0")
    monkeypatch.setattr(toolchain, "_has_headers", lambda compiler, *headers: True)
    code, line = fail(capsys, "verify", tmp_path / "fir")
    assert code == 3
    assert line == "perl is missing (starts Verilator); run: sudo apt install perl"
    assert main(["doctor"]) == 3
    out = capsys.readouterr().out
    assert "missing: perl" in out
    assert "sudo apt install perl" in out


@pytest.mark.parametrize("when", ["write_report", "rewrite", "place_registers"])
def test_an_interrupt_leaves_what_was_there(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    when: str,
) -> None:
    folder = tmp_path / "fir"
    assert main(["generate", "fir", "-o", str(folder)]) == 0
    capsys.readouterr()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def interrupt(*arguments: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(accelgen.pipeline, when, interrupt)
    code, line = fail(capsys, "generate", "fir", "-o", folder)
    assert (code, line) == (130, "interrupted")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["fir"]


@pytest.mark.parametrize("inside", [Collector, Array, Controller])
def test_an_interrupt_during_elaboration_is_silent(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
    inside: type[object],
) -> None:
    """Amaranth warns of components that were made and not used: not in this case."""

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inside, "elaborate", interrupt)
    assert fail(capsys, "generate", "fir", "-o", tmp_path / "fir") == (130, "interrupted")
    gc.collect()
    assert [str(warning.message) for warning in recwarn.list] == []


def test_names_that_collide_are_refused_before_hardware_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    """Tensor ``x`` has a port ``x_load_in``, as has tensor ``x_load``."""
    path = tmp_path / "names.yaml"
    text = str(load_description("gemm_ws_systolic"))
    text = re.sub(r"\bB\b", "x", re.sub(r"\bA\b", "x_load", text))
    path.write_text(text, encoding="utf-8")
    code, line = fail(capsys, "generate", path, "-o", tmp_path / "out")
    assert code == 2
    assert "two signals of a unit would both be called" in line
    gc.collect()
    assert recwarn.list == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_without_traceback(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    command = [
        sys.executable, "-m", "accelgen", "cycles", "gemm_os_systolic",
        "--bounds", "m=1:100,n=1:100",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs tests in the background leaves interrupts ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    # Rows reach the reader of a pipe as they come.
    assert process.stdout.readline().split()[:2] == ["m", "n"]
    process.send_signal(number)
    start = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - start < 30
    assert process.returncode == code
    assert err == ("accelgen: interrupted\n" if code == 130 else "")


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "nothing_such", "--debug"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("accelgen: unknown description")

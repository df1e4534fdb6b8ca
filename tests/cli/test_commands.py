"""Every command, through ``main``: what it prints, what it writes, what it returns."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from accelgen.affine import load_description, parse_description
from accelgen.cli import main
from accelgen.manifest import Manifest
from accelgen.pipeline import predict

TINY = ["--bounds", "m=5,n=3,k=4", "--space", "i=2,j=2"]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command that must succeed prints; it must say nothing on standard error."""
    assert main([str(word) for word in words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def run_json(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(run(capsys, *words, "--json"))
    assert data["schema"] == 1
    return data


def run_json_with_remark(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert main([*(str(word) for word in words), "--json"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "tiny"
    assert main(["generate", "gemm_os_systolic", *TINY, "-o", str(folder)]) == 0
    return folder


@pytest.fixture
def tiny(tmp_path: Path, generated: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A copy of a small generated design."""
    shutil.copytree(generated, tmp_path / "tiny")
    capsys.readouterr()
    return tmp_path / "tiny"


def test_generate_writes_a_design_and_says_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "gemm"
    out = run(capsys, "generate", "gemm_os_systolic", *TINY, "-o", folder)
    assert sorted(contents(folder)) == ["gemm_os_systolic.v", "manifest.json", "report.md"]
    assert [path.name for path in folder.parent.iterdir()] == ["gemm"]
    manifest = Manifest.read(folder)
    assert manifest.bounds == {"m": 5, "n": 3, "k": 4}
    assert manifest.extra["parameters"] == {
        "space": {"i": 2, "j": 2},
        "time": {"m1": 3, "n1": 2, "k": 4},
        "skew": {"i": 1, "j": 1},
    }
    assert set(json.loads(json.dumps(manifest.extra["memories"]))) == {"A", "B", "Y"}
    assert f"compute_cycles {manifest.predicted.compute_cycles}" in out
    assert str(folder / "gemm_os_systolic.v") in out
    assert f"accelgen verify {folder}" in out


def test_generate_writes_the_same_bytes_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny: Path
) -> None:
    other = tmp_path / "elsewhere" / "again"
    run(capsys, "generate", "gemm_os_systolic", *TINY, "-o", other)
    assert contents(other) == contents(tiny)
    assert all(str(tmp_path).encode() not in text for text in contents(tiny).values())


def test_generate_replaces_its_own_folder(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(tiny)
    run(capsys, "generate", "gemm_os_systolic", *TINY, "--types", "A=uint3", "-o", tiny)
    after = contents(tiny)
    assert after.keys() == before.keys()
    assert after["manifest.json"] != before["manifest.json"]


def test_generate_defaults_to_rtl_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = run(capsys, "generate", "matvec", "--bounds", "m=3,k=3", "--space", "i=1,j=2")
    assert Path("rtl_out/matvec/matvec.v").is_file()
    assert str(Path("rtl_out", "matvec", "matvec.v")) in out


def test_generate_json_has_all_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "gemm"
    data = run_json(
        capsys, "generate", "gemm_os_systolic", *TINY, "-o", folder,
        "--period", "6", "--technology", "sg13g2", "--bus", "32", "--skew", "i=0,j=2",
    )  # fmt: skip
    assert data["verilog"] == [str(folder / "gemm_os_systolic.v")]
    assert data["period_ns"] == 6.0
    assert 0 < data["critical_path_ns"] <= 6.0
    assert 0 < data["register_bits"]["lp"] <= data["register_bits"]["greedy"]
    assert sum(data["units"].values()) == 4
    manifest = Manifest.read(folder)
    assert all(stream.bus_bits == 32 for stream in manifest.streams)
    assert data["predicted"]["total_cycles"] == manifest.predicted.total_cycles


def test_generate_reads_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    text = str(load_description("fir")).replace("name: fir", "name: my_fir")
    path.write_text(text, encoding="utf-8")
    run(capsys, "generate", path, "-o", tmp_path / "out")
    assert Manifest.read(tmp_path / "out").name == "my_fir"


def test_cycles_of_one_point_are_those_of_the_design(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = run_json(capsys, "cycles", "gemm_os_systolic", *TINY)
    predicted = Manifest.read(tiny).predicted
    (point,) = data["points"]
    assert point["compute_cycles"] == predicted.compute_cycles
    assert point["total_cycles"] == predicted.total_cycles
    assert point["issue"] + point["skew_and_drain"] + point["pipeline"] == point["compute_cycles"]
    out = run(capsys, "cycles", "gemm_os_systolic", *TINY)
    assert f"compute_cycles  {point['compute_cycles']}" in out


def test_cycles_of_ranges_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cycles", "gemm_os_systolic", "--bounds", "m=8:24:8,k=4|7", "--space", "i=4,j=2|4"]
    rows = [line.split() for line in run(capsys, *words).splitlines()]
    assert rows[0] == ["m", "k", "i", "j", "compute_cycles", "total_cycles", "utilisation"]
    assert [row[:4] for row in rows[1:]] == [
        [m, k, "4", j] for m in ("8", "16", "24") for k in ("4", "7") for j in ("2", "4")
    ]
    base = load_description("gemm_os_systolic")
    for m, k, i, j, compute, total, _ in rows[1:]:
        model = predict(
            base.with_overrides(bounds={"m": int(m), "k": int(k)}, space={"i": int(i), "j": int(j)})
        )
        assert (int(compute), int(total)) == (model.compute_cycles, model.total_cycles)
    table = [line.split(",") for line in run(capsys, *words, "--csv").splitlines()]
    assert table == rows
    points = run_json(capsys, *words)["points"]
    assert [str(point["compute_cycles"]) for point in points] == [row[4] for row in rows[1:]]


def test_what_waits_for_a_chain_is_said_and_what_helps_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["gemm_ws_systolic", "--bounds", "m=2", "--space", "i=8,j=16"]
    assert main(["cycles", *words]) == 0
    said = capsys.readouterr().err
    assert said.startswith("accelgen: 6 cycles wait for the shift chain of B; --chain B=none ")
    folder = tmp_path / "out"
    assert main(["generate", *words, "-o", str(folder)]) == 0
    assert capsys.readouterr().err == said
    line = said.removeprefix("accelgen: ").strip()
    assert f"- {line}\n" in (folder / "report.md").read_text()
    assert main(["cycles", *words[:2], "m=2|64", *words[3:]]) == 0
    assert "in 1 of 2 points cycles wait for shift chains; first: m=2, i=8, j=16: 6 " in (
        capsys.readouterr().err
    )
    (waits,) = run_json_with_remark(capsys, "cycles", *words)["points"]
    (other,) = run_json(capsys, "cycles", *words, "--chain", "B=none")["points"]
    assert (waits["chain_wait"], other["chain_wait"]) == (6, 0)
    assert waits["issue"] - other["issue"] == 6


def test_list_names_every_shipped_description(capsys: pytest.CaptureFixture[str]) -> None:
    data = run_json(capsys, "list")
    names = [entry["name"] for entry in data["descriptions"]]
    assert "gemm_os_systolic" in names
    lines = run(capsys, "list").splitlines()
    assert [line.split()[0] for line in lines] == names
    for entry, line in zip(data["descriptions"], lines, strict=True):
        description = load_description(entry["name"])
        assert entry["expression"] == description.workload.expression
        assert entry["summary"]
        assert line.endswith(entry["summary"])


def test_list_prints_a_description_that_parses(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "list", "matvec")
    assert parse_description(text) == load_description("matvec")
    assert run_json(capsys, "list", "matvec")["yaml"] == text


def test_doctor_finds_the_tools(capsys: pytest.CaptureFixture[str]) -> None:
    data = run_json(capsys, "doctor")
    assert data["complete"] is True
    assert {"verilator", "amaranth", "g++"} <= {tool["name"] for tool in data["tools"]}
    out = run(capsys, "doctor")
    assert all(tool["name"] in out for tool in data["tools"])


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_show_writes_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = tmp_path / f"picture.{suffix}"
    out = run(capsys, "show", "gemm_os_systolic", *TINY, "-o", path, "--what", "array")
    assert out.strip() == str(path)
    assert path.read_bytes().startswith({"svg": b"<?xml", "png": b"\x89PNG"}[suffix])


def test_a_terminal_is_shown_the_stages(tmp_path: Path) -> None:
    master, terminal = os.openpty()
    words = ["generate", "fir", "-o", str(tmp_path / "fir")]
    done = subprocess.run(
        [sys.executable, "-m", "accelgen", *words],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        check=True,
    )
    os.close(terminal)
    shown = os.read(master, 1 << 16)
    os.close(master)
    assert b"generating fir" in shown
    assert b"\x1b" not in done.stdout


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version").startswith("accelgen 0.")


@pytest.mark.parametrize("command", [[], *([c] for c in ("generate", "cycles", "verify", "show"))])
def test_help(capsys: pytest.CaptureFixture[str], command: Sequence[str]) -> None:
    assert run(capsys, *command, "--help").startswith("usage: accelgen")


def test_the_reader_of_a_pipe_may_leave() -> None:
    command = [sys.executable, "-u", "-m", "accelgen", "list"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


@pytest.mark.rtl
def test_verify_passes_and_then_fails(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "verify", tiny, "--seed", 4)
    predicted = Manifest.read(tiny).predicted
    rows = [line.split() for line in out.splitlines()]
    for name in ("compute_cycles", "total_cycles"):
        cycles = str(getattr(predicted, name))
        assert [name, cycles, cycles] in rows
    assert out.splitlines()[-1].startswith("gemm_os_systolic: PASS")

    path = tiny / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["predicted"]["compute_cycles"] += 1
    path.write_text(json.dumps(data), encoding="utf-8")
    assert main(["verify", str(tiny), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] is False
    assert report["compute_cycles"]["predicted"] == predicted.compute_cycles + 1
    assert report["compute_cycles"]["measured"] == predicted.compute_cycles
    assert main(["verify", str(tiny)]) == 1
    assert "gemm_os_systolic: FAIL" in capsys.readouterr().out


@pytest.mark.rtl
def test_lint_and_synth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--bounds", "m=2,k=2", "--space", "i=1,j=1", "--bus", "32", "-o", tmp_path]
    run(capsys, "generate", "matvec", *small)
    assert run(capsys, "lint", tmp_path).splitlines() == ["verilator: clean", "yosys: clean"]
    data = run_json(capsys, "synth", tmp_path, "--target", "ecp5")
    assert data["target"] == "ecp5"
    assert data["cells"]["LUT4"] > 10
    source = tmp_path / "matvec.v"
    text = source.read_text(encoding="utf-8")
    fault = "wire [3:0] n = 8'd200;\nendmodule"
    source.write_text(text.replace("endmodule", fault, 1), encoding="utf-8")
    assert main(["lint", str(tmp_path)]) == 1
    assert "NOT clean" in capsys.readouterr().out


@pytest.mark.rtl
def test_demo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a small design: README's is as large as what a newcomer sees."""
    monkeypatch.setattr("accelgen.cli.generate.DEMO_DESCRIPTION", "fir")
    out = run(capsys, "demo", "-o", tmp_path / "demo")
    assert str(tmp_path / "demo" / "fir.v") in out
    assert ["compute_cycles", "67", "67"] in [line.split() for line in out.splitlines()]
    assert out.splitlines()[-1].startswith("fir: PASS in all ")


def test_passes_are_listed_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(capsys, "passes").splitlines()
    listed = run_json(capsys, "passes")["passes"]
    assert [line.split()[0] for line in lines] == [entry["name"] for entry in listed]
    assert [line.split(maxsplit=1)[1] for line in lines] == [e["summary"] for e in listed]
    assert [entry["name"] for entry in listed][:4] == ["constants", "trees", "taps", "pins"]


def test_explain_says_what_passes_changed(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heading, *rows = run(capsys, "explain", tiny).splitlines()
    for column in ("register bits", "LP objective", "adders", "wire"):
        assert column in heading
    assert [row.split()[0] for row in rows] == [
        entry["name"] for entry in run_json(capsys, "passes")["passes"]
    ]
    data = run_json(capsys, "explain", tiny)
    assert data["name"] == "gemm_os_systolic"
    assert data["without"] == []
    first = data["passes"][0]
    assert first["name"] == "constants"
    before, after = (first[side]["conditions"] for side in ("before", "after"))
    assert before > after
    assert f"{before} > {after}" in rows[0]
    assert "## Passes over the netlist" in (tiny / "report.md").read_text()


def test_passes_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "plain"
    words = ["generate", "gemm_k_tree", "-o", folder, "--without", "widths,trees"]
    out = run(capsys, *words, "--without", "gating")
    assert "without    gating, trees, widths" in out
    text = run(capsys, "explain", folder)
    assert text.endswith("\nwithout gating, trees, widths\n")
    assert "\ntrees " not in text
    given = run_json(capsys, "cycles", "gemm_k_tree", "--without", "trees, widths")["points"][0]
    usual = run_json(capsys, "cycles", "gemm_k_tree")["points"][0]
    assert given["pipeline"] > usual["pipeline"]


@pytest.mark.parametrize("command", ["generate", "cycles", "show"])
def test_an_unknown_pass_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = [] if command == "cycles" else ["-o", str(tmp_path / "out.svg")]
    assert main([command, "fir", *output, "--without", "trees,wdths"]) == 2
    _, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert (
        "there is no pass 'wdths'; there are constants, trees, taps, pins, holds, exits, widths,"
        in err
    )


@pytest.mark.parametrize("passes", [None, 3, [4], [{"name": "trees", "before": 1, "after": {}}]])
def test_explain_of_something_else_is_refused(
    tiny: Path, capsys: pytest.CaptureFixture[str], passes: object
) -> None:
    manifest = json.loads((tiny / "manifest.json").read_text())
    manifest["passes"] = passes
    (tiny / "manifest.json").write_text(json.dumps(manifest))
    assert main(["explain", str(tiny)]) == 2
    assert "has no figures of passes; generate the design again" in capsys.readouterr().err

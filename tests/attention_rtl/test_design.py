"""Generated accelerators: manifest and report, the command line, every phase of verify, lint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from accelgen.attention.accelerator.generate import attention_verilog, generate_attention
from accelgen.attention.accelerator.manifest import read_attention, stream_specs, to_json
from accelgen.attention.accelerator.predict import predict_layer
from accelgen.attention.load import is_attention, list_attention, load_attention, parse_attention
from accelgen.cli import main
from accelgen.content import list_content
from accelgen.cosim import verify_attention as module
from accelgen.cosim.attention import AttentionPhase
from accelgen.cosim.attention_phases import make_attention_phases
from accelgen.cosim.lint import lint, yosys_check
from accelgen.cosim.verify_attention import verify_attention
from accelgen.errors import InputError
from accelgen.manifest import Manifest
from accelgen.rtl.attention.lists import FAULTS, LIST
from tests.attention_rtl.cores import CORES, SMALL

TEXT = """\
tokens: 64
heads: 4
kv_heads: 2
head_dim: 32
formats: {q: int8, k: nvfp4, v: mxfp8_e4m3}
array: {rows: 8, query_tiles: 2, arrays: 2, key_bits: 32}
pattern: streaming(4, 20, block=16)
"""

PLAIN = "tokens: 64\nheads: 2\nhead_dim: 16\narray: {rows: 8}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("design") / "small"
    generate_attention(parse_attention(TEXT, name="small"), folder)
    return folder


def test_manifest_gives_the_core_back(folder: Path) -> None:
    description = parse_attention(TEXT, name="small")
    model = read_attention(folder)
    assert model.core == description.core()
    assert model.description == description
    assert (model.name, model.top, model.verilog) == ("small", "small", ("small.v",))


@pytest.mark.parametrize("name", [*list_attention()])
def test_manifests_of_shipped_descriptions(name: str, tmp_path: Path) -> None:
    description = load_attention(name)
    core = description.core()
    manifest = to_json(description, core, predict_layer(description, most_tiles=50))
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert read_attention(tmp_path).core == core


def test_stable_keys_of_the_manifest(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["schema"] == 1
    assert {"name", "top", "verilog", "expression", "bounds", "streams", "ports"} < set(manifest)
    assert manifest["predicted"]["of"]["row_groups"] == 16
    assert manifest["predicted"]["total_cycles"] > manifest["predicted"]["compute_cycles"] > 0
    prefixes = [stream["prefix"] for stream in manifest["streams"]]
    one = ["s_axis_q", "s_axis_k", "s_axis_k_scale", "s_axis_v", "s_axis_v_scale", "m_axis_o"]
    assert prefixes == [f"{prefix}_{k}" for k in range(2) for prefix in one]
    text = (folder / "small.v").read_text(encoding="utf-8")
    assert all(f" {prefix}_tdata" in text for prefix in prefixes)
    assert manifest["lists"]["faults"] == {name: 1 << k for k, name in enumerate(FAULTS)}
    with pytest.raises(InputError, match="an attention accelerator"):
        Manifest.read(folder)


@pytest.mark.parametrize("core", [*SMALL.values(), *CORES.values()], ids=[*SMALL, *CORES])
def test_streams_of_every_kind_of_core(core: object) -> None:
    for spec in stream_specs(core):  # type: ignore[arg-type]
        spec.check()


def test_same_input_same_bytes(tmp_path: Path) -> None:
    folders = tmp_path / "first", tmp_path / "second"
    for out in folders:
        generate_attention(parse_attention(PLAIN, name="plain"), out)
    for name in ("plain.v", "manifest.json", "report.md"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_report_says_what_it_is_made_of(folder: Path) -> None:
    report = (folder / "report.md").read_text(encoding="utf-8")
    for words in (
        "2 arrays of 8 x 8 cells",
        "nvfp4",
        "## Memories",
        "## Cycles",
        "s_axis_k_scale_1",
    ):
        assert words in report


def test_a_manifest_of_another_version(folder: Path, tmp_path: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["registers"]["problem"].pop()
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(InputError, match="generate the design again"):
        read_attention(tmp_path)
    del manifest["attention"]["core"]["group"]
    manifest["attention"]["core"]["groups"] = 1
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        read_attention(tmp_path)


def test_what_is_an_attention_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_attention("bert_dense")
    assert not is_attention("gemm_os_systolic")
    assert not is_attention("nothing")
    assert not is_attention(tmp_path)
    file = tmp_path / "mine.yaml"
    file.write_text(TEXT, encoding="utf-8")
    assert is_attention(file)
    file.write_text("expression: Y[m] += A[m] * B[m]\nheads: 3\n", encoding="utf-8")
    assert not is_attention(file)
    names = (*list_content("dataflows"), "bert_dense.yaml")
    monkeypatch.setattr("accelgen.attention.load.list_content", lambda kind: (
        names if kind == "dataflows" else list_content(kind)
    ))  # fmt: skip
    with pytest.raises(InputError, match="name the file"):
        is_attention("bert_dense")


def test_no_name_is_both_a_dataflow_and_an_attention_description() -> None:
    assert not {Path(file).stem for file in list_content("dataflows")} & set(list_attention())


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(PLAIN, encoding="utf-8")
    out = tmp_path / "out"
    assert main(["generate", str(file), "-o", str(out)]) == 0
    assert "on 8 x 8 cells" in capsys.readouterr().out
    assert main(["cycles", str(file), "--json"]) == 0
    predicted = json.loads(capsys.readouterr().out)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert predicted["total_cycles"] == manifest["predicted"]["total_cycles"]
    assert main(["cycles", str(out)]) == 0
    assert f"total_cycles    {predicted['total_cycles']}" in capsys.readouterr().out
    for words, said in (
        (["generate", str(file), "fir", "-o", str(out)], "generate it alone"),
        (["generate", str(file), "--period", "2"], "an option of dataflows"),
        (["cycles", str(file), "--space", "i=2"], "under array:"),
        (["cycles", str(file), "--csv"], "--csv is an option of dataflows; there is no table; use"),
        (["generate", str(file), "--types", "A=int4"], "write formats: in the"),
    ):
        assert main(words) == 2
        assert said in capsys.readouterr().err
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    assert main(["generate", str(file), "-o", str(out)]) == 2
    assert "did not write" in capsys.readouterr().err


def test_phases_are_what_they_are_called() -> None:
    for core in SMALL.values():
        phases = {p.name: p for p in make_attention_phases(core, np.random.default_rng(0))}
        assert len(phases) >= 20
        for fault in FAULTS:
            found = set().union(*(problem.faults for problem in phases[f"lists: {fault}"].problems))
            assert fault in found
        assert {p.name for p in phases.values() if p.pause_out} == {"with pauses"}
        cut = phases["tiles that are cut"].problems[0]
        assert cut.setting.keys % core.numerics.rows
        single = phases["one query token"].problems[0]
        assert single.q.shape[2] == 1
        assert len(phases["full blocks"].problems[0].groups[0].entries) == 24
        for problem in phases["headers"].problems:
            faults = [walk.faults for walk in problem.walks]
            assert all("empty" in found for found in faults[:1] + faults[4::2])
            assert not any(faults[1::2])
        for problem in phases["blocks less than a tile"].problems:
            assert {"outside"} <= problem.faults or all(g.kind == LIST for g in problem.groups)
        if core.selector is not None:
            (full,) = phases["a full selector"].problems
            assert full.groups[0].blocks == core.selector.max_scores > full.setting.top
            assert full.setting.sink == 0
            assert full.setting.local <= 1
            # Chosen by their scores, not only forced.
            chosen = full.selected[0]
            assert chosen is not None
            assert chosen.sum(axis=1).max() == full.setting.top


@pytest.mark.rtl
def test_verify_passes_and_fails(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["verify", str(folder), "--seed", "3"]) == 0
    text = capsys.readouterr().out
    assert "small: PASS in all" in text
    assert "wrong packets of v_scale" in text
    report = verify_attention(folder, seed=3)
    full = next(phase for phase in report.phases if phase.name == "full blocks")
    assert full.busy_cycles == full.predicted_busy
    assert 0.9 < report.utilisation < 1
    assert report.to_json()["passed"]

    def only_one(*given: object) -> list[AttentionPhase]:
        phases = make_attention_phases(*given)  # type: ignore[arg-type]
        # Faults that the lists do not have.
        first = next(phase for phase in phases if phase.name == "full blocks")
        for problem in first.problems:
            problem.__dict__["walks"] = problem.walks
            problem.walks[0].faults.add("unsorted")
        return [first]

    monkeypatch.setattr(module, "make_attention_phases", only_one)
    assert main(["verify", str(folder)]) == 1
    assert "small: FAIL in 1 of 1" in capsys.readouterr().out


@pytest.mark.rtl
@pytest.mark.slow
def test_waves_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plain"
    made = generate_attention(parse_attention(PLAIN, name="plain"), out)
    assert main(["verify", str(out), "--waves", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert Path(found["waves"]).stat().st_size > 0
    assert all(phase["busy_cycles"] > 0 for phase in found["phases"])
    # A folder with waves is still one that accelgen wrote.
    assert generate_attention(made.description, out).core == made.core


@pytest.mark.rtl
def test_lint_is_clean(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(folder)]) == 0
    assert capsys.readouterr().out == "verilator: clean\nyosys: clean\n"


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("name", CORES)
def test_lint_of_every_kind_of_core_is_clean(name: str, tmp_path: Path) -> None:
    verilog = attention_verilog(name, CORES[name])
    (tmp_path / f"{name}.v").write_text(verilog, encoding="utf-8")
    listing = {"schema": 1, "name": name, "top": name, "verilog": [f"{name}.v"], "design": "x"}
    (tmp_path / "manifest.json").write_text(json.dumps(listing), encoding="utf-8")
    assert lint(tmp_path).problems == ()
    assert yosys_check(tmp_path).problems == ()

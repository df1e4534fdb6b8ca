"""Block dot-product units as designs: written, verified, and found out when they are wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import accelgen
from accelgen import technology
from accelgen.cli import main
from accelgen.cosim.lint import lint, yosys_check
from accelgen.cosim.verify_unit import UnitReport, verify_unit
from accelgen.errors import InputError
from accelgen.mac import MacManifest, MacOptions, generate_mac
from accelgen.manifest import Listing, Manifest


@pytest.fixture(scope="module")
def unit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("designs") / "short"
    generate_mac(MacOptions("if4", lanes=4, max_k=64), folder)
    return folder


@pytest.mark.rtl
def test_a_unit_passes_and_its_latency_is_that_of_the_manifest(unit_folder: Path) -> None:
    report = verify_unit(unit_folder)
    assert report.passed, report.faults
    assert report.measured_latency == report.predicted_latency
    assert report.predicted_latency == MacManifest.read(unit_folder).latency
    names = {phase.name for phase in report.phases}
    assert {"random", "gaps", "maxima", "minus zero", "cancellation", "longest maxima",
            "too long", "bad scales"} <= names  # fmt: skip
    assert lint(unit_folder).passed
    assert yosys_check(unit_folder).passed


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        MacOptions("mxfp8_e5m2", accumulate="fp32", output_format="bf16", a_range=(-20, -10)),
        MacOptions("mxfp6_e2m3", b_format="nvint4", lanes=2, output_format="fp16"),
        MacOptions("if6_e3m2", accumulate="fp32"),
        MacOptions("mxint8", lanes=32, max_k=1 << 16),
    ],
)
def test_other_units_pass(options: MacOptions, tmp_path: Path) -> None:
    generate_mac(options, tmp_path / "unit", period=3.0)
    report = verify_unit(tmp_path / "unit", seed=1)
    assert report.passed, report.faults
    assert lint(tmp_path / "unit").passed


def changed(
    folder: Path,
    target: Path,
    old: str,
    new: str | Callable[[re.Match[str]], str],
    file: str,
    places: int = 1,
) -> UnitReport:
    """The report on the unit when the only places of ``old`` in a file say ``new``."""
    target.mkdir()
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        if path.name == file:
            text, count = re.subn(old, new, text)
            assert count == places, f"{count} places say {old}"
        (target / path.name).write_text(text, encoding="utf-8")
    return verify_unit(target)


@pytest.mark.rtl
def test_a_latency_that_the_manifest_gets_wrong_is_found(unit_folder: Path, tmp_path: Path) -> None:
    latency = MacManifest.read(unit_folder).latency
    old = f'"latency_cycles": {latency},\n  "sum'
    report = changed(unit_folder, tmp_path / "x", old, f'"latency_cycles": {latency + 1},\n  "sum',
                     "manifest.json")  # fmt: skip
    assert not report.passed
    assert (report.predicted_latency, report.measured_latency) == (latency + 1, latency)
    assert any("done is high in cycle" in fault for fault in report.faults)


@pytest.mark.rtl
@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (r"too_long <= \w+;", "too_long <= 1'h0;", "too long: too_long is low after a sum that is"),
        (r"count == 5'h10", "count == 5'h0f", "longest: too_long rises although no sum is"),
        pytest.param(r"count == 5'h10", "count == 5'h11",
                     "too long: too_long is low after a sum that is", marks=pytest.mark.slow),
        pytest.param(r"if \(!\w+\) too_long <= \w+;",
                     "too_long <= valid & ~first & (count == 5'h10);",
                     "too long: too_long is low after a sum that is", marks=pytest.mark.slow),
    ],
    ids=["never", "early", "late", "not for good"],
)  # fmt: skip
def test_a_wrong_flag_of_long_sums_is_found(
    old: str, new: str, fault: str, unit_folder: Path, tmp_path: Path
) -> None:
    report = changed(unit_folder, tmp_path / "x", old, new, "short.v")
    assert fault in report.faults


@pytest.mark.rtl
def test_a_unit_without_the_flag_as_a_port(unit_folder: Path, tmp_path: Path) -> None:
    """The register alone, which the bench can read, is not enough."""
    with pytest.raises(InputError, match=r"short\.v: module short has no port too_long; write"):
        changed(unit_folder, tmp_path / "x", r", too_long\);|  output too_long;\n",
                lambda found: ");" if found[0].startswith(",") else "", "short.v", 2)  # fmt: skip


@pytest.mark.rtl
def test_other_formats_than_the_verilog_has_are_found(unit_folder: Path, tmp_path: Path) -> None:
    """IF4's integers are read as numbers of NVFP4: only the numbers differ."""
    report = changed(
        unit_folder, tmp_path / "x", '"b_format": "if4"', '"b_format": "nvfp4"', "manifest.json"
    )
    faults = {phase.name: phase.faults for phase in report.phases}
    assert any(" instead of 0x" in fault for fault in faults["random"])
    assert report.predicted_latency == report.measured_latency


def test_the_manifest_of_a_unit(unit_folder: Path) -> None:
    manifest = MacManifest.read(unit_folder)
    assert manifest.options == MacOptions("if4", b_format="if4", lanes=4, max_k=64)
    verilog = (unit_folder / "short.v").read_text(encoding="utf-8")
    assert verilog.startswith(f"// short, generated by accelgen {accelgen.__version__}\n")
    assert "a sum of more than 16 cycles may wrap" in (unit_folder / "report.md").read_text()
    assert Listing.read(unit_folder) == manifest.listing == Listing(
        "short", "short", ("short.v",), "block_dot"
    )  # fmt: skip
    values = json.loads((unit_folder / "manifest.json").read_text(encoding="utf-8"))
    assert values["ports"]["too_long"] == "too_long"
    assert values["unit"] == {"factor": "1/49", "fraction_bits": 20}
    assert values["critical_path_ns"] <= values["period_ns"] == 4.5
    assert manifest.to_json() == values
    with pytest.raises(InputError, match="is that of an arithmetic unit"):
        Manifest.read(unit_folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("parameters", {}, "parameters: needs a_format, b_format"),
        ("latency_cycles", -1, "manifest.json: latency_cycles: -1 is not a natural number"),
        ("latency_cycles", 1 << 40, f"latency_cycles: {1 << 40} is outside 0..256"),
        ("sum_latency_cycles", 99999, "manifest.json: sum_latency_cycles: 99999 is outside 1..5"),
        ("sum_latency_cycles", None, "sum_latency_cycles: None is not a natural number"),
        ("partial_sums", 2, "manifest.json: partial_sums: 2 is outside 1..1"),
        ("design", "adder", "is that of a adder"),
        ("verilog", ["../x.v"], "not a plain file name"),
        ("schema", 9, "schema 9 is not 1; generate the design again"),
    ],
)
def test_manifests_that_are_none(
    key: str, value: object, message: str, unit_folder: Path, tmp_path: Path
) -> None:
    values = json.loads((unit_folder / "manifest.json").read_text(encoding="utf-8"))
    (tmp_path / "manifest.json").write_text(json.dumps(values | {key: value}), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(message)):
        MacManifest.read(tmp_path)


def test_hostile_parameters(unit_folder: Path, tmp_path: Path) -> None:
    values = json.loads((unit_folder / "manifest.json").read_text(encoding="utf-8"))
    for change, message in (
        ({"a_format": "if5"}, "did you mean 'if4'"),
        ({"lanes": 3}, "3 lanes do not divide"),
        ({"lanes": "4"}, "lanes: '4' is not a natural number"),
        ({"a_range": [1]}, "a_range: is not a pair of exponents"),
        ({"output_format": "int8"}, "int8 is no format of exact sums; use fp32 or bf16 or fp16"),
        ({"accumulate": "serial"}, "json: parameters: accumulate: unknown accumulation 'serial'"),
        ({"max_k": 10**9}, "json: parameters: max_k: a longest sum of 1000000000 products; use 4"),
        ({"max_k": 3}, "parameters: max_k: a longest sum of 3 products"),
        ({"max_k": None}, "parameters: max_k: a longest sum of None products"),
        ({"accumulate": "fp32"}, "parameters: max_k: is given, but FP32 sums have any length"),
        ({"a_range": [1, 2]}, "parameters: a_range: if4: its scales are E4M3"),
        ({"output_format": 8}, "output_format: is not text"),
    ):
        wrong = values | {"parameters": values["parameters"] | change}
        (tmp_path / "manifest.json").write_text(json.dumps(wrong), encoding="utf-8")
        with pytest.raises(InputError, match=message):
            MacManifest.read(tmp_path)


@pytest.mark.rtl
def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "unit")
    words = ["mac", "--format", "nvfp4", "--lanes", "2", "-o", folder]
    assert main([*words, "--accumulate", "fp32", "--max-k", "1", "--json"]) == 0
    shown_twice = capsys.readouterr()
    assert shown_twice.err == (
        "accelgen: --max-k says nothing here: sums in FP32 have any length\n"
    )
    figures = json.loads(shown_twice.out)
    assert figures["partial_sums"] == 4
    assert figures["products_per_cycle"] == 2
    assert main([*words, "--accumulate", "fp32"]) == 0
    shown = capsys.readouterr().out
    assert "cycle i of a sum is added to partial sum i mod 4" in shown
    assert f"accelgen verify {folder}" in shown
    values = json.loads((tmp_path / "unit" / "manifest.json").read_text(encoding="utf-8"))
    assert values["parameters"]["max_k"] is None
    assert "sum_latency_cycles" not in values
    assert "too_long" not in values["ports"]
    assert main(["verify", folder]) == 0
    shown_once = capsys.readouterr()
    assert "unit: PASS in all 14 phases" in shown_once.out
    assert shown_once.err == ""
    assert main(["verify", folder, "--problems", "4"]) == 0
    assert "--problems says nothing here: an arithmetic unit has no" in capsys.readouterr().err
    assert main(["verify", folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passed"] is True


def test_a_technology_that_reaches_the_period(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The slower one of the default ones where it is fast enough; said when it is not."""
    folder = tmp_path / "unit"
    words = ["mac", "--format", "if4", "--lanes", "16", "--accumulate", "exact",
             "--max-k", "4096", "-o", str(folder)]  # fmt: skip
    for period, name in (("3", "sg13g2"), ("1.0", "asap7")):
        assert main([*words, "--period", period]) == 0
        shown = capsys.readouterr()
        assert f"estimated ({name})" in shown.out
        reason = "placed for asap7, which reaches the period; in sg13g2 the primitive "
        assert (reason in shown.err) == (name == "asap7")
        assert "use a period" not in shown.err


def test_only_shipped_technologies_are_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert technology.list_technologies() == ("asap7", "sg13g2")
    monkeypatch.setattr(technology, "list_technologies", lambda: ("sg13g2",))
    words = ["mac", "--format", "nvfp4", "--lanes", "1", "--period", "1"]
    assert main([*words, "-o", str(tmp_path / "unit")]) == 1
    shown = capsys.readouterr()
    assert "the clock period is 1 ns; use a period of" in shown.err
    assert "registers are placed" not in shown.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--format", "if5"], 2, "unknown format 'if5'; did you mean 'if4'?"),
        (["--format", "NvFP4"], 2, "unknown format 'NvFP4'; did you mean 'nvfp4'?"),
        (["--format", "if4", "--b-format", "IF6"], 2, "did you mean 'if4'?"),
        (["--format", "int8"], 2, "int8 is no block format"),
        (["--format", "if4", "--lanes", "3"], 2, "--lanes: if4: 3 lanes do not divide a block"),
        (["--format", "if4", "--lanes", "0"], 2, "--lanes: 0 lanes; use a divisor"),
        (["--format", "if4", "--max-k", "8"], 2, "--max-k: a longest sum of 8 products; use 16.."),
        (["--format", "if4", "--max-k", "0"], 2, "--max-k: a longest sum of 0 products; use 16.."),
        (["--format", "if4", "--scale-range=1:2"], 2, "--scale-range: if4: its scales are E4M3"),
        (["--format", "mxfp4", "--scale-range=1"], 2, "'1' is no range LOW:HIGH"),
        (["--format", "mxfp4", "--scale-range=5:1"], 2, "--scale-range: mxfp4: scale exponents 5"),
        (["--format", "mxfp4", "--b-scale-range=5:1"], 2, "--b-scale-range: mxfp4: scale exp"),
        (
            ["--format", "nvfp4", "--b-format", "mxfp4", "--scale-range=5:1"],
            2,
            ": --scale-range: mxfp4: scale exponents 5..1",
        ),
        (["--format", "mxfp4", "--scale-range", "-16:7"], 2, "argument --scale-range: expected"),
        (["--format", "if4", "--accumulate", "int"], 2, "--accumulate: unknown accumulation"),
        (["--format", "if4", "--output-format", "int8"], 2, "--output-format: int8 is no format"),
        (
            ["--format", "if4", "--accumulate", "fp32", "--output-format", "fp16"],
            2,
            "--output-format: fp16 is no format of FP32 sums; use fp32 or bf16",
        ),
        (["--format", "if4", "--period", "0"], 2, "--period: 0.0 ns is no clock period"),
        (
            ["--format", "if4", "--period", "1", "--technology", "sg13g2"],
            1,
            "is 1 ns; use a period",
        ),
        (
            ["--format", "if4", "--period", "0.01"],
            1,
            "the clock period is 0.01 ns; use a period of",
        ),
        (["--format", "if4", "--technology", "asap"], 2, "did you mean 'asap7'?"),
        ([], 2, "the following arguments are required: --format"),
    ],
)
def test_bad_options(
    words: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "unit"
    assert main(["mac", *words, "-o", str(folder)]) == code
    assert message in capsys.readouterr().err
    assert not folder.exists()


def test_the_help_says_how_to_write_a_range(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mac", "--help"]) == 0
    assert "--scale-range=-16:7" in capsys.readouterr().out


def test_a_folder_of_others_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit" / "thesis.tex").write_text("", encoding="utf-8")
    assert main(["mac", "--format", "nvfp4", "-o", str(tmp_path / "unit")]) == 2
    assert "holds thesis.tex, which accelgen did not write" in capsys.readouterr().err


def test_the_same_unit_gives_the_same_bytes(unit_folder: Path, tmp_path: Path) -> None:
    generate_mac(MacOptions("if4", lanes=4, max_k=64), tmp_path / "again", name="short")
    for file in ("short.v", "report.md", "manifest.json"):
        assert (tmp_path / "again" / file).read_bytes() == (unit_folder / file).read_bytes()

"""Error metrics, comparisons, and ``accelgen quantize``."""

from __future__ import annotations

import json
from math import inf, log10
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from accelgen.cli import main
from accelgen.errors import InputError
from accelgen.formats import block_format, compare, errors


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "w.npy"
    np.save(path, np.random.default_rng(0).standard_normal((32, 96)))
    return path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["quantize", *map(str, words)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def fail(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["quantize", *map(str, words)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_errors() -> None:
    found = errors([1.0, -2.0, 3.0], [1.0, -1.0, 3.5])
    assert found.mse == 1.25 / 3
    assert found.sqnr_db == pytest.approx(10 * log10(14 / 1.25))
    assert (found.max_abs, found.count, found.lost) == (1.0, 3, 0)
    assert errors([1.0], [1.0]).sqnr_db == inf
    assert errors([0.0], [1.0]).sqnr_db == -inf
    assert errors([np.nan, 1.0, 2.0], [1.0, np.inf, 2.5]) == errors([2.0], [2.5]).__class__(
        count=1, mse=0.25, sqnr_db=10 * log10(16), max_abs=0.5, lost=2
    )
    nothing = errors([np.nan, 1.0], [1.0, np.inf])
    assert (nothing.count, nothing.lost) == (0, 2)
    assert np.isnan([nothing.mse, nothing.sqnr_db, nothing.max_abs]).all()
    with pytest.raises(InputError, match="differ"):
        errors([1.0], [1.0, 2.0])


def test_comparison() -> None:
    values = np.random.default_rng(1).standard_normal((64, 64)).astype(np.float32)
    names = ["nvfp4", "nvfp4_4over6", "if4", "mxfp4", "int4", "int8", "e4m3", "bf16", "fp32"]
    rows = {row.format: row for row in compare(values, names)}
    assert list(rows) == names
    nvfp4 = block_format("nvfp4").quantise(values).dequantise()
    assert rows["nvfp4"].errors == errors(values, nvfp4)
    assert rows["nvfp4"].bits_per_element == 4 + 8 / 16 + 32 / values.size
    assert rows["int4"].bits_per_element == 4 + 32 / values.size
    assert rows["bf16"].bits_per_element == 16
    assert rows["fp32"].errors.mse == 0
    # What the literature finds on normal data.
    order = ["int4", "mxfp4", "nvfp4", "nvfp4_4over6", "if4", "e4m3", "bf16"]
    ratios = [rows[name].errors.sqnr_db for name in order]
    assert ratios == sorted(ratios)
    blocks = compare(values, ["int4"], block=16)[0]
    assert blocks.errors.sqnr_db > rows["int4"].errors.sqnr_db
    assert blocks.bits_per_element == 4 + 32 / 16


def test_the_table(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(capsys, weights, "--format", "nvfp4, mxfp4,int4").splitlines()
    assert lines[0] == f"{weights}: 32 x 96 elements"
    assert [line.split()[0] for line in lines[1:]] == ["format", "nvfp4", "mxfp4", "int4"]
    assert "4.2500" in lines[3]


def test_json(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [weights, "--format", "if4,fp32", "--axis", 0, "--json"]
    data: dict[str, Any] = json.loads(run(capsys, *words))
    assert data["schema"] == 1
    assert data["shape"] == [32, 96]
    values = np.load(weights).astype(np.float32)
    expected = compare(values, ["if4"], axis=0)[0]
    assert data["formats"][0]["mse"] == expected.errors.mse
    assert data["formats"][0]["bits_per_element"] == expected.bits_per_element
    assert data["formats"][1]["sqnr_db"] is None


def test_policies(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def mse(*words: object) -> float:
        data = json.loads(run(capsys, weights, "--json", *words))
        return float(data["formats"][0]["mse"])

    assert mse("--format", "mxfp4", "--mx-scale", "ceil") != mse("--format", "mxfp4")
    assert mse("--format", "if4", "--choose", "mae") > mse("--format", "if4")
    assert mse("--format", "int4", "--block", 32) < mse("--format", "int4")
    rounding = ["--format", "nvfp4", "--rounding"]
    assert mse(*rounding, "toward-zero") > mse(*rounding, "nearest-even")
    first = mse(*rounding, "stochastic", "--seed", 1)
    assert first == mse(*rounding, "stochastic", "--seed", 1)
    assert first != mse(*rounding, "stochastic", "--seed", 2)


def test_plot(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [weights, "--format", "nvfp4,fp32", "--plot", tmp_path / "new" / "e.svg"]
    assert run(capsys, *words).splitlines()[-1] == str(tmp_path / "new" / "e.svg")
    first = (tmp_path / "new" / "e.svg").read_bytes()
    assert ElementTree.fromstring(first).tag.endswith("svg")
    run(capsys, *words)
    assert (tmp_path / "new" / "e.svg").read_bytes() == first
    assert "picture" in fail(capsys, weights, "--plot", tmp_path / "e.txt")


def test_safetensors_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = json.dumps(
        {name: {"dtype": "F32", "shape": [16], "data_offsets": [64 * k, 64 * k + 64]}
         for k, name in enumerate("ab")}
    ).encode()  # fmt: skip
    path = tmp_path / "m.safetensors"
    data = np.arange(32, dtype=np.float32).tobytes()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    assert "16 elements" in run(capsys, path, "--tensor", "b")
    assert "name one of them: a, b" in fail(capsys, path)


def test_a_format_in_which_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A block with NaN is lost; there is no error to tell of, and that is not no error."""
    path = tmp_path / "x.npy"
    np.save(path, np.array([1, np.nan, np.inf, 2], dtype=np.float32))
    lost, kept = run(capsys, path, "--format", "nvfp4,fp32").splitlines()[2:]
    assert lost.split() == ["nvfp4", "14.0000", "-", "-", "-", "4"]
    assert kept.split() == ["fp32", "32.0000", "0.0000e+00", "inf", "0.0000e+00", "2"]
    rows = json.loads(run(capsys, path, "--format", "nvfp4", "--json"))["formats"]
    assert [rows[0][key] for key in ("mse", "sqnr_db", "max_abs", "lost", "count")] == [
        None, None, None, 4, 0
    ]  # fmt: skip
    run(capsys, path, "--format", "nvfp4", "--plot", tmp_path / "e.svg")
    assert "every element is lost" in (tmp_path / "e.svg").read_text(encoding="utf-8")


def test_an_empty_tensor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.zeros((0, 16), dtype=np.float32))
    assert "the tensor has no elements" in fail(capsys, tmp_path / "x.npy")


def test_formats_whose_blocks_are_given(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["quantize", str(weights), "--block", "32", "--format"]
    assert main([*words, "nvfp4,int4,bf16"]) == 0
    assert capsys.readouterr().err == "accelgen: --block says nothing for nvfp4, bf16\n"
    assert main([*words, "int4,e4m3"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--format", "NVFP4"], "unknown format 'NVFP4'; did you mean 'nvfp4'?"),
        (["--format", "MXINT"], "did you mean 'mxint8'?"),
        (["--format", "nvfp5"], "unknown format 'nvfp5'; did you mean 'nvfp4'?"),
        (["--format", "e8m0"], "e8m0 is a format of scales; use one of elements or blocks"),
        (["--format", "nvfp4,nvfp4"], "--format: a format is given twice"),
        (["--format", "int1"], "int1 has no symmetric range"),
        (["--axis", "2"], "nvfp4: axis 2 of a tensor with 2 axes; use -2..1"),
        (["--format", "int4", "--block", "0"], "a block of 0 elements; use at least 1"),
        (["--rounding", "nearest"], "policy: rounding: unknown choice 'nearest'; did you mean"),
        (["--mx-scale", "up"], "policy: scale_rule: unknown choice 'up'"),
        (["--choose", "l2"], "policy: error: unknown choice 'l2'"),
        (["--seed", "-1"], "--seed: -1 is below 0"),
        (["--tensor", "w"], "leave out the name"),
    ],
)
def test_bad_words(
    weights: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert says in fail(capsys, weights, *words)

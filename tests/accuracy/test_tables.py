"""Accuracies from tables and from functions of the user's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelgen.accuracy.source import LayerBits
from accelgen.accuracy.tabular import TabularAccuracy, load_nas_bench_macro, load_table
from accelgen.accuracy.user import UserAccuracy, load_function
from accelgen.elastic.nas_bench_macro import NasBenchMacro
from accelgen.errors import InputError

NAMES = [f"block{i}" for i in range(1, 9)]
LOW, HIGH = LayerBits("int4", "uint4"), LayerBits("int8", "uint8")


def architecture(digits: str) -> dict[str, int]:
    return {name: int(digit) for name, digit in zip(NAMES, digits, strict=True)}


def table(tmp_path: Path, *rows: str, head: str = "accuracy", name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join((",".join((*NAMES, head)), *rows)) + "\n")
    return path


def test_csv(tmp_path: Path) -> None:
    path = table(tmp_path, "0,0,0,0,0,0,0,0,0.81", "1,2,1,2,1,2,1,2,0.925")
    source = load_table(path, NasBenchMacro())
    found = source.accuracy(architecture("12121212"), {"stem": HIGH})
    assert (found.value, found.kind, found.source) == (0.925, "tabular", path.name)
    with pytest.raises(InputError, match="the architecture is not in the table"):
        source.accuracy(architecture("22222222"), {})
    with pytest.raises(InputError, match="it knows nothing of int4 in stem"):
        source.accuracy(architecture("00000000"), {"stem": LOW})


def test_the_normal_form_is_looked_up(tmp_path: Path) -> None:
    source = load_table(table(tmp_path, "1,1,2,0,1,2,1,0,0.9"), NasBenchMacro())
    assert source.accuracy(architecture("11210210"), {}).value == 0.9
    twice = table(tmp_path, "1,1,2,0,1,2,1,0,0.9", "1,1,2,1,0,2,1,0,0.91")
    with pytest.raises(InputError, match=r"t\.csv:3: 0\.91 for an architecture that has 0\.9"):
        load_table(twice, NasBenchMacro())


def test_formats_of_all_layers(tmp_path: Path) -> None:
    rows = ("1,1,1,1,1,1,1,1,0.9,int8,uint8", "1,1,1,1,1,1,1,1,0.87,int4,uint4")
    source = load_table(
        table(tmp_path, *rows, head="accuracy,weights,activations"), NasBenchMacro()
    )
    ones = architecture("11111111")
    assert source.accuracy(ones, {"stem": LOW, "features": LOW}).value == 0.87
    assert source.accuracy(ones, {"stem": HIGH}).value == 0.9
    with pytest.raises(InputError, match="not in the table with these formats"):
        source.accuracy(ones, {"stem": LOW, "features": HIGH})
    with pytest.raises(InputError, match="not in the table with these formats"):
        source.accuracy(ones, {})


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps([{**architecture("21212121"), "accuracy": 0.5}]))
    assert load_table(path, NasBenchMacro()).accuracy(architecture("21212121"), {}).value == 0.5


@pytest.mark.parametrize(
    ("row", "head", "match"),
    [
        ("0,0,0,0,0,0,0,0,92", "accuracy", r":2: accuracy 92\.0; give the share"),
        ("0,0,0,0,0,0,0,0,good", "accuracy", ":2: accuracy: 'good' is no number"),
        ("0,0,0,0,0,0,0,3,0.9", "accuracy", ":2: block8: 3 is no option"),
        ("0,0,0,0,0,0,0,0.5,0.9", "accuracy", ":2: block8: '0.5' is no integer"),
        ("0,0,0,0,0,0,0,0,0.9", "acc", ":2: no accuracy"),
        ("0,0,0,0,0,0,0,0,0.9,1", "accuracy,colour", ":2: unknown choice 'colour'"),
        ("0,0,0,0,0,0,0,0,0.9,int8", "accuracy,weights", ":2: formats of one operand"),
        ("0,0,0", "accuracy", ":2: block4: None is no number|:2: accuracy: None is no number"),
    ],
)
def test_rows_that_are_none(tmp_path: Path, row: str, head: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        load_table(table(tmp_path, row, head=head), NasBenchMacro())


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load_table(tmp_path / "none.csv", NasBenchMacro())
    with pytest.raises(InputError, match="no rows"):
        load_table(table(tmp_path), NasBenchMacro())
    path = tmp_path / "t.json"
    for text, match in (("{", "no JSON"), ("{}", "no list of mappings"), ("[3]", "no list")):
        path.write_text(text)
        with pytest.raises(InputError, match=match):
            load_table(path, NasBenchMacro())
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="no text in UTF-8"):
        load_table(path, NasBenchMacro())


def benchmark(tmp_path: Path, **changes: object) -> Path:
    """A file as the benchmark's: one entry for every way to write an architecture."""
    entries = {}
    for kinds in product("012", repeat=8):
        name = "".join(kinds)
        size = sum(map(int, kinds))
        accuracy = 80 + size / 2
        entries[name] = {
            "test_acc": [accuracy - 0.1, accuracy, accuracy + 0.1], "mean_acc": accuracy,
            "std": 0.08, "params": 1000 * size, "flops": 10**6 * size,
        }  # fmt: skip
    path = tmp_path / "nas-bench-macro_cifar10.json"
    path.write_text(json.dumps({**entries, **changes}))
    return path


def test_nas_bench_macro(tmp_path: Path) -> None:
    source = load_nas_bench_macro(benchmark(tmp_path))
    assert isinstance(source, TabularAccuracy)
    # 2 kinds or none in the last of 2 blocks, and 3 x (1 + 2 + 4) in a stage of three.
    assert len(source.rows) == 9 * 21 * 21
    found = source.accuracy(architecture("12021102"), {"stem": HIGH})
    assert found.value == pytest.approx(0.845)
    assert found.kind == "tabular"
    assert "NAS-Bench-Macro, CIFAR-10, mean of three trainings" in found.source


@pytest.mark.parametrize(
    ("name", "entry", "match"),
    [
        ("12021102", {"mean_acc": 90.0}, "'120211[02]*': 0.845 for an architecture that has 0.9"),
        ("12021102", {"mean_acc": 0.9}, "mean_acc 0.9; give per cent"),
        ("12021102", {"test_acc": [90.0]}, "mean_acc None; give per cent"),
        ("1202110", {"mean_acc": 90.0}, "'1202110': no architecture"),
        ("12021103", {"mean_acc": 90.0}, "'12021103': no architecture"),
    ],
)
def test_other_benchmarks(tmp_path: Path, name: str, entry: object, match: str) -> None:
    with pytest.raises(InputError, match=match):
        load_nas_bench_macro(benchmark(tmp_path, **{name: entry}))


def test_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_own_judge.py").write_text(
        "def judge(architecture, bits):\n"
        "    if architecture['block1'] == 2:\n"
        "        raise KeyError('two')\n"
        "    return 0.5 + 0.01 * len(bits) if architecture['block1'] else 'good'\n"
        "number = 3\n"
    )
    source = load_function("my_own_judge:judge")
    found = source.accuracy(architecture("11111111"), {"stem": LOW})
    assert (found.value, found.kind, found.source) == (0.51, "user", "my_own_judge:judge")
    with pytest.raises(InputError, match="my_own_judge:judge: KeyError: 'two'"):
        source.accuracy(architecture("21111111"), {})
    with pytest.raises(InputError, match="'good' is no number"):
        source.accuracy(architecture("01111111"), {})
    with pytest.raises(InputError, match="did you mean 'judge'"):
        load_function("my_own_judge:juge")
    with pytest.raises(InputError, match="no function 'number'"):
        load_function("my_own_judge:number")
    with pytest.raises(InputError, match="ModuleNotFoundError"):
        load_function("my_other_judge:judge")
    with pytest.raises(InputError, match="write module:function"):
        load_function("my_own_judge")


@pytest.mark.parametrize("said", ["0.93", True, np.bool_(True), None, float("nan"), [0.9]])
def test_a_function_that_says_no_number(said: Any) -> None:  # noqa: ANN401 - anything
    with pytest.raises(InputError, match="is no number"):
        UserAccuracy(lambda architecture, bits: said, "mine").accuracy({}, {})


def test_a_function_that_says_too_much() -> None:
    def eager(architecture: Mapping[str, int], bits: Mapping[str, LayerBits]) -> float:
        return 93.0

    with pytest.raises(InputError, match=r"eager: accuracy 93\.0 is outside"):
        UserAccuracy(eager, "eager").accuracy({}, {})

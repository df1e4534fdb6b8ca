"""The pipeline as a whole: what it writes, where, and what it refuses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import accelgen.pipeline
from accelgen.affine import Description, load_description
from accelgen.emit import to_verilog
from accelgen.errors import InfeasibleError, InputError
from accelgen.manifest import Manifest
from accelgen.pipeline import design, generate, predict
from tests.shipped import SIZES, sized

ROOT = Path(__file__).parent.parent
FILES = ["manifest.json", "report.md"]

SCRIPT = """
import sys
from accelgen.affine import parse_description
from accelgen.pipeline import generate
text = sys.stdin.read()
generate(parse_description(text), sys.argv[1])
"""


def small() -> Description:
    return sized("gemm_ws_systolic", 0)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``small()``, to copy."""
    folder = tmp_path_factory.mktemp("original") / "out"
    generate(small(), folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def written_elsewhere(description: Description, folder: Path, seed: str) -> dict[str, bytes]:
    """What another process writes: another place, another order of sets."""
    folder.mkdir(parents=True)
    env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder / "out")],
        input=str(description),
        text=True,
        cwd=folder,
        env=env,
        check=True,
    )
    return contents(folder / "out")


@pytest.mark.parametrize(
    "name", [pytest.param("gemm_ws_systolic", marks=pytest.mark.slow), "conv2d_strided"]
)
def test_the_same_bytes_from_run_to_run_and_place_to_place(name: str, tmp_path: Path) -> None:
    description = sized(name, 1)
    first = written_elsewhere(description, tmp_path / "one", "1")
    second = written_elsewhere(description, tmp_path / "a" / "much longer" / "path", "4242")
    assert sorted(first) == sorted([*FILES, f"{name}.v"])
    assert first == second
    for text in first.values():
        for place in (tmp_path, ROOT, Path(sys.prefix), Path.home()):
            assert f"{place}/".encode() not in text


def modules(verilog: str) -> list[tuple[str, str]]:
    """Name and text of every module, without the name."""
    found = re.findall(r"^module (\w+)(.*?)^endmodule", verilog, re.MULTILINE | re.DOTALL)
    return [(name, body.replace(name, "")) for name, body in found]


@pytest.mark.parametrize("name", ["gemm_os_systolic", "conv2d_os_shidiannao", "mttkrp"])
def test_every_distinct_unit_is_there_once(name: str, tmp_path: Path) -> None:
    generate(sized(name, 1), tmp_path / "out")
    verilog = (tmp_path / "out" / f"{name}.v").read_text(encoding="utf-8")
    found = modules(verilog)
    assert verilog.count("\nendmodule") == len(found)
    assert len({module for module, _ in found}) == len(found)
    assert all(module == name or module.startswith(f"{name}_") for module, _ in found)
    units = [body for module, body in found if module.startswith((f"{name}_pe", f"{name}_sum"))]
    assert len(units) > 1
    assert len(set(units)) == len(units), "two modules for the same unit"
    # Every module but the top is used.
    for module, _ in found:
        used = re.search(rf"^ +{module} +\S+ +\($", verilog, re.MULTILINE)
        assert bool(used) == (module != name)
    assert "(* src" not in verilog


def test_the_array_has_as_many_modules_as_there_are_kinds_of_units() -> None:
    """Corner, edges and inside of a systolic array, and the way of the delay lines of conditions:
    their number does not grow with it.
    """

    def units(extent: int) -> int:
        old = load_description("gemm_os_systolic")
        space = {"i": extent, "j": extent}
        made = design(old.with_overrides(bounds={"m": 24, "n": 24, "k": 24}, space=space))
        text = to_verilog(made)
        return sum("_pe" in name for name, _ in modules(text))

    assert units(8) == units(12) <= 11


@pytest.mark.parametrize("name", SIZES)
def test_predict_is_what_design_says(name: str) -> None:
    for number, period in ((0, 9.0), (1, None)):
        made = design(sized(name, number), period=period, bus_bits=48)
        assert predict(sized(name, number), period=period, bus_bits=48) == made.cycles


def test_the_manifest_says_what_was_made(tmp_path: Path) -> None:
    made = generate(sized("gemm_ws_systolic", 1), tmp_path / "out", bus_bits=24, period=6.0)
    manifest = Manifest.read(tmp_path / "out")
    manifest.check()
    assert manifest.bounds == {"m": 5, "n": 3, "k": 7}
    assert manifest.predicted.compute_cycles == made.cycles.compute_cycles
    assert manifest.predicted.total_cycles == made.cycles.total_cycles
    assert [(s.prefix, s.shape, s.beats) for s in manifest.streams] == [
        ("s_axis_a", (5, 7), 12),
        ("s_axis_b", (7, 3), 7),
        ("m_axis_y", (5, 3), 15),
    ]
    assert manifest.extra["period_ns"] == made.pipeline.period == 6.0


def test_a_folder_of_its_own_is_replaced(tmp_path: Path, original: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(original, folder)
    (folder / "waves.vcd").write_text("$end")
    (folder / "gemm_ws_systolic.v").write_text("edited")
    generate(sized("gemm_os_broadcast", 0), folder)
    assert sorted(contents(folder)) == sorted([*FILES, "gemm_os_broadcast.v"])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    generate(small(), tmp_path)
    assert (tmp_path / "gemm_ws_systolic.v").stat().st_size > 1000


@pytest.mark.parametrize("with_ours", [False, True])
def test_foreign_content_is_refused_and_kept(
    tmp_path: Path, original: Path, with_ours: bool
) -> None:
    folder = tmp_path / "out"
    if with_ours:
        shutil.copytree(original, folder)
    else:
        folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    before = contents(folder)
    with pytest.raises(InputError, match=r"holds thesis\.tex, which accelgen did not write"):
        generate(small(), folder)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_in_the_way_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="exists and is not a folder; name another folder"):
        generate(small(), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("stage", ["to_verilog", "write_report", "to_manifest"])
def test_a_failure_leaves_what_was_there(
    stage: str, tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(original, folder)
    before = contents(folder)

    def interrupted(_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(accelgen.pipeline, stage, interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate(small(), folder)
    assert contents(folder) == before
    with pytest.raises(KeyboardInterrupt):
        generate(small(), tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_cannot_be_made_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InfeasibleError, match=r"use a period of \d+\.\d+ ns"):
        generate(small(), tmp_path / "out", period=0.5)
    with pytest.raises(InputError, match="bus"):
        generate(small(), tmp_path / "out", bus_bits=8)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("period", [0.0, -1.0, float("nan"), float("inf")])
def test_a_period_that_is_none_is_refused(period: float) -> None:
    with pytest.raises(InputError, match="period"):
        design(small(), period=period)


@pytest.mark.parametrize("bus_bits", [0, 12, -8, 4104])
def test_a_bus_that_is_none_is_refused(bus_bits: int) -> None:
    with pytest.raises(InputError, match="bus"):
        predict(small(), bus_bits=bus_bits)


def test_a_shipped_name_and_a_file_are_descriptions(tmp_path: Path) -> None:
    file = tmp_path / "filter.yaml"
    file.write_text(str(load_description("fir")))
    expected = predict(load_description("fir"))
    assert predict("fir") == predict(file) == predict(str(file)) == expected
    made = generate("fir", tmp_path / "out")
    assert made.description == load_description("fir")
    assert made.cycles == expected
    assert design(file).cycles == expected


def test_a_design_is_one_line() -> None:
    assert repr(design("fir")) == (
        "<Design fir: 8 units, compute_cycles 67, total_cycles 103, period 4.5 ns>"
    )

"""Arrays of block formats: what `verify` must notice, what the manifest says, the clock."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from accelgen.affine import Dataflow, Description, Workload
from accelgen.cosim.verify import verify
from accelgen.manifest import Manifest
from accelgen.pipeline import design, generate, predict

MATVEC = Description(
    "matvec",
    Workload("Y[m] += A[m,k] * B[k]", {"m": 4, "k": 40}, {"A": "nvfp4", "B": "nvfp4"}),
    Dataflow({"i": 2}, ["mt", "k"], {"m": "size(i)*mt + i"}),
)


@pytest.mark.rtl
@pytest.mark.parametrize("kept", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_stream_that_nobody_watches_is_noticed(kept: int, tmp_path: Path) -> None:
    generate(MATVEC, tmp_path / "out")
    verilog = tmp_path / "out" / "matvec.v"
    text = verilog.read_text()
    (watched,) = re.findall(r"assign bad_number = (.*) \| (.*);", text)
    only = f"assign bad_number = {watched[kept]};"
    verilog.write_text(re.sub(r"assign bad_number = .*;", lambda _: only, text))
    faults = verify(tmp_path / "out", problems=2).faults
    assert faults
    assert all("bad_number stays low" in fault for fault in faults)
    assert len({fault.split(":")[0].split()[-1] for fault in faults}) == 1


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("result", ["bf16", "fp16"])
def test_other_results(result: str, tmp_path: Path) -> None:
    narrow = MATVEC.with_overrides(types={"A": "if4", "B": "nvfp4", "Y": result})
    generate(narrow, tmp_path / "out")
    assert verify(tmp_path / "out", problems=2).faults == ()


def test_the_manifest_says_how_numbers_are_read(tmp_path: Path) -> None:
    mixed = MATVEC.with_overrides(types={"A": "mxfp4", "B": "mxint8"})
    generate(mixed, tmp_path / "out")
    manifest = Manifest.read(tmp_path / "out")
    assert [(s.tensor, s.kind, s.format, s.shape) for s in manifest.streams] == [
        ("A", "elements", "mxfp4", (4, 2, 32)),
        ("A", "scales", "mxfp4", (4, 2)),
        ("B", "elements", "mxint8", (2, 32)),
        ("B", "scales", "mxint8", (2,)),
        ("Y", "elements", "fp32", (4,)),
    ]
    assert manifest.extra["numbers"] == {
        "block_loop": "k",
        "block": 32,
        "result": "fp32",
        "factor": "1",
        "least_step": f"2**-{design(mixed).kernel.blocks.pair.fraction}",  # type: ignore[union-attr]
        "scale_exponents": {"a": [-18, 5], "b": [-16, 7]},
    }
    assert manifest.ports.bad_number == "bad_number"


def test_the_clock_is_that_of_the_rounding_too() -> None:
    made = design(MATVEC, technology="asap7")
    assert made.rounding is not None
    assert made.critical == max(made.pipeline.critical, made.rounding.critical)
    assert made.critical <= made.pipeline.period == made.rounding.period
    fast = design(MATVEC, technology="asap7", period=0.5)
    slow = design(MATVEC, technology="asap7", period=2.0)
    assert fast.rounding is not None
    assert slow.rounding is not None
    assert fast.rounding.latency > slow.rounding.latency
    assert fast.critical <= 0.5
    assert predict(MATVEC, technology="asap7", period=0.5) == fast.cycles
    wide = MATVEC.with_overrides(types={"A": "mxfp8_e4m3", "B": "mxfp8_e4m3"})
    # What limits the array allows this; more stages of rounding follow.
    assert design(wide, technology="asap7", period=0.41).critical <= 0.41


def test_a_chain_of_scales_is_pinned_with_the_types() -> None:
    plain = replace(MATVEC, workload=Workload(MATVEC.workload.expression, {"m": 4, "k": 40}))
    types = {"A": "nvfp4", "B": "nvfp4"}
    pinned = plain.with_overrides(types=types, chain={"A_scale": None})
    assert dict(pinned.dataflow.chain) == {"A_scale": None}

"""The kernel that areas are compared with does what its manifest says."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelgen.cosim.lint import lint, yosys_check
from accelgen.cosim.verify import verify
from accelgen.manifest import Manifest

YARDSTICK = Path(__file__).parents[2] / "benchmarks" / "yardstick"
pytestmark = pytest.mark.rtl


def test_it_has_the_ports_of_the_generated_kernel(tmp_path: Path) -> None:
    from accelgen import generate

    generate("gemm_os_systolic", tmp_path / "gemm", period=5.0)
    ours, theirs = Manifest.read(tmp_path / "gemm"), Manifest.read(YARDSTICK)
    assert theirs.streams == ours.streams
    assert theirs.expression == ours.expression
    assert theirs.bounds == ours.bounds
    assert theirs.predicted.compute_cycles == ours.predicted.compute_cycles


def test_it_is_clean() -> None:
    assert lint(YARDSTICK).passed
    assert yosys_check(YARDSTICK).passed


@pytest.mark.slow
def test_it_is_right() -> None:
    found = verify(YARDSTICK)
    assert found.passed, found.faults

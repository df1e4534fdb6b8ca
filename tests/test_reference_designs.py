"""The designs committed in rtl_out/ are what accelgen generates now, to the byte."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest

from accelgen.cosim.verify import verify

RTL_OUT = Path(__file__).parents[1] / "rtl_out"
SCRIPT = runpy.run_path(str(RTL_OUT / "regenerate.py"))


@pytest.fixture(scope="module")
def fresh() -> object:
    return SCRIPT["generated"]()


def test_reference_designs_are_up_to_date(fresh: object) -> None:
    assert SCRIPT["outdated"](RTL_OUT, fresh) == []


def test_a_changed_file_and_a_missing_one_are_noticed(tmp_path: Path) -> None:
    for name in SCRIPT["references"]():
        shutil.copytree(RTL_OUT / name, tmp_path / name)
    kept = SCRIPT["read"](tmp_path)
    manifest = tmp_path / "reference_gemm_ws" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    (tmp_path / "reference_gemm_os" / "gemm_os_systolic.v").unlink()
    assert SCRIPT["outdated"](tmp_path, kept) == [
        "reference_gemm_os/gemm_os_systolic.v",
        "reference_gemm_ws/manifest.json",
    ]


# The same dataflows are verified at other sizes in the default tier.
@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPT["references"]())
def test_reference_design_is_verified(name: str) -> None:
    assert verify(RTL_OUT / name, problems=2).faults == ()

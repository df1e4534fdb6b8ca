"""The bench accepts a design that keeps the contract and finds every deliberate fault."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from accelgen.cosim.verify import VerifyReport, verify
from accelgen.errors import AccelgenError, InputError
from accelgen.manifest import Predicted
from tests.cosim.gemm_design import make_manifest, write_design

pytestmark = pytest.mark.rtl


def test_a_correct_design_passes(tmp_path: Path) -> None:
    before = sorted(write_design(tmp_path).iterdir())
    report = verify(tmp_path, seed=3)
    assert report.faults == ()
    assert report.passed
    assert (report.measured_compute, report.measured_total) == (60, 81)
    names = [phase.name for phase in report.phases]
    assert len(names) == len(set(names)) == 12
    data = json.loads(json.dumps(report.to_json()))
    assert data["schema"] == 1
    assert data["passed"] is True
    assert data["total_cycles"] == {"predicted": 81, "measured": 81}
    assert sorted(tmp_path.iterdir()) == before


_FAULTY: dict[str, VerifyReport] = {}


def faulty(fault: str, folders: pytest.TempPathFactory) -> VerifyReport:
    """The report on the design with a fault, simulated once."""
    if fault not in _FAULTY:
        _FAULTY[fault] = verify(write_design(folders.mktemp(fault), fault=fault))
    return _FAULTY[fault]


@pytest.mark.parametrize(
    ("fault", "phase", "says"),
    [
        ("element", "minima", "Y[2, 3] is 641 instead of 640 (1 of 12 elements differ)"),
        ("cycle", "random", "compute_cycles is 61, the model predicts 60"),
        ("cycle", "random", "total_cycles is 82, the model predicts 81"),
        ("cycle", "back to back", "compute_cycles is 183, the model predicts 180"),
        ("error", "early tlast on s_axis_b", "error stays low after packets of wrong length"),
        ("error", "late tlast on s_axis_a", "error stays low after packets of wrong length"),
        ("pause", "pauses", "instead of 12"),
        ("pause", "slow output", "m_axis_y: a beat that was not accepted changed"),
        ("padding", "random", "unused bits of m_axis_y_tdata are not zero"),
        ("short", "early tlast on s_axis_a", "is 70 instead of 90"),
        ("sticky", "after the errors", "error is high before the first packet"),
    ],
)
def test_a_fault_is_found(
    tmp_path_factory: pytest.TempPathFactory, fault: str, phase: str, says: str
) -> None:
    report = faulty(fault, tmp_path_factory)
    assert not report.passed
    found = next(p for p in report.phases if p.name == phase)
    assert any(says in text for text in found.faults), found.faults


def test_a_hung_design_is_a_fault_not_a_hung_bench(tmp_path: Path) -> None:
    write_design(tmp_path)
    source = tmp_path / "gemm.v"
    text = source.read_text(encoding="utf-8")
    source.write_text(
        text.replace("assign m_axis_y_tvalid = sending", "assign m_axis_y_tvalid = 0")
    )
    report = verify(tmp_path)
    assert "random: 0 of 1 results came, then the design hung" in report.faults
    assert report.measured_total is None


def test_a_wrong_prediction_is_a_fault(tmp_path: Path) -> None:
    write_design(tmp_path)
    replace(make_manifest(), predicted=Predicted(60, 80)).write(tmp_path)
    faults = verify(tmp_path).faults
    assert "after the errors: total_cycles is 81, the model predicts 80" in faults
    assert all("total_cycles" in fault for fault in faults)


def test_waves_are_written_beside_the_design(tmp_path: Path) -> None:
    report = verify(write_design(tmp_path), waves=True)
    assert report.passed
    assert report.waves is not None
    assert report.waves.parent == tmp_path
    assert report.waves.stat().st_size > 1000


def test_verilog_that_does_not_compile_is_one_line(tmp_path: Path) -> None:
    write_design(tmp_path)
    (tmp_path / "gemm.v").write_text("module gemm(input clk; endmodule\n")
    with pytest.raises(AccelgenError, match="syntax error") as caught:
        verify(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["manifest.json", "gemm.v"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    (write_design(tmp_path) / missing).unlink()
    with pytest.raises(InputError, match=missing):
        verify(tmp_path)

"""The table of results, and its file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from accelgen.errors import InputError
from accelgen.sweep import METRICS, Axis, Constraint, Results
from accelgen.sweep.results import results_of
from tests.sweep.tasks import quick, sweep


def results(**changes: object) -> Results:
    made = sweep(60, **changes)
    points = made.points()
    return results_of(made, points, [quick(point) for point in points])


def test_figures_of_a_point() -> None:
    found = results()
    row = found.row(3)  # array.i 2, 1000.5 MHz
    microseconds = 5e5 / 1000.5
    picojoule = 1e6 * 1000.5 + 6e5
    assert {name: row[name] for name in METRICS} == pytest.approx(
        {
            "cycles": 5e5,
            "latency_ms": microseconds / 1e3,
            "energy_uj": picojoule * 1e-6,
            "edp_js": picojoule * 1e-12 * microseconds * 1e-6,
            "utilisation": 0.5,
            "area_mm2": 0.2,
            "power_mw": 1e3 * (picojoule * 1e-12) / (microseconds * 1e-6),
        }
    )
    assert row["energy_mac_uj"] == pytest.approx(1000.5)
    assert (row["feasible"], row["reason"]) == (True, None)


def test_a_point_that_cannot_be_is_kept() -> None:
    row = results().row(24)
    assert (row["array.i"], row["feasible"], row["reason"]) == (13, False, "thirteen")
    assert row["cycles"] is None
    assert row["area_mm2"] == 13.0


def test_constraints_say_what_they_are_violated_by() -> None:
    found = results(constraints=(Constraint("area", high=1), Constraint("latency", low=0.2)))
    row = found.row(59)  # array.i 30
    assert row["reason"] == (
        "area_mm2 is 3, area_mm2 <= 1 is wanted; "
        "latency_ms is 0.0333167, 0.2 <= latency_ms is wanted"
    )
    assert found.feasible.sum() == sum(
        row["area_mm2"] <= 1 and row["latency_ms"] >= 0.2  # type: ignore[operator]
        for row in map(found.row, range(60))
        if row["cycles"] is not None
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = results(constraints=(Constraint("area", high=1),))
    found.write(tmp_path / "sub" / "r.parquet")
    assert Results.read(tmp_path / "sub" / "r.parquet") == found
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["r.parquet"]
    schema = pq.read_schema(tmp_path / "sub" / "r.parquet")
    types = {name: str(schema.field(name).type) for name in schema.names}
    assert types["array.i"] == "int64"
    assert types["clock_mhz"] == types["cycles"] == types["energy_sram_uj"] == "double"
    assert (types["reason"], types["feasible"]) == ("string", "bool")


def test_columns_of_mixed_values() -> None:
    axes = (
        Axis(("array.i",), ((1,), (2,))),
        Axis(("clock_mhz",), ((500,), ("0.5e3",))),
        Axis(("unrolls",), (({"i": ["k"]},), ("any",))),
    )
    found = results(axes=axes)
    assert set(found.columns["clock_mhz"]) == {500.0}
    assert set(found.columns["unrolls"]) == {'{"i": ["k"]}', "any"}
    assert found.to_arrow().num_rows == 8


def test_files_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with pytest.raises(InputError, match="there is no such file"):
        Results.read(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="is no Parquet file"):
        Results.read(path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(InputError, match="is no result of a sweep; give what accelgen"):
        Results.read(path)
    results().write(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="is no Parquet file"):
        Results.read(path)


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        results().write(tmp_path / "file" / "r.parquet")

"""Tables, files, figures and pictures of a result say what the result says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from matplotlib.container import BarContainer

from accelgen.errors import InputError
from accelgen.hardware import parse_hardware
from accelgen.networks import parse_network
from accelgen.results import (
    draw_energy,
    draw_latency,
    draw_roofline,
    energy_scene,
    figures,
    latency_scene,
    layer_table,
    report,
    roofline_scene,
    write_csv,
    write_parquet,
)
from accelgen.results.layers import detailed, network_shares
from accelgen.results.pictures import _energy, _latency, _roofline
from accelgen.show.style import plain_settings
from accelgen.simulation import NetworkResult, simulate

NETWORK = """
name: small
layers:
  - {name: a_layer_with_quite_a_long_name/conv, repeats: 2, bounds: {k: 6, c: 3, p: 5, r: 3},
     expression: "Y[k,p] += X[c,p + r] * W[k,c,r]"}
  - {name: fc1, expression: "Y[m,n] += A[m,k] * W[k,n]", bounds: {m: 1, n: 10, k: 30}}
  - {name: fc2, expression: "Y[m,n] += A[m,k] * W[k,n]", bounds: {m: 1, n: 10, k: 30}, repeats: 3}
  - {name: fc3, expression: "Y[m,n] += A[m,k] * W[k,n]", bounds: {m: 8, n: 8, k: 24}}
"""
HARDWARE = """
name: hw
array: {i: 4, j: 4}
mac_pj: 1
link_pj: 0.01
unit_leakage_mw: 0.1
unit_area_mm2: 0.001
levels:
  - {name: sram, bytes: 256, pj_per_bit: 0.5, bytes_per_cycle: 5, area_mm2: 0.25}
  - {name: dram, bytes_per_cycle: 2, pj_per_bit: 20}
"""


@pytest.fixture(scope="module")
def found() -> NetworkResult:
    return simulate(parse_network(NETWORK), parse_hardware(HARDWARE))


def test_columns_add_up_to_the_totals(found: NetworkResult) -> None:
    columns = layer_table(found)
    assert {len(column) for column in columns.values()} == {4}
    total = {
        name: sum(value for value in column if isinstance(value, int | float))
        for name, column in columns.items()
    }
    assert columns["repeats"] == [2, 1, 3, 1]
    assert total["macs"] == found.network.macs
    assert total["cycles"] == pytest.approx(found.cycles)
    assert total["energy_pj"] == pytest.approx(1e12 * found.joules)
    for level, energy in found.energy_pj.items():
        assert total[f"energy_pj.{level}"] == pytest.approx(energy)
        parts = [total[x] for x in columns if x.startswith(f"energy_pj.{level}.")]
        assert not parts or sum(parts) == pytest.approx(energy)
    for (level, action), energy in found.action_pj.items():
        if level != action:
            name = f"energy_pj.{level}.{action.replace(' ', '_')}"
            assert total[name] == pytest.approx(energy)


def test_shares_are_of_one_and_waiting_is_the_sum_of_its_parts(found: NetworkResult) -> None:
    for x in detailed(found):
        assert sum(x.result.cost.shares.values()) == pytest.approx(1)
        assert sum(x.waits.values()) == pytest.approx(x.result.cost.shares["wait"])
        assert all(share > 0 for share in x.waits.values())
    shares, waits = network_shares(detailed(found))
    assert sum(shares.values()) == pytest.approx(1)
    assert sum(waits.values()) == pytest.approx(shares["wait"])
    assert shares["multiply"] == pytest.approx(found.utilisation)
    # A row of outputs needs each weight once, at 2 bytes per cycle.
    assert waits["dram"] > 0.2
    columns = layer_table(found)
    parts = [columns[name] for name in columns if name.startswith("share.wait.")]
    assert [sum(part) for part in zip(*parts, strict=True)] == pytest.approx(columns["share.wait"])


def test_an_infinitely_fast_memory_is_not_waited_for() -> None:
    hardware = parse_hardware(HARDWARE.replace("{name: dram, bytes_per_cycle: 2,", "{name: dram,"))
    found = simulate(parse_network(NETWORK), hardware)
    assert {name for x in detailed(found) for name in x.waits} <= {"sram"}


def test_bytes_of_the_outermost_memory_are_what_it_has_cycles_for(found: NetworkResult) -> None:
    columns = layer_table(found)
    moved = [2 * cycles for cycles in columns["port_cycles.dram"] if isinstance(cycles, float)]
    assert moved == pytest.approx(columns["bytes.dram"])
    # Weights, inputs and outputs of one byte once each at least.
    assert columns["bytes.dram"][1] >= 30 * 10 + 30 + 10  # type: ignore[operator]
    assert columns["bytes.dram"][2] == pytest.approx(3 * columns["bytes.dram"][1])  # type: ignore[operator]


def test_csv_and_parquet_read_back_as_they_were(found: NetworkResult, tmp_path: Path) -> None:
    columns = layer_table(found)
    table = pq.read_table(write_parquet(found, tmp_path / "new" / "r.parquet"))
    assert table.to_pydict() == columns
    assert table.schema.field("cycles").type == pa.float64()
    about = json.loads(table.schema.metadata[b"accelgen.simulation"])
    assert about["hardware"] == "hw"
    assert about["area_mm2"] == pytest.approx(0.266)
    file = write_csv(found, tmp_path / "r.csv")
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["mapping"] for row in rows] == columns["mapping"]
    options = pacsv.ParseOptions(newlines_in_values=True)
    read = pacsv.read_csv(file, parse_options=options).to_pydict()
    assert read["cycles"] == columns["cycles"]
    assert read["limit"] == columns["limit"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "r.csv"]


def test_files_that_cannot_be_written_stay_as_they_were(
    found: NetworkResult, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="is a folder; name a file"):
        write_csv(found, tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="cannot be written"):
        write_parquet(found, tmp_path / "file" / "r.parquet")
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(InputError, match=r"a picture is \.svg or \.png, not \.pdf"):
        draw_energy(found, tmp_path / "energy.pdf")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_figures_are_json_and_add_up(found: NetworkResult) -> None:
    values = json.loads(json.dumps(figures(found), allow_nan=False))
    assert values["cycles"] == pytest.approx(sum(x["cycles"] for x in values["layers"]))
    assert sum(values["limits"].values()) == pytest.approx(values["cycles"])
    assert values["edp_js"] == pytest.approx(
        values["energy_uj"] * 1e-6 * values["latency_ms"] * 1e-3
    )
    assert values["area_mm2"] == pytest.approx(0.25 + 16 * 0.001)
    for level, actions in values["action_pj"].items():
        assert sum(actions.values()) == pytest.approx(values["energy_pj"][level])
        assert sum(x["energy_pj"][level] for x in values["layers"]) == pytest.approx(
            values["energy_pj"][level]
        )
    assert values["least_cycles"] <= values["cycles"]


def test_the_report_has_a_row_per_distinct_layer_and_one_of_all(found: NetworkResult) -> None:
    said = report(found)
    assert said.heading == "small on hw, least edp of every layer"
    names = [row[0] for row in said.layers]
    assert names == ["layer", "a_layer_with_quite_a_long_name/conv", "fc1", "fc3", "all"]
    assert [int(row[1]) for row in said.layers[1:]] == [2, 4, 1, 7]
    widths = [{len(row[k]) for row in said.layers} for k in (1, 2, 3, 4, 5)]
    assert all(len(width) == 1 for width in widths)
    assert len(said.nests) == 3
    assert said.nests[1].startswith("fc1 and 1 more alike\ndram: for ")
    text = "\n".join(said.lines)
    assert f"latency  {found.cycles:.0f} cycles" in text
    assert "wait for dram" in text
    assert "area     0.266 mm2" in text


def test_bars_are_as_high_as_the_figures(found: NetworkResult) -> None:
    energy = energy_scene(found)
    assert energy.labels == ("a_layer_with…ong_name/conv ×2", "fc1 ×4", "fc3")  # noqa: RUF001
    for number, level in enumerate(energy.levels):
        assert sum(bar[number] for bar in energy.picojoule) == pytest.approx(found.energy_pj[level])
    latency = latency_scene(found)
    assert sum(latency.cycles) == pytest.approx(found.cycles)
    assert sum(latency.least) == pytest.approx(sum(x.least_cycles for x in found.layers))
    assert all(a <= b * (1 + 1e-9) for a, b in zip(latency.least, latency.cycles, strict=True))
    with plain_settings():
        stacks = [x for x in _energy(energy).axes[0].containers if isinstance(x, BarContainer)]
        assert len(stacks) == len(energy.levels)
        tops = [bar.get_y() + bar.get_height() for bar in stacks[-1]]
        assert tops == pytest.approx([1e-12 * sum(bar) for bar in energy.picojoule])
        (bars,) = _latency(latency).axes[0].containers
        assert isinstance(bars, BarContainer)
        assert [bar.get_height() for bar in bars] == pytest.approx(latency.cycles)
        colours = {bar.get_facecolor() for bar in bars}
        assert len(colours) == len(set(latency.limits))


def test_no_point_is_above_its_roof(found: NetworkResult) -> None:
    scene = roofline_scene(found)
    assert sum(point.share for point in scene.points) == pytest.approx(1)
    for point in scene.points:
        assert 0 < point.rate <= scene.roof(point.intensity) * (1 + 1e-9)
    assert scene.roof(1e-3) == pytest.approx(2e-3)
    assert scene.roof(1e9) == 16
    with plain_settings():
        axes = _roofline(scene).axes[0]
    dots = [tuple(xy) for dots in axes.collections for xy in np.asarray(dots.get_offsets())]
    points = sorted((x.intensity, x.rate) for x in scene.points)
    assert np.allclose(sorted(dots), points, rtol=1e-12, atol=0)


@pytest.mark.parametrize("draw", [draw_energy, draw_latency, draw_roofline])
def test_the_same_result_gives_the_same_bytes(
    draw: type, found: NetworkResult, tmp_path: Path
) -> None:
    first, second = (draw(found, tmp_path / name) for name in ("a.svg", "b.svg"))
    assert first.read_bytes() == second.read_bytes()
    assert b"<svg" in first.read_bytes()


def test_of_many_bars_some_have_no_name() -> None:
    layers = "".join(
        f'  - {{name: fc{n}, expression: "Y[m] += A[k] * W[k,m]", bounds: {{m: {n + 2}, k: 4}}}}\n'
        for n in range(130)
    )
    hardware = parse_hardware(HARDWARE)
    found = simulate(parse_network(f"name: long\nlayers:\n{layers}"), hardware, "latency")
    with plain_settings():
        axes = _energy(energy_scene(found)).axes[0]
    assert len(axes.containers[0]) == 130
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == [f"fc{n}" for n in range(0, 130, 2)]

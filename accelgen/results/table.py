"""The layers of a result as a table: columns by name, and files that other tools read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from accelgen.output_file import write_whole
from accelgen.results.layers import SHARES, detailed, energy_levels
from accelgen.simulation import LayerResult, NetworkResult

__all__ = ["Cell", "layer_table", "write_csv", "write_parquet"]

Cell = int | float | str | None

_METADATA = b"accelgen.simulation"
_SCHEMA = 1


def layer_table(found: NetworkResult) -> dict[str, list[Cell]]:
    """Columns by name, an entry per layer; ``pyarrow.table`` and ``polars.DataFrame`` take it.

    Cycles, energy, EDP (cycles x pJ, of this layer alone), MACs and bytes are those of all repeats.
    ``share.*`` are what units do, of 1.  A dot leads to a part: ``share.wait.dram`` of
    ``share.wait``; ``energy_pj.dram`` and of it ``energy_pj.dram.read_weights``;
    ``port_cycles.dram`` is what this memory needs on its own, ``bytes.dram`` what it exchanges with
    the level below (see :class:`accelgen.results.layers.Detail`).  ``mapping`` is the loop nest in
    lines.
    """
    details = detailed(found)
    layers = found.layers
    columns: dict[str, list[Cell]] = {
        "layer": [x.layer.name for x in layers],
        "repeats": [x.layer.repeats for x in layers],
        "macs": [x.layer.macs for x in layers],
        "format": [x.problem.number_format for x in layers],
        "cycles": [float(x.cycles) for x in layers],
        "least_cycles": [float(x.least_cycles) for x in layers],
        "compute_cycles": [x.layer.repeats * x.cost.compute_cycles for x in layers],
        "limit": [x.cost.limit for x in layers],
        "utilisation": [float(x.cost.utilisation) for x in layers],
    }
    for what in SHARES:
        columns[f"share.{what}"] = [float(x.cost.shares[what]) for x in layers]
    for port in dict.fromkeys(port for x in details for port in x.waits):
        columns[f"share.wait.{port}"] = [float(x.waits.get(port, 0.0)) for x in details]
    for port in dict.fromkeys(port for x in layers for port in x.cost.port_cycles):
        columns[f"port_cycles.{port}"] = [_scaled(x, x.cost.port_cycles.get(port)) for x in layers]
    for level in found.hardware.levels:
        columns[f"bytes.{level.name}"] = [x.moved[level.name] for x in details]
    columns["energy_pj"] = [float(x.energy_pj) for x in layers]
    actions = dict.fromkeys(action for x in layers for action in x.cost.action_pj)
    for name in energy_levels(found):
        columns[f"energy_pj.{name}"] = [_scaled(x, x.cost.energy_pj.get(name, 0.0)) for x in layers]
        for level_name, action in actions:
            if level_name == name and action != name:
                columns[f"energy_pj.{name}.{action.replace(' ', '_')}"] = [
                    _scaled(x, x.cost.action_pj.get((name, action), 0.0)) for x in layers
                ]
    columns["edp_pj_cycles"] = [float(x.edp) for x in layers]
    columns["active_units"] = [x.cost.active_units for x in layers]
    columns["dataflow"] = [x.mapping.dataflow for x in layers]
    names = [level.name for level in found.hardware.levels]
    columns["mapping"] = [x.mapping.nest(x.problem, names) for x in layers]
    for what in ("covered", "too_large", "bounded", "evaluated"):
        columns[f"mappings.{what}"] = [getattr(x.certificate, what) for x in layers]
    return columns


def write_csv(found: NetworkResult, path: str | Path) -> Path:
    """Write :func:`layer_table` as CSV, whole or not at all; raises :class:`InputError`."""
    columns = layer_table(found)

    def write(file: Path) -> None:
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))

    return write_whole(Path(path), write)


def write_parquet(found: NetworkResult, path: str | Path) -> Path:
    """Write :func:`layer_table` as Parquet, whole or not at all; raises :class:`InputError`.

    The schema's metadata ``accelgen.simulation`` is JSON: network, hardware, objective, clock in
    MHz, units, area in mm2 (``null``: not known).
    """
    table = _arrow(found)
    return write_whole(
        Path(path), lambda file: pq.write_table(table, str(file), compression="zstd")
    )


def _arrow(found: NetworkResult) -> Any:  # noqa: ANN401 - pyarrow has no types
    about = {
        "schema": _SCHEMA,
        "network": found.network.name,
        "hardware": found.hardware.name,
        "objective": found.objective,
        "clock_mhz": found.hardware.clock_mhz,
        "units": found.hardware.units,
        "area_mm2": found.hardware.area_mm2,
    }
    return pa.table(layer_table(found)).replace_schema_metadata({_METADATA: json.dumps(about)})


def _scaled(result: LayerResult, value: float | None) -> float | None:
    return None if value is None else float(result.layer.repeats * value)

"""Results of a simulation: tables, files, figures for JSON and the terminal, pictures.

>>> from accelgen.hardware import load_hardware
>>> from accelgen.networks import load_network
>>> from accelgen.results import draw_energy, layer_table, write_parquet
>>> from accelgen.simulation import simulate
>>> found = simulate(load_network("alexnet"), load_hardware("gemmini"))
>>> sum(layer_table(found)["cycles"]) == found.cycles
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from accelgen.results.scenes import (
    EnergyScene,
    LatencyScene,
    RooflinePoint,
    RooflineScene,
    energy_scene,
    latency_scene,
    roofline_scene,
)
from accelgen.results.summary import figures, pins_of, report

if TYPE_CHECKING:
    from accelgen.results.pictures import draw_energy, draw_latency, draw_roofline
    from accelgen.results.table import layer_table, write_csv, write_parquet

__all__ = [
    "EnergyScene",
    "LatencyScene",
    "RooflinePoint",
    "RooflineScene",
    "draw_energy",
    "draw_latency",
    "draw_roofline",
    "energy_scene",
    "figures",
    "latency_scene",
    "layer_table",
    "pins_of",
    "report",
    "roofline_scene",
    "write_csv",
    "write_parquet",
]

# Arrow and matplotlib are slow to import: with what needs them.
_HOMES = {
    "draw_energy": "pictures",
    "draw_latency": "pictures",
    "draw_roofline": "pictures",
    "layer_table": "table",
    "write_csv": "table",
    "write_parquet": "table",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

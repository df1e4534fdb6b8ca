"""The task: one candidate on one or several networks, and the figures that are weighed.

Over several networks latency, energy and EDP are geometric means, utilisation is the mean.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from accelgen.errors import AccelgenError, MissingToolError
from accelgen.hardware import Hardware
from accelgen.store import Json
from accelgen.sweep.evaluate import read_network
from accelgen.sweep.metrics import METRICS
from accelgen.sweep.sources import NetworkSource

if TYPE_CHECKING:
    from accelgen.mapper import Objective
    from accelgen.mapper.cache import Solved

__all__ = ["Figures", "Trial", "evaluate", "figures_of"]

Figures = dict[str, float | None]
"""By the names of :data:`accelgen.sweep.metrics.METRICS`; ``latency_ms.<network>`` and
``energy_uj.<network>`` beside them where there are several networks."""


@dataclass(frozen=True)
class Trial:
    """What is evaluated: hardware and networks, every layer mapped for ``minimise``.

    ``key`` is the same for the same contents and no others; ``number`` counts the trials of a
    search from 0.
    """

    number: int
    key: str
    hardware: Hardware
    networks: tuple[NetworkSource, ...]
    minimise: Objective

    def __str__(self) -> str:
        """``trial 17: 12 x 14 units on mobilenet_v2``."""
        array = " x ".join(map(str, self.hardware.array.values()))
        return f"trial {self.number}: {array} units on {', '.join(x.name for x in self.networks)}"


def evaluate(trial: Trial) -> dict[str, Json]:
    """Simulate every network of a trial on its hardware, with the best mapping of every layer.

    Returns by network ``cycles``, ``energy_pj`` by level and ``utilisation``; ``clock_mhz``,
    ``area_mm2`` (``None``: not known) and ``seconds``; ``error`` where a layer cannot be mapped.
    Depends on nothing but the trial.
    """
    # Compiled code takes a second to import, which reading and drawing results need not.
    from accelgen.simulation import simulate

    start = time.perf_counter()
    hardware = trial.hardware
    record: dict[str, Json] = {"clock_mhz": hardware.clock_mhz, "area_mm2": hardware.area_mm2}
    found: dict[str, Json] = {}
    try:
        for source in trial.networks:
            result = simulate(read_network(source), hardware, trial.minimise, solved=_solved())
            found[source.name] = {
                "cycles": float(result.cycles),
                "energy_pj": {name: float(value) for name, value in result.energy_pj.items()},
                "utilisation": float(result.utilisation),
            }
        record["networks"] = found
    except MissingToolError:
        raise
    except AccelgenError as error:
        record["error"] = " ".join(str(error).split())
    record["seconds"] = round(time.perf_counter() - start, 6)
    return record


@cache
def _solved() -> Solved:
    """What this process solved: layers alike begin with the mappings of those before."""
    from accelgen.mapper.cache import Solved

    return Solved()


def figures_of(record: Mapping[str, Json]) -> Figures:
    """The figures of an evaluated trial from what is recorded of it; all but the area are ``None``
    where it could not be mapped.
    """
    area = record.get("area_mm2")
    found: Figures = dict.fromkeys(METRICS)
    found["area_mm2"] = float(area) if isinstance(area, int | float) else None
    networks = record.get("networks")
    if not isinstance(networks, Mapping):
        return found
    clock = _number(record["clock_mhz"])
    cycles, energies, shares = [], [], []
    beside: Figures = {}
    for name, entry in networks.items():
        assert isinstance(entry, Mapping)
        by_level = entry["energy_pj"]
        assert isinstance(by_level, Mapping)
        cycles.append(_number(entry["cycles"]))
        energies.append(sum(map(_number, by_level.values())))
        shares.append(_number(entry["utilisation"]))
        beside[f"latency_ms.{name}"] = cycles[-1] / clock / 1e3
        beside[f"energy_uj.{name}"] = energies[-1] / 1e6
    mean_cycles, energy = _geomean(cycles), _geomean(energies)
    microseconds = mean_cycles / clock
    found |= {
        "cycles": mean_cycles,
        "latency_ms": microseconds / 1e3,
        "energy_uj": energy / 1e6,
        "edp_js": energy * microseconds / 1e18,
        "utilisation": sum(shares) / len(shares),
        # 1 pJ / us is 1 uW.
        "power_mw": energy / microseconds / 1e3,
    }
    return {**found, **(beside if len(networks) > 1 else {})}


def _geomean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def _number(value: Json) -> float:
    assert isinstance(value, int | float)
    return float(value)

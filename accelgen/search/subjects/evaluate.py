"""The task: one candidate on one or several networks, and the figures that are weighed.

Over several networks latency, energy and EDP are geometric means, utilisation is the mean.

Where one objective is minimised, a candidate has a limit: as soon as what is known of its layers,
with the floors of the others, is above it, the rest is not mapped.  Layers come cheapest first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.cache import cache_root
from accelgen.errors import InputError
from accelgen.hardware import Hardware
from accelgen.search.subject import Figures
from accelgen.search.subjects.records import recorded
from accelgen.store import Json
from accelgen.sweep.evaluate import read_network
from accelgen.sweep.metrics import METRICS
from accelgen.sweep.sources import NetworkSource

if TYPE_CHECKING:
    from accelgen.mapper import Objective
    from accelgen.mapper.cache import Solved
    from accelgen.networks import Network

__all__ = ["LIMITED", "Trial", "evaluate", "figures_of"]


LIMITED = ("cycles", "latency_ms", "energy_uj", "edp_js")
"""Metrics that only grow with cycles and energy of a layer: those that a limit may be set for."""


@dataclass(frozen=True)
class Trial:
    """What is evaluated: hardware and networks, every layer mapped for ``minimise``.

    ``key`` is the same for the same contents and no others; ``number`` counts the trials of a
    search from 0.  ``limit``: the most that ``limited_in``, a metric, is worth knowing of.
    Mappings are looked for and put into the user's cache where they are ``kept``.
    """

    number: int
    key: str
    hardware: Hardware
    networks: tuple[NetworkSource, ...]
    minimise: Objective
    limited_in: str | None = None
    limit: float = math.inf
    kept: bool = False

    def limited(self, metric: str, limit: float) -> Trial:
        """See :class:`accelgen.search.subject.TrialLike`."""
        return replace(self, limited_in=metric, limit=limit)

    def __str__(self) -> str:
        """``trial 17: 12 x 14 units on mobilenet_v2``."""
        array = " x ".join(map(str, self.hardware.array.values()))
        return f"trial {self.number}: {array} units on {', '.join(x.name for x in self.networks)}"


def evaluate(trial: Trial) -> dict[str, Json]:
    """Simulate every network of a trial on its hardware, with the best mapping of every layer.

    Returns by network ``cycles``, ``energy_pj`` by level and ``utilisation``; ``clock_mhz``,
    ``area_mm2`` (``None``: not known), ``seconds`` and ``cpu_seconds``; ``error`` where a layer
    cannot be mapped.  Where the limit is exceeded, ``limit`` and ``at_least``, what the metric is
    not below, instead of networks.  Depends on nothing but the trial.
    """
    # Compiled code takes a second to import, which reading and drawing results need not.
    from accelgen.simulation import simulate

    hardware = trial.hardware
    found: dict[str, Json] = {}

    def judge(record: dict[str, Json]) -> None:
        networks = {source.name: read_network(source) for source in trial.networks}
        least = _solve(trial, list(networks.values()))
        if least is not None:
            record |= {"limit": trial.limit, "at_least": least}
        else:
            for name, network in networks.items():
                result = simulate(network, hardware, trial.minimise, solved=_solved(trial.kept))
                found[name] = {
                    "cycles": float(result.cycles),
                    "energy_pj": {level: float(pj) for level, pj in result.energy_pj.items()},
                    "utilisation": float(result.utilisation),
                }
            record["networks"] = found

    return recorded({"clock_mhz": hardware.clock_mhz, "area_mm2": hardware.area_mm2}, judge)


def _solve(trial: Trial, networks: list[Network]) -> float | None:
    """Solve all layers, or return what the limited metric is not below when that exceeds the
    limit.
    """
    if trial.limited_in not in LIMITED or trial.limit == math.inf:
        return None
    from accelgen.search.subjects.floors import floor_of, works_of
    from accelgen.simulation import layer_problem

    hardware = trial.hardware
    works = [works_of(network) for network in networks]
    known = {(n, work): floor_of(work, hardware) for n, all_ in enumerate(works) for work in all_}
    totals = [[sum(known[n, x][k] for x in w) for k in (0, 1)] for n, w in enumerate(works)]

    def least() -> float:
        cycles, energy = (_geomean([total[k] for total in totals]) for k in (0, 1))
        found = _means(cycles, energy, hardware.clock_mhz)[str(trial.limited_in)]
        assert found is not None
        return found

    order = sorted(known, key=lambda entry: entry[1].effort)
    for n, work in order:
        if (value := least()) > trial.limit:
            return value
        problem = layer_problem(work.workload, work.weights, hardware)
        cost = _solved(trial.kept).best_mapping(problem, hardware, trial.minimise).cost
        for k, per_repeat in enumerate((cost.cycles, cost.total_pj)):
            totals[n][k] += work.repeats * per_repeat - known[n, work][k]
    return value if (value := least()) > trial.limit else None


def _solved(kept: bool) -> Solved:
    """What this process solved: layers alike begin with the mappings of those before.

    With the user's cache, where there can be one.
    """
    return _solved_in(cache_root() / "mappings" if kept else None)


@cache
def _solved_in(path: Path | None) -> Solved:
    from accelgen.mapper.cache import Solved, open_solved

    try:
        return Solved() if path is None else open_solved(path)
    except InputError:
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
    found |= _means(_geomean(cycles), _geomean(energies), clock)
    found["utilisation"] = sum(shares) / len(shares)
    return {**found, **(beside if len(networks) > 1 else {})}


def _means(cycles: float, picojoule: float, clock_mhz: float) -> Figures:
    """The metrics of cycles and energy."""
    microseconds = cycles / clock_mhz
    return {
        "cycles": cycles,
        "latency_ms": microseconds / 1e3,
        "energy_uj": picojoule / 1e6,
        "edp_js": picojoule * microseconds / 1e18,
        # 1 pJ / us is 1 uW.
        "power_mw": picojoule / microseconds / 1e3,
    }


def _geomean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def _number(value: Json) -> float:
    assert isinstance(value, int | float)
    return float(value)

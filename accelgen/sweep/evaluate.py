"""The task: one point, from its values to its figures.  Workers of every kind run this."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from accelgen.affine.yaml_text import Plain, flag
from accelgen.errors import AccelgenError, InputError, MissingToolError
from accelgen.hardware import Dataflow, Hardware, hardware_from
from accelgen.names import FrozenMap, shorten, within
from accelgen.networks import Network, load_network, parse_network
from accelgen.store import Json
from accelgen.sweep.fields import Value, kind_of, replaced
from accelgen.sweep.sources import NetworkSource
from accelgen.sweep.sweep import OBJECTIVES, Point

if TYPE_CHECKING:
    from accelgen.attention.network.planned import Plan
    from accelgen.attention.network.simulation import ComparedResult
    from accelgen.mapper import Objective
    from accelgen.mapper.cache import Solved

__all__ = ["evaluate", "hardware_of", "network_of", "objective_of", "plan_of", "read_network",
           "read_pattern", "uneven_of"]  # fmt: skip

_NETWORKS = 64
"""Networks kept by a process, with their parameters and formats."""

_dataflows: dict[tuple[str, str], tuple[Dataflow, ...]] = {}
"""Those that a process has read, by the digest of all their files and their names."""


def evaluate(point: Point) -> dict[str, Json]:
    """Simulate the network of a point on its hardware.

    With a pattern, attention runs on the attention arrays (see
    :func:`accelgen.attention.network.simulation.simulate_attention`), whose energy but for that
    of the DRAM is that of a level ``attention``. Returns ``cycles``, ``clock_mhz``,
    ``energy_pj`` by level, ``utilisation``, ``area_mm2`` (``None``: not known) and ``seconds``;
    for a point that cannot be, ``error``, ``seconds`` and the area when there is one. Depends
    on nothing but the point.
    """
    # Compiled code takes a second to import, which reading and drawing results need not.
    from accelgen.attention.network.simulation import simulate_attention
    from accelgen.mapper import Constraints
    from accelgen.simulation import simulate

    start = time.perf_counter()
    record: dict[str, Json] = {}
    try:
        hardware = hardware_of(point)
        record["area_mm2"] = hardware.area_mm2
        constraints = Constraints(uneven=uneven_of(point))
        network, objective = network_of(point), objective_of(point)
        plan = plan_of(point)
        record["clock_mhz"] = hardware.clock_mhz
        if plan is None:
            found = simulate(
                network, hardware, objective, constraints=constraints, solved=_solved()
            )
            record |= {
                "cycles": float(found.cycles),
                "energy_pj": {name: float(value) for name, value in found.energy_pj.items()},
                "utilisation": float(found.utilisation),
            }
        else:
            compared = simulate_attention(
                network, hardware, plan, objective, constraints=constraints, solved=_solved()
            )
            record |= _with_pattern(compared)
    except MissingToolError:
        raise
    except AccelgenError as error:
        record["error"] = " ".join(str(error).split())
    record["seconds"] = round(time.perf_counter() - start, 6)
    return record


@cache
def _solved() -> Solved:
    """What this process solved: points alike begin with the mappings of those before."""
    from accelgen.mapper.cache import Solved

    return Solved()


def hardware_of(point: Point) -> Hardware:
    """The hardware of a point.  Raises :class:`InputError` when there is no such hardware."""
    values: Mapping[str, Value] = point.sources.hardware[str(point.values["hardware"])].values
    for field, value in point.values.items():
        if kind_of(field) == "field":
            values = replaced(values, field, value)
    # To read a dataflow that is given by name takes longer than all the rest.
    key = point.sources.common, json.dumps(values.get("dataflows"))
    if key not in _dataflows:
        hardware = hardware_from(cast(Mapping[str, Plain], values))
        own = 1 if "unrolls" in values else 0
        _dataflows[key] = hardware.dataflows[: len(hardware.dataflows) - own]
        return hardware
    rest = {name: value for name, value in values.items() if name != "dataflows"}
    hardware = hardware_from(cast(Mapping[str, Plain], rest))
    return replace(hardware, dataflows=(*_dataflows[key], *hardware.dataflows))


def network_of(point: Point) -> Network:
    """The network of a point.  Raises :class:`InputError` when there is no such network."""
    source = point.sources.networks[str(point.values["network"])]
    parameters = FrozenMap(_below(point, "parameters"))
    formats = FrozenMap({role: str(name) for role, name in _below(point, "formats").items()})
    return read_network(source, parameters, formats)


def objective_of(point: Point) -> Objective:
    """What the mappings of a point minimise.  Raises :class:`InputError` for anything else."""
    wanted = point.values.get("minimise", "edp")
    if isinstance(wanted, list) and len(wanted) == 2:
        try:
            return float(str(wanted[0])), float(str(wanted[1]))
        except ValueError:
            pass
    for objective in OBJECTIVES:
        if wanted == objective:
            return objective
    raise InputError(
        f"{shorten(wanted)} cannot be minimised",
        where="minimise",
        hint=f"use {', '.join(OBJECTIVES)}, or exponents of energy and latency: [1, 2]",
    )


def uneven_of(point: Point) -> bool:
    """Whether mappings of a point may be uneven.  Raises :class:`InputError` for what is no
    answer.
    """
    return flag(point.values.get("uneven"), "uneven")


def plan_of(point: Point) -> Plan | None:
    """The pattern of attention of a point, ``None`` without one; see :func:`read_pattern`."""
    return read_pattern(point.values.get("attention"))


def read_pattern(given: Value) -> Plan | None:
    """The value of a field ``attention``, ``None`` for none.

    Raises :class:`InputError` for what is no pattern and no shipped description: a file of the
    user's own might change without the point being another.
    """
    if given is None:
        return None
    from accelgen.attention.load import is_file_name
    from accelgen.attention.network.planned import read_plan

    with within("attention"):
        if not isinstance(given, str) or ("(" not in given and is_file_name(given)):
            hint = "write dense, 'streaming(4, 2000)' or the name of a shipped description"
            raise InputError(f"{shorten(given)} is no pattern", hint=hint)
        return read_plan(given)


def _with_pattern(found: ComparedResult) -> dict[str, Json]:
    """The figures of a network with the pattern."""
    hardware, rest = found.hardware, found.rest
    total = found.total(sparse=True)
    energy = {} if rest is None else {k: float(v) for k, v in rest.energy_pj.items()}
    outermost = hardware.levels[-1].name
    own = 0.0
    multiplied = 0 if rest is None else rest.utilisation * hardware.units * rest.cycles
    for layer in found.attention.layers:
        dram = layer.sparse.energy_pj["dram"]
        own += layer.sparse.total_pj - dram
        energy[outermost] = energy.get(outermost, 0.0) + dram
        shape = layer.part.shape
        multiplied += layer.sparse.pairs * (shape.head_dim + shape.value_dim)
    return {
        "cycles": float(total.cycles),
        "energy_pj": {**energy, "attention": own},
        "utilisation": float(multiplied / (hardware.units * total.cycles)),
    }


def _below(point: Point, kind: str) -> dict[str, int | str]:
    """The fields of a kind, without its name in front."""
    found: dict[str, int | str] = {}
    for field, value in point.values.items():
        if kind_of(field) == kind:
            if isinstance(value, bool) or not isinstance(value, int | str):
                raise InputError(f"{shorten(value)} is neither integer nor name", where=field)
            found[field.partition(".")[2]] = value
    return found


@lru_cache(maxsize=_NETWORKS)
def read_network(
    source: NetworkSource,
    parameters: FrozenMap[str, int | str] = FrozenMap(),  # noqa: B008 - frozen
    formats: FrozenMap[str, str] = FrozenMap(),  # noqa: B008 - frozen
) -> Network:
    """The network of a source, read once by a process."""
    if source.text is None:
        network = load_network(source.path, parameters)
    else:
        name = Path(source.path).stem.replace("-", "_")
        network = parse_network(source.text, source.name, name, parameters)
    if not formats:
        return network
    return network.with_formats(
        activations=formats.get("activations"),
        weights=formats.get("weights"),
        outputs=formats.get("outputs"),
        fallback=formats.get("fallback"),
    )

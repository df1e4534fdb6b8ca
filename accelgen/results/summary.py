"""A result for the terminal and for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accelgen.results.layers import (
    SHARES,
    Detail,
    detailed,
    energy_levels,
    merged,
    network_shares,
)
from accelgen.results.scenes import si
from accelgen.simulation import LayerResult, NetworkResult

__all__ = ["Report", "figures", "objective_name", "padded", "pins_of", "report"]

Rows = list[tuple[str, ...]]

SHOWN = 5e-4
"""Smaller shares are 0.0% and left out."""


@dataclass(frozen=True)
class Report:
    """What the terminal shows: ``heading``, rows of ``layers`` and of ``energy``, ``lines``.

    The first row of a table has the names of its columns; cells are as wide as their column.
    ``nests`` are the loop nests, each below the name of the layers that have it.
    """

    heading: str
    layers: Rows
    energy: Rows
    lines: tuple[str, ...]
    nests: tuple[str, ...]


def report(found: NetworkResult) -> Report:
    """Tables and lines for the terminal; equal layers are one row."""
    shares, waits = network_shares(detailed(found))
    levels = [level.name for level in found.hardware.levels]
    return Report(
        f"{found.network.name} on {found.hardware.name}, "
        f"least {objective_name(found)} of every layer",
        padded(_layer_rows(found, shares), left=("layer", "limit")),
        padded(_energy_rows(found), left=("energy of", "for")),
        tuple(_lines(found, shares, waits)),
        tuple(
            f"{_names(group)}\n{group[0].mapping.nest(group[0].problem, levels)}"
            for group in merged(found)
        ),
    )


def figures(found: NetworkResult) -> dict[str, object]:
    """All figures as plain values, as ``accelgen simulate --json`` prints them.

    ``shares`` are what units do in all cycles (the sum is 1), ``waits`` their ``wait`` by what is
    waited for; ``limits`` are cycles by what limits the layer.  ``pins`` of a layer are its
    mapping, as ``--pin`` reads it.
    """
    details = detailed(found)
    shares, waits = network_shares(details)
    limits: dict[str, float] = {}
    for result in found.layers:
        limits[result.cost.limit] = limits.get(result.cost.limit, 0.0) + result.cycles
    return {
        "network": found.network.name,
        "hardware": found.hardware.name,
        "objective": found.objective,
        "macs": sum(result.layer.macs for result in found.layers),
        "cycles": found.cycles,
        "least_cycles": sum(result.least_cycles for result in found.layers),
        "limits": limits,
        "utilisation": found.utilisation,
        "shares": dict(shares),
        "waits": dict(waits),
        "energy_pj": found.energy_pj,
        "action_pj": _nested(found.action_pj),
        "edp_pj_cycles": found.edp,
        "clock_mhz": found.hardware.clock_mhz,
        "latency_ms": 1e3 * found.seconds,
        "energy_uj": 1e6 * found.joules,
        "power_mw": 1e3 * found.watts,
        "edp_js": found.joules * found.seconds,
        "units": found.hardware.units,
        "area_mm2": found.hardware.area_mm2,
        "sources": found.hardware.sources,
        "vector_operations": found.network.vector_operations,
        "layers": [_layer(detail, found) for detail in details],
    }


def pins_of(result: LayerResult, found: NetworkResult) -> dict[str, object]:
    """The mapping of a layer as pins: :class:`accelgen.mapper.Constraints` as plain values.

    Of the mappings that are as pinned, for the same objective, none is better.  What is between
    the innermost and the outermost box of several has no pins for its order, the larger box of an
    uneven mapping none for its size.
    """
    problem, mapping, buffers = result.problem, result.mapping, found.hardware.levels[:-1]
    loops = problem.loops
    unroll: dict[str, dict[str, int]] = {axis: {} for axis in found.hardware.array}
    for axis, d, units in mapping.unrolling:
        unroll[axis][loops[d]] = units
    pins: dict[str, object] = {"dataflow": mapping.dataflow, "unroll": unroll}
    if found.hardware.registers is not None:
        pins["registers"] = dict(zip(loops, mapping.inner, strict=True))
    pins["buffer"] = dict(zip(loops, mapping.tiles[1], strict=True))
    if len(mapping.tiles) - 2 > len(buffers):
        # More boxes than levels: one of these holds two.
        pins["uneven"] = True
    elif len(buffers) > 1:
        boxes = zip(buffers[1:], mapping.tiles[2:-1], strict=True)
        pins["levels"] = {x.name: dict(zip(loops, tile, strict=True)) for x, tile in boxes}
    inner, *_, outer = mapping.orders
    return {**pins, "inner": [loops[d] for d in inner], "outer": [loops[d] for d in outer]}


def objective_name(found: NetworkResult) -> str:
    """``edp``, or ``energy^1 latency^2``."""
    if isinstance(found.objective, str):
        return found.objective
    energy, latency = found.objective
    return f"energy^{energy:g} latency^{latency:g}"


def _layer(detail: Detail, found: NetworkResult) -> dict[str, object]:
    result = detail.result
    repeats, cost, proof = result.layer.repeats, result.cost, result.certificate
    levels = [level.name for level in found.hardware.levels]
    return {
        "name": result.layer.name,
        "repeats": repeats,
        "macs": result.layer.macs,
        "format": result.problem.number_format,
        "cycles": result.cycles,
        "least_cycles": result.least_cycles,
        "compute_cycles": repeats * cost.compute_cycles,
        "port_cycles": {name: repeats * n for name, n in cost.port_cycles.items()},
        "limit": cost.limit,
        "utilisation": cost.utilisation,
        "active_units": cost.active_units,
        "shares": dict(cost.shares),
        "waits": dict(detail.waits),
        "bytes": dict(detail.moved),
        "energy_pj": {name: repeats * n for name, n in cost.energy_pj.items()},
        "action_pj": _nested({key: repeats * n for key, n in cost.action_pj.items()}),
        "edp_pj_cycles": result.edp,
        "mapping": result.mapping.nest(result.problem, levels).splitlines(),
        "pins": pins_of(result, found),
        "certificate": {
            "covered": proof.covered,
            "too_large": proof.too_large,
            "bounded": proof.bounded,
            "evaluated": proof.evaluated,
        },
    }


def _nested(actions: Mapping[tuple[str, str], float]) -> dict[str, dict[str, float]]:
    """Energy by level, and within it by action."""
    nested: dict[str, dict[str, float]] = {}
    for (level, action), energy in actions.items():
        nested.setdefault(level, {})[action] = energy
    return nested


def _layer_rows(found: NetworkResult, shares: Mapping[str, float]) -> Rows:
    """A row per group of equal layers, and one of all; shares that are nowhere have no column."""
    rest = [what for what in SHARES[1:] if shares[what] >= SHOWN]
    levels = energy_levels(found)
    heading = ("layer", "x", "MMACs", "cycles", "/least", "use", *rest, "limit", "uJ", *levels)
    rows: Rows = [heading]
    for group in merged(found):
        first, times = group[0], sum(x.layer.repeats for x in group)
        rows.append(
            _row(
                first.layer.name,
                times,
                sum(x.layer.macs for x in group),
                sum(x.cycles for x in group),
                first.cycles / first.least_cycles,
                [first.cost.shares[what] for what in ("multiply", *rest)],
                first.cost.limit,
                [times * first.cost.energy_pj.get(name, 0.0) for name in levels],
            )
        )
    energy = found.energy_pj
    rows.append(
        _row(
            "all",
            sum(x.layer.repeats for x in found.layers),
            sum(x.layer.macs for x in found.layers),
            found.cycles,
            found.cycles / sum(x.least_cycles for x in found.layers),
            [shares[what] for what in ("multiply", *rest)],
            "",
            [energy[name] for name in levels],
        )
    )
    return rows


def _row(
    name: str,
    times: int,
    macs: int,
    cycles: float,
    over: float,
    shares: Sequence[float],
    limit: str,
    energy: Sequence[float],
) -> tuple[str, ...]:
    total = sum(energy)
    return (
        name,
        str(times),
        _short(macs / 1e6, 1),
        f"{cycles:.0f}",
        f"{over:.2f}",
        *map(_percent, shares),
        limit,
        _short(total / 1e6, 2),
        *(_percent(part / total if total else 0.0) for part in energy),
    )


def _energy_rows(found: NetworkResult) -> Rows:
    """A row per level: its energy, its share, and its actions from the largest on."""
    total = sum(found.energy_pj.values())
    rows: Rows = [("energy of", "uJ", "share", "for")]
    by_level = _nested(found.action_pj)
    for level in energy_levels(found):
        actions = by_level[level]
        energy = sum(actions.values())
        parts = sorted(actions.items(), key=lambda part: -part[1])
        said = ", ".join(f"{name} {_percent(part / total)}" for name, part in parts if part > 0)
        share = _percent(energy / total) if total else ""
        rows.append((level, _short(energy / 1e6, 2), share, said if len(parts) > 1 else ""))
    return rows


def _lines(
    found: NetworkResult, shares: Mapping[str, float], waits: Mapping[str, float]
) -> list[str]:
    hardware = found.hardware
    spent = {what: shares[what] for what in SHARES if what != "wait"}
    spent |= {f"wait for {name}": share for name, share in waits.items()}
    said = [f"{what} {_percent(share)}" for what, share in spent.items() if share >= SHOWN]
    least = sum(result.least_cycles for result in found.layers)
    area = hardware.area_mm2
    return [
        f"latency  {found.cycles:.0f} cycles, {si(found.seconds)}s at "
        f"{hardware.clock_mhz:g} MHz; {found.cycles / least:.3g} x the lower bound",
        f"units    {hardware.units}: {', '.join(said)}",
        f"energy   {si(found.joules)}J, {si(found.watts)}W on average "
        f"({hardware.sources or 'no sources given'})",
        f"EDP      {found.joules * found.seconds:.4g} J s",
        f"area     {'not known' if area is None else f'{area:.3f} mm2'}",
        f"beside   {found.network.vector_operations} operations on vectors, counted and not timed",
    ]


def padded(rows: Rows, left: Sequence[str]) -> Rows:
    """Numbers to the right: every column but those whose names are in ``left``."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        tuple(
            cell if name in left else cell.rjust(width)
            for cell, name, width in zip(row, rows[0], widths, strict=True)
        )
        for row in rows
    ]


def _names(group: Sequence[LayerResult]) -> str:
    others = f" and {len(group) - 1} more alike" if len(group) > 1 else ""
    return f"{group[0].layer.name}{others}"


def _short(value: float, decimals: int) -> str:
    """With so many decimals; below 1 with three figures, so that small layers have some."""
    return f"{value:.3g}" if 0 < value < 1 else f"{value:.{decimals}f}"


def _percent(share: float) -> str:
    return f"{share:.1%}"

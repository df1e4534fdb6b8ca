"""Power of a mapped kernel while it works on random data, by group of modules."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from accelgen.silicon.activity import record
from accelgen.silicon.gates import Netlist
from accelgen.silicon.hierarchy import Json, cells_of, count_instances, modules_of, walk
from accelgen.silicon.liberty import Cells
from accelgen.silicon.loads import outside_loads
from accelgen.silicon.memories import Tiling
from accelgen.silicon.module_power import ModulePower, simulate_module
from accelgen.silicon.synthesis import Source

__all__ = ["GroupPower", "Power", "group_of", "measure_power"]

SAMPLES = 384
"""Cycles of the steady state that are simulated at gate level, drawn evenly."""

STEPS = 200
"""Steps of the gate simulation in a period."""

GROUPS = ("array", "buffers", "controller", "streams")


@dataclass(frozen=True)
class GroupPower:
    """Mean power in mW of a group of modules."""

    group: str
    internal: float
    switching: float
    leakage: float
    macros: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.internal + self.switching + self.leakage + self.macros


@dataclass(frozen=True)
class Power:
    """Mean power at ``period`` ns over the ``cycles`` from one problem to the next, fully loaded.

    ``annotated`` is the share of inputs, registers and macros of modules whose activity is that of
    the simulated Verilog; ``compared`` next states of the netlist were compared with it, and
    ``mismatches`` of them differ.  ``unknown``: macros whose energies are not known.
    """

    period: float
    cycles: int
    sampled: int
    groups: tuple[GroupPower, ...]
    glitches: float
    annotated: float
    compared: int
    mismatches: int
    unknown: tuple[str, ...]

    @property
    def total(self) -> float:
        """MW."""
        return sum(group.total for group in self.groups)

    @property
    def energy(self) -> float:
        """NJ per problem."""
        return self.total * self.period * self.cycles * 1e-3

    def to_json(self) -> dict[str, object]:
        """All figures."""
        parts = ("internal", "switching", "leakage", "macros", "total")
        return {
            "method": "gate-level simulation with delays; registers and inputs follow the Verilog",
            "period_ns": self.period,
            "total_mw": round(self.total, 6),
            "energy_nj_per_problem": round(self.energy, 6),
            "cycles_per_problem": self.cycles,
            "cycles_sampled": self.sampled,
            "groups": {
                g.group: {f"{part}_mw": round(getattr(g, part), 6) for part in parts}
                for g in self.groups
            },
            "glitches_mw": round(self.glitches, 6),
            "annotated_share": round(self.annotated, 6),
            "next_states_compared": self.compared,
            "next_states_wrong": self.mismatches,
            "macros_without_energy": list(self.unknown),
        }

    def to_markdown(self) -> str:
        """The section of the report."""
        rows = [
            f"| {g.group} | {g.internal:.4g} | {g.switching:.4g} | {g.leakage:.4g} | "
            f"{g.macros:.4g} | {g.total:.4g} |"
            for g in self.groups
        ]
        lines = [
            f"{self.total:.4g} mW at {self.period:g} ns, {self.energy:.4g} nJ per problem of "
            f"{self.cycles} cycles, random data, one problem after the other",
            f"gates simulated with their delays in {self.sampled} of these cycles; glitches take "
            f"{self.glitches:.4g} mW",
            f"{self.annotated:.1%} of inputs and registers follow the simulated Verilog; "
            f"{self.mismatches} of {self.compared} next states differ from it",
            "without a clock tree",
        ]
        if self.unknown:
            lines.append(f"not counted, energies not known: {', '.join(self.unknown)}")
        table = ["| group | internal mW | switching mW | leakage mW | macros mW | total mW |",
                 "| --- | --- | --- | --- | --- | --- |", *rows]  # fmt: skip
        return ("## Power\n\n" + "".join(f"- {line}\n" for line in lines) + "\n"
                + "\n".join(table) + "\n")  # fmt: skip


def group_of(path: str) -> str:
    """The group of an instance by the unit of the top that it is in."""
    unit = path.partition(".")[0]
    if unit == "array":
        return "array"
    if unit.startswith("buffer"):
        return "buffers"
    return "streams" if re.match("load|collect|adder|round|watch", unit) else "controller"


def measure_power(
    source: Source,
    netlist: Json,
    cells: Cells,
    tilings: Sequence[Tiling],
    period: float,
    seed: int,
    progress: Callable[[str], None],
) -> Power:
    """Simulate the kernel on random problems, then its gates; see :mod:`module_power`.

    Raises what :func:`accelgen.verify` raises.
    """
    trace = record(source.directory, seed)
    window = trace.window
    sampled = min(SAMPLES, window.cycles)
    cycles = window.first + np.arange(sampled, dtype=np.int64) * window.cycles // sampled
    top = source.listing.top
    modules, counts = modules_of(netlist), count_instances(netlist, top)
    netlists = {name: Netlist(_plain(modules[name]), cells, {}) for name in counts}
    outside = outside_loads(netlists, counts, top, 0.005 / cells.unit)
    places: dict[tuple[str, str], list[str]] = {}
    for path, name in walk(netlist, top):
        places.setdefault((group_of(path), name), []).append(path)
    found: dict[str, list[ModulePower]] = {group: [] for group in GROUPS}
    for number, ((group, name), paths) in enumerate(sorted(places.items()), 1):
        progress(f"simulate the gates: {number} of {len(places)} modules")
        found[group].append(
            simulate_module(modules[name], netlists[name], outside[name], trace, paths, cycles,
                            period / STEPS)
        )  # fmt: skip
    macros = {tiling.macro.cell: tiling.macro for tiling in tilings}
    groups, unknown = [], set()
    for group, parts in found.items():
        stored = 0.0
        for part in parts:
            for access in part.accesses:
                macro = macros[access.macro]
                if macro.read_pj is None or macro.write_pj is None:
                    unknown.add(macro.cell)
                    continue
                stored += (access.reads * macro.read_pj + access.writes * macro.write_pj) / period
        held = sum(
            (macros[kind].leakage_mw or 0.0) * len(paths)
            for (where, name), paths in places.items()
            if where == group
            for kind, _ in netlists[name].others.values()
            if kind in macros
        )
        groups.append(
            GroupPower(
                group=group,
                internal=sum(part.internal for part in parts) / period,
                switching=sum(part.switching for part in parts) / period,
                leakage=sum(part.leakage for part in parts) + held,
                macros=stored,
            )
        )
    parts = [part for some in found.values() for part in some]
    return Power(
        period=period,
        cycles=window.cycles,
        sampled=sampled,
        groups=tuple(groups),
        glitches=sum(part.glitches for part in parts) / period,
        annotated=sum(p.annotated for p in parts) / max(1, sum(p.sources for p in parts)),
        compared=sum(part.compared for part in parts),
        mismatches=sum(part.mismatches for part in parts),
        unknown=tuple(sorted(unknown)),
    )


def _plain(module: Json) -> Json:
    """The module without cells that only remember names."""
    return {**module, "cells": cells_of(module)}

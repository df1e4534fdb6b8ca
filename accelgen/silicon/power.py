"""Power of a mapped design while it works on random data, by group of modules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from accelgen.silicon.activity import Asking, Recorded, Run, record
from accelgen.silicon.gates import Netlist
from accelgen.silicon.hierarchy import Json, cells_of, count_instances, modules_of, walk
from accelgen.silicon.liberty import Cells
from accelgen.silicon.loads import outside_loads
from accelgen.silicon.memories import Macro, Tiling
from accelgen.silicon.module_power import ModulePower, simulate_module
from accelgen.silicon.synthesis import Source

__all__ = ["GroupPower", "Power", "ProblemPower", "group_of", "measure_power"]

STEPS = 200
"""Steps of the gate simulation in a period."""

GROUPS = ("array", "buffers", "controller", "normaliser", "registers", "selection", "softmax",
          "streams", "totals")  # fmt: skip
"""Kernels of fixed size have no ``registers``: those behind the port that describes problems.
``normaliser``, ``selection``, ``softmax`` (with the masks) and ``totals`` are of attention
accelerators.
"""


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
class ProblemPower:
    """Mean power at ``period`` ns from the begin of a problem to that of the next, fully loaded."""

    run: Run
    period: float
    groups: tuple[GroupPower, ...]
    glitches: float

    @property
    def total(self) -> float:
        """MW."""
        return sum(group.total for group in self.groups)

    @property
    def energy(self) -> float:
        """NJ per problem."""
        return self.total * self.period * self.run.cycles * 1e-3

    def to_json(self) -> dict[str, object]:
        """All figures."""
        return {
            "dataflow": self.run.name,
            "bounds": dict(self.run.bounds),
            "largest": self.run.largest,
            "cycles": self.run.cycles,
            "cycles_sampled": len(self.run.sampled),
            "iterations": self.run.iterations,
            "total_mw": round(self.total, 6),
            "energy_nj": round(self.energy, 6),
            "energy_pj_per_iteration": round(1e3 * self.energy / self.run.iterations, 6),
            "groups": _groups_json(self.groups),
            "glitches_mw": round(self.glitches, 6),
        }


@dataclass(frozen=True)
class Power:
    """Mean power at ``period`` ns over the ``problems`` that were run, one of each.

    ``annotated`` is the share of inputs, registers and macros of modules whose activity is that of
    the simulated Verilog; ``compared`` next states of the netlist were compared with it, and
    ``mismatches`` of them differ.  ``unknown``: macros whose energies are not known.
    """

    period: float
    problems: tuple[ProblemPower, ...]
    annotated: float
    compared: int
    mismatches: int
    unknown: tuple[str, ...]

    @property
    def cycles(self) -> int:
        """Of all problems."""
        return sum(problem.run.cycles for problem in self.problems)

    @property
    def sampled(self) -> int:
        """Of them those that were simulated at gate level."""
        return sum(len(problem.run.sampled) for problem in self.problems)

    @property
    def groups(self) -> tuple[GroupPower, ...]:
        """Over all problems."""
        rows = zip(*(problem.groups for problem in self.problems), strict=True)
        return tuple(
            GroupPower(row[0].group, *(self._mean([getattr(g, part) for g in row])
                                       for part in _PARTS))
            for row in rows
        )  # fmt: skip

    @property
    def glitches(self) -> float:
        """MW, over all problems."""
        return self._mean([problem.glitches for problem in self.problems])

    @property
    def total(self) -> float:
        """MW."""
        return sum(group.total for group in self.groups)

    @property
    def energy(self) -> float:
        """NJ of all problems, one of each."""
        return sum(problem.energy for problem in self.problems)

    def _mean(self, values: Sequence[float]) -> float:
        """The mean over time of a value of each problem."""
        cycles = [problem.run.cycles for problem in self.problems]
        return sum(v * n for v, n in zip(values, cycles, strict=True)) / sum(cycles)

    def to_json(self) -> dict[str, object]:
        """All figures."""
        number = len(self.problems)
        return {
            "method": "gate-level simulation with delays; registers and inputs follow the Verilog",
            "period_ns": self.period,
            "total_mw": round(self.total, 6),
            "energy_nj_per_problem": round(self.energy / number, 6),
            "cycles_per_problem": self.cycles if number == 1 else round(self.cycles / number, 3),
            "cycles_sampled": self.sampled,
            "groups": _groups_json(self.groups),
            "glitches_mw": round(self.glitches, 6),
            "problems": [problem.to_json() for problem in self.problems],
            "annotated_share": round(self.annotated, 6),
            "next_states_compared": self.compared,
            "next_states_wrong": self.mismatches,
            "macros_without_energy": list(self.unknown),
        }

    def to_markdown(self) -> str:
        """The section of the report."""
        several = len(self.problems) > 1
        lines = [
            f"{self.total:.4g} mW at {self.period:g} ns, {self.energy:.4g} nJ "
            + (f"for one of each problem, {self.cycles} cycles" if several
               else f"per problem of {self.cycles} cycles")
            + ", random data, one problem after the other",
            f"gates simulated with their delays in {self.sampled} of these cycles; glitches take "
            f"{self.glitches:.4g} mW",
            f"{self.annotated:.1%} of inputs and registers follow the simulated Verilog; "
            f"{self.mismatches} of {self.compared} next states differ from it",
            "without a clock tree",
        ]  # fmt: skip
        if self.unknown:
            lines.append(f"not counted, energies not known: {', '.join(self.unknown)}")
        table = ["| group | internal mW | switching mW | leakage mW | macros mW | total mW |",
                 "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
        table += [
            f"| {g.group} | {g.internal:.4g} | {g.switching:.4g} | {g.leakage:.4g} | "
            f"{g.macros:.4g} | {g.total:.4g} |"
            for g in self.groups
        ]
        text = "## Power\n\n" + "".join(f"- {line}\n" for line in lines) + "\n"
        return text + "\n".join(table) + "\n" + (self._each() if several else "")

    def _each(self) -> str:
        """A row per problem."""
        names = [group.group for group in self.groups]
        head = ["dataflow", "bounds", "cycles", "iterations per cycle", "mW",
                *(f"{name} mW" for name in names), "nJ", "pJ per iteration"]  # fmt: skip
        rows = [head, ["---"] * len(head)]
        for problem in self.problems:
            run = problem.run
            bounds = " ".join(f"{loop}={n}" for loop, n in run.bounds.items())
            rows.append(
                [run.name, bounds, str(run.cycles), f"{run.iterations / run.cycles:.1f}",
                 f"{problem.total:.4g}", *(f"{g.total:.4g}" for g in problem.groups),
                 f"{problem.energy:.4g}", f"{1e3 * problem.energy / run.iterations:.4g}"]
            )  # fmt: skip
        return "\nEach problem, from its begin to that of the next of its kind:\n\n" + "".join(
            f"| {' | '.join(row)} |\n" for row in rows
        )


_PARTS = ("internal", "switching", "leakage", "macros")


def _groups_json(groups: Sequence[GroupPower]) -> dict[str, dict[str, float]]:
    return {
        g.group: {f"{part}_mw": round(getattr(g, part), 6) for part in (*_PARTS, "total")}
        for g in groups
    }


def group_of(path: str) -> str:
    """The group of an instance by the unit of the top that it is in."""
    unit, _, below = path.partition(".")
    if re.fullmatch(r"engine_\d+", unit):
        return _group_of_engine(below.partition(".")[0])
    if unit == "array":
        return "array"
    if unit == "registers":
        return "registers"
    if unit.startswith("buffer"):
        return "buffers"
    return "streams" if re.match("load|collect|adder|round|watch", unit) else "controller"


def _group_of_engine(unit: str) -> str:
    """The group of a unit of an attention accelerator."""
    if unit in ("array", "normaliser", "selection", "softmax", "totals"):
        return unit
    if unit == "masks":
        return "softmax"
    if re.match("tiles|scales", unit):
        return "buffers"
    return "streams" if re.match("decoder|fold", unit) else "controller"


def measure_power(
    source: Source,
    netlist: Json,
    cells: Cells,
    tilings: Sequence[Tiling],
    period: float,
    seed: int,
    progress: Callable[[str], None],
    asked: Sequence[Asking] = (),
    recorded: Recorded | None = None,
) -> Power:
    """Simulate the design on random problems, then its gates; see :mod:`module_power`.

    ``asked`` are those of :func:`accelgen.silicon.activity.record`, which says what is raised; it
    is not called for what was ``recorded``.
    """
    trace, runs = recorded or record(source.directory, seed, asked)
    top = source.listing.top
    modules, counts = modules_of(netlist), count_instances(netlist, top)
    netlists = {name: Netlist(_plain(modules[name]), cells, {}) for name in counts}
    outside = outside_loads(netlists, counts, top, 0.005 / cells.unit)
    places: dict[tuple[str, str], list[str]] = {}
    for path, name in walk(netlist, top):
        places.setdefault((group_of(path), name), []).append(path)
    macros = {tiling.macro.cell: tiling.macro for tiling in tilings}
    found: dict[str, list[ModulePower]] = {}
    for number, ((group, name), paths) in enumerate(sorted(places.items()), 1):
        progress(f"simulate the gates: {number} of {len(places)} modules")
        found.setdefault(group, []).append(
            simulate_module(modules[name], netlists[name], outside[name], trace, paths,
                            [run.sampled for run in runs], period / STEPS, _words(name))
        )  # fmt: skip
    held = {
        group: sum(
            (macros[kind].leakage_mw or 0.0) * len(paths)
            for (where, name), paths in places.items()
            if where == group
            for kind, _ in netlists[name].others.values()
            if kind in macros
        )
        for group in GROUPS
    }
    everything = [part for parts in found.values() for part in parts]
    accesses = [a for part in everything for window in part.windows for a in window.accesses]
    return Power(
        period=period,
        problems=tuple(
            ProblemPower(
                run=run,
                period=period,
                groups=tuple(
                    _group(group, found[group], k, held[group], macros, period)
                    for group in GROUPS
                    if group in found
                ),
                glitches=sum(part.windows[k].glitches for part in everything) / period,
            )
            for k, run in enumerate(runs)
        ),
        annotated=sum(p.annotated for p in everything) / max(1, sum(p.sources for p in everything)),
        compared=sum(part.compared for part in everything),
        mismatches=sum(part.mismatches for part in everything),
        unknown=tuple(sorted({a.macro for a in accesses if not _known(macros[a.macro])})),
    )


def _group(
    group: str,
    parts: Sequence[ModulePower],
    k: int,
    held: float,
    macros: Mapping[str, Macro],
    period: float,
) -> GroupPower:
    """The power of the modules of a group in the k-th window; its macros leak ``held`` mW."""
    stored = 0.0
    windows = [part.windows[k] for part in parts]
    for access in (access for window in windows for access in window.accesses):
        macro = macros[access.macro]
        if macro.read_pj is not None and macro.write_pj is not None:
            stored += (access.reads * macro.read_pj + access.writes * macro.write_pj) / period
    return GroupPower(
        group=group,
        internal=sum(window.internal for window in windows) / period,
        switching=sum(window.switching for window in windows) / period,
        leakage=sum(part.leakage for part in parts) + held,
        macros=stored,
    )


def _known(macro: Macro) -> bool:
    return macro.read_pj is not None and macro.write_pj is not None


def _words(module: str) -> int | None:
    """How many words a module has that is a memory; see :class:`accelgen.rtl.streams.bank.Bank`."""
    found = re.search(r"_bank_(\d+)x\d+$", module)
    return int(found[1]) if found else None


def _plain(module: Json) -> Json:
    """The module without cells that only remember names."""
    return {**module, "cells": cells_of(module)}

"""The silicon report: figures, and how they are shown as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelgen.silicon.ecp5 import Fpga, Placed
from accelgen.silicon.memories import Tiling
from accelgen.silicon.synthesis import Area
from accelgen.silicon.timing import Timing

if TYPE_CHECKING:
    from accelgen.silicon.power import Power

__all__ = ["SYNTH_SCHEMA", "SiliconReport", "to_markdown"]

SYNTH_SCHEMA = 1
"""Schema of ``synth.json``."""

_ROWS = 25


@dataclass(frozen=True)
class SiliconReport:
    """What a design becomes on one target; what was not measured is ``None``, ``notes`` say why."""

    name: str
    target: str
    library: str
    """What it was mapped to, in words."""
    sram: str
    tools: tuple[tuple[str, str], ...]
    area: Area | None
    fpga: Fpga | None
    tilings: tuple[Tiling, ...]
    timing: Timing | None
    placed: Placed | None
    power: Power | None
    notes: tuple[str, ...]
    seconds: float

    @property
    def met(self) -> bool | None:
        """Whether the period is met; ``None`` where nothing was timed."""
        if self.timing is not None:
            return self.timing.slack >= 0
        if self.placed is not None:
            return self.placed.megahertz >= self.placed.target_megahertz
        return None

    def to_json(self) -> dict[str, object]:
        """All figures as JSON values, without the schema."""
        cells = self.fpga.cells if self.fpga else self.area.cells if self.area else {}
        values: dict[str, object] = {
            "name": self.name,
            "target": self.target,
            "library": self.library,
            "sram": self.sram,
            "tools": dict(self.tools),
            "cells": dict(cells),
        }
        if self.area:
            values["area"] = self.area.to_json()
        if self.fpga:
            values["resources"] = self.fpga.resources
            values["modules"] = [
                {"module": m.module, "instances": m.instances, "own_luts": round(m.own),
                 "total_luts": round(m.total), "register_bits": m.registers}
                for m in self.fpga.modules
            ]  # fmt: skip
            values["memory_bits"] = self.fpga.memory_bits
        values["memories"] = [
            {"module": t.memory.module, "instances": t.memory.instances, "size": t.memory.name,
             "macro": t.macro.cell, "macros_each": t.count, "area_each_um2": round(t.area, 4)}
            for t in self.tilings
        ]  # fmt: skip
        values["timing"] = self.timing.to_json() if self.timing else None
        if self.target == "ecp5":
            values["place_and_route"] = self.placed.to_json() if self.placed else None
        values["power"] = self.power.to_json() if self.power else None
        values["notes"] = list(self.notes)
        values["seconds"] = round(self.seconds, 3)
        return values


def to_markdown(report: SiliconReport) -> str:
    """The report as Markdown."""
    tools = ", ".join(f"{name} {version}" for name, version in report.tools)
    parts = [f"# {report.name} in silicon\n", f"Mapped to {report.library}. {tools}.\n"]
    if report.area:
        parts += [_area(report.area), _table(_module_rows(report))]
    if report.fpga:
        parts += [_fpga(report.fpga), _table(_module_rows(report))]
    if report.tilings:
        rows: list[Sequence[object]] = [("memory", "instances", "macro", "macros each")]
        rows += [(t.memory.name, t.memory.instances, t.macro.cell, t.count) for t in report.tilings]
        parts += ["## Memories\n", _table(rows)]
    if report.timing:
        parts.append(_timing(report.timing))
    if report.placed:
        parts.append(_placed(report.placed))
    if report.power:
        parts.append(report.power.to_markdown())
    if report.notes:
        parts.append("## Notes\n\n" + "".join(f"- {note}\n" for note in report.notes))
    return "\n".join(parts)


def _area(area: Area) -> str:
    unit = area.unit
    lines = [
        f"{area.total:,.0f} {unit} in all: {area.total - area.macros:,.0f} {unit} of cells, "
        f"{area.register_area:,.0f} {unit} of it flip-flops, {area.macros:,.0f} {unit} of macros",
        f"{area.registers} bits of registers",
        f"{area.memory_bits} bits of memory, {area.macro_bits} of them in macros",
    ]
    return "## Area\n\n" + "".join(f"- {line}\n" for line in lines)


def _fpga(fpga: Fpga) -> str:
    rows: list[Sequence[object]] = [("resource", "used"), *fpga.resources.items()]
    return "## Resources\n\n" + _table(rows)


def _module_rows(report: SiliconReport) -> list[Sequence[object]]:
    unit = report.area.unit if report.area else "LUTs"
    modules = (report.area or report.fpga).modules if report.area or report.fpga else ()  # type: ignore[union-attr]
    rows: list[Sequence[object]] = [
        ("module", "instances", f"own {unit}", f"total {unit}", "register bits")
    ]
    rows += [
        (m.module, m.instances, f"{m.own:.1f}", f"{m.total:.1f}", m.registers)
        for m in modules[:_ROWS]
    ]
    if len(modules) > _ROWS:
        rows.append((f"{len(modules) - _ROWS} smaller ones", "", "", "", ""))
    return rows


def _timing(timing: Timing) -> str:
    verdict = "met" if timing.slack >= 0 else "MISSED"
    lines = [
        f"period {timing.period:g} ns: {verdict}, slack {timing.slack:.4f} ns",
        f"{timing.megahertz:.1f} MHz is reached ({timing.least_period:.4f} ns)",
        f"longest path, {timing.gates} cells: {' -> '.join(timing.path)}",
    ]
    return "## Timing\n\n" + "".join(f"- {line}\n" for line in lines)


def _placed(placed: Placed) -> str:
    lines = [
        f"{placed.megahertz:.1f} MHz on {placed.device}, placed and routed without pads "
        f"(asked for {placed.target_megahertz:.1f} MHz, seed {placed.seed})",
        f"longest path: {' -> '.join(placed.path)}",
    ]
    rows: list[Sequence[object]] = [("resource", "used", "available")]
    rows += [(name, *pair) for name, pair in placed.utilisation.items()]
    return ("## Place and route\n\n" + "".join(f"- {line}\n" for line in lines) + "\n"
            + _table(rows))  # fmt: skip


def _table(rows: Sequence[Sequence[object]]) -> str:
    head, *body = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body, ""])

"""Netlists as JSON by Yosys: modules, their cells, and what all of them together occupy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["Json", "ModuleArea", "cells_of", "count_instances", "module_areas", "modules_of",
           "parameter", "walk"]  # fmt: skip

Json = Mapping[str, object]


@dataclass(frozen=True)
class ModuleArea:
    """A module of a mapped design: of one instance what it has itself (``own``) and with all that
    is in it (``total``), in um2 or in gate equivalents; flip-flops and cells with all in it.
    """

    module: str
    instances: int
    own: float
    total: float
    registers: int
    cells: int

    def to_json(self) -> dict[str, object]:
        """All fields."""
        return {
            "module": self.module,
            "instances": self.instances,
            "own_area": round(self.own, 4),
            "total_area": round(self.total, 4),
            "register_bits": self.registers,
            "cells": self.cells,
        }


def modules_of(netlist: Json) -> dict[str, Json]:
    """The modules by name, without black boxes."""
    found = netlist["modules"]
    assert isinstance(found, dict)
    return {
        name: module
        for name, module in found.items()
        if not {"blackbox", "whitebox"} & set(module.get("attributes", {}))
    }


def cells_of(module: Json) -> dict[str, Json]:
    """The cells of a module by name, without those that only remember names."""
    found = module["cells"]
    assert isinstance(found, dict)
    return {name: item for name, item in found.items() if item["type"] != "$scopeinfo"}


def parameter(cell: Json, key: str) -> int:
    """A parameter of a cell as a number."""
    values = cell["parameters"]
    assert isinstance(values, dict)
    return int(str(values[key]), 2)


def count_instances(netlist: Json, top: str) -> dict[str, int]:
    """How often every module occurs below and including ``top``, from the top down."""
    counts: Counter[str] = Counter()
    modules = modules_of(netlist)

    def visit(name: str, times: int) -> None:
        counts[name] += times
        below = Counter(str(item["type"]) for item in cells_of(modules[name]).values())
        for kind, number in below.items():
            if kind in modules:
                visit(kind, times * number)

    visit(top, 1)
    return dict(counts)


def walk(netlist: Json, top: str) -> Iterator[tuple[str, str]]:
    """Paths (``array.pe_0_1``; empty for the top) and modules of all instances."""
    modules = modules_of(netlist)
    stack = [("", top)]
    while stack:
        path, name = stack.pop()
        yield path, name
        for cell, item in cells_of(modules[name]).items():
            kind = str(item["type"])
            if kind in modules:
                stack.append((f"{path}.{cell}" if path else cell, kind))


def module_areas(
    netlist: Json, top: str, areas: Mapping[str, float], registers: frozenset[str]
) -> tuple[tuple[ModuleArea, ...], Mapping[str, int]]:
    """The modules below ``top``, the largest in total first, and the cells of the whole design.

    ``areas`` are those of the cells (others have none), ``registers`` those that are flip-flops.
    """
    modules = modules_of(netlist)
    counts = count_instances(netlist, top)
    kinds: Counter[str] = Counter()
    known: dict[str, tuple[float, float, int, int]] = {}

    def figures(name: str) -> tuple[float, float, int, int]:
        if name not in known:
            own, total, bits, number = 0.0, 0.0, 0, 0
            for item in cells_of(modules[name]).values():
                kind = str(item["type"])
                if kind in modules:
                    _, inner, held, many = figures(kind)
                    total, bits, number = total + inner, bits + held, number + many
                    continue
                kinds[kind] += counts[name]
                own += areas.get(kind, 0.0)
                bits += kind in registers
                number += 1
            known[name] = own, own + total, bits, number
        return known[name]

    figures(top)
    rows = [ModuleArea(name, counts[name], *known[name]) for name in known]
    rows.sort(key=lambda row: (-row.total * row.instances, row.module))
    return tuple(rows), MappingProxyType(dict(sorted(kinds.items())))

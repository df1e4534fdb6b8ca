"""The tables of mac-costs.md, from what was measured: ``python docs/mac_costs.py`` prints them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["one_stage", "pipelined", "results"]

LIBRARIES = {"sg13g2": "SG13G2", "asap7": "ASAP7"}
SHARED = ("fp32 adder", "fixed to fp32")
"""Units that make no products."""


def results() -> dict[str, Any]:
    """What ``benchmarks.arithmetic_area`` printed."""
    path = Path(__file__).parent.parent / "benchmarks" / "results" / "arithmetic_area.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def one_stage(found: dict[str, Any]) -> list[str]:
    """Area per product and delay without pipeline registers, and both over int8's."""
    heads = ["unit", "sum, bits"]
    for title in LIBRARIES.values():
        heads += [f"{title} um2", "to int8", "ns", "to int8"]
    lines = _head(heads)
    measured = found["one_stage"]
    for name, first in measured["sg13g2"].items():
        cells = [name, str(first["accumulator_bits"] or "")]
        for library in LIBRARIES:
            row, one = (measured[library][unit] for unit in (name, "int8"))
            area = row["area_per_product"]
            cells.append(f"{area:.0f}" if area >= 1000 else f"{area:.1f}")
            cells.append("" if name in SHARED else f"{area / one['area_per_product']:.2f}")
            cells.append(f"{row['delay']:.2f}")
            cells.append("" if name in SHARED else f"{row['delay'] / one['delay']:.2f}")
        lines.append(_line(cells))
    return lines


def pipelined(found: dict[str, Any]) -> list[str]:
    """Whole units with the registers that a period takes."""
    heads = ["unit"]
    for library, title in LIBRARIES.items():
        period = found["pipelined"][library]["nvfp4"]["period"]
        heads += [f"{title}, {period:g} ns: cycles", "um2", "to nvfp4", "ns"]
    lines = _head(heads)
    measured = found["pipelined"]
    for name in measured["sg13g2"]:
        cells = [name]
        for library in LIBRARIES:
            row, one = (measured[library][unit] for unit in (name, "nvfp4"))
            ratio = row["area"] / one["area"]
            cells += [str(row["latency"]), f"{row['area']:.0f}", f"{ratio:.2f}"]
            cells.append(f"{row['delay']:.2f}")
        lines.append(_line(cells))
    return lines


def _head(names: list[str]) -> list[str]:
    return [_line(names), _line(["---", *(["--:"] * (len(names) - 1))])]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    figures = results()
    print("\n".join([*one_stage(figures), "", *pipelined(figures), ""]))
    print("\n".join(json.dumps(mark) for mark in figures["marks"]))

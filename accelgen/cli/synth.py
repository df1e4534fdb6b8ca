"""``accelgen synth``."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.cli.command import Command, add_json, print_json, remark, stages, table
from accelgen.cli.options import BOUNDS
from accelgen.cli.values import add_seed, extents
from accelgen.errors import MissingToolError

if TYPE_CHECKING:
    from accelgen.silicon.activity import Asking
    from accelgen.silicon.power import ProblemPower
    from accelgen.silicon.report import SiliconReport

__all__ = ["SYNTH"]

_MODULES = 10


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="what generate or mac wrote")
    parser.add_argument(
        "--target", choices=("ecp5", "generic", "liberty"),
        help="Lattice ECP5 (default), two-input gates, or the library of --liberty",
    )  # fmt: skip
    parser.add_argument(
        "--liberty", nargs="+", action="extend", default=[], metavar="FILE",
        help="standard cells and SRAM macros, .lib or .lib.gz",
    )  # fmt: skip
    parser.add_argument(
        "--period", type=float, metavar="NS",
        help="clock period that must be met (exit code 1 if it is not); when not given, that of "
        "the manifest, which need not be",
    )  # fmt: skip
    parser.add_argument(
        "--sram", metavar="HOW",
        help="macros: those of --liberty; registers: flip-flops; or the name of a size table, as "
        "sg13g2 or cacti_22nm_lop; default: macros if there are any, else registers",
    )  # fmt: skip
    parser.add_argument(
        "--device", default="85k", metavar="SIZE", help="of ECP5: 25k, 45k or 85k (default)"
    )
    parser.add_argument(
        "--problem", action="append", default=[], metavar="DATAFLOW[:m=16,n=16]",
        help="whose power is measured, of a design with several dataflows or with bounds at run "
        "time; may be repeated; default: every dataflow at its largest bounds",
    )  # fmt: skip
    parser.add_argument("--no-power", action="store_true", help="measure no power")
    parser.add_argument("--no-route", action="store_true", help="of ECP5: do not place and route")
    add_seed(parser, "of the random tensors and of placement")
    parser.add_argument(
        "-o", "--output", metavar="FOLDER",
        help="where synth.json and synth.md go (default: DIR)",
    )  # fmt: skip
    add_json(parser)


def _synth(arguments: argparse.Namespace) -> int:
    from accelgen.silicon.report import SYNTH_SCHEMA, to_markdown
    from accelgen.silicon.synth import Options, synthesise

    directory = Path(arguments.directory)
    options = Options(
        liberty=tuple(map(Path, arguments.liberty)),
        target=arguments.target,
        period=arguments.period,
        sram=arguments.sram,
        device=arguments.device,
        power=not arguments.no_power,
        problems=tuple(map(_asking, arguments.problem)),
        route=not arguments.no_route,
        seed=arguments.seed,
    )
    with stages(f"synthesising {directory}") as progress:
        report = synthesise(directory, options, progress)
    values = report.to_json()
    folder = Path(arguments.output or directory)
    _write(folder, {"synth_schema": SYNTH_SCHEMA, **values}, to_markdown(report))
    if arguments.json:
        print_json(values)
    else:
        print(_summary(report, directory, folder))
    if arguments.period is None:
        return 0
    if report.met is None:
        remark("the period that was asked for could not be checked; see the notes")
        return MissingToolError.exit_code
    return 0 if report.met else 1


def _asking(text: str) -> Asking:
    name, colon, bounds = text.partition(":")
    return name, extents(bounds, "--problem", BOUNDS) if colon else {}


def _write(folder: Path, values: Mapping[str, object], text: str) -> None:
    from accelgen.output_file import write_text

    content = json.dumps({"schema": values["synth_schema"], **values}, indent=2) + "\n"
    write_text(folder / "synth.json", content)
    write_text(folder / "synth.md", text)


def _summary(report: SiliconReport, directory: Path, folder: Path) -> str:
    lines = [f"{report.name}: {report.library}"]
    rows: list[tuple[str, object]] = []
    unit = ""
    if report.area:
        area, unit = report.area, report.area.unit
        rows.append(("area", f"{area.total:,.0f} {unit}, {area.macros:,.0f} of it macros"))
        rows.append(("registers", f"{area.registers} bits, {area.register_area:,.0f} {unit}"))
        rows.append(("memory", f"{area.memory_bits} bits, {area.macro_bits} of them in macros"))
    if report.fpga:
        used = [f"{n} {kind}" for kind, n in report.fpga.resources.items() if n]
        unit = "LUTs"
        rows += [("cells", ", ".join(used)), ("memory", f"{report.fpga.memory_bits} bits")]
    rows += _timing_rows(report)
    if report.power:
        power = report.power
        parts = ", ".join(f"{g.group} {g.total:.4g}" for g in power.groups)
        rows.append(("power", f"{power.total:.4g} mW at {power.period:g} ns ({parts})"))
        if len(power.problems) == 1:
            rows.append(("energy", f"{power.energy:.4g} nJ per problem of {power.cycles} cycles"))
        else:
            rows += [(p.run.name, _problem(p)) for p in power.problems]
        rows.append(("activity", f"{power.annotated:.1%} of inputs and registers as simulated"))
    rows += [("note", note) for note in report.notes]
    rows.append(("report", folder / "synth.md"))
    rows.append(("next", f"accelgen verify {shlex.quote(str(directory))}"))
    modules = (report.fpga or report.area).modules if report.fpga or report.area else ()  # type: ignore[union-attr]
    listed: list[tuple[object, ...]] = [
        ("module", "instances", f"own {unit}", f"total {unit}", "register bits")
    ]
    listed += [
        (m.module, m.instances, round(m.own), round(m.total), m.registers)
        for m in modules[:_MODULES]
    ]
    more = len(modules) - len(listed) + 1
    rest = [f"{more} more modules are in {folder / 'synth.md'}"] if more > 0 else []
    return "\n".join([*lines, table(rows, indent="  "), "", table(listed), *rest])


def _problem(power: ProblemPower) -> str:
    run = power.run
    bounds = " ".join(f"{loop}={n}" for loop, n in run.bounds.items())
    return f"{power.total:.4g} mW, {power.energy:.4g} nJ in {run.cycles} cycles at {bounds}"


def _timing_rows(report: SiliconReport) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    if report.timing:
        timing = report.timing
        verdict = "met" if timing.slack >= 0 else "MISSED"
        rows.append(
            ("clock", f"{timing.megahertz:.1f} MHz; period {timing.period:g} ns {verdict}, "
             f"slack {timing.slack:.3f} ns")
        )  # fmt: skip
        rows.append(("longest path", " -> ".join(timing.path)))
    if report.placed:
        placed = report.placed
        rows.append(
            ("clock", f"{placed.megahertz:.1f} MHz on {placed.device}, placed and routed without "
             "pads")
        )  # fmt: skip
        rows.append(("longest path", " -> ".join(placed.path)))
    return rows


SYNTH = Command(
    "synth", "area, timing and power of a design on a cell library or an FPGA", _add_arguments,
    _synth,
)  # fmt: skip

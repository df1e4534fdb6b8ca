"""Frequency on SG13G2, ASAP7 and ECP5, and area beside a kernel written by hand.

    ACCELGEN_PDK=FOLDER python -m benchmarks.silicon > benchmarks/results/silicon.json

FOLDER has the Liberty files of ``sg13g2/`` (with SRAM macros) and ``asap7/``.  Needs OpenSTA, and
for ECP5 nextpnr (``pip install 'accelgen[fpga]'``).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from accelgen import generate, load_description, verify
from accelgen.manifest import Manifest
from accelgen.silicon.report import SiliconReport
from accelgen.silicon.synth import Options, synthesise
from benchmarks.record import Mark, emit, header, progress, table

DESIGN = "gemm_os_systolic"
YARDSTICK = Path(__file__).with_name("yardstick")
PERIODS = {"sg13g2": 5.0, "asap7": 0.667}
CLAIMED_MHZ = {"sg13g2": 200.0, "asap7": 1500.0}


def liberty(pdk: Path, library: str) -> tuple[Path, ...]:
    """The typical corner of a library with its macros."""
    files = sorted((pdk / library).glob("*.lib*"))
    return tuple(path for path in files if "slow" not in path.name)


def on_library(directory: Path, library: str, pdk: Path, *, power: bool) -> SiliconReport:
    """A design at the period of a library; where that has no macros, memories by its table."""
    options = Options(
        liberty=liberty(pdk, library),
        period=PERIODS[library],
        sram="macros" if library == "sg13g2" else library,
        power=power,
    )
    found = synthesise(directory, options, lambda stage: progress(f"{directory.name}: {stage}"))
    return found


def parts(report: SiliconReport, array: str) -> dict[str, float]:
    """Areas in um2: of all, of the cells alone, of the array, and bits of registers."""
    assert report.area is not None
    areas = {module.module: module.total for module in report.area.modules}
    return {
        "whole": report.area.total,
        "cells": report.area.total - report.area.macros,
        "macros": report.area.macros,
        "array": areas[array],
        "register_bits": report.area.registers,
    }


def cycles(directory: Path) -> dict[str, object]:
    """What the project's bench measures."""
    found = verify(directory)
    return {
        "passed": found.passed,
        "compute_cycles": found.measured_compute,
        "total_cycles": found.measured_total,
    }


def main() -> int:
    """Print the result; 1 when a mark is missed."""
    pdk = Path(os.environ.get("ACCELGEN_PDK", "nowhere"))
    if not pdk.is_dir():
        progress("set ACCELGEN_PDK to a folder with sg13g2/ and asap7/")
        return 2
    result: dict[str, object] = header("silicon")
    marks: list[Mark] = []
    timing: dict[str, object] = {}
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        reports: dict[str, SiliconReport] = {}
        for library, period in PERIODS.items():
            folder = scratch / library
            generate(DESIGN, folder, technology=library, period=period)
            found = reports[library] = on_library(folder, library, pdk, power=True)
            assert found.timing is not None
            timing[library] = found.to_json()
            reached = found.timing.megahertz
            rows.append((f"{library}, 16 x 16", f"{reached:.1f}", " -> ".join(found.timing.path)))
            marks.append(Mark(f"least period on {library}", 1000 / CLAIMED_MHZ[library],
                              round(found.timing.least_period, 4), "ns"))  # fmt: skip
        generate(load_description(DESIGN).with_overrides(space={"i": 8, "j": 8}), scratch / "ecp5")
        fpga = synthesise(scratch / "ecp5", Options(target="ecp5", period=10.0),
                          lambda stage: progress(f"ecp5: {stage}"))  # fmt: skip
        timing["ecp5_8x8"] = fpga.to_json()
        if fpga.placed:
            reached = fpga.placed.megahertz
            rows.append(("ecp5, 8 x 8", f"{reached:.1f}", " -> ".join(fpga.placed.path)))
        result["frequency"] = timing
        progress(table(("on", "MHz", "longest path"), rows))
        beside, more = yardstick(scratch / "sg13g2", reports["sg13g2"], pdk)
        marks += more
    result["yardstick"] = beside
    result["marks"] = [mark.to_json() for mark in marks]
    for mark in marks:
        progress(str(mark))
    emit(result)
    return 0 if all(mark.met for mark in marks) else 1


def yardstick(
    generated: Path, report: SiliconReport, pdk: Path
) -> tuple[Mapping[str, object], list[Mark]]:
    """The generated kernel beside the one written by hand, on SG13G2 with its macros."""
    hand = on_library(YARDSTICK, "sg13g2", pdk, power=True)
    ours, theirs = parts(report, f"{DESIGN}_array"), parts(hand, "yardstick_array")
    # The registers that skew B are in the array there, in its buffer here.
    assert hand.area is not None
    buffer_b = next(m for m in hand.area.modules if m.module == "yardstick_buffer_b")
    theirs["array_with_skew_of_b"] = theirs["array"] + buffer_b.own
    ours["array_with_skew_of_b"] = ours["array"]
    counted = {"generated": cycles(generated), "by_hand": cycles(YARDSTICK)}
    manifest = Manifest.read(generated)
    ratios = {key: ours[key] / theirs[key] for key in ours}
    rows = [(key, f"{ours[key]:.0f}", f"{theirs[key]:.0f}", f"{ratios[key]:.4f}") for key in ours]
    progress(table(("um2", "generated", "by hand", "ratio"), rows))
    power = {
        name: found.power.to_json() if found.power else None
        for name, found in (("generated", report), ("by_hand", hand))
    }
    worse = [
        counted["generated"][key] / counted["by_hand"][key]  # type: ignore[operator]
        for key in ("compute_cycles", "total_cycles")
    ]
    marks = [
        Mark("area over the yardstick, whole kernel", 1.1, round(ratios["whole"], 4), "x"),
        Mark("area over the yardstick, cells alone", 1.1, round(ratios["cells"], 4), "x"),
        Mark("area over the yardstick, array", 1.1, round(ratios["array"], 4), "x"),
        Mark("compute cycles over the yardstick", 1.0, worse[0], "x"),
        Mark("total cycles over the yardstick", 1.0, round(worse[1], 6), "x"),
    ]
    return {
        "bounds": dict(manifest.bounds),
        "generated": ours,
        "by_hand": theirs,
        "ratios": ratios,
        "cycles": counted,
        "timing": {
            "generated": report.timing.to_json() if report.timing else None,
            "by_hand": hand.timing.to_json() if hand.timing else None,
        },
        "power": power,
    }, marks


if __name__ == "__main__":
    sys.exit(main())

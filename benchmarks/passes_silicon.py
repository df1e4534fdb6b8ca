"""What the passes save in silicon, and what several dataflows on one array cost.

    ACCELGEN_PDK=FOLDER python -m benchmarks.passes_silicon > RESULT.json

Four int8 dataflows on one array (GEMM output- and weight-stationary, convolution, depthwise), on
SG13G2 and ASAP7: with all passes, with none, and (``--each``) with all but one (area alone), mapped
for the same clock.  Areas are those of the array, its units and links and conditions, and of the
whole design without memory macros; power is that of the dataflows one after the other.  Beside it
every dataflow alone, as programmable, for the cost of fusing them.  FOLDER is that of
``benchmarks.silicon``; a file ``--resume`` keeps what is measured from one run to the next.  Needs
OpenSTA.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from accelgen import load_description
from accelgen.affine import Description
from accelgen.passes import PASSES
from accelgen.processor.generate import generate_processor
from accelgen.silicon.report import SiliconReport
from accelgen.silicon.synth import Options, synthesise
from benchmarks.record import Mark, emit, header, progress, table
from benchmarks.silicon import liberty

DATAFLOWS = ("gemm_os_systolic", "gemm_ws_systolic", "conv2d_ws_nvdla", "depthwise")
PERIODS = {"sg13g2": 5.0, "asap7": 0.8}
"""Clocks in ns that all designs are mapped for, and meet."""

MADE_FOR = {"sg13g2": 4.0, "asap7": 0.72}
"""Periods that they are generated for: the estimate knows no wires and no buffers."""

AREA_SAVED, POWER_SAVED, FUSING = 0.40, 0.35, 0.25
NONE = tuple(step.name for step in PASSES)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the result; 1 when a mark is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", default="8,16")
    parser.add_argument("--libraries", default="sg13g2,asap7")
    parser.add_argument("--each", action="store_true", help="without each pass, at the first size")
    parser.add_argument("--resume", type=Path, help="file of what is measured already")
    options = parser.parse_args(arguments)
    pdk = Path(os.environ.get("ACCELGEN_PDK", "nowhere"))
    if not pdk.is_dir():
        progress("set ACCELGEN_PDK to a folder with sg13g2/ and asap7/")
        return 2
    sizes = [int(size) for size in options.sizes.split(",")]
    runs = _Runs(pdk, options.resume)
    result = header("passes_silicon")
    result["parameters"] = {"dataflows": DATAFLOWS, "types": "int8, Y int32", "sizes": sizes}
    marks: list[Mark] = []
    for library in options.libraries.split(","):
        for size in sizes:
            on, off = runs.of(library, size), runs.of(library, size, NONE)
            where = f"{library}, {size} x {size}"
            for figure, saved in (("array_um2", AREA_SAVED), ("array_mw", POWER_SAVED)):
                ratio = round(_number(on, figure) / _number(off, figure), 4)
                marks.append(Mark(f"{figure} with passes over without, {where}", 1 - saved,
                                  ratio, "x"))  # fmt: skip
            alone = [runs.of(library, size, (), (name,)) for name in DATAFLOWS]
            for figure in ("array_um2", "logic_um2"):
                most = max(_number(row, figure) for row in alone)
                ratio = round(_number(on, figure) / most, 4)
                marks.append(Mark(f"{figure} fused over the largest alone, {where}", 1 + FUSING,
                                  ratio, "x"))  # fmt: skip
        if options.each:
            for name in NONE:
                runs.of(library, sizes[0], (name,))
    result["designs"] = list(runs.rows.values())
    result["marks"] = [mark.to_json() for mark in marks]
    emit(result)
    columns = ("library", "size", "dataflows", "without", "array_um2", "logic_um2", "array_mw",
               "logic_mw", "register_bits", "least_period_ns")  # fmt: skip
    progress(table(columns, [[_short(row[c]) for c in columns] for row in runs.rows.values()]))
    for mark in marks:
        progress(str(mark))
    return 0 if all(mark.met for mark in marks) else 1


def suite(size: int, names: Sequence[str]) -> list[Description]:
    """The dataflows at bounds for which the memories are small, sums 64 to 144 terms long."""
    bounds = {
        "gemm_os_systolic": {"m": 2 * size, "n": 2 * size, "k": 64},
        "gemm_ws_systolic": {"m": 2 * size, "n": 2 * size, "k": 64},
        "conv2d_ws_nvdla": {"k": size, "c": 2 * size, "p": 4, "q": 4, "r": 3, "s": 3},
        "depthwise": {"c": size, "p": 4, "q": size, "r": 3, "s": 3},
    }
    return [
        load_description(name).with_overrides(
            bounds=bounds[name], space={"i": size, "j": size}, types={"Y": "int32"}
        )
        for name in names
    ]


class _Runs:
    """Designs measured, by library, size, passes left out, and dataflows."""

    def __init__(self, pdk: Path, file: Path | None) -> None:
        self._pdk, self._file = pdk, file
        self.rows: dict[str, dict[str, object]] = {}
        if file is not None and file.exists():
            self.rows = json.loads(file.read_text(encoding="utf-8"))

    def of(
        self,
        library: str,
        size: int,
        without: Sequence[str] = (),
        names: Sequence[str] = DATAFLOWS,
    ) -> dict[str, object]:
        """The figures of a design."""
        key = f"{library} {size} {' '.join(names)} without {' '.join(without)}"
        if key not in self.rows:
            progress(key)
            self.rows[key] = self._measured(library, size, without, names)
            if self._file is not None:
                self._file.write_text(json.dumps(self.rows), encoding="utf-8")
        return self.rows[key]

    def _measured(
        self, library: str, size: int, without: Sequence[str], names: Sequence[str]
    ) -> dict[str, object]:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "design"
            start = time.process_time()
            made = generate_processor(
                suite(size, names), folder, name="fused", technology=library,
                period=MADE_FOR[library], without=without,
            )  # fmt: skip
            seconds = time.process_time() - start
            files = tuple(f for f in liberty(self._pdk, library) if "RM_" not in f.name)
            # Memories by their size table on both: macros are too large for so few words.
            # Dataflows alone, and designs without one pass, are there for their area.
            power = len(names) > 1 and len(without) != 1
            options = Options(liberty=files, period=PERIODS[library], sram=library, power=power)
            report = synthesise(folder, options, lambda stage: progress(f"  {stage}"))
        figures = _figures(report)
        return {
            "library": library,
            "size": size,
            "dataflows": list(names),
            "without": "all" if tuple(without) == NONE else list(without),
            "latency": made.latency,
            "generation_cpu_seconds": round(seconds, 2),
            **figures,
            "passes": [record.to_json() for record in made.passes],
        }


def _figures(report: SiliconReport) -> dict[str, object]:
    assert report.area is not None
    assert report.timing is not None
    area = report.area
    (array,) = (module for module in area.modules if module.module == "fused_array")
    return {
        "array_um2": round(array.total, 2),
        "logic_um2": round(area.total - area.macros, 2),
        "array_register_bits": array.registers,
        "register_bits": area.registers,
        "least_period_ns": round(report.timing.least_period, 4),
        "met": report.timing.slack >= 0,
        "critical_path": list(report.timing.path),
        **_power(report),
    }


def _power(report: SiliconReport) -> dict[str, object]:
    if report.power is None:
        return {"array_mw": None, "logic_mw": None, "next_states_wrong": None}
    groups = {group.group: group for group in report.power.groups}
    return {
        "array_mw": round(groups["array"].total, 4),
        "logic_mw": round(sum(g.total - g.macros for g in groups.values()), 4),
        "next_states_wrong": report.power.mismatches,
    }


def _number(row: dict[str, object], figure: str) -> float:
    value = row[figure]
    assert isinstance(value, int | float)
    return float(value)


def _short(value: object) -> object:
    return " ".join(value) if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main())

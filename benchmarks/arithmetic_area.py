"""Area and delay of the arithmetic units on standard cells, side by side.

    python -m benchmarks.arithmetic_area PDK [--jobs N] [--units NAME,...] > RESULT.json

``PDK`` holds ``sg13g2/`` and ``asap7/`` with Liberty files of the cells.  ``area`` (um2) is that of
all cells but the registers of the operands, ``delay`` (ns) the longest path from register to
register with clock-to-output and setup time.  Two measurements:

``one_stage``: a unit between the registers of its operands and its accumulator (combinational
units: of their result), none in between, so that ``delay`` is the shortest period of the unit as
one stage.  Dot products end in the exact accumulator and a bf16 MAC in its FP32 sum; rounding an
exact sum to FP32, once per sum, is a unit of its own.

``pipelined``: whole units, rounding included, with the registers that delay matching places for
the default period of the technology; ``delay`` is to be compared with that period.

Mapping and timing are those of ``measure_technology``: for speed; multipliers with carry-save
adders, or for elements of 6 bits and more Booth's, whichever has the smaller product of area and
delay.  The exit code is 1 when a mark is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from amaranth.lib.wiring import In

from accelgen.formats import IntFormat, block_format
from accelgen.rtl.arithmetic import (
    Bf16MultiplyAccumulate,
    BitSerialDot,
    BlockDot,
    ComposableMac,
    FixedToFloat,
    Fp32Adder,
    IntegerDot,
    MultiFormatDot,
    MultiplyAccumulate,
)
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.library import UnitLibrary
from benchmarks.measure_technology import (
    BASE_BITS,
    LIBRARIES,
    REGISTER,
    Bench,
    Timing,
    unpack,
)
from benchmarks.record import Mark, emit, header, progress, table

LANES, LONGEST = 16, 4096
CELLS = {"sg13g2": "sg13g2_stdcell_typ_*.lib.gz", "asap7": "asap7sc7p5t_*.lib.gz"}
BLOCKS = (
    "nvfp4", "if4", "mxfp4", "nvint4", "if3", "if6_e2m3", "if6_e3m2", "mxfp6_e2m3", "mxfp6_e3m2",
    "mxfp8_e4m3", "mxfp8_e5m2", "mxint8",
)  # fmt: skip
"""The hardware of nvfp4_4over6 is that of nvfp4."""
PIPELINED = ("nvfp4", "if4", "mxfp4", "nvint4")
ANY_PERIOD = 1000.0
LITERATURE = {"area": 66.6, "delay": 4.7}
"""Percent that IF4 costs more than NVFP4 in a MAC, as Adaptive Block-Scaled Data Types (arXiv
2603.28765) reports it."""


@dataclass(frozen=True)
class Subject:
    """A unit, which of its outputs count, and the products it makes in a cycle."""

    unit: ArithmeticUnit
    outputs: tuple[str, ...]
    products: float
    accumulator_bits: int
    latency: int | None = None
    period: float | None = None
    wide: bool = False
    """Whether its elements have 6 bits or more, so that Booth's multipliers may pay."""


@dataclass(frozen=True)
class Figure:
    """ns and um2; ``area_per_product`` is per product and cycle.

    ``flip_flops`` is the part of the area that registers take; ``period`` that for which they were
    placed.
    """

    delay: float
    area: float
    flip_flops: float
    products: float
    accumulator_bits: int
    multiplier: str
    latency: int | None
    period: float | None

    @property
    def area_per_product(self) -> float:
        """um2."""
        return self.area / self.products


def one_stage() -> dict[str, Subject]:
    """All units without pipeline registers, by name."""
    int4, int8 = IntFormat(4), IntFormat(8)
    found = {}
    for name, plain in (("int8", int8), ("int4", int4)):
        dot = IntegerDot(plain, plain, LANES, LONGEST)
        found[name] = Subject(dot, ("sum",), LANES, dot.width, wide=plain.bits >= 6)
    for name in BLOCKS:
        form = block_format(name)
        block = BlockDot(form, form, LANES, LONGEST, period=ANY_PERIOD)
        bits = block.pair.accumulator(LONGEST).bits
        wide = form.element_bits >= 6
        found[name] = Subject(block, ("sum", "bad_number"), LANES, bits, wide=wide)
    multi = MultiFormatDot(LANES, LONGEST, period=ANY_PERIOD)
    bits = multi.plan.accumulator.bits
    found["multi-format"] = Subject(multi, ("sum", "bad_number"), LANES, bits)
    narrow = MultiFormatDot(LANES, LONGEST, period=ANY_PERIOD, scale_range=(-15, 5))
    bits = narrow.plan.accumulator.bits
    found[f"multi-format, {bits} bits"] = Subject(narrow, ("sum", "bad_number"), LANES, bits)
    found["bf16 MAC"] = Subject(Bf16MultiplyAccumulate(), ("sum",), 1, 32, wide=True)
    single = MultiplyAccumulate(int8, int8, IntFormat(28))
    found["int8 MAC"] = Subject(single, ("sum",), 1, 28, wide=True)
    found["composable, 8 x 8"] = Subject(ComposableMac(32), ("sum",), 1, 32)
    serial = BitSerialDot(LANES, 8, 32)
    found["bit-serial, 8 x 8"] = Subject(serial, ("sum", "done"), LANES / 64, 32)
    found["fp32 adder"] = Subject(Fp32Adder(), ("y",), 1, 0)
    rounder = FixedToFloat(found["if4"].accumulator_bits, 20)
    found["fixed to fp32"] = Subject(rounder, ("y",), 1, 0)
    return found


def pipelined(technology: str) -> dict[str, Subject]:
    """Whole units for the default period of a technology."""
    found = {}
    outputs = ("y", "done", "bad_number")
    for name in PIPELINED:
        form = block_format(name)
        block = BlockDot(form, form, LANES, LONGEST, technology=technology)
        bits = block.pair.accumulator(LONGEST).bits
        found[name] = Subject(block, outputs, LANES, bits, block.latency, block.pipeline.period)
    multi = MultiFormatDot(LANES, LONGEST, technology=technology)
    bits = multi.plan.accumulator.bits
    found["multi-format"] = Subject(
        multi, outputs, LANES, bits, multi.latency, multi.pipeline.period
    )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pdk", type=Path, help="folder with sg13g2/ and asap7/")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--units", help="names, comma between; default: all")
    options = parser.parse_args()
    result = header("arithmetic_area")
    figures: dict[str, dict[str, dict[str, Figure]]] = {"one_stage": {}, "pipelined": {}}
    for name in LIBRARIES:
        for kind, units in (("one_stage", one_stage()), ("pipelined", pipelined(name))):
            wanted = options.units.split(",") if options.units else list(units)
            chosen = {unit: units[unit] for unit in units if unit in wanted}
            rows = measure(name, options.pdk / name, chosen, options.jobs)
            figures[kind][name] = rows
            progress(f"{name}, {kind}\n{show(rows)}")
    marks = judge(figures["one_stage"])
    for mark in marks:
        progress(str(mark))
    emit(
        {
            **result,
            "parameters": {
                "lanes": LANES,
                "longest": LONGEST,
                "libraries": {name: lib.description for name, lib in LIBRARIES.items()},
                "yosys": version("pyosys"),
                "opensta": subprocess.run(
                    ["sta", "-version"], capture_output=True, text=True, check=True
                ).stdout.strip(),
                "units": "ns, um2",
            },
            **{
                kind: {
                    library: {
                        name: {**asdict(row), "area_per_product": round(row.area_per_product, 4)}
                        for name, row in rows.items()
                    }
                    for library, rows in measured.items()
                }
                for kind, measured in figures.items()
            },
            "literature_percent": LITERATURE,
            "marks": [mark.to_json() for mark in marks],
        }
    )
    return 0 if all(mark.met for mark in marks) else 1


def measure(
    library: str, cells: Path, units: Mapping[str, Subject], jobs: int
) -> dict[str, Figure]:
    """Every unit on one library."""
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(jobs) as pool:
        folder = Path(name)
        liberty = [unpack(path, folder) for path in sorted(cells.glob(CELLS[library]))]
        bench = Bench(folder, LIBRARIES[library], liberty)
        base = bench.measure("register", REGISTER)
        bits = base.area / BASE_BITS
        sources = {name: wrapped(subject) for name, subject in units.items()}

        def one(name: str) -> Figure:
            text, operands = sources[name]
            found = []
            for option in ("", "-booth") if units[name].wide else ("",):
                place = f"{list(units).index(name)}{option}"
                timing = bench.measure(place, text, option)
                progress(f"{library} {name} {option}: {timing}")
                found.append((timing, option))
            timing, option = min(found, key=lambda pair: pair[0].area * delay(pair[0]))
            return Figure(
                round(delay(timing), 4),
                round(timing.area - operands * bits, 3),
                round(timing.flip_flops - operands * bits, 3),
                units[name].products,
                units[name].accumulator_bits,
                "Booth" if option else "carry-save",
                units[name].latency,
                units[name].period,
            )

        return dict(zip(units, pool.map(one, units), strict=True))


def delay(timing: Timing) -> float:
    """The shortest period."""
    return timing.arrival + timing.setup


def wrapped(subject: Subject) -> tuple[str, int]:
    """Verilog of the unit between registers, and how many bits its operands have."""
    library = UnitLibrary(prefix="unit")
    library.add(subject.unit, "")
    text = library.verilog()
    clocked = "input clk;" in text.split("endmodule", 1)[0] or "  input clk" in text
    ports = list(_ports(subject.unit))
    ins = [(name, bits) for name, bits, is_input in ports if is_input]
    outs = [(name, bits) for name, bits, is_input in ports if name in subject.outputs]
    lines = ["module top("]
    lines.append(", ".join(["input clk", "input rst", *(f"input [{b - 1}:0] {n}" for n, b in ins)]))
    # The accumulator is the last register where there is one.
    kind = "output" if clocked else "output reg"
    lines[-1] += "".join(f", {kind} [{bits - 1}:0] {name}" for name, bits in outs) + ");"
    loads = [f"{name}_q <= {name};" for name, _ in ins]
    lines += [f"reg [{bits - 1}:0] {name}_q;" for name, bits in ins]
    found = {name: name if clocked else f"{name}_d" for name, _ in outs}
    if not clocked:
        lines += [f"wire [{bits - 1}:0] {name}_d;" for name, bits in outs]
        loads += [f"{name} <= {name}_d;" for name, _ in outs]
    connected = [f".{name}({name}_q)" for name, _ in ins]
    connected += [f".{name}({found[name]})" for name, _ in outs]
    connected += [f".{port}({port})" for port in ("clk", "rst") if f"input {port};" in text]
    lines += [
        f"always @(posedge clk) begin {' '.join(loads)} end",
        f"unit u({', '.join(connected)});",
        "endmodule",
    ]
    return text + "\n".join(lines) + "\n", sum(bits for _, bits in ins)


def _ports(unit: ArithmeticUnit) -> Iterator[tuple[str, int, bool]]:
    for path, member, value in unit.signature.flatten(unit):
        yield "__".join(map(str, path)), len(value), member.flow == In


def judge(figures: Mapping[str, Mapping[str, Figure]]) -> list[Mark]:
    """IF4 against NVFP4, with the literature's figures as limits."""
    marks = []
    for library, rows in figures.items():
        if not {"if4", "nvfp4"} <= rows.keys():
            continue
        for what, limit in LITERATURE.items():
            more, less = (float(getattr(rows[name], what)) for name in ("if4", "nvfp4"))
            percent = round(100 * (more / less - 1), 2)
            marks.append(Mark(f"{library}: {what} of if4 over nvfp4", limit, percent, "%"))
    return marks


def show(rows: Mapping[str, Figure]) -> str:
    """The table for people; ratios are to int8, per product and cycle."""
    one = rows.get("int8")
    cells: list[Sequence[object]] = []
    for name, row in rows.items():
        area = f"{row.area_per_product / one.area_per_product:.3f}" if one else "-"
        slow = f"{row.delay / one.delay:.3f}" if one else "-"
        latency = "-" if row.latency is None else row.latency
        cells.append(
            [name, latency, f"{row.products:g}", row.accumulator_bits, f"{row.area:.1f}",
             f"{row.area_per_product:.2f}", area, f"{row.delay:.3f}", slow, row.multiplier]
        )  # fmt: skip
    heads = ["unit", "latency", "products", "bits", "area", "per product", "to int8", "delay",
             "to int8", "mul"]  # fmt: skip
    return table(heads, cells)


if __name__ == "__main__":
    sys.exit(main())

"""Area and delay of the top-k selectors on standard cells.

    python -m benchmarks.selector_area PDK [--units NAME;...] [--fast] > RESULT.json

``PDK`` is as for ``arithmetic_area``.  Mapped as ``accelgen synth`` does, for four fifths of the
technology's default period (``--fast``: for speed alone).  ``area`` (um2) is that of
all cells but the registers around a selector's ports; of a radix selector without its score memory,
whose area beside it, ``memory``, is that of an SRAM by the technology's table.  ``delay`` (ns) is
the longest path from register to register with clock-to-output and setup time, taken with the
output of the memory as fast as a flip-flop's.  ``cycles`` are from the first score to the last
index, 1024 scores, as many indices as the selector can select.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from amaranth.lib import wiring
from amaranth.lib.wiring import In

from accelgen.attention.accelerator.datapath.topk import SelectorShape, selector_cycles
from accelgen.rtl.attention.insertion import InsertionSelector
from accelgen.rtl.attention.radix import RadixSelector
from accelgen.rtl.library import UnitLibrary
from accelgen.technology import load_technology
from benchmarks.arithmetic_area import CELLS
from benchmarks.measure_technology import BASE_BITS, LIBRARIES, REGISTER, Bench, unpack
from benchmarks.record import emit, header, progress, table

MOST = 1024
ASKED = 0.8
UNITS = {
    "insertion, k 16": SelectorShape(MOST, 16),
    "insertion, k 8": SelectorShape(MOST, 8),
    "radix, k 64": SelectorShape(MOST, 64, 16, 16),
}


@dataclass(frozen=True)
class Figure:
    """um2 and ns; ``flip_flops`` is the part of ``area`` that registers take."""

    area: float
    flip_flops: float
    memory: float
    delay: float
    cycles: int


def wrapped(component: wiring.Component, text: str) -> tuple[str, int]:
    """Verilog of the module ``unit`` between registers, and how many these are."""
    ports = list(_ports(component))
    lines = [
        f"module top(input clk, input rst, {', '.join(_port(*port) for port in ports)});",
        *(f"reg [{bits - 1}:0] {name}_q;" for name, bits, is_input in ports if is_input),
        *(f"wire [{bits - 1}:0] {name}_d;" for name, bits, is_input in ports if not is_input),
        "always @(posedge clk) begin",
        *(f"{name}_q <= {name};" if is_input else f"{name} <= {name}_d;"
          for name, _, is_input in ports),
        "end",
        "unit u(.clk(clk), " + (".rst(rst), " if re.search(r"^  input rst;", text, re.M) else ""),
        ", ".join(f".{name}({name}_{'q' if is_input else 'd'})" for name, _, is_input in ports),
        ");",
        "endmodule",
    ]  # fmt: skip
    return text + "\n".join(lines) + "\n", sum(bits for _, bits, _ in ports)


def without_memory(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Verilog whose memories are only their output registers; words and bits of each."""
    found = [(int(w), int(b)) for w, b in re.findall(r"^  unit_bank_(\d+)x(\d+) ", text, re.M)]
    bodies = re.split(r"^(?=module )", text, flags=re.M)
    kept = [body for body in bodies if not body.startswith("module unit_bank_")]
    for words, bits in sorted(set(found)):
        kept.append(register_of(f"unit_bank_{words}x{bits}", (words - 1).bit_length(), bits))
    return "".join(kept), found


def register_of(name: str, address: int, bits: int) -> str:
    """The output register of a memory, in place of the memory."""
    return f"""
module {name}(input clk, input write_enable, input [{address - 1}:0] write_address,
  input [{bits - 1}:0] write_data, input read_enable, input [{address - 1}:0] read_address,
  output reg [{bits - 1}:0] read_data);
wire used = ^{{write_enable, write_address, read_enable, read_address}};
always @(posedge clk) read_data <= {{write_data[{bits - 1}:1], write_data[0] ^ used}};
endmodule
"""


def _ports(unit: wiring.Component) -> Iterator[tuple[str, int, bool]]:
    for path, member, value in unit.signature.flatten(unit):
        yield "__".join(map(str, path)), len(value), member.flow == In


def _port(name: str, bits: int, is_input: bool) -> str:
    return f"{'input' if is_input else 'output reg'} [{bits - 1}:0] {name}"


def measure(technology: str, cells: Path, wanted: list[str], fast: bool) -> dict[str, Figure]:
    """The selectors on one library."""
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        liberty = [unpack(path, folder) for path in sorted(cells.glob(CELLS[technology]))]
        table_, cell_library = load_technology(technology), LIBRARIES[technology]
        if not fast:
            asked = int(1000 * ASKED * table_.default_period)
            cell_library = replace(cell_library, target_ps=asked)
        bench = Bench(folder, cell_library, liberty)
        base = bench.measure("register", REGISTER)
        bit = base.area / BASE_BITS
        for number, unit in enumerate(wanted):
            shape = UNITS[unit]
            library = UnitLibrary(prefix="unit")
            few = shape.kind == "insertion"
            component = InsertionSelector(shape) if few else RadixSelector(shape, library)
            library.add(component, "")
            text, memories = without_memory(library.verilog())
            source, bits = wrapped(component, text)
            timing = bench.measure(str(number), source)
            # The stand-in of the memory is no part of the selector.
            bits += sum(width for _, width in memories)
            size = sum(table_.area("memory", words, width) for words, width in memories)
            figures[unit] = Figure(
                round(timing.area - bits * bit, 3),
                round(timing.flip_flops - bits * bit, 3),
                round(size, 3),
                round(timing.arrival + timing.setup, 4),
                selector_cycles(shape, MOST, shape.max_k),
            )
            progress(f"{technology} {unit}: {figures[unit]}")
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pdk", type=Path, help="folder with sg13g2/ and asap7/")
    parser.add_argument("--units", help="names, semicolon between; default: all")
    parser.add_argument("--fast", action="store_true", help="map for speed alone")
    options = parser.parse_args()
    wanted = options.units.split(";") if options.units else list(UNITS)
    found = {name: measure(name, options.pdk / name, wanted, options.fast) for name in LIBRARIES}
    for name, rows in found.items():
        cells = [[unit, *asdict(row).values()] for unit, row in rows.items()]
        heads = ["unit", "area", "flip-flops", "memory", "delay", "cycles"]
        progress(f"{name}\n{table(heads, cells)}")
    emit(
        {
            **header("selector_area"),
            "parameters": {"scores": MOST, "fast": options.fast, "units": "ns, um2"},
            **{
                name: {unit: asdict(row) for unit, row in rows.items()}
                for name, rows in found.items()
            },
        }
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Measure delay and area of accelgen's primitives on a standard-cell library.

    python -m benchmarks.measure_technology --library sg13g2 --liberty CELLS.lib.gz \
        [--sram MACRO.lib.gz ...] --output mapping/technology/sg13g2.yaml

Every point is one small Verilog module with the primitive between registers.  Yosys maps it
(Han-Carlson prefix adders; carry-save or Booth multipliers, whichever has the smaller product
of area and delay; timing-driven ABC with buffering and sizing), OpenSTA times it.  With T the
register-to-register time,

    delay(combinational) = T - clock_to_q - setup        delay(regfile) = T - setup

where ``clock_to_q`` and ``setup`` come from two registers back to back, so that
``clock_to_q + delay + setup`` is exactly what was measured.  Area is what the mapped module
occupies less the boundary registers.  Needs the ``pyosys`` package and OpenSTA's ``sta``.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import math
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from textwrap import dedent, fill, indent

import numpy as np
import yaml
from scipy.optimize import nnls

from accelgen.silicon.libraries import KNOWN, CellLibrary
from accelgen.silicon.mapping import clock_script, map_passes, write_abc_files
from accelgen.silicon.tools import run_sta, run_yosys, sta_version
from accelgen.technology import parse_technology

CLOCK_NS = 100.0
"""Period given to OpenSTA; only the slack against it is read."""

LIBRARIES = KNOWN


@dataclass(frozen=True)
class Primitive:
    """A kind of primitive: its axes, the points measured, and the Verilog of a point."""

    kind: str
    axes: tuple[str, ...]
    points: tuple[tuple[int, ...], ...]
    verilog: Callable[..., str]
    outputs: Callable[..., int]
    """Bits of the register after the primitive."""
    note: str
    symmetric: bool = False
    sequential: bool = False
    options: tuple[str, ...] = ("",)
    """Options of Yosys' synth to try; the mapping with the least area x delay is kept."""


@dataclass(frozen=True)
class Timing:
    """Arrival at the last register and its setup time (ns); area, flip-flops' share (um2)."""

    arrival: float
    setup: float
    area: float
    flip_flops: float


def registered(inputs: Sequence[tuple[str, int]], output: int, expression: str) -> str:
    """Verilog of a module that registers ``inputs``, computes, and registers ``output`` bits."""
    ports = "".join(f"input [{bits - 1}:0] {name}, " for name, bits in inputs)
    declare = "".join(f"reg [{bits - 1}:0] {name}_q;\n" for name, bits in inputs)
    load = "".join(f"{name}_q <= {name};\n" for name, _ in inputs)
    return (
        f"module top(input clk, {ports}output reg [{output - 1}:0] y);\n{declare}"
        f"always @(posedge clk) begin\n{load}y <= {expression};\nend\nendmodule\n"
    )


def alternating(width: int) -> str:
    """A constant of alternating ones and zeros: no run of equal bits to simplify away."""
    return f"{width}'sb" + ("01" * width)[:width]


def mux_verilog(width: int, inputs: int) -> str:
    """An ``inputs`` to 1 multiplexer with a binary select."""
    select = (inputs - 1).bit_length()
    return registered([("d", width * inputs), ("s", select)], width, f"d_q[s_q*{width} +: {width}]")


def regfile_verilog(depth: int, width: int) -> str:
    """``depth`` words of flip-flops, one write port, one read port with registered address."""
    address = max(1, (depth - 1).bit_length())
    return dedent(f"""\
        module top(input clk, we, input [{address - 1}:0] wa, ra, input [{width - 1}:0] d,
                   output reg [{width - 1}:0] y);
        reg [{width - 1}:0] words [0:{depth - 1}];
        reg [{address - 1}:0] ra_q;
        always @(posedge clk) begin
          if (we) words[wa] <= d;
          ra_q <= ra;
          y <= words[ra_q];
        end
        endmodule
        """)


WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64)
FACTORS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 24, 32)


def one(widths: Iterable[int]) -> tuple[tuple[int, ...], ...]:
    """Points of a kind with a single axis."""
    return tuple((w,) for w in widths)


PRIMITIVES = (
    Primitive(
        "add",
        ("width",),
        one(WIDTHS),
        lambda w: registered([("a", w), ("b", w)], w, "a_q + b_q"),
        lambda w: w,
        "width-bit a + b, result width bits; Han-Carlson prefix adder",
    ),
    Primitive(
        "mul",
        ("width", "width"),
        tuple((a, b) for a, b in product(FACTORS, FACTORS) if a >= b),
        lambda a, b: registered([("a", a), ("b", b)], a + b, "$signed(a_q) * $signed(b_q)"),
        lambda a, b: a + b,
        "signed a * b, full-width result",
        symmetric=True,
        options=("", "-booth"),
    ),
    Primitive(
        "mux",
        ("width", "inputs"),
        tuple(product((1, 2, 4, 8, 16, 32, 64), (2, 4, 8, 16))),
        mux_verilog,
        lambda w, _: w,
        "inputs-to-1 multiplexer of width bits, binary select with its fan-out tree",
    ),
    Primitive(
        "and",
        ("width",),
        one(WIDTHS),
        lambda w: registered([("a", w), ("e", 1)], w, f"a_q & {{{w}{{e_q}}}}"),
        lambda w: w,
        "width bits gated by one enable, with the enable's fan-out tree",
    ),
    Primitive(
        "compare",
        ("width",),
        one(WIDTHS),
        lambda w: registered([("a", w), ("b", w)], 1, "$signed(a_q) < $signed(b_q)"),
        lambda _: 1,
        "signed a < b of two signals",
    ),
    Primitive(
        "compare_constant",
        ("width",),
        one(WIDTHS[1:]),
        lambda w: registered([("a", w)], 1, f"$signed(a_q) < {alternating(w)}"),
        lambda _: 1,
        "signed a < constant 0101...",
    ),
    Primitive(
        "equal_constant",
        ("width",),
        one(WIDTHS[1:]),
        lambda w: registered([("a", w)], 1, f"$signed(a_q) == {alternating(w)}"),
        lambda _: 1,
        "a == constant 0101...",
    ),
    Primitive(
        "regfile",
        ("depth", "width"),
        tuple(product((2, 4, 8, 16, 32, 64), (1, 4, 8, 16, 32))),
        regfile_verilog,
        lambda _, w: w,
        "flip-flop array, registered read address; area of storage, both ports, address register",
        sequential=True,
    ),
)

REGISTER = registered([("a", 8)], 8, "a_q")


class Bench:
    """Yosys and OpenSTA on one library, in one scratch folder."""

    def __init__(self, folder: Path, library: CellLibrary, liberty: Sequence[Path]) -> None:
        self.folder = folder
        self.library = library
        self.liberty = [str(path) for path in liberty]
        self.abc_files = write_abc_files(library, library.target_ps, folder)

    def map(self, place: Path, option: str = "") -> None:
        """Map ``place/in.v`` to ``place/out.v`` and ``out.json``; areas go to ``stat.txt``."""
        run_yosys(self.yosys_script(place, option), place, place.name)

    def measure(self, name: str, verilog: str, option: str = "") -> Timing:
        """Map and time one module; raise AccelgenError with the tool's words when that fails."""
        place = self.folder / name
        place.mkdir()
        (place / "in.v").write_text(verilog)
        self.map(place, option)
        script = [*self.sta_script(place / "out.v"), "report_checks -digits 6"]
        report = run_sta(script, place, name)
        stat = (place / "stat.txt").read_text()
        timing = Timing(
            arrival=number(r"([\d.]+)\s+data arrival time", report),
            setup=-number(r"(-?[\d.]+)\s+[-\d.]+\s+library setup time", report),
            area=number(r"Chip area for.*?: ([\d.]+)", stat),
            flip_flops=number(r"used for sequential elements: ([\d.]+)", stat),
        )
        shutil.rmtree(place)
        return timing

    def yosys_script(self, place: Path, option: str) -> list[str]:
        """The mapping script of one module, with one more option of synth."""
        passes = map_passes(
            self.library,
            self.liberty,
            "top",
            self.abc_files,
            target_ps=self.library.target_ps,
            flatten=True,
            option=option,
            statistics=f"{place}/stat.txt",
        )
        return [
            f"read_verilog {place}/in.v",
            *passes,
            f"write_verilog -noattr -noexpr {place}/out.v",
            f"write_json {place}/out.json",
        ]

    def sta_script(self, netlist: Path) -> list[str]:
        """OpenSTA's commands for a netlist with a clock that limits nothing."""
        return clock_script(self.library, self.liberty, str(netlist), "top", CLOCK_NS)


def number(pattern: str, text: str) -> float:
    """The first number that ``pattern`` captures."""
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"no {pattern!r} in:\n{text[-2000:]}")
    return float(match[1])


Row = tuple[float, ...]
"""Widths, then delay in ns, then area in um2."""

BASE_BITS = 16
"""Flip-flops in the module REGISTER."""


def measure_points(bench: Bench, primitive: Primitive, base: Timing, jobs: int) -> list[Row]:
    """Rows of one primitive, in the order of its points; ``base`` is REGISTER measured."""

    def mapped(point: tuple[int, ...], option: str) -> Row:
        name = f"{primitive.kind}_{'_'.join(map(str, point))}"
        timing = bench.measure(name, primitive.verilog(*point), option)
        delay = timing.arrival + timing.setup - base.setup
        outputs = primitive.outputs(*point)
        if primitive.sequential:
            area = timing.area - outputs * base.area / BASE_BITS
        else:
            delay -= base.arrival
            # An inverter that the last register needs belongs to the register.
            inverters = outputs * (base.area - base.flip_flops) / BASE_BITS
            area = timing.area - timing.flip_flops - inverters
        print(f"{name} {option}: {delay:.4f} ns, {area:.2f} um2", file=sys.stderr)
        return (*point, delay, area)

    def row(point: tuple[int, ...]) -> Row:
        rows = [mapped(point, option) for option in primitive.options]
        return min(rows, key=lambda row: row[-1] * row[-2])

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(row, primitive.points))


SRAM_INPUTS = ("A_ADDR", "A_DIN", "A_BM", "A_WEN", "A_REN", "A_MEN")


def measure_sram(path: Path, folder: Path) -> tuple[Row, float]:
    """Row (depth, width, clock-to-data, area) and worst setup of one SRAM macro.

    Every edge takes 0.05 ns and every output drives 5 fF, a register's data pin.
    """
    text = path.read_text()
    cell = re.findall(r"^\s*cell\s*\((\w+)\)", text, re.MULTILINE)[0]
    depth = 1 << int(number(r"address_width : (\d+)", text))
    width = int(number(r"word_width : (\d+)", text))
    place = folder / cell
    place.mkdir()
    sizes = {"A_ADDR": depth.bit_length() - 1, "A_DIN": width, "A_BM": width}
    declare = "".join(f"input [{sizes.get(pin, 1) - 1}:0] {pin};\n" for pin in SRAM_INPUTS)
    connect = ", ".join(f".{pin}({pin})" for pin in SRAM_INPUTS)
    (place / "in.v").write_text(
        f"module top(clk, y, {', '.join(SRAM_INPUTS)});\ninput clk;\n{declare}"
        f"output [{width - 1}:0] y;\n"
        f"{cell} m (.A_CLK(clk), .A_DOUT(y), {connect});\nendmodule\n"
    )
    script = dedent(f"""\
        read_liberty {path}
        read_verilog {place}/in.v
        link_design top
        set_cmd_units -time ns -capacitance pF
        create_clock -name clk -period {CLOCK_NS} clk
        set_input_transition 0.05 [all_inputs]
        set_input_delay 0 -clock clk [get_ports A_*]
        set_load 0.005 [get_ports y]
        set_output_delay 0 -clock clk [get_ports y]
        report_checks -digits 6 -to [get_ports y]
        report_checks -digits 6 -from [get_ports A_*]
        """)
    report = run_sta(script.splitlines(), place, cell)
    delay = number(r"([\d.]+)\s+data arrival time", report)
    setup = -number(r"(-?[\d.]+)\s+[-\d.]+\s+library setup time", report)
    return (depth, width, delay, number(r"\narea\s*: ([\d.]+)", text)), setup


TERMS: dict[str, Callable[[int, int], float]] = {
    "constant": lambda depth, width: 1.0,
    "depth": lambda depth, width: float(depth),
    "log2_depth": lambda depth, width: math.log2(depth),
    "width": lambda depth, width: float(width),
    "bits": lambda depth, width: float(depth * width),
}


def fit(rows: Sequence[Row], column: int) -> tuple[dict[str, float], float]:
    """Non-negative (hence monotone) coefficients of TERMS, and the largest relative error."""
    basis = np.array([[f(int(r[0]), int(r[1])) for f in TERMS.values()] for r in rows])
    value = np.array([row[column] for row in rows])
    weight = 1.0 / value  # relative errors: a small macro counts as much as a large one
    scale = np.abs(basis).max(axis=0)
    coefficients = nnls(basis / scale * weight[:, None], np.ones(len(rows)))[0] / scale
    error = np.abs(basis @ coefficients / value - 1).max()
    return dict(zip(TERMS, coefficients.tolist(), strict=True)), float(error)


PERIOD_RULE = (
    "default_period is the slowest of an 8 x 8 multiply, a 32-bit addition and the read of a "
    "1024 x 64 memory, from register (or memory) to register, rounded up to two digits."
)


def method(name: str, library: CellLibrary, liberty: Sequence[Path], sram: Sequence[Path]) -> str:
    """How the numbers came about, for the head of the file."""
    yosys = importlib.metadata.version("pyosys")
    sta = sta_version()
    files = " ".join(path.name for path in liberty)
    macros = f" --sram {' '.join(path.name for path in sram)}" if sram else ""
    wire = (
        f"nets loaded by the library's wire-load model {library.wire_load}"
        if library.wire_load
        else "the library has no wire-load model, so nets have no wire load (raise derate for it)"
    )
    memory = (
        "memory is fitted to the SRAM macros; memory_setup is the worst of any input of theirs."
        if sram
        else "The library has no SRAM macro: memory is the flip-flop array regfile (extrapolated "
        "beyond its rows), memory_setup that of a register."
    )
    avoid = f", not using {' '.join(library.dont_use)}" if library.dont_use else ""
    return "\n".join(
        (
            f"Measured by benchmarks/measure_technology.py --library {name} "
            f"--liberty {files}{macros}",
            f"Library: {library.description}.",
            f"Tools: Yosys {yosys} (PyPI pyosys, ABC included), OpenSTA {sta}.",
            "Mapping: synth -flatten, Han-Carlson prefix adders (+/choices/han-carlson.v); of the "
            "carry-save and the radix-4 Booth (-booth) multiplier the one with the smaller product "
            "of area and delay; "
            f"ABC (dch -f; map -B 0.9; buffer -c -N 4; upsize; dnsize) asked for "
            f"{library.target_ps} ps{avoid}; driven by {library.driver}, "
            f"loaded by {library.load_ff} fF.",
            f"Timing: longest register-to-register path, ideal clock, {wire}.",
            "Delay of combinational kinds = path - clock_to_q - setup, the two measured on "
            "registers back to back; of regfile and memory = clock to data.",
            memory,
            "Units: ns and um2.  Rows are as measured; the loader makes them monotone.",
            PERIOD_RULE,
            "derate multiplies every delay below: the margin for placement and wires; 1.0 is none.",
        )
    )


def rows_text(rows: Iterable[Row], axes: int) -> str:
    """Rows as YAML flow lists, one per line."""
    return "".join(
        f"      - [{', '.join(str(int(w)) for w in row[:axes])}, "
        f"{row[axes]:.4f}, {row[axes + 1]:.2f}]\n"
        for row in rows
    )


def primitive_text(primitive: Primitive, rows: Sequence[Row]) -> str:
    """The YAML of one measured primitive."""
    symmetric = "    symmetric: true\n" if primitive.symmetric else ""
    return (
        f"  {primitive.kind}:  # {primitive.note}\n"
        f"    axes: [{', '.join(primitive.axes)}]\n{symmetric}"
        f"    rows:  # [{', '.join(primitive.axes)}, delay, area]\n"
        + rows_text(rows, len(primitive.axes))
    )


def memory_text(rows: Sequence[Row]) -> str:
    """The YAML of the memory: a fit to the macros, or the flip-flop array without any."""
    if not rows:
        return (
            "  memory:  # no SRAM macro in this library: flip-flop array and multiplexer tree\n"
            "    same_as: regfile\n"
        )
    lines = ["  memory:  # SRAM macros, single port, clock edge 0.05 ns, outputs 5 fF", "    fit:"]
    for column, name in (2, "delay"), (3, "area"):
        factors, error = fit(rows, column)
        terms = ", ".join(f"{term}: {factor:.6g}" for term, factor in factors.items())
        lines.append(f"      # within {100 * error:.1f} % of every macro")
        lines.append(f"      {name}: {{{terms}}}")
    return "\n".join(
        [*lines, "    rows:  # [depth, width, delay, area] of the macros fitted", ""]
    ) + rows_text(rows, 2)


def default_period(data: Mapping[str, object]) -> float:
    """PERIOD_RULE, applied to a document whose period is still open."""
    technology = parse_technology({**data, "default_period": 1.0})
    logic = max(technology.delay("mul", 8, 8), technology.delay("add", 32))
    start = max(technology.clock_to_q + logic, technology.delay("memory", 1024, 64))
    period = start + technology.setup
    step = 10.0 ** (math.floor(math.log10(period)) - 1)
    return round(math.ceil(period / step) * step, 6)


def document(
    name: str,
    source: str,
    base: Timing,
    tables: Mapping[str, Sequence[Row]],
    sram: Sequence[Row],
    memory_setup: float,
) -> str:
    """The whole YAML file."""
    head = dedent(f"""\
        name: {name}
        derate: 1.0
        clock_to_q: {base.arrival:.4f}
        setup: {base.setup:.4f}
        memory_setup: {memory_setup:.4f}
        register_area: {base.area / BASE_BITS:.4f}
        """)
    text = "\n".join(fill(line, 96, subsequent_indent="  ") for line in source.splitlines())
    body = "primitives:\n" + "".join(
        primitive_text(primitive, tables[primitive.kind]) for primitive in PRIMITIVES
    )
    rest = f"{head}source: |\n{indent(text, '  ')}\n{body}{memory_text(sram)}"
    period = default_period(yaml.safe_load(f"schema: 1\n{rest}"))
    return f"schema: 1\ndefault_period: {period:g}\n{rest}"


def unpack(path: Path, folder: Path) -> Path:
    """A plain copy of a Liberty file, gzipped or not, in ``folder``."""
    target = folder / path.name.removesuffix(".gz")
    raw = path.read_bytes()
    target.write_bytes(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    return target


def main() -> None:
    """Measure and write the file whole."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", choices=sorted(LIBRARIES), required=True)
    parser.add_argument("--liberty", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--sram", type=Path, nargs="*", default=[], metavar="FILE")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    library = LIBRARIES[options.library]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = Bench(folder, library, [unpack(path, folder) for path in options.liberty])
        macros = [unpack(path, folder) for path in options.sram]
        base = bench.measure("register", REGISTER)
        measured = [measure_sram(path, folder) for path in macros]
        sram = sorted(row for row, _ in measured)
        memory_setup = max((setup for _, setup in measured), default=base.setup)
        tables = {p.kind: measure_points(bench, p, base, options.jobs) for p in PRIMITIVES}
        source = method(options.library, library, options.liberty, options.sram)
        text = document(options.library, source, base, tables, sram, memory_setup)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    partial = options.output.with_suffix(".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(options.output)


if __name__ == "__main__":
    main()

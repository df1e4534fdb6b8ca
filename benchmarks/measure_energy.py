"""Measure energy, leakage and area of multiply-accumulates, registers and SRAM in a cell library.

    python -m benchmarks.measure_energy --library sg13g2 --liberty CELLS.lib.gz \
        [--sram MACRO.lib.gz ...] --output mapping/technology/energy/sg13g2.yaml

Units are mapped as in ``measure_technology``; ``gate_power`` simulates the netlists with the delays
of OpenSTA's SDF and takes energies from Liberty tables.  OpenSTA 2.0.17's power report is not used:
for an idle sg13g2_dfrbp_1 it says 0.093 pJ a clock cycle, where no condition in the Liberty tables
gives more than 0.041.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from textwrap import fill, indent

import numpy as np
from numpy.typing import NDArray

from accelgen.energy import mac_name
from accelgen.formats import BlockFormat, IntFormat, block_format, get_format
from accelgen.formats.microscaling import IntegerBlocks
from accelgen.rtl.arithmetic import Bf16MultiplyAccumulate, BlockDot, MultiplyAccumulate
from accelgen.silicon.energies import Energy, simulate
from accelgen.silicon.gates import Netlist, delays
from accelgen.silicon.hierarchy import Json, modules_of
from accelgen.silicon.liberty import Cells
from accelgen.silicon.libraries import KNOWN, read_liberty
from accelgen.silicon.sram import macros_of
from accelgen.silicon.synthesis import read_json
from accelgen.silicon.tools import run_sta, sta_version
from benchmarks.arithmetic_area import Subject, wrapped
from benchmarks.measure_technology import (
    Bench,
    number,
    regfile_verilog,
    registered,
    unpack,
)
from benchmarks.record import progress

LANES, CYCLES, SEED = 32, 5, 1
"""Streams simulated at once, cycles that count, seed of the stimuli."""
LONGEST = 4096
ONE = 127
"""The code of the scale 1."""
INTEGERS = ("int2", "int4", "int8", "int16")
BLOCKS = (
    "nvfp4", "nvint4", "if4", "mxfp4", "mxfp6_e2m3", "mxint8", "mxfp8_e4m3",
)  # fmt: skip
"""The hardware of nvfp4_4over6 is that of nvfp4."""
BESIDE_INTEGERS = ("nvfp4", "nvint4", "if4", "mxfp4")
"""Block formats beside blocks of uint8."""
STEPS = {"sg13g2": 0.01, "asap7": 0.001}
"""Step of the simulation in ns."""

Words = NDArray[np.int64]
"""Cycles, streams, and where a port carries several, its elements."""


@dataclass(frozen=True)
class Figure:
    """Of a module: energy per cycle, area of its cells (um2) and of its flip-flops."""

    energy: Energy
    area: float


def run(
    bench: Bench,
    cells: Cells,
    name: str,
    verilog: str,
    ports: Mapping[str, tuple[int, Words]],
    skip: int,
    apart: Sequence[str],
    option: str = "",
    expected: Sequence[int] | None = None,
) -> Figure:
    """Map, time and simulate a module; ``ports`` give the bits of an element and the words,
    ``expected`` the bits of its ``sum`` in the end.
    """
    netlist, area = mapped(bench, cells, name, verilog, apart, option)
    return driven(name + option, netlist, area, ports, skip, CYCLES, expected)


def mapped(
    bench: Bench, cells: Cells, name: str, verilog: str, apart: Sequence[str], option: str = ""
) -> tuple[Netlist, float]:
    """A module as cells with the delays of OpenSTA, and their area in um2."""
    place = bench.folder / f"{name}{option}"
    place.mkdir()
    (place / "in.v").write_text(verilog)
    bench.map(place, option)
    script = [*bench.sta_script(place / "out.v"), f"write_sdf -digits 5 {place}/out.sdf"]
    run_sta(script, place, name)
    step = STEPS["sg13g2" if cells.voltage > 1 else "asap7"]
    netlist = Netlist(first_module(place), cells, delays(place / "out.sdf", step), apart)
    return netlist, number(r"Chip area for.*?: ([\d.]+)", (place / "stat.txt").read_text())


def driven(
    name: str,
    netlist: Netlist,
    area: float,
    ports: Mapping[str, tuple[int, Words]],
    skip: int,
    cycles: int,
    expected: Sequence[int] | None = None,
) -> Figure:
    """Simulate ``skip`` cycles, then ``cycles`` that count; see :func:`run`."""
    stimuli = [
        {port: bits(words[cycle], width) for port, (width, words) in ports.items()}
        for cycle in range(skip + cycles)
    ]
    energy = simulate(netlist, stimuli, LANES, skip)
    if expected is not None and expected != energy.outputs["sum"]:
        raise RuntimeError(f"{name}: the netlist's sums are wrong")
    progress(
        f"{name}: {energy.units:.4g} pJ, {energy.settled:.4g} without glitches, "
        f"{energy.leakage:.4g} mW, {area:.1f} um2"
    )
    return Figure(energy, area)


def first_module(place: Path) -> Json:
    """The module of ``place/out.json`` that is no cell."""
    return next(iter(modules_of(read_json(place / "out.json")).values()))


def bits(words: Words, width: int) -> list[int]:
    """Bits of the elements of every stream, the first element lowest, one stream per bit."""
    flat = words.reshape(LANES, -1)
    planes = (flat[:, :, None] >> np.arange(width)) & 1
    columns = planes.reshape(LANES, -1).T.astype(np.uint8)
    return [int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little")
            for row in columns]  # fmt: skip


def integers(form: str, cycles: int, rng: np.random.Generator) -> Words:
    """Normal, with a standard deviation of a quarter of the largest value."""
    most = (1 << (int(form.removeprefix("int")) - 1)) - 1
    drawn = np.rint(rng.standard_normal((cycles, LANES)) * max(most / 4, 0.5))
    return np.clip(drawn, -most - 1, most).astype(np.int64)


def blocks(wanted: BlockFormat, cycles: int, rng: np.random.Generator) -> tuple[Words, Words]:
    """Codes and scales of a standard normal tensor; of integers what ReLU leaves of it, with a
    standard deviation of a quarter of the largest.
    """
    size = wanted.block or 16
    if isinstance(wanted, IntegerBlocks):
        drawn = np.rint(
            rng.standard_normal((cycles, LANES, size)) * (wanted.element.limits.max / 4)
        )
        codes = np.clip(drawn, 0, wanted.element.limits.max).astype(np.int64)
        return codes, constant(cycles, ONE)
    tensor = wanted.quantise(rng.standard_normal((cycles * LANES, size)))
    codes = np.asarray(tensor.codes, dtype=np.int64).reshape(cycles, LANES, size)
    scales = np.asarray(tensor.scales, dtype=np.int64).reshape(cycles, LANES)
    return codes, scales


def constant(cycles: int, value: int) -> Words:
    """One value in every cycle."""
    return np.full((cycles, LANES), value, dtype=np.int64)


def units(library: str) -> dict[str, tuple[str, dict[str, tuple[int, Words]], int]]:
    """Of every format the Verilog, the stimuli, and the cycles that do not count."""
    found = {}
    for a, b in [(f, f) for f in INTEGERS] + [("int4", "int8")]:
        rng = np.random.default_rng(SEED)
        skip = 4
        n = skip + CYCLES
        widths = [int(form.removeprefix("int")) for form in (a, b)]
        unit = MultiplyAccumulate(
            IntFormat(widths[0]), IntFormat(widths[1]), IntFormat(48 if a == "int16" else 32)
        )
        text, _ = wrapped(Subject(unit, ("sum",), 1, 32))
        ports = {
            "a": (widths[0], integers(a, n, rng)),
            "b": (widths[1], integers(b, n, rng)),
            **controls(n),
        }
        found[f"{a}*{b}"] = text, ports, skip
    rng = np.random.default_rng(SEED)
    n = 4 + CYCLES
    # The wrapped unit has its operands in registers, its accumulator in its own.
    text, _ = wrapped(Subject(Bf16MultiplyAccumulate(), ("sum",), 1, 32))
    encode = get_format("bf16").encode  # type: ignore[union-attr]
    drawn: list[Words] = [
        np.asarray(encode(rng.standard_normal((n, LANES))), dtype=np.int64) for _ in "ab"
    ]
    found["bf16*bf16"] = text, {"a": (16, drawn[0]), "b": (16, drawn[1]), **controls(n)}, 4
    for a, name in [(x, x) for x in BLOCKS] + [("uint8", x) for x in BESIDE_INTEGERS]:
        rng = np.random.default_rng(SEED)
        form = block_format(name)
        lanes = form.block or 16
        first = form if a == name else IntegerBlocks(a, IntFormat(8, signed=False), lanes)
        dot = BlockDot(first, form, lanes, LONGEST, technology=library)
        skip = dot.sum_latency + 2
        n = skip + CYCLES
        text, _ = wrapped(Subject(dot, ("sum", "bad_number"), lanes, 0))
        ports = {"last": (1, constant(n, 0)), **controls(n)}
        for port, own in (("a", first), ("b", form)):
            codes, scales = blocks(own, n, rng)
            ports[port] = own.element_bits, codes
            ports[f"{port}_scale"] = 8, scales
        found[mac_name(f"{a}*{name}")] = text, ports, skip
    return found


def integer_sum(formats: str, ports: Mapping[str, tuple[int, Words]]) -> list[int] | None:
    """Bits of the sum of an integer unit: of all products but the last two, the operands of which
    are in registers or on the way there.
    """
    if not formats.startswith("int"):
        return None
    total = (ports["a"][1] * ports["b"][1])[:-2].sum(axis=0)
    return bits(total, 48 if formats.startswith("int16") else 32)


def controls(cycles: int) -> dict[str, tuple[int, Words]]:
    """A sum that begins in the first cycle and goes on."""
    first = constant(cycles, 0)
    first[0] = 1
    return {"first": (1, first), "valid": (1, constant(cycles, 1)), "rst": (1, constant(cycles, 0))}


OPERANDS = ("a_q", "b_q", "a_scale_q", "b_scale_q", "valid_q", "first_q", "last_q")
FILES = tuple((depth, width) for width in (8, 32) for depth in (4, 16, 64))
"""Register files: words, bits."""


def register_file(bench: Bench, cells: Cells, depth: int, width: int) -> str:
    """The row of a register file: read with every cycle, then written with every cycle."""
    rng = np.random.default_rng(SEED)
    n = 4 * depth + CYCLES
    address = max(1, (depth - 1).bit_length())
    shape = (n, LANES)
    data = width, rng.integers(0, 1 << width, shape)
    moving, still = rng.integers(0, depth, shape), constant(n, 0)
    fill_up = np.broadcast_to(np.arange(n)[:, None] % depth, shape).astype(np.int64)
    filling = np.broadcast_to(np.arange(n)[:, None] < 2 * depth, shape).astype(np.int64)
    text = regfile_verilog(depth, width)
    read = run(
        bench, cells, f"read_{depth}_{width}", text,
        {"we": (1, filling), "wa": (address, np.where(filling, fill_up, 0)),
         "ra": (address, moving), "d": (data[0], np.where(filling, data[1], 0))},
        4 * depth, ("y",),
    )  # fmt: skip
    write = run(
        bench, cells, f"write_{depth}_{width}", text,
        {"we": (1, constant(n, 1)), "wa": (address, np.where(filling, fill_up, moving)),
         "ra": (address, still), "d": data},
        4 * depth, ("y",),
    )  # fmt: skip
    # Only the word that is written is clocked: the energy of the bits of it that are kept.
    kept = cells_held(write.energy, depth * width + address) * (width - write.energy.changes)
    reading = read.energy.units - read.energy.held
    writing = write.energy.units - write.energy.held + max(0.0, kept)
    base = run(bench, cells, f"base_{depth}_{width}", registered([("a", width)], width, "a_q"),
               {"a": (width, data[1])}, 4 * depth, ())  # fmt: skip
    area = read.area - base.area / 2
    return (
        f"    - [{depth * width // 8}, {width}, {reading:.4g}, {writing:.4g}, "
        f"{read.energy.leakage:.4g}, {area * 1e-6:.4g}]\n"
    )


def cells_held(energy: Energy, flip_flops: int) -> float:
    """Clock energy of a flip-flop that keeps its bit."""
    return energy.held / (flip_flops - energy.changes)


def macro(path: Path) -> tuple[int, int, str]:
    """Width, size and row of an SRAM macro from its Liberty file."""
    with tempfile.TemporaryDirectory() as scratch:
        found, _ = macros_of(read_liberty([path], Path(scratch)))
    if not found or found[0].read_pj is None or found[0].write_pj is None:
        raise ValueError(f"{path.name}: no macro with energies")
    one = found[0]
    size = one.width * one.depth // 8
    row = (
        f"    - [{size}, {one.width}, {one.read_pj:.5g}, {one.write_pj:.5g}, "
        f"{one.leakage_mw:.5g}, {one.area * 1e-6:.5g}]\n"
    )
    return one.width, size, row


def section(key: str, source: str, rest: str) -> str:
    """The YAML of a group of figures."""
    return f"\n{key}:\n  source: >\n{indent(fill(source, 94), '    ')}\n{rest}"


def document(
    name: str,
    macs: Mapping[str, Figure],
    operands: Mapping[str, float],
    files: Sequence[str],
    srams: Sequence[Path],
    link: float,
) -> str:
    """The whole YAML file."""
    tools = f"Yosys {version('pyosys')}, OpenSTA {sta_version()}"
    library = KNOWN[name]
    wires = f"wire-load model {library.wire_load}" if library.wire_load else "no wires"
    how = (
        f"benchmarks/measure_energy.py: {tools}; mapped for speed; simulated with the cells' "
        f"delays (glitches count) on {LANES * CYCLES} normally distributed operands; switching "
        f"energy of pins and {wires}, internal energy from the Liberty tables.  Ideal clock: no "
        "clock tree."
    )
    text = (
        "# Written by benchmarks/measure_energy.py.\n"
        f"name: {name}\nsource: measured on {library.description}, without clock tree\n"
    )
    rows = "".join(
        f"    {formats}: {{pj: {figure.energy.units:.4g}, leakage_mw: {figure.energy.leakage:.4g}, "
        f"area_mm2: {(figure.area - operands[formats]) * 1e-6:.4g}}}"
        f"  # {figure.energy.settled:.4g} pJ without glitches\n"
        for formats, figure in macs.items()
    )
    rows += "".join(
        line.replace("nvfp4*nvfp4", "nvfp4_4over6*nvfp4_4over6")
        for line in rows.splitlines(keepends=True)
        if "nvfp4*nvfp4" in line
    )
    text += section(
        "macs",
        f"{how}  A multiplier (carry-save or Booth's, whichever has the smaller product of area "
        "and energy) with its accumulator (32 bits; int16 48; bf16 fp32), without the registers "
        "of its operands; of block formats the dot product of one block, pipelined for the default "
        f"period, exact up to {LONGEST} products, without the rounding at the end of a sum.",
        f"  formats:\n{rows}",
    )
    text += section(
        "registers",
        f"{how}  Flip-flops, a write port and a read port with its address register, without the "
        "register of what is read; the clock gates of words that are not written take "
        "nothing.  Energy per access of a whole word.",
        "  rows:  # [bytes, bits, read pJ, write pJ, leakage mW, area mm2]\n" + "".join(files),
    )
    text += section(
        "link",
        f"{how}  A bit written into a flip-flop every cycle, random data; no wire but the model's.",
        f"  pj_per_bit: {link:.4g}\n",
    )
    if srams:
        found = sorted(macro(path) for path in srams)
        widths = [width for width, _, _ in found]
        kept = [row for width, _, row in found if widths.count(width) > 1]
        single = [row for width, _, row in found if widths.count(width) == 1]
        text += section(
            "sram",
            "Liberty files of the macros RM_IHPSG13_1P (typical, 1.2 V, 25 C): internal energy of "
            "the clock in a read and in a write, when writing with every second bit of the input "
            "toggling; leakage and area of the cell.  Widths with one size only are single, no "
            "part of the table between sizes.  Larger memories are banks of the largest of their "
            "width.",
            "  banks: true\n  rows:  # [bytes, bits, read pJ, write pJ, leakage mW, area mm2]\n"
            + "".join(kept)
            + ("  single:\n" + "".join(single) if single else ""),
        )
    return text


def main() -> None:
    """Measure and write the file whole."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", choices=sorted(KNOWN), required=True)
    parser.add_argument("--liberty", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--sram", type=Path, nargs="*", default=[], metavar="FILE")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--formats", help="pairs, comma between; default: all")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    name: str = options.library
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(options.jobs) as pool:
        folder = Path(scratch)
        liberty = [unpack(path, folder) for path in options.liberty]
        srams = [unpack(path, folder) for path in options.sram]
        bench = Bench(folder, KNOWN[name], liberty)
        cells = Cells(liberty, KNOWN[name].slew, KNOWN[name].wire_load)
        pair = run(bench, cells, "link", registered([("a", 16)], 16, "a_q"),
                   {"a": (16, np.random.default_rng(SEED).integers(0, 1 << 16, (16, LANES)))},
                   4, ())  # fmt: skip
        bit = pair.area / 32
        wanted = units(name)
        if options.formats:
            wanted = {key: wanted[key] for key in options.formats.split(",")}

        def one(formats: str) -> Figure:
            text, ports, skip = wanted[formats]
            place = formats.replace("*", "_")
            wide = ports["a"][0] * ports["b"][0] >= 32 and "a_scale" not in ports
            found = [
                run(
                    bench,
                    cells,
                    place,
                    text,
                    ports,
                    skip,
                    OPERANDS,
                    option,
                    integer_sum(formats, ports),
                )
                for option in (("", "-booth") if wide else ("",))
            ]
            return min(found, key=lambda figure: figure.area * figure.energy.units)

        macs = dict(zip(wanted, pool.map(one, wanted), strict=True))
        operands = {
            formats: bit
            * sum(
                width * int(np.prod(words.shape[2:]))
                for port, (width, words) in ports.items()
                if f"{port}_q" in OPERANDS
            )
            for formats, (_, ports, _) in wanted.items()
        }
        files = list(pool.map(lambda at: register_file(bench, cells, *at), FILES))
        text = document(name, macs, operands, files, srams, pair.energy.units / 32)
    partial = options.output.with_suffix(".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(options.output)


if __name__ == "__main__":
    main()

"""Measure energy, leakage and area of units that compute in widths chosen at run time.

    python -m benchmarks.measure_fusion --library sg13g2 --liberty CELLS.lib.gz \
        --output mapping/technology/energy/shared/units_sg13g2.yaml

``ComposableMac`` and ``BitSerialDot`` at all pairs of 2, 4 and 8 bits: the same netlist each time,
simulated as ``measure_energy`` does, in whole steps, and its sums compared.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np

from accelgen.rtl.arithmetic import BitSerialDot, ComposableMac
from accelgen.silicon.gates import Netlist
from accelgen.silicon.liberty import Cells
from accelgen.silicon.libraries import KNOWN
from accelgen.silicon.tools import sta_version
from benchmarks.arithmetic_area import Subject, wrapped
from benchmarks.measure_energy import (
    LANES,
    OPERANDS,
    SEED,
    Figure,
    Words,
    bits,
    constant,
    controls,
    driven,
    mapped,
    section,
)
from benchmarks.measure_technology import Bench, registered, unpack

WIDTHS = (2, 4, 8)
SUM_BITS = 32
SERIAL_LANES = 16
STAGES = 2
"""Pipeline registers that cut glitches: of 0, 1, 2 and 3 stages these take least energy."""
STEPS = 5
"""Steps that count."""

Ports = dict[str, tuple[int, Words]]


@dataclass(frozen=True)
class Run:
    """Stimuli of a unit at a pair of widths: cycles that do not count, and that do, the products
    in these, and the sums in the end.
    """

    ports: Ports
    skip: int
    cycles: int
    products: int
    expected: list[int]


def elements(width: int, shape: tuple[int, ...], rng: np.random.Generator, alone: bool) -> Words:
    """Normal, with a standard deviation of a quarter of the largest value; ``alone``: all but the
    first are 0.
    """
    most = (1 << (width - 1)) - 1
    drawn = np.rint(rng.standard_normal(shape) * max(most / 4, 0.5))
    found = np.clip(drawn, -most - 1, most).astype(np.int64)
    if alone:
        found[..., 1:] = 0
    return found


def composable(a_width: int, b_width: int, alone: bool) -> Run:
    """One word per cycle."""
    rng, skip = np.random.default_rng(SEED), 4 + STAGES
    n, count = skip + STEPS, 64 // (a_width * b_width)
    ports: Ports = dict(controls(n))
    total = np.ones((n, LANES, count), dtype=np.int64)
    for port, width in (("a", a_width), ("b", b_width)):
        drawn = elements(width, (n, LANES, count), rng, alone)
        total *= drawn
        word = np.zeros((n, LANES, 32 // width), dtype=np.int64)
        word[:, :, :count] = drawn
        ports[port] = width, word
        ports[f"{port}_mode"] = 2, constant(n, WIDTHS.index(width))
        ports[f"{port}_signed"] = 1, constant(n, 1)
    # The operands of the last words are in registers or on the way there.
    sums = total[: -2 - STAGES].sum(axis=(0, 2))
    return Run(ports, skip, STEPS, STEPS * count, bits(sums, SUM_BITS))


def bit_serial(a_width: int, b_width: int, alone: bool) -> Run:
    """A step of all lanes in ``a_width * b_width`` cycles; a plane of bits is a part of a word."""
    rng, long = np.random.default_rng(SEED), a_width * b_width
    # A step is taken a cycle after its operands come, its sum is there after another two and the
    # stages.
    skip, steps = 3 + STAGES + long, STEPS + 1
    n = 3 + STAGES + steps * long
    ports: Ports = dict(controls(n))
    reset = constant(n, 0)
    reset[0] = 1
    ports["rst"] = 1, reset
    first = constant(n, 0)
    first[:long] = 1
    ports["first"] = 1, first
    total = np.ones((steps, LANES, SERIAL_LANES), dtype=np.int64)
    for port, width in (("a", a_width), ("b", b_width)):
        drawn = elements(width, (steps, LANES, SERIAL_LANES), rng, alone)
        total *= drawn
        planes = np.zeros((steps, LANES, 8, SERIAL_LANES), dtype=np.int64)
        planes[:, :, :width] = (drawn[:, :, None, :] >> np.arange(width)[:, None]) & 1
        word = planes.reshape(steps, LANES, 8 * SERIAL_LANES)
        ports[port] = 1, word[np.minimum(np.arange(n) // long, steps - 1)]
        ports[f"{port}_bits"] = 4, constant(n, width)
        ports[f"{port}_signed"] = 1, constant(n, 1)
    sums = total.sum(axis=(0, 2))
    return Run(ports, skip, STEPS * long, STEPS * SERIAL_LANES, bits(sums, SUM_BITS))


RUNS: Mapping[str, Callable[[int, int, bool], Run]] = {
    "composable": composable, "bit_serial": bit_serial,
}  # fmt: skip
APART = (
    *OPERANDS, "a_mode_q", "b_mode_q", "a_signed_q", "b_signed_q", "a_bits_q", "b_bits_q",
)  # fmt: skip
SAID = {
    "composable": "ComposableMac: sixteen 2 x 2 multipliers that fuse",
    "bit_serial": f"BitSerialDot of {SERIAL_LANES} lanes, whose registers of bit planes count",
}


def subject(kind: str) -> Subject:
    """The unit."""
    if kind == "composable":
        return Subject(ComposableMac(SUM_BITS, STAGES), ("sum",), 1, SUM_BITS)
    return Subject(BitSerialDot(SERIAL_LANES, 8, SUM_BITS, STAGES), ("sum",), 1, SUM_BITS)


def rows(kind: str, netlist: Netlist, area: float, bit_area: float, operand_bits: int) -> str:
    """The YAML of a unit: energies of a product by widths, leakage and area of the unit."""
    text, own = "", area - bit_area * operand_bits
    for a, b in combinations_with_replacement(WIDTHS, 2):
        found: list[Figure] = []
        for alone in (False, True):
            run = RUNS[kind](a, b, alone)
            name = f"{kind} {a} x {b}{' alone' if alone else ''}"
            found.append(driven(name, netlist, area, run.ports, run.skip, run.cycles, run.expected))
        full, single = (figure.energy for figure in found)
        per = run.cycles / run.products
        text += (
            f"    int{a}*int{b}: {{pj: {full.units * per:.4g}, "
            f"alone_pj: {single.units * run.cycles / STEPS:.4g}, "
            f"leakage_mw: {full.leakage:.4g}, area_mm2: {own * 1e-6:.4g}}}"
            f"  # {full.settled * per:.4g} pJ without glitches\n"
        )
    return text


def document(name: str, groups: Mapping[str, str]) -> str:
    """The whole YAML file."""
    library = KNOWN[name]
    wires = f"wire-load model {library.wire_load}" if library.wire_load else "no wires"
    text = "# Written by benchmarks/measure_fusion.py.\n"
    for kind, found in groups.items():
        source = (
            f"benchmarks/measure_fusion.py: Yosys {version('pyosys')}, OpenSTA {sta_version()}; "
            f"{SAID[kind]}, in {STAGES + 1} stages, with its accumulator of {SUM_BITS} bits, "
            "without the registers of its operands; energy of one of the products of a step, which "
            "are all there, and of a step that has one; mapped for speed; simulated with the "
            "cells' delays (glitches count) on "
            f"{LANES * STEPS} steps of normally distributed operands; switching energy of pins "
            f"and {wires}, internal energy from the Liberty tables.  Ideal clock: no clock "
            "tree.  Leakage and area are those of the unit."
        )
        lanes = f"  lanes: {SERIAL_LANES}\n" if kind == "bit_serial" else ""
        text += section(kind, source, f"{lanes}  formats:\n{found}")
    return text


def measured(name: str, liberty: Sequence[Path], folder: Path) -> dict[str, str]:
    """The rows of both units."""
    bench = Bench(folder, KNOWN[name], list(liberty))
    cells = Cells(list(liberty), KNOWN[name].slew, KNOWN[name].wire_load)
    _, pair = mapped(bench, cells, "link", registered([("a", 16)], 16, "a_q"), ())

    def one(kind: str) -> str:
        text, operand_bits = wrapped(subject(kind))
        netlist, area = mapped(bench, cells, kind, text, APART)
        return rows(kind, netlist, area, pair / 32, operand_bits)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(RUNS, pool.map(one, RUNS), strict=True))


def main() -> None:
    """Measure and write the file whole."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", choices=sorted(KNOWN), required=True)
    parser.add_argument("--liberty", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        liberty = [unpack(path, folder) for path in options.liberty]
        text = document(options.library, measured(options.library, liberty, folder))
    partial = options.output.with_suffix(".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(options.output)


if __name__ == "__main__":
    main()

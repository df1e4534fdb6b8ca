"""What a program takes on a design, estimated without simulating it: energy by part, and area.

Actions are counted in closed form and priced by a technology (:mod:`accelgen.energy`): products at
the widths of the layer, of all units in every step; reads of memories, of flip-flops where the
address changes; results, added up in memory or written once, and read.  What waits takes energy
too: ``clock`` is that of the register bits and clock gates of :mod:`accelgen.realize.structure`,
which have a clock in every cycle; ``output`` is the output stage's, per sum that it takes.  How
much switches is not known without data: FACTORS says what part of the energy with random data is
counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from accelgen.energy import Energies, UnitCost, load_energies, mac_name
from accelgen.errors import InputError
from accelgen.names import FrozenMap
from accelgen.processor.design import ProcessorDesign
from accelgen.realize.accesses import Traffic
from accelgen.realize.kernel import LOOPS, Kernel
from accelgen.realize.program import Program, Step
from accelgen.realize.structure import PAGES, STAGE_BITS, Banks, Structure, structure_of
from accelgen.realize.work import Work, work_of

__all__ = [
    "FACTORS",
    "PARTS",
    "Estimate",
    "Factors",
    "LayerEstimate",
    "area_of",
    "check_technology",
    "energy_of",
    "energy_of_work",
    "estimate",
    "product_pj",
    "waiting_pj",
    "word_pj",
]

PARTS = ("products", "inputs", "weights", "results", "output", "clock")

_WIDEST = "int8*int8"
_WIDTHS = (8, 4, 2)
_WIDE = 1024
"""Bits of a bus that blocks of any format fit."""


@dataclass(frozen=True)
class Factors:
    """What is counted of energies with random data, fitted to networks at gate level on SG13G2
    (``benchmarks/realised_energy.py``).
    """

    plain: float
    """Of a product of plain units."""
    composable: float
    """Of a product of composable units."""
    blocks: float
    """Of a product of blocks."""
    outside: float
    """Of a product, what a unit takes in a step outside of the loop nest: operands come all the
    same."""
    empty: float
    """Of a product of elements, what one takes that only fills up a word."""
    read: float
    """Of reading a word of a memory of flip-flops at another address."""
    write: float
    """Of writing a word there, for every memory that sees what a beat brings."""
    accumulate: float
    """Of writing a sum that is added up."""
    bit: float
    """Of writing a register bit (``link_pj``): what one takes in a cycle, written or not."""
    gate: float
    """The same of a clock gate."""
    stage: float
    """The same of a register bit of the output stage."""
    sum_bits: float
    """Register bits that the output stage writes for a sum."""


FACTORS = Factors(
    plain=0.9,
    composable=0.34,
    blocks=1.77,
    outside=0.2,
    empty=0.2,
    read=0.65,
    write=1.16,
    accumulate=0.28,
    bit=0.44,
    gate=0.38,
    stage=0.88,
    sum_bits=1175.0,
)


@dataclass(frozen=True)
class LayerEstimate:
    """A layer: its cycles from the first beat to the last, and picojoules by part (see PARTS)."""

    name: str
    cycles: int
    energy_pj: Mapping[str, float]

    @property
    def total_pj(self) -> float:
        """All parts."""
        return sum(self.energy_pj.values())


@dataclass(frozen=True)
class Estimate:
    """An inference: its layers, the clock period in ns, leakage in mW and area in mm2."""

    layers: tuple[LayerEstimate, ...]
    period_ns: float
    leakage_mw: float
    area_mm2: float

    @property
    def cycles(self) -> int:
        """Of an inference."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def latency_us(self) -> float:
        """Of an inference."""
        return self.cycles * self.period_ns / 1e3

    @property
    def layers_nj(self) -> tuple[float, ...]:
        """Of every layer, leakage in its cycles included."""
        leakage = self.leakage_mw * self.period_ns
        return tuple((layer.total_pj + leakage * layer.cycles) / 1e3 for layer in self.layers)

    @property
    def energy_pj(self) -> dict[str, float]:
        """By part, and leakage (mW x ns is pJ)."""
        parts = self.layers[0].energy_pj
        found = {part: sum(layer.energy_pj[part] for layer in self.layers) for part in parts}
        return {**found, "leakage": self.leakage_mw * self.cycles * self.period_ns}

    @property
    def energy_nj(self) -> float:
        """Of an inference."""
        return sum(self.energy_pj.values()) / 1e3


def estimate(
    program: Program, design: ProcessorDesign, technology: str = "sg13g2", period: float = 5.0
) -> Estimate:
    """What an inference takes in a technology at a clock ``period`` in ns.

    Raises :class:`InputError` when the technology has no memories or no such products.
    """
    energies = load_energies(technology)
    structure = structure_of(design, energies)
    area, leakage = area_of(program.kernel, structure, energies)
    layers = tuple(_layer(program.kernel, step, structure, energies) for step in program.steps)
    return Estimate(layers, period, leakage, area)


def check_technology(name: str, multipliers: Sequence[str]) -> None:
    """Raise :class:`InputError` unless a technology has what estimates of points with those kinds
    of multipliers need: memories of both kinds and all products.
    """
    energies = load_energies(name)
    for what, table in (("registers", energies.register_table), ("SRAM", energies.sram_table)):
        if table is None:
            raise InputError(f"{energies.name} has no {what}", hint="use sg13g2")
    for kind in multipliers:
        kernel = Kernel((("k", 1),), LOOPS, (False,), kind, bus_bits=_WIDE)
        known = _units(kernel, energies)
        if kind == "composable":
            for one, other in product(_WIDTHS, _WIDTHS):
                if mac_name(f"int{one}*int{other}") not in known:
                    raise InputError(
                        f"no energy of composable int{one}*int{other}",
                        where=energies.name,
                        hint="use sg13g2, where they are measured",
                    )


def area_of(kernel: Kernel, structure: Structure, energies: Energies) -> tuple[float, float]:
    """Square millimetres of multipliers, memories and their registers, and leakage in mW.

    Of a technology without areas the area is that of what it knows.
    """
    unit = _units(kernel, energies)[_widest(kernel)]
    area = (unit.area_mm2 or 0.0) * kernel.units
    leakage = unit.leakage_mw * kernel.units
    for banks in structure.memories:
        area += PAGES * banks.count * (banks.cost.area_mm2 or 0.0)
        leakage += PAGES * banks.count * banks.cost.leakage_mw
    return area, leakage


def _layer(kernel: Kernel, step: Step, structure: Structure, energies: Energies) -> LayerEstimate:
    cycles = step.problem.cycles.total_cycles
    found = energy_of(kernel, step, structure, energies, cycles)
    return LayerEstimate(step.layer.name, cycles, FrozenMap(found))


def energy_of(
    kernel: Kernel,
    step: Step,
    structure: Structure,
    energies: Energies,
    cycles: int,
    factors: Factors = FACTORS,
) -> dict[str, float]:
    """Picojoules by part of a layer that has a design of that ``structure`` for ``cycles`` cycles,
    computing or not.
    """
    channels = step.layer.weights.shape[1]
    each_pj = word_pj(kernel, step.widths, step.count, channels, energies, factors)
    return energy_of_work(kernel, work_of(step), each_pj, structure, energies, cycles, factors)


def energy_of_work(
    kernel: Kernel,
    work: Work,
    each_pj: float,
    structure: Structure,
    energies: Energies,
    cycles: int,
    factors: Factors = FACTORS,
) -> dict[str, float]:
    """The same of what a layer has to do, a product of words or blocks taking ``each_pj``."""
    outside = kernel.units * work.steps - work.products
    found = {"products": (work.products + factors.outside * outside) * each_pj}
    *inputs, output = structure.memories
    for number, (traffic, banks) in enumerate(zip(work.inputs, inputs, strict=True)):
        # Blocks have their scales behind them.
        part = ("inputs", "weights")[2 * number // len(inputs)]
        taken = _input_pj(traffic, banks, cycles, energies, factors)
        found[part] = found.get(part, 0.0) + taken
    found["results"] = _output_pj(work, output, energies, factors)
    sums = work.output.layout.elements
    found["output"] = factors.sum_bits * sums * energies.link_pj
    found["clock"] = cycles * sum(waiting_pj(structure, energies, factors).values())
    return found


def waiting_pj(
    structure: Structure, energies: Energies, factors: Factors = FACTORS
) -> dict[str, float]:
    """Picojoules in a cycle of what has a clock, of the ``array``, the ``buffers`` and all
    ``others``.
    """
    bit, gate = factors.bit * energies.link_pj, factors.gate * energies.link_pj
    stage = factors.stage * STAGE_BITS * energies.link_pj
    return {
        "array": bit * structure.lines,
        "buffers": bit * structure.around + gate * structure.gates,
        "others": stage + bit * structure.streams + gate * structure.parameters,
    }


def word_pj(
    kernel: Kernel,
    widths: tuple[int, int],
    count: int,
    channels: int,
    energies: Energies,
    factors: Factors = FACTORS,
) -> float:
    """Of one product of words or blocks of ``count`` elements, in which a layer has its
    ``channels``; the last ones are filled up with zeros.
    """
    filled = channels / -(-channels // count)
    elements = filled + factors.empty * (count - filled)
    return elements * product_pj(kernel, widths, energies, factors)


def product_pj(
    kernel: Kernel, widths: tuple[int, int], energies: Energies, factors: Factors = FACTORS
) -> float:
    """Of one product of elements of these widths that units work on."""
    units = _units(kernel, energies)
    if kernel.lanes > 1:
        return factors.blocks * units[_widest(kernel)].pj / kernel.lanes
    if kernel.multiplier == "plain":
        return factors.plain * units[_WIDEST].pj
    return factors.composable * units[mac_name(f"int{widths[0]}*int{widths[1]}")].pj


def _widest(kernel: Kernel) -> str:
    """The formats of the products that a multiplier is as large as: of blocks, the only ones."""
    return mac_name(f"uint8*{kernel.multiplier}") if kernel.lanes > 1 else _WIDEST


def _units(kernel: Kernel, energies: Energies) -> Mapping[str, UnitCost]:
    found = energies.macs
    if kernel.multiplier == "composable":
        found = energies.units.get("composable", FrozenMap())
    if _widest(kernel) not in found:
        raise InputError(
            f"no energy of {kernel.multiplier} multipliers of 8 bits",
            where=energies.name,
            hint="use sg13g2, where they are measured",
        )
    return found


def _input_pj(
    traffic: Traffic, banks: Banks, cycles: int, energies: Energies, factors: Factors
) -> float:
    """Macros are written element by element, and read in every cycle.  Flip-flops all see what a
    beat brings, and switch what is read when the address changes.  Rotators have a register per
    slot.
    """
    found = 0.0
    if traffic.turns:
        found += traffic.accesses.moves * traffic.slots * banks.width * energies.link_pj
    if banks.macro:
        written = traffic.layout.elements * banks.write_pj
        return found + written + banks.count * cycles * banks.read_pj
    written = factors.write * traffic.layout.beats * banks.write_pj
    read = factors.read * traffic.accesses.changes * banks.read_pj
    return found + banks.count * (written + read)


def _output_pj(work: Work, banks: Banks, energies: Energies, factors: Factors) -> float:
    """Results are written once, or read and written in every access; then read, from all memories
    at a time.
    """
    traffic = work.output
    share = 1.0 if banks.macro else factors.read
    found = banks.count * share * traffic.layout.segments * banks.read_pj
    found += traffic.layout.elements * banks.write_pj
    if not work.accumulates:
        return found
    sums = traffic.slots * traffic.accesses.count
    found += factors.read * banks.count * traffic.accesses.changes * banks.read_pj
    written = banks.write_pj + 3 * banks.width * energies.link_pj
    return found + factors.accumulate * sums * written

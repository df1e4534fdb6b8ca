"""What a program takes on a design, estimated without simulating it: energy by part, and area.

Actions are counted in closed form and priced by a technology (:mod:`accelgen.energy`): products at
the widths of the layer; reads and writes of memories; results, added up in memory or written once.
What waits takes energy too: ``clock`` is that of the register bits and clock gates of
:mod:`accelgen.realize.structure`, which have a clock in every cycle; ``output`` is the output
stage's, per sum that it takes.  How much switches is not known without data: FACTORS says what part
of the energy with random data is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from accelgen.energy import Energies, UnitCost, load_energies, mac_name
from accelgen.errors import InputError
from accelgen.fabric.fabric import InputPlan, OutputPlan
from accelgen.names import FrozenMap
from accelgen.processor.design import ProcessorDesign
from accelgen.realize.kernel import LOOPS, Kernel
from accelgen.realize.program import Program, Step
from accelgen.realize.structure import PAGES, Banks, Structure, structure_of

__all__ = [
    "FACTORS",
    "PARTS",
    "Estimate",
    "Factors",
    "LayerEstimate",
    "area_of",
    "check_technology",
    "energy_of",
    "estimate",
    "product_pj",
]

PARTS = ("products", "inputs", "weights", "results", "output", "clock")

_WIDEST = "int8*int8"
_WIDTHS = (8, 4, 2)
_WIDE = 1024
"""Bits of a bus that blocks of any format fit."""


@dataclass(frozen=True)
class Factors:
    """Parts of energies with random data that are counted, fitted to networks at gate level on
    SG13G2 (``benchmarks/realised_energy.py``): of products, by kind of multiplier; of reading
    flip-flops at an address that moves, or to accumulate; of writing a bit into a register
    (``link_pj``), what a bit and a clock gate that keep still take in a cycle, and a sum in the
    output stage.
    """

    plain: float
    composable: float
    read: float
    accumulate: float
    bit: float
    gate: float
    sum_bits: float


FACTORS = Factors(0.42, 0.26, 0.37, 0.31, 0.63, 0.76, 490.0)


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
    def energy_pj(self) -> dict[str, float]:
        """By part, and leakage (mW x ns is pJ)."""
        found = {part: sum(layer.energy_pj[part] for layer in self.layers) for part in PARTS}
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
    fabric = step.problem.fabric
    iterations = prod(fabric.kernel.bounds)
    each = step.count * product_pj(kernel, step.widths, energies, factors)
    found = {"products": iterations * each}
    *inputs, output = structure.memories
    for number, (plan, banks) in enumerate(zip(fabric.inputs, inputs, strict=True)):
        # Blocks have their scales behind them.
        part = ("inputs", "weights")[2 * number // len(inputs)]
        found[part] = found.get(part, 0.0) + _input_pj(plan, banks, cycles, factors.read)
    found["results"] = _output_pj(fabric.output, output, energies, factors)
    sums = fabric.output.banked.layout.elements
    found["output"] = factors.sum_bits * sums * energies.link_pj
    still = factors.bit * structure.bits + factors.gate * structure.gates
    found["clock"] = still * cycles * energies.link_pj
    return found


def product_pj(
    kernel: Kernel, widths: tuple[int, int], energies: Energies, factors: Factors = FACTORS
) -> float:
    """Of one product of elements of these widths that units work on."""
    # Blocks as plain ones: theirs is not measured.
    share = getattr(factors, kernel.multiplier, factors.plain)
    if kernel.lanes > 1:
        return share * _units(kernel, energies)[_widest(kernel)].pj / kernel.lanes
    name = f"int{widths[0]}*int{widths[1]}"
    if kernel.multiplier == "plain":
        name = "int8*int8"
    return float(share * _units(kernel, energies)[mac_name(name)].pj)


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


def _input_pj(plan: InputPlan, banks: Banks, cycles: int, share: float) -> float:
    """Every element is written once.  Macros are read in every cycle; flip-flops, whose words
    are there all the time, switch when the address moves.
    """
    written = plan.banked.layout.elements * banks.write_pj
    if banks.macro:
        return written + banks.count * cycles * banks.read_pj
    return written + share * banks.count * _moves(plan) * banks.read_pj


def _output_pj(plan: OutputPlan, banks: Banks, energies: Energies, factors: Factors) -> float:
    """Results are written once, or read and written in every access; then read."""
    layout = plan.banked.layout
    once = layout.elements * (factors.read * banks.read_pj + banks.write_pj)
    if not plan.accumulate:
        return once
    accesses = prod(plan.pattern.extents)
    slots = len(plan.banked.slots)
    read = factors.accumulate * banks.count * accesses * banks.read_pj
    return once + read + slots * accesses * (banks.write_pj + 3 * banks.width * energies.link_pj)


def _moves(plan: InputPlan) -> int:
    """Cycles in which the address of a tensor is another than before."""
    pattern = plan.pattern
    moves = 1
    for loop, extent in reversed(list(enumerate(pattern.extents))):
        still = moves == 1 and not any(row[loop] for row in pattern.steps)
        moves *= 1 if still else extent
    return moves

"""What a program takes on a design, estimated without simulating it: energy by part, and area.

Actions are counted in closed form and priced by a technology (:mod:`accelgen.energy`): products at
the widths of the layer; memories of inputs, which read in every cycle, and what is written into
them; results, added up in memory or written once; registers of the array. The control of a design,
its stream registers and its output stage are in ``control``: a share of their bits changes in a
cycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from accelgen.energy import Energies, MemoryCost, UnitCost, load_energies, mac_name
from accelgen.errors import InputError
from accelgen.fabric.fabric import InputPlan, OutputPlan
from accelgen.fabric.layout import Layout
from accelgen.names import FrozenMap
from accelgen.passes.metrics import measure
from accelgen.processor.design import ProcessorDesign
from accelgen.realize.kernel import Kernel
from accelgen.realize.program import Program, Step

__all__ = ["PARTS", "Estimate", "LayerEstimate", "area_of", "energy_of", "estimate"]

PARTS = ("products", "inputs", "weights", "results", "registers", "control")

_WIDEST = "int8*int8"

_CHANGES = 0.25
"""The share of the bits of control and streams that change in a cycle: counters and shift paths."""


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
    area, leakage = area_of(program.kernel, design, energies)
    layers = tuple(_layer(program.kernel, step, design, energies) for step in program.steps)
    return Estimate(layers, period, leakage, area)


def area_of(kernel: Kernel, design: ProcessorDesign, energies: Energies) -> tuple[float, float]:
    """Square millimetres of multipliers, memories and their registers, and leakage in mW.

    Of a technology without areas the area is that of what it knows.
    """
    unit = _units(kernel, energies)[_widest(kernel)]
    area = (unit.area_mm2 or 0.0) * kernel.units
    leakage = unit.leakage_mw * kernel.units
    for plan in design.flows[0].fabric.plans:
        cost = _bank(energies, plan.banked.layout)
        pages = 2 * _banks(plan.banked.layout)
        area += pages * (cost.area_mm2 or 0.0)
        leakage += pages * cost.leakage_mw
    return area, leakage


def energy_of(
    kernel: Kernel, step: Step, design: ProcessorDesign, technology: str, cycles: int
) -> dict[str, float]:
    """Picojoules by part of a layer that has the design for ``cycles`` cycles, computing or not."""
    return _energy(kernel, step, design, load_energies(technology), cycles)


def _layer(
    kernel: Kernel, step: Step, design: ProcessorDesign, energies: Energies
) -> LayerEstimate:
    cycles = step.problem.cycles.total_cycles
    found = _energy(kernel, step, design, energies, cycles)
    return LayerEstimate(step.layer.name, cycles, FrozenMap(found))


def _energy(
    kernel: Kernel, step: Step, design: ProcessorDesign, energies: Energies, cycles: int
) -> dict[str, float]:
    computing = step.problem.cycles.compute_cycles
    fabric = step.problem.fabric
    iterations = prod(fabric.kernel.bounds)
    product = _product_pj(kernel, step, energies)
    found = {"products": iterations * step.count * product}
    for number, plan in enumerate(fabric.inputs):
        # Blocks have their scales behind them.
        part = ("inputs", "weights")[2 * number // len(fabric.inputs)]
        found[part] = found.get(part, 0.0) + _input_pj(plan, cycles, energies)
    found["results"] = _output_pj(fabric.output, computing, energies)
    found["registers"] = _pipeline_bits(design) * computing * energies.link_pj
    found["control"] = _control_bits(design) * cycles * energies.link_pj * _CHANGES
    return found


def _product_pj(kernel: Kernel, step: Step, energies: Energies) -> float:
    """Of one product of the elements that units work on."""
    if kernel.lanes > 1:
        return _units(kernel, energies)[_widest(kernel)].pj / kernel.lanes
    name = f"int{step.widths[0]}*int{step.widths[1]}"
    if kernel.multiplier == "plain":
        name = "int8*int8"
    return _units(kernel, energies)[mac_name(name)].pj


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
            hint="use sg13g2 or asap7, where they are measured",
        )
    return found


def _input_pj(plan: InputPlan, cycles: int, energies: Energies) -> float:
    """All memories of an input read in every cycle; every element is written once."""
    layout = plan.banked.layout
    cost = _bank(energies, layout)
    read = _banks(layout) * layout.element_bits * cost.read_pj * cycles
    return read + layout.elements * layout.element_bits * cost.write_pj


def _output_pj(plan: OutputPlan, cycles: int, energies: Energies) -> float:
    """Results are written once, or read and written by every slot in every cycle; then read."""
    layout = plan.banked.layout
    cost = _bank(energies, layout)
    word = layout.element_bits
    once = layout.elements * word * (cost.read_pj + cost.write_pj)
    if not plan.accumulate:
        return once
    slots = max(plan.slot) + 1
    return once + slots * cycles * word * (cost.read_pj + cost.write_pj)


def _banks(layout: Layout) -> int:
    return layout.memories


def _bank(energies: Energies, layout: Layout) -> MemoryCost:
    words = layout.words or layout.depth
    return _memory(energies, -(-words * layout.element_bits // 8), layout.element_bits)


@lru_cache(maxsize=4096)
def _memory(energies: Energies, size: int, width: int) -> MemoryCost:
    """A page of a memory as a macro, or as flip-flops where these are smaller."""
    macro = energies.sram(size, width)
    files = energies.registers(size, width)
    if files.area_mm2 is not None and macro.area_mm2 is not None:
        return files if files.area_mm2 < macro.area_mm2 else macro
    return macro


def _pipeline_bits(design: ProcessorDesign) -> int:
    """Register bits of the array."""
    pipeline = design.pipeline
    return measure(pipeline.netlist, pipeline.registers).register_bits


def _control_bits(design: ProcessorDesign) -> int:
    """Bits of control: registers of a problem twice (written and active), counters, streams."""
    held = 2 * sum(register.bits for register in design.registers)
    return held + 8 * design.flows[0].fabric.bus_bits

"""What of a design takes energy while it waits: memories, register bits, clock gates.

Counted in closed form from the plans of its tensors, as the units of :mod:`accelgen.rtl.streams`
are built; no design is generated for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from accelgen.energy import Energies, MemoryCost
from accelgen.fabric.fabric import InputPlan, OutputPlan
from accelgen.passes.metrics import measure
from accelgen.processor.design import ProcessorDesign
from accelgen.rtl.streams.geometry import bank_depth

__all__ = [
    "PAGES", "STAGE_BITS", "Banks", "Buffer", "Structure", "structure_from", "structure_of",
]  # fmt: skip

PAGES = 2
"""Of every memory: one is streamed while the other is computed with."""

_STORAGE = 0.275
"""The smallest storage cell, of the area of a bit in the densest register file (SG13G2: of 99 um2):
macros that take more per bit are not used (:func:`accelgen.silicon.memories.tile`).
"""

_BUS_BITS = 12
"""Register bits of loaders, spread and packer for every bit of a bus."""

STAGE_BITS = 2170
"""Of the multipliers of the output stage and of what drives problems, whatever the design is."""

_PARAMETERS = 3
"""Memories of the output stage with a word per channel."""


@dataclass(frozen=True)
class Banks:
    """The memories of a tensor: ``count`` of ``words`` words of ``width`` bits, in each of the two
    pages; ``cost`` is that of an access of a page (per bit of its width), ``macro`` whether it is
    made of macros and not of flip-flops.
    """

    count: int
    words: int
    width: int
    cost: MemoryCost
    macro: bool

    @property
    def read_pj(self) -> float:
        """Of reading a word."""
        return self.cost.read_pj * self.width

    @property
    def write_pj(self) -> float:
        """Of writing a word."""
        return self.cost.write_pj * self.width


@dataclass(frozen=True)
class Structure:
    """The memories of the tensors, the output's last, and what has a clock in every cycle: register
    bits of the array (``lines``), around memories (``around``) and on the way of streams
    (``streams``), besides the STAGE_BITS that every design has; and clock gates, one per word of a
    memory of flip-flops, of tensors (``gates``) and of the table of the output stage
    (``parameters``).
    """

    memories: tuple[Banks, ...]
    lines: int
    around: int
    streams: int
    gates: int
    parameters: int


@dataclass(frozen=True)
class Buffer:
    """The memories of a tensor as the array has them: ``count`` of ``words`` words of ``width``
    bits, of which ``slots`` are accessed at once, through rotators where it ``turns``; results
    may be added up in them (``accumulates``).
    """

    count: int
    words: int
    width: int
    slots: int
    turns: bool
    accumulates: bool = False

    @property
    def address_bits(self) -> int:
        """Of a word in a page."""
        return (self.words - 1).bit_length()


def structure_of(design: ProcessorDesign, energies: Energies) -> Structure:
    """What the first dataflow of a design consists of in a technology.

    Raises :class:`accelgen.errors.InputError` when the technology has no memories.
    """
    fabric, pipeline = design.flows[0].fabric, design.pipeline
    nodes = pipeline.netlist.nodes
    lines = measure(pipeline.netlist, pipeline.registers).register_bits
    lines -= sum(nodes[enable.node].format.bits for enable in pipeline.enables)
    buffers = [_buffer(plan) for plan in fabric.plans]
    channels = design.stage.channels if design.stage else 0
    return structure_from(buffers, lines, fabric.bus_bits, channels, energies)


def structure_from(
    buffers: Sequence[Buffer], lines: int, bus_bits: int, channels: int, energies: Energies
) -> Structure:
    """Of ``buffers``, the output's last, an array with ``lines`` register bits, buses of so many
    bits, and an output stage for so many channels; raises as :func:`structure_of`.
    """
    around = gates = 0
    memories = []
    for number, buffer in enumerate(buffers):
        memory = _banks(buffer.count, buffer.words, buffer.width, buffer.accumulates, energies)
        memories.append(memory)
        if buffer.turns:
            # The element of every slot, the address of every memory (memories with the same
            # address share one, which is a small part of all).
            around += buffer.slots * buffer.width + buffer.count * buffer.address_bits
        if buffer.accumulates:
            # Addend, sum, the sum before, two addresses; what is read of both pages.
            around += buffer.count * ((3 + PAGES) * buffer.width + 2 * buffer.address_bits)
        elif number < len(buffers) - 1 and not memory.macro:
            around += buffer.count * buffer.width
        if not memory.macro:
            gates += buffer.count * PAGES * buffer.words
    parameters = _PARAMETERS * PAGES * channels
    return Structure(tuple(memories), lines, around, _BUS_BITS * bus_bits, gates, parameters)


def _buffer(plan: InputPlan | OutputPlan) -> Buffer:
    access, layout = plan.banked, plan.banked.layout
    return Buffer(
        layout.memories, bank_depth(layout), layout.element_bits, len(access.slots), access.turns,
        accumulates=isinstance(plan, OutputPlan) and plan.accumulate,
    )  # fmt: skip


def _banks(count: int, words: int, width: int, accumulates: bool, energies: Energies) -> Banks:
    """Memories as synthesis makes them.

    Raises :class:`accelgen.errors.InputError` when the technology has none.
    """
    return Banks(count, words, width, *_cost(words, width, accumulates, energies))


@lru_cache(maxsize=16384)
def _cost(words: int, width: int, accumulates: bool, energies: Energies) -> tuple[MemoryCost, bool]:
    """Of a page, and whether it is made of macros."""
    # What is read and written in one cycle has no place in macros of one port.
    found = None if accumulates else _macro(energies, words, width)
    return found or energies.registers(-(-words * width // 8), width), found is not None


@lru_cache(maxsize=4096)
def _macro(energies: Energies, words: int, width: int) -> MemoryCost | None:
    """A page made of macros, per bit of the page; ``None`` where flip-flops are smaller."""
    size = -(-words * width // 8)
    if not energies.macros:
        macro, most = energies.sram(size, width), energies.registers(size, width).area_mm2
        fits = most is None or macro.area_mm2 is None or macro.area_mm2 < most
        return macro if fits else None
    tiles = []
    for row in energies.macros:
        rows, columns = -(-words // (8 * row.size // row.width)), -(-width // row.width)
        area = rows * columns * (row.area_mm2 or 0.0)
        tiles.append((area, rows * columns, columns, row))
    area, count, columns, row = min(tiles, key=lambda one: one[0])
    storage = _storage_mm2(energies)
    if storage is not None and area >= storage * words * width:
        return None
    read, write = (columns * pj / width for pj in (row.read_pj, row.write_pj))
    return MemoryCost(read, write, count * row.leakage_mw, area)


@lru_cache(maxsize=64)
def _storage_mm2(energies: Energies) -> float | None:
    """The smallest area that stores a bit."""
    table = energies.register_table
    if table is None or table.rows[0].area_mm2 is None:
        return None
    return _STORAGE * min((row.area_mm2 or 0.0) / (8 * row.size) for row in table.rows)

"""A fixed design that candidates are compared with: its resources, and what they take from it.

Candidates are built in the baseline's technology, at its clock, with units of its formats and their
pipeline, sums of its width, banks like its own and its DRAM: keys :data:`TAKEN` of its file, and
the outermost level.  Only then a difference is one of the design.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from accelgen.affine.roles import Role
from accelgen.affine.yaml_text import Plain
from accelgen.errors import InputError
from accelgen.formats import BlockFormat, get_format
from accelgen.hardware import Hardware, hardware_from, hardware_values
from accelgen.hardware.words import ANY_FORMAT, UnitKind, words_of
from accelgen.names import FrozenMap, within
from accelgen.search.spaces.budget import Budget, resources_of
from accelgen.sweep.fields import Value, replaced

__all__ = ["TAKEN", "Baseline", "load_baseline"]

TAKEN = (
    "technology", "clock_mhz", "formats", "mac_pj", "sum_bits", "link_pj", "fill",
    "unit_leakage_mw", "unit_area_mm2", "sources", "unit", "lanes", "alone_pj",
)  # fmt: skip
"""Keys of a hardware file that candidates have from their baseline."""

_SUM_BITS = 32
"""Where the file does not say: those of the types that networks have."""


@dataclass(frozen=True)
class Baseline:
    """A fixed design: its plain ``values``, the hardware that they are, and its resources."""

    source: str
    values: Mapping[str, Value]
    hardware: Hardware
    budget: Budget

    @property
    def taken(self) -> dict[str, Value]:
        """What every candidate has of it, without its DRAM."""
        return {key: self.values[key] for key in TAKEN if key in self.values}

    @property
    def dram(self) -> dict[str, Value]:
        """Its outermost level, as in its file."""
        levels = self.values["levels"]
        assert isinstance(levels, list)
        last = levels[-1]
        assert isinstance(last, dict)
        return {**last}

    @property
    def bank(self) -> tuple[int, int]:
        """Bytes and width in bits of a bank of its largest memory beside the array."""
        found = (64, 64)
        largest = 0
        levels = self.values["levels"]
        assert isinstance(levels, list)
        for level in levels[:-1]:
            assert isinstance(level, dict)
            memories = level.get("memories") or [level]
            assert isinstance(memories, list)
            for memory in memories:
                assert isinstance(memory, dict)
                size = memory.get("bytes")
                if isinstance(size, int) and size > largest:
                    largest = size
                    banks, width = memory.get("banks", 1), memory.get("width", 64)
                    assert isinstance(banks, int)
                    assert isinstance(width, int)
                    found = size // banks, width
        return found

    @property
    def macs(self) -> tuple[str, ...]:
        """The formats that its units multiply."""
        return tuple(self.hardware.mac_pj)

    def element_bytes(
        self, macs: tuple[str, ...], unit: UnitKind | None = None, lanes: int | None = None
    ) -> dict[Role, int]:
        """Bytes of an element by role on units of these formats, of the baseline's kind and lanes
        where no other are given: a port of registers holds one; of block formats a block with its
        scale, of units of widths chosen at run time the widest word, of outputs an unfinished sum.
        """
        unit, lanes = unit or self.hardware.unit, lanes or self.hardware.lanes
        pairs = [name.split("*") for name in macs if name != ANY_FORMAT]
        widest = max((_widest(pair, unit, lanes) for pair in pairs), default=1)
        sums = -(-(self.hardware.sum_bits or _SUM_BITS) // 8)
        return {"inputs": widest, "weights": widest, "outputs": sums}


def _widest(pair: list[str], unit: UnitKind, lanes: int) -> int:
    """Bytes of the wider of what a unit takes of two formats."""
    bits = []
    for name in pair:
        form = get_format(name.strip())
        if isinstance(form, BlockFormat):
            bits.append((form.block or 1) * form.element_bits + form.scale_bits)
        else:
            bits.append(form.width)
    elements = 1 if unit == "plain" else words_of(unit, lanes, bits * (3 - len(bits)), 1).room
    return -(-max(bits) * elements // 8)


def load_baseline(source: str | Path, changes: Mapping[str, Value] = FrozenMap()) -> Baseline:
    """The hardware ``source`` with fields changed (as ``set`` of a sweep), and its resources.

    Raises :class:`InputError` for hardware that cannot be read, and for one without a buffer.
    """
    values: dict[str, Value] = {**hardware_values(source)}
    with within("set"):
        for field, value in changes.items():
            values = replaced(values, field, value)
    with within(str(source)):
        hardware = hardware_from(cast("dict[str, Plain]", values))
        if len(hardware.levels) < 2:
            raise InputError("no buffer between array and DRAM", hint="use another baseline")
    hardware = replace(hardware, name=hardware.name or "baseline")
    return Baseline(str(source), FrozenMap(values), hardware, resources_of(hardware))

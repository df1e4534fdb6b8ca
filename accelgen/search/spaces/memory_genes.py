"""The memories of a candidate: registers of units, buffers, and the wires between the two.

Sizes are shares of a budget, so that nothing exceeds it.  A buffer is made of banks like those of
the baseline: as wide, and not larger.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from accelgen.affine.roles import ROLES, Role
from accelgen.affine.yaml_text import Plain
from accelgen.errors import InputError
from accelgen.search.vector import Gene, Reader, Rejected

__all__ = ["MemoryGenes"]

_SMALLEST_PART = 1 / 16
"""Of the bytes that are left for the buffer, the least that it gets."""

_ALIGNED = 64
"""Bytes of which the size of a buffer is a multiple."""


@dataclass(frozen=True)
class MemoryGenes:
    """What is decided of memories.

    ``element_bytes`` by role (unfinished sums for outputs); ``bank_bytes`` and ``width`` (bits)
    are those of a bank.  With ``registers`` every unit has them, with a port as wide as an
    element; up to ``most_registers`` bytes in a unit.  ``copies``: whether memories keep a tile
    while the next is loaded (2), or let the array wait (1); mappings of the latter take long to
    find.
    """

    element_bytes: Mapping[Role, int]
    bank_bytes: int
    width: int
    registers: bool = False
    most_registers: int = 1024
    copies: tuple[int, ...] = (2,)
    shared: tuple[bool, ...] = (True, False)

    def __post_init__(self) -> None:
        if self.most_registers < sum(self.element_bytes.values()):
            raise InputError(
                f"{self.most_registers} bytes",
                where="most_registers",
                hint=f"use {sum(self.element_bytes.values())} or more: an element of each tensor",
            )

    @property
    def genes(self) -> tuple[Gene, ...]:
        """The genes of the memories."""
        found = [Gene("buffer.bytes", "part of the bytes that are left for the buffer")]
        if len(self.copies) > 1:
            found.append(Gene("buffer.copies", "single or double buffered"))
        if len(self.shared) > 1:
            found.append(Gene("buffer.shared", "one buffer of all tensors, or one of each"))
        if False in self.shared:
            found += [Gene(f"buffer.{role}", f"share of {role} in the buffers") for role in ROLES]
        found += [
            Gene(f"link.{role}", f"share of {role} in the wires to the array") for role in ROLES
        ]
        if self.registers:
            found.append(Gene("registers.bytes", "bytes of registers in a unit"))
            if len(self.copies) > 1:
                found.append(Gene("registers.copies", "single or double registers"))
            found.append(Gene("registers.slides", "windows of inputs slide in the registers"))
            found += [Gene(f"registers.{r}", f"share of {r} in the registers") for r in ROLES]
        return tuple(found)

    def decode(
        self, reader: Reader, units: int, on_chip_bytes: int, link_bytes: float | None
    ) -> dict[str, Plain | object] | Rejected:
        """``registers`` and the innermost level of a hardware file, within the budget.

        Rejected where the budget does not hold an element of each tensor per unit.
        """
        least = sum(self.element_bytes.values())
        values: dict[str, Plain | object] = {}
        left = on_chip_bytes
        if self.registers:
            most = self.most_of(units, on_chip_bytes)
            if most < least:
                return Rejected(
                    f"{on_chip_bytes} bytes on chip leave {most} for the registers of each of "
                    f"{units} units, {least} are needed"
                )
            each = int(reader.between("registers.bytes", least, most))
            file, used = self._registers(reader, each)
            values["registers"] = file
            left -= units * used
        size = int(reader.filling("buffer.bytes", max(_ALIGNED, _SMALLEST_PART * left), left))
        level = self._buffers(reader, size)
        if isinstance(level, Rejected):
            return level
        if link_bytes is not None:
            shares = reader.shares("link", ROLES)
            level["links"] = {
                role: math.floor(1000 * link_bytes * shares[role]) / 1000 for role in ROLES
            }
        values["level"] = level
        return values

    def most_of(self, units: int, on_chip_bytes: int) -> int:
        """Bytes of registers that each of ``units`` may have: half of everything at least remains
        for the buffer.
        """
        return min(self.most_registers, on_chip_bytes // (2 * units))

    def _registers(self, reader: Reader, each: int) -> tuple[dict[str, object], int]:
        """Registers of a unit in ``each`` bytes, and how many they are."""
        shares, copies = (
            reader.shares("registers", ROLES),
            reader.pick("registers.copies", self.copies),
        )
        slides = reader.pick("registers.slides", (False, True))
        spare = each - sum(self.element_bytes.values())
        memories: list[dict[str, object]] = []
        used = 0
        for role in ROLES:
            element = self.element_bytes[role]
            size = element * (1 + int(spare * shares[role]) // element)
            # Two copies of the only element there is room for would not fit.
            twice = 2 if copies == 2 and size >= 2 * element else 1
            memory: dict[str, object] = {
                "name": f"{role}_file", "holds": [role], "bytes": size, "width": 8 * element,
                "buffers": twice,
            }  # fmt: skip
            if role == "inputs" and slides:
                memory["slides"] = True
            memories.append(memory)
            used += size
        return {"name": "registers", "memories": memories}, used

    def _buffers(self, reader: Reader, size: int) -> dict[str, object] | Rejected:
        copies = reader.pick("buffer.copies", self.copies)
        if reader.pick("buffer.shared", self.shared):
            memory = self._banks("shared", size, copies)
            return (
                memory if isinstance(memory, Rejected) else {"name": "buffer", "memories": [memory]}
            )
        shares = reader.shares("buffer", ROLES)
        memories = []
        for role in ROLES:
            memory = self._banks(f"{role}_buffer", int(size * shares[role]), copies)
            if isinstance(memory, Rejected):
                return memory
            memories.append({**memory, "holds": [role]})
        return {"name": "buffer", "memories": memories}

    def _banks(self, name: str, size: int, copies: int) -> dict[str, object] | Rejected:
        """A memory of at most ``size`` bytes: as few banks as are not larger than one may be."""
        banks = max(1, -(-size // self.bank_bytes))
        unit = banks * min(_ALIGNED, self.bank_bytes)
        aligned = size // unit * unit
        if aligned < 1:
            return Rejected(f"{name} of {size} bytes is less than {unit}")
        return {
            "name": name, "bytes": aligned, "banks": banks, "width": self.width, "buffers": copies
        }  # fmt: skip

"""The space of sizes of a fixed design: what changing numbers alone, and no connection, can reach.

Lengths of the axes, sizes of memories and wires change within the budget; dataflows, levels and
which tensors they hold stay as they are in the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from accelgen.search.spaces.baseline import Baseline
from accelgen.search.spaces.budget import Budget, link_rates
from accelgen.search.spaces.hardware import Design, designed
from accelgen.search.vector import Gene, Reader, Rejected

__all__ = ["SizingSpace"]

_FEWEST = 0.25
_ALIGNED = 64


@dataclass(frozen=True)
class SizingSpace:
    """The design of ``baseline`` at other sizes, within ``budget``."""

    baseline: Baseline
    budget: Budget

    @cached_property
    def _memories(self) -> tuple[str, ...]:
        """Memories of limited size beside the array."""
        levels = self.baseline.hardware.levels[:-1]
        return tuple(m.name for level in levels for m in level.memories if m.size is not None)

    @cached_property
    def _files(self) -> dict[str, int]:
        """Registers of a unit with a limit, and the bytes of an element of them."""
        registers = self.baseline.hardware.registers
        if registers is None:
            return {}
        sizes = self.baseline.element_bytes(self.baseline.macs)
        return {
            memory.name: sum(sizes[role] for role in memory.holds)
            for memory in registers.memories
            if memory.size is not None
        }

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """Sizes, and nothing else."""
        axes = tuple(self.baseline.hardware.array)
        found = [Gene("units", "part of the units of the budget")]
        if len(axes) > 1:
            found += [Gene(f"size.{axis}", f"length of axis {axis}") for axis in axes]
        if self._files:
            found.append(Gene("registers.bytes", "bytes of registers in a unit"))
            found += [Gene(f"registers.{name}", f"share of {name}") for name in self._files]
        found.append(Gene("buffer.bytes", "part of the bytes that are left for buffers"))
        found += [Gene(f"buffer.{name}", f"share of {name}") for name in self._memories]
        links = self.baseline.hardware.levels[0].links
        found += [Gene(f"link.{role}", f"share of {role} in the wires") for role in links]
        return tuple(found)

    def decode(self, vector: Sequence[float]) -> Design | Rejected:
        """The design of a vector."""
        reader = Reader.of(self.genes, vector)
        values: dict[str, Any] = deepcopy(dict(self.baseline.values))
        values["name"] = "candidate"
        values["array"] = array = self._array(reader)
        units, left = math.prod(array.values()), self.budget.on_chip_bytes
        if self._files:
            each = left // (2 * units)
            if each < sum(self._files.values()):
                return Rejected(f"{left} bytes on chip leave {each} for the registers of a unit")
            left -= units * self._registers(reader, values["registers"], each)
        size = reader.filling("buffer.bytes", left / 16, left)
        shares = reader.shares("buffer", self._memories) if self._memories else {}
        for level in values["levels"][:-1]:
            for memory in level.get("memories") or [level]:
                if (name := memory.get("name", level.get("name"))) in shares:
                    reason = _resize(memory, int(size * shares[name]))
                    if reason is not None:
                        return Rejected(f"{name}: {reason}")
        self._links(reader, values["levels"][0])
        return designed(values, self.budget)

    def _array(self, reader: Reader) -> dict[str, int]:
        axes = tuple(self.baseline.hardware.array)
        most = self.budget.units
        left = max(1, math.floor(reader.filling("units", max(1.0, _FEWEST * most), most) + 1e-9))
        found: dict[str, int] = {}
        for n, axis in enumerate(axes[:-1]):
            weights = [0.02 + reader.values[f"size.{other}"] for other in axes[n:]]
            found[axis] = min(left, max(1, round(left ** (weights[0] / sum(weights)))))
            left //= found[axis]
        return {**found, axes[-1]: left}

    def _registers(self, reader: Reader, level: dict[str, Any], most: int) -> int:
        """Set the sizes of the registers of a unit; returns their sum."""
        least = sum(self._files.values())
        spare = int(reader.between("registers.bytes", least, most)) - least
        shares = reader.shares("registers", tuple(self._files))
        used = 0
        for memory in level.get("memories") or [level]:
            name = memory.get("name", level.get("name"))
            if name in shares:
                element = self._files[name]
                memory["bytes"] = element * (1 + int(spare * shares[name]) // element)
                used += memory["bytes"]
        return used

    def _links(self, reader: Reader, level: dict[str, Any]) -> None:
        """Share what the wires with a limit carry in all; the others carry what the baseline's
        units can take or give.
        """
        links = self.baseline.hardware.levels[0].links
        if not links or self.budget.link_bytes is None:
            return
        rates = link_rates(self.baseline.hardware)
        free = {role: rate for role, rate in rates.items() if role not in links}
        shares: Mapping[str, float] = reader.shares("link", tuple(links))
        total = max(self.budget.link_bytes - sum(free.values()), 0.0)
        level["links"] = {
            **{role: math.floor(1000 * total * shares[role]) / 1000 for role in links},
            **free,
        }


def _resize(memory: dict[str, Any], size: int) -> str | None:
    """Give a memory of a file that size, in banks of at most the size they have."""
    most = memory["bytes"] // memory.get("banks", 1)
    banks = max(1, -(-size // most))
    unit = banks * min(_ALIGNED, most)
    if size < unit:
        return f"{size} bytes are less than {unit}"
    memory["bytes"] = size // unit * unit
    if "banks" in memory or banks > 1:
        memory["banks"] = banks
    return None

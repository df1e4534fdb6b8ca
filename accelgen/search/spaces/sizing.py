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
from itertools import product
from typing import Any

from accelgen.errors import InputError
from accelgen.search.spaces.array_genes import EVEN
from accelgen.search.spaces.baseline import Baseline
from accelgen.search.spaces.budget import Budget, link_rates
from accelgen.search.spaces.hardware import Design, designed
from accelgen.search.vector import Gene, Reader, Rejected, Vector, shares_of

__all__ = ["SizingSpace"]

_FEWEST = 0.25
_ALIGNED = 64
_HIGHEST = 0.8
_NUDGES = tuple(k / 20 for k in range(-5, 6))
"""Importance of the longest axis of a baseline, and what importances are moved by to use all units.
"""

_DESCENDING = tuple(k / 16 for k in range(8, -1, -1))
"""Values of genes from all of a budget (:meth:`Reader.filling`) to the least."""


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

    @cached_property
    def largest(self) -> Design:
        """The largest design of the proportions of the baseline: of the most units of the budget
        that fit, that with the most bytes of buffers.

        Raises :class:`InputError` where none is within the budget.
        """
        reason = ""
        for units, size in product(_DESCENDING, repeat=2):
            found = self.decode(self._proportioned(units, size))
            if isinstance(found, Design):
                return found
            reason = reason or found.reason
        raise InputError(
            f"no size of {self.baseline.source} is within it: {reason}",
            where="hardware: budget",
            hint="give a larger budget, or another baseline",
        )

    @property
    def starts(self) -> tuple[Vector, ...]:
        """The proportions of the baseline: at all of the budget, and at less of it."""
        return tuple(self._proportioned(at, at) for at in (0.5, 0.25, 0.0))

    def _proportioned(self, units: float, size: float) -> Vector:
        """The vector of shares as the baseline has them, with genes ``units`` and ``buffer.bytes``
        of these values.
        """
        hardware = self.baseline.hardware
        values = {"units": units, "buffer.bytes": size}
        values |= self._lengths(units)
        beside = {m.name: m.size or 1 for level in hardware.levels[:-1] for m in level.memories}
        values |= shares_of("buffer", {name: beside[name] for name in self._memories})
        values |= shares_of("link", hardware.levels[0].links)
        if hardware.registers is not None and self._files:
            files = {m.name: m.size or 1 for m in hardware.registers.memories}
            spare = {name: max(files[name] - least, 0) for name, least in self._files.items()}
            values |= shares_of("registers", spare)
            most = self.budget.on_chip_bytes // (2 * self._units(units))
            least = sum(self._files.values())
            span = math.log(most / least) if most > least else 0.0
            part = math.log((least + sum(spare.values())) / least)
            values["registers.bytes"] = min(1.0, part / span) if span else 0.0
        return tuple(values[gene.name] for gene in self.genes)

    def _lengths(self, units: float) -> dict[str, float]:
        """Genes of axes whose lengths are powers of the units as in the baseline, moved as little
        as it takes to leave the fewest units of the budget out.
        """
        sizes = self.baseline.hardware.array
        most = math.log(max(2, *sizes.values()))
        usual = {axis: _HIGHEST * math.log(n) / most - EVEN for axis, n in sizes.items()}
        found = []
        for steps in product(_NUDGES, repeat=len(usual) - 1):
            moved = zip(usual.items(), (*steps, 0.0), strict=True)
            genes = {f"size.{axis}": min(1.0, max(0.0, x + step)) for (axis, x), step in moved}
            array = self._array(Reader({"units": units, **genes}))
            found.append((math.prod(array.values()), -sum(map(abs, steps)), genes))
        return max(found, key=lambda entry: entry[:2])[2]

    def _units(self, gene: float) -> int:
        """The most units of a design."""
        most = self.budget.units
        part = Reader({"units": gene}).filling("units", max(1.0, _FEWEST * most), most)
        return max(1, math.floor(part + 1e-9))

    def _array(self, reader: Reader) -> dict[str, int]:
        axes = tuple(self.baseline.hardware.array)
        left = self._units(reader.values["units"])
        found: dict[str, int] = {}
        for n, axis in enumerate(axes[:-1]):
            weights = [EVEN + reader.values[f"size.{other}"] for other in axes[n:]]
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
            name = memory.get("name", level.get("name", "registers"))
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

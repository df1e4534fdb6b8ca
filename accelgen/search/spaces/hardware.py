"""The space of hardware within a budget: arrays, memories, kinds of units.

Every vector is a legal hardware file or is rejected with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import yaml

from accelgen.affine.yaml_text import Plain
from accelgen.energy import Energies, load_energies, mac_name
from accelgen.errors import InputError
from accelgen.hardware import Hardware, hardware_from
from accelgen.hardware.words import UnitKind
from accelgen.names import FrozenMap, unknown
from accelgen.output_file import write_text
from accelgen.search.spaces.array_genes import ArrayGenes
from accelgen.search.spaces.baseline import Baseline
from accelgen.search.spaces.budget import Budget
from accelgen.search.spaces.describe import described
from accelgen.search.spaces.memory_genes import MemoryGenes
from accelgen.search.spaces.resembling import array_values, memory_values
from accelgen.search.vector import Gene, Reader, Rejected, Vector, middle_of, slot_of
from accelgen.store import Json
from accelgen.sweep.fields import Value

if TYPE_CHECKING:
    from accelgen.search.spaces.sizing import SizingSpace

__all__ = ["Design", "HardwareSpace", "designed"]

_OF_UNITS = ("formats", "mac_pj", "alone_pj", "lanes", "unit_leakage_mw", "unit_area_mm2")
"""Keys of a hardware file that say what units are."""


@dataclass(frozen=True)
class Design:
    """A candidate's hardware, and the plain values that are its file."""

    values: FrozenMap[str, Value]
    hardware: Hardware

    def described(self) -> dict[str, int | float | str]:
        """See :func:`accelgen.search.spaces.describe.described`."""
        return described(self.hardware)

    def to_json(self) -> dict[str, Json]:
        """The values of its file."""
        return {"hardware": dict(self.values)}

    def write(self, folder: Path, name: str, comment: str) -> list[Path]:
        """Write its file, for every command that takes hardware."""
        values = {**self.values, "name": name}
        text = f"# {comment}\n" + yaml.safe_dump(
            values, sort_keys=False, default_flow_style=None, width=100
        )
        path = folder / f"hardware_{name.rpartition('_')[2]}.yaml"
        return [write_text(path, text)]


@dataclass(frozen=True)
class HardwareSpace:
    """Hardware within ``budget``, on the cost model of ``baseline``.

    ``macs`` are kinds of plain units to choose from, by what they multiply: a format, or several
    that one unit has, of which the technology has figures.  ``kinds`` are plain units, or units of
    widths chosen at run time in all formats of the technology.  ``dram_bytes`` are bandwidths of
    the DRAM in bytes per cycle.  Of each, none is that of the baseline.
    """

    baseline: Baseline
    budget: Budget
    array: ArrayGenes
    memory: MemoryGenes
    macs: tuple[str | tuple[str, ...], ...] = ()
    dram_bytes: tuple[float, ...] = ()
    kinds: tuple[UnitKind, ...] = ()

    def __post_init__(self) -> None:
        energies = self._energies
        known = {} if energies is None else energies.macs
        for name in self.plain_formats:
            if mac_name(name) not in known:
                error = unknown(name, "kind of unit of the technology", known)
                error.where = "macs"
                raise error
        offered = self.kinds or (self.baseline.hardware.unit,)
        if self.macs and "plain" not in offered:
            raise InputError("are of plain units", where="macs", hint="unit: [plain, composable]")
        if "plain" in offered and not self.macs and self.baseline.hardware.unit != "plain":
            raise InputError("no formats of plain units", where="unit", hint="macs: [int8]")
        for kind in self.kinds:
            if kind != "plain" and (energies is None or not energies.units.get(kind)):
                raise InputError(
                    f"the technology has no energies of {kind} units", where="unit",
                    hint="set: {technology: sg13g2}",
                )  # fmt: skip
        most = self.budget.dram_bytes
        for rate in self.dram_bytes:
            if rate <= 0 or (most is not None and rate > most):
                raise InputError(
                    f"{rate:g} bytes per cycle", where="dram",
                    hint=f"use more than 0, and at most {most:g} of the budget" if most else "",
                )  # fmt: skip

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """Those of the array, of the memories, of the kind of units and of the DRAM."""
        found = [*self.array.genes, *self.memory.genes]
        if len(self.kinds) > 1:
            found.append(Gene("unit", "plain, composable or bit-serial units"))
        if len(self.macs) > 1:
            found.append(Gene("mac", "formats that a unit multiplies"))
        if len(self.dram_bytes) > 1:
            found.append(Gene("dram", "bandwidth of the DRAM"))
        return tuple(found)

    @property
    def starts(self) -> tuple[Vector, ...]:
        """What resembles the baseline most, where that is within the budget."""
        hardware, budget = self.baseline.hardware, self.budget
        most = self.memory.most_of(budget.units, budget.on_chip_bytes)
        values = array_values(self.array, hardware) | memory_values(self.memory, hardware, most)
        if hardware.unit in self.kinds:
            values["unit"] = slot_of(hardware.unit, self.kinds)
        own = self.baseline.macs
        same = [
            k for k, one in enumerate(self.macs) if own == ((one,) if isinstance(one, str) else one)
        ]
        if same:
            values["mac"] = middle_of(same[0], len(self.macs))
        rate = self.baseline.budget.dram_bytes
        if self.dram_bytes and rate is not None:
            nearest = min(self.dram_bytes, key=lambda option: abs(option - rate))
            values["dram"] = slot_of(nearest, self.dram_bytes)
        found = tuple(values.get(gene.name, 0.5) for gene in self.genes)
        return () if isinstance(self.decode(found), Rejected) else (found,)

    @cached_property
    def reference(self) -> Design:
        """The baseline, or where it exceeds the budget the largest sizing of it that does not.

        Raises :class:`InputError` where there is none.
        """
        if self.budget.excess(self.baseline.hardware) is None:
            return Design(FrozenMap(self.baseline.values), self.baseline.hardware)
        return self.sizing.largest

    @property
    def sizing(self) -> SizingSpace:
        """The baseline at other sizes."""
        # Only here, because the space of sizes has designs of this module.
        from accelgen.search.spaces.sizing import SizingSpace

        return SizingSpace(self.baseline, self.budget)

    def decode(self, vector: Sequence[float]) -> Design | Rejected:
        """The hardware of a vector."""
        reader = Reader.of(self.genes, vector)
        values: dict[str, object] = {"name": "candidate", **self.baseline.taken}
        unit, formats = self._units(reader, values)
        array = self.array.decode(reader, self.budget.units)
        values |= array
        sizes = cast("dict[str, int]", array["array"])
        units = 1
        for size in sizes.values():
            units *= size
        try:
            genes = self._memory(unit, formats)
        except InputError as error:
            return Rejected(" ".join(str(error).split()))
        memories = genes.decode(reader, units, self.budget.on_chip_bytes, self.budget.link_bytes)
        if isinstance(memories, Rejected):
            return memories
        if "registers" in memories:
            values["registers"] = memories["registers"]
        dram = self.baseline.dram
        if self.dram_bytes:
            dram.pop("gbytes_per_second", None)
            dram["bytes_per_cycle"] = reader.pick("dram", self.dram_bytes)
        values["levels"] = [memories["level"], dram]
        return designed(cast("dict[str, Value]", values), self.budget)

    @property
    def plain_formats(self) -> tuple[str, ...]:
        """All of :attr:`macs`."""
        return tuple(x for one in self.macs for x in ((one,) if isinstance(one, str) else one))

    @property
    def _energies(self) -> Energies | None:
        technology = self.baseline.values.get("technology")
        return None if technology is None else load_energies(str(technology))

    def _units(self, reader: Reader, values: dict[str, object]) -> tuple[UnitKind, tuple[str, ...]]:
        """Put units into the values of a file; their kind and formats."""
        own = self.baseline.hardware.unit
        unit = reader.pick("unit", self.kinds or (own,))
        if unit != own:
            for key in _OF_UNITS:
                values.pop(key, None)
            values["unit"] = unit
        if unit != "plain":
            energies = self._energies
            found = self.baseline.macs if unit == own or energies is None else ()
            return unit, found or tuple(energies.units[unit] if energies else ())
        if not self.macs:
            return unit, self.baseline.macs
        values.pop("mac_pj", None)
        mac = reader.pick("mac", self.macs)
        formats = (mac,) if isinstance(mac, str) else mac
        values["formats"] = list(formats)
        return unit, formats

    def _memory(self, unit: UnitKind, formats: tuple[str, ...]) -> MemoryGenes:
        """Memories for the words of these units."""
        lanes = self.baseline.hardware.lanes
        if unit != self.baseline.hardware.unit and self._energies is not None:
            lanes = self._energies.lanes
        sizes = self.baseline.element_bytes(formats, unit, lanes)
        if sizes == self.memory.element_bytes:
            return self.memory
        return replace(self.memory, element_bytes=FrozenMap(sizes))


def designed(values: dict[str, Value], budget: Budget) -> Design | Rejected:
    """The hardware of plain values; rejected where there is none or where it exceeds the budget."""
    try:
        hardware = hardware_from(cast("dict[str, Plain]", values))
    except InputError as error:
        return Rejected(" ".join(str(error).split()))
    excess = budget.excess(hardware)
    if excess is not None:
        return Rejected(excess)
    return Design(FrozenMap(values), hardware)

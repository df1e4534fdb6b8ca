"""What actions cost in a technology."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from accelgen.energy.table import Row, SizeTable
from accelgen.errors import InputError
from accelgen.names import FrozenMap, unknown

__all__ = ["Energies", "MemoryCost", "UnitCost", "mac_name"]


@dataclass(frozen=True)
class MemoryCost:
    """A memory: pJ per bit read and written, leakage in mW, area in mm2 (``None``: not known)."""

    read_pj: float
    write_pj: float
    leakage_mw: float
    area_mm2: float | None


@dataclass(frozen=True)
class UnitCost:
    """A multiply-accumulate: pJ, and leakage in mW and area in mm2 of a unit for it.

    For block formats it is the dot product of one block, which a unit does in a cycle.
    ``alone_pj`` is what a unit that could make several products takes for one (``None``: not
    known, or it makes one).
    """

    pj: float
    leakage_mw: float
    area_mm2: float | None
    alone_pj: float | None = None


@dataclass(frozen=True)
class Energies:
    """What actions cost in a technology.

    ``macs`` by the names that :func:`mac_name` gives, ``link_pj`` per bit, ``drams`` by kind.
    ``source`` is one line for outputs.  Leakage that is not known counts as 0; the table's source
    says so.  ``units`` are those of widths chosen at run time, by kind (``composable``,
    ``bit_serial``), with energies of one of the products that they make at once; ``lanes`` are
    those of the bit-serial one.  ``macros`` are the SRAM macros that there are, where the
    technology has a list of them; a size between is made of several or of a larger one.
    """

    name: str
    macs: Mapping[str, UnitCost] = FrozenMap()
    link_pj: float = 0.0
    source: str = ""
    register_table: SizeTable | None = None
    sram_table: SizeTable | None = None
    drams: Mapping[str, MemoryCost] = FrozenMap()
    units: Mapping[str, Mapping[str, UnitCost]] = FrozenMap()
    lanes: int = 1
    macros: tuple[Row, ...] = ()

    def registers(self, size: int, width: int) -> MemoryCost:
        """A register file of ``size`` bytes with ports of ``width`` bits.

        A port is never wider than the memory; one that is wider than those of the table is of
        register files side by side, as many words each.  Raises :class:`InputError` when the
        technology has no register files.
        """
        table = self.register_table
        if table is None:
            raise InputError(f"{self.name} has no registers", hint="give pj_per_bit")
        widest = max(row.width for row in table.rows)
        width = min(width, 8 * size)
        if width <= widest:
            return _memory(table, size, width)
        files = width / widest
        one = _memory(table, max(1, round(size / files)), widest)
        return replace(
            one,
            leakage_mw=files * one.leakage_mw,
            area_mm2=None if one.area_mm2 is None else files * one.area_mm2,
        )

    def sram(self, size: int, width: int) -> MemoryCost:
        """An SRAM of ``size`` bytes with a port of ``width`` bits, not wider than the memory.

        The energy per bit of ports wider than those of the table is that of the widest.  Raises
        :class:`InputError` when the technology has none.
        """
        if self.sram_table is None:
            raise InputError(
                f"{self.name} has no SRAM", hint="give pj_per_bit, or use type: registers"
            )
        return _memory(self.sram_table, size, width)

    def dram(self, kind: str) -> MemoryCost:
        """A DRAM of a kind (``ddr3``, ``lpddr4``, ``hbm2``), its interface included.

        Its leakage counts as 0 and its area is not known: it is not on the chip.  Raises
        :class:`InputError` with the nearest kind when there is none.
        """
        if kind not in self.drams:
            raise unknown(kind, "type of memory", ("registers", "sram", *self.drams))
        return self.drams[kind]


def mac_name(number_formats: str) -> str:
    """How tables call what multiplies these formats: ``int8`` and ``int8*int8`` are
    ``int8*int8``, ``int8*int4`` is ``int4*int8``.
    """
    names = [name.strip() for name in number_formats.split("*")]
    return "*".join(sorted(names * 2 if len(names) == 1 else names))


def _memory(table: SizeTable, size: int, width: int) -> MemoryCost:
    for what, value in (("bytes", size), ("width", width)):
        if value < 1:
            raise InputError(f"{value} is below 1", where=what, hint="use 1 or more")
    width = min(width, 8 * size)
    return MemoryCost(
        table.read_pj(size, width) / width,
        table.write_pj(size, width) / width,
        table.leakage_mw(size, width),
        table.area_mm2(size, width),
    )

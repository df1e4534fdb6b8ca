"""Units that compute in widths chosen at run time, as the cost model sees them.

A *composable* unit multiplies ``64 / (a_bits * b_bits)`` pairs of elements in a cycle and adds them
up (Bit Fusion, ISCA 2018; :class:`accelgen.rtl.arithmetic.ComposableMac`); a *bit-serial* one
multiplies all pairs of its lanes in ``a_bits * b_bits`` cycles (BISMO, FPL 2018;
:class:`accelgen.rtl.arithmetic.BitSerialDot`).  An iteration is then the product of two words of
elements that lie along one summed loop, as in generated hardware, and may take several cycles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import TYPE_CHECKING, Literal, get_args

from accelgen.energy.model import mac_name
from accelgen.names import FrozenMap, unknown

if TYPE_CHECKING:
    from accelgen.hardware.model import Hardware, Level, Memory

__all__ = [
    "ANY_FORMAT",
    "UNIT_KINDS",
    "UnitKind",
    "Words",
    "fitting_types",
    "unit_kind",
    "unsigned_names",
    "words_of",
]

ANY_FORMAT = "any"
"""Key of an energy that holds for every number format."""

UnitKind = Literal["plain", "composable", "bit_serial"]
UNIT_KINDS: tuple[UnitKind, ...] = get_args(UnitKind)

WIDTHS = (2, 4, 8)
_INTEGER = re.compile(r"(u?)int([0-9]+)")


@dataclass(frozen=True)
class Words:
    """What an iteration is: words of ``elements`` along a loop, which take ``cycles``.

    ``room`` are the products that a unit makes of a word; ``products`` of them, in the mean, are
    the layer's: fewer where words are not full, one where no loop has words.
    """

    elements: int = 1
    cycles: int = 1
    room: int = 1
    products: float = 1.0

    def paced(self, hardware: Hardware, number_format: str) -> Hardware:
        """Hardware of plain units with a cycle for every iteration.

        Its cycle is ``cycles`` long: memories and links move as much more in one, leakage takes as
        much more.  The energy of an iteration is on the line between that of a word with one
        product and that of a full one.
        """
        if hardware.unit == "plain":
            return hardware
        pj = whole = self.room * hardware.mac_energy(number_format)
        if self.room > 1:
            alone = hardware.alone_energy(number_format)
            alone = whole if alone is None else alone
            pj = alone + (self.products - 1) / (self.room - 1) * (whole - alone)
        registers = hardware.registers
        return replace(
            hardware,
            unit="plain",
            lanes=1,
            mac_pj=FrozenMap({number_format: pj}),
            alone_pj=FrozenMap(),
            clock_mhz=hardware.clock_mhz / self.cycles,
            levels=tuple(_faster(level, self.cycles) for level in hardware.levels),
            registers=None if registers is None else _faster(registers, self.cycles),
        )


def unit_kind(name: str) -> UnitKind:
    """The kind of that name; :class:`InputError` when there is none."""
    for kind in UNIT_KINDS:
        if kind == name:
            return kind
    raise unknown(name, "kind of unit", UNIT_KINDS)


def words_of(unit: UnitKind, lanes: int, widths: Sequence[int], extent: int | None) -> Words:
    """The words of a unit for operands of ``widths`` bits along a loop of ``extent`` iterations.

    Without one (``None``) a word holds one element, and the rest of the unit is idle.
    """
    a, b = widths if len(widths) == 2 else (widths[0], widths[0])
    if unit == "plain":
        return Words()
    room, cycles = (64 // (a * b), 1) if unit == "composable" else (lanes, a * b)
    if extent is None:
        return Words(1, cycles, room)
    return Words(room, cycles, room, extent / -(-extent // room))


def fitting_types(types: Sequence[str], formats: Iterable[str]) -> tuple[str, ...] | None:
    """The narrowest types that hold integers of ``types`` and that a unit with energies for
    ``formats`` has, signed as they are; ``None`` for types that are no integers, or too wide.
    """
    found = [_INTEGER.fullmatch(name) for name in types]
    needed = [int(one[2]) for one in found if one is not None]
    if len(needed) < len(types):
        return None
    fitting = set[tuple[int, ...]]()
    for name in formats:
        parts = [_INTEGER.fullmatch(part) for part in mac_name(name).split("*")]
        widths = [int(part[2]) for part in parts if part is not None]
        for pair in permutations(WIDTHS * 2 if name == ANY_FORMAT else widths, 2):
            if len(needed) == 1 and pair[0] != pair[1]:
                continue
            own = pair[: len(needed)]
            if all(has in WIDTHS and has >= wants for has, wants in zip(own, needed, strict=True)):
                fitting.add(own)
    if not fitting:
        return None
    best = min(fitting, key=lambda widths: (sum(widths), widths[::-1]))
    return tuple(
        f"{one[1]}int{bits}" for one, bits in zip(found, best, strict=True) if one is not None
    )


def unsigned_names(number_format: str) -> str:
    """``uint8*int4`` as ``int4*int8``: units of these kinds take either sign in every cycle."""
    names = [re.sub(r"^uint", "int", name.strip()) for name in number_format.split("*")]
    return mac_name("*".join(names))


def _faster(level: Level, times: int) -> Level:
    links = FrozenMap({role: rate * times for role, rate in level.links.items()})
    return replace(
        level, memories=tuple(_quick(memory, times) for memory in level.memories), links=links
    )


def _quick(memory: Memory, times: int) -> Memory:
    rate = memory.bandwidth
    return memory if rate is None else replace(memory, bandwidth=rate * times)

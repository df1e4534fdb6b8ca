"""Budgets: what a candidate may use, and what a given hardware does use."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from accelgen.affine.roles import ROLES, Role
from accelgen.errors import InputError
from accelgen.hardware import Hardware
from accelgen.mapper.space import dataflows

__all__ = ["Budget", "link_rates", "resources_of"]

_MOVED_BY: dict[Role, frozenset[str]] = {
    "inputs": frozenset("gncpqzrst"),
    "weights": frozenset("gkcrst"),
    "outputs": frozenset("gnkpqz"),
}
"""The roles of loops that move a tensor, see :mod:`accelgen.affine.roles`."""

_SUM_BITS = 32
"""Of unfinished sums where the hardware does not say: those of the types that networks have."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Budget:
    """The most that hardware may have; ``None``: not limited.

    ``units`` multiply-accumulate; ``on_chip_bytes`` are those of all memories of limited size,
    registers of units included; ``link_bytes`` per cycle are those of the wires between the
    innermost buffers and the array, of inputs, weights and outputs together; ``dram_bytes`` per
    cycle; ``area_mm2`` of the chip.
    """

    units: int
    on_chip_bytes: int
    link_bytes: float | None = None
    dram_bytes: float | None = None
    area_mm2: float | None = None

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{value}", where=f"budget: {entry.name}", hint="use more than 0")

    def excess(self, hardware: Hardware) -> str | None:
        """What the hardware has too much of, in one line; ``None`` when it is within the budget.

        An area that is not known is not compared.
        """
        used = resources_of(hardware)
        for entry in fields(self):
            has, most = getattr(used, entry.name), getattr(self, entry.name)
            if most is None:
                continue
            if has is None and entry.name != "area_mm2":
                return f"{entry.name} is without limit, the budget is {most:g}"
            if has is not None and has > most * (1 + _ROUNDING):
                return f"{entry.name} is {has:g}, the budget is {most:g}"
        return None


def resources_of(hardware: Hardware) -> Budget:
    """What a hardware uses: as a budget for others, "the resources of Eyeriss"."""
    memories = [memory for level in hardware.levels for memory in level.memories]
    size = sum(memory.size for memory in memories if memory.size is not None)
    if hardware.registers is not None:
        each = sum(memory.size or 0 for memory in hardware.registers.memories)
        size += hardware.units * each
    dram = hardware.levels[-1].memories
    rates = [memory.bandwidth for memory in dram]
    known = [rate for rate in rates if rate is not None]
    return Budget(
        hardware.units,
        max(1, size),
        sum(link_rates(hardware).values()),
        sum(known) if len(known) == len(rates) else None,
        hardware.area_mm2,
    )


def link_rates(hardware: Hardware) -> dict[Role, float]:
    """Bytes per cycle between the innermost buffers and the array, by role.

    Where the hardware sets no limit, what its units can take or give in a cycle at most: an
    element for every place of the axes that run a loop which moves the tensor.  Sums that meet on
    an axis leave it as one.
    """
    links = hardware.levels[0].links
    return {role: links[role] if role in links else _natural(hardware, role) for role in ROLES}


def _natural(hardware: Hardware, role: Role) -> float:
    places = max(
        math.prod(
            extent
            for axis, extent in hardware.array.items()
            if _MOVED_BY[role] & {*flow.unrolls.get(axis, ())}
        )
        for flow in dataflows(hardware)
    )
    bits = (hardware.sum_bits or _SUM_BITS) if role == "outputs" else _input_bits(hardware)
    return places * bits / 8


def _input_bits(hardware: Hardware) -> int:
    """The widest factor that the units multiply, 8 where they multiply any format."""
    names = [name.strip() for key in hardware.mac_pj for name in key.split("*")]
    bits = [int(name[3:]) for name in names if name.startswith("int") and name[3:].isdecimal()]
    return max(bits, default=8)

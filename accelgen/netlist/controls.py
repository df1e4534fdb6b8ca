"""Nodes outside the units: control bits and address generators."""

from __future__ import annotations

from accelgen.fabric.banks import BankedAccess
from accelgen.fabric.fabric import Fabric
from accelgen.formats import IntFormat
from accelgen.netlist.graph import Builder, Home

__all__ = ["BIT", "CONTROL", "MODE", "Flags", "add_address"]

MODE = IntFormat(2, signed=False)
"""The width of a tensor's elements, as a position in :data:`accelgen.affine.composed.WIDTHS`, or
the number of a four-bit format.
"""

BIT = IntFormat(1, signed=False)
CONTROL: Home = ("control", 0)


class Flags:
    """Control bits of the main loop nest, one node per distinct condition."""

    def __init__(self, builder: Builder, fabric: Fabric) -> None:
        self._builder = builder
        self._largest = max((*fabric.schedule.extents, *fabric.kernel.bounds))
        self._known: dict[tuple[object, ...], int] = {}

    def __call__(self, name: str, *condition: object) -> int:
        """The flag node ``name`` for a condition of the controller (see rtl.control)."""
        return self._add(name, condition, BIT)

    def mode(self, tensor: str) -> int:
        """The node of a tensor's mode, which stays for a whole problem; "" is for all."""
        return self._add(f"{tensor.lower() or 'common'}_mode", ("mode", tensor), MODE)

    def number(self, name: str, condition: tuple[object, ...], most: int) -> int:
        """The node of a number up to ``most`` that stays for a whole problem."""
        return self._add(name, condition, IntFormat(max(1, most.bit_length()), signed=False))

    def _add(self, name: str, condition: tuple[object, ...], format: IntFormat) -> int:
        if condition not in self._known:
            self._known[condition] = self._builder.add(
                "flag",
                name,
                CONTROL,
                format,
                group="control",
                latency=1,
                parameters=condition,
                ways=self._largest,
            )
        return self._known[condition]


def add_address(builder: Builder, name: str, banked: BankedAccess, group: str) -> int:
    """The address generator of a tensor, at the position of its memory ports."""
    residues = [m for m, r in zip(banked.layout.moduli, banked.rotating, strict=True) if r]
    return builder.add(
        "address",
        name,
        CONTROL,
        IntFormat(max(1, (banked.layout.depth - 1).bit_length()), signed=False),
        group=group,
        parameters=(max(residues, default=1),),
        ways=max(1, len(banked.extents)),
    )

"""All allocations that none is better than in both cost and sensitivity, without a solver.

Layer by layer, what another one dominates is dropped: by the principle of optimality no part of a
non-dominated allocation is dominated.  An independent check of the integer program, and the whole
trade-off at once.
"""

from __future__ import annotations

from accelgen.accuracy.source import LayerBits
from accelgen.bits.table import Allocation, BitTable
from accelgen.errors import InputError
from accelgen.names import FrozenMap

__all__ = ["Part", "front", "trade_off"]

Part = tuple[float, float, tuple[LayerBits, ...]]
"""Cost, sensitivity and bits of the first layers, in the order of the table."""


def front(table: BitTable, most: int = 200_000) -> tuple[Allocation, ...]:
    """The non-dominated allocations by rising cost, sums as :meth:`BitTable.allocation` has them;
    raises as :func:`trade_off`.
    """
    names = [layer.name for layer in table.layers]
    found = trade_off(table, most)
    return tuple(table.allocation(FrozenMap(zip(names, bits, strict=True))) for _, _, bits in found)


def trade_off(table: BitTable, most: int = 200_000) -> tuple[Part, ...]:
    """The non-dominated allocations as plain numbers, by rising cost; sums are taken in the
    order of the layers.

    Raises :class:`InputError` when more than ``most`` parts are to be kept.
    """
    parts: list[Part] = [(0.0, 0.0, ())]
    for layer in table.layers:
        longer = sorted(
            (
                (cost + option.cost, lost + option.sensitivity, (*bits, option.bits))
                for cost, lost, bits in parts
                for option in layer.options
            ),
            key=lambda part: part[:2],
        )
        parts = []
        for part in longer:
            if not parts or part[1] < parts[-1][1]:
                parts.append(part)
        if len(parts) > most:
            raise InputError(
                f"more than {most} allocations at {layer.name}",
                where="front",
                hint="round costs and sensitivities, or offer fewer formats",
            )
    return tuple(parts)

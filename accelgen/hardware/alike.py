"""Hardware that is the same but for names, and for the order in which its axes are given.

Axes that run the same loops are interchangeable.  Without ``several`` every axis takes one loop
that it may and no other axis has, as far as it goes: which loops are spread over how many units
does not depend on the order of the axes.  With ``several`` axes that may take the same loop
depend on it: the second one shares what the first one left, of 10 iterations 3 parts after an
axis of 4 units, and 5 parts after one of 2.  These stay in their order.
"""

from __future__ import annotations

from dataclasses import replace

from accelgen.hardware.model import Dataflow, Hardware
from accelgen.names import FrozenMap

__all__ = ["canonical"]


def canonical(hardware: Hardware) -> Hardware:
    """One that stands for all that are like it: without names and sources, its axes in an order
    of its own, those of a single unit left out.

    Of two with equal results every mapping of one is, with axes renamed, one of the other with the
    same cost, so that for every network their best mappings are equally good, and so are area and
    leakage.  Names of levels, memories and formats count.  Different results promise nothing.
    """
    axes = _ordered(hardware)
    names = {axis: f"axis{number}" for number, axis in enumerate(axes)}
    return replace(
        hardware,
        name="hardware",
        sources="",
        array=FrozenMap({name: hardware.array[axis] for axis, name in names.items()}),
        dataflows=tuple(
            replace(
                dataflow,
                name=f"dataflow{number}",
                unrolls=FrozenMap({name: _loops(dataflow, axis) for axis, name in names.items()}),
            )
            for number, dataflow in enumerate(hardware.dataflows)
        ),
        skewed=tuple(
            name for axis, name in names.items() for _ in range(hardware.skewed.count(axis))
        ),
    )


def _ordered(hardware: Hardware) -> list[str]:
    """Axes of several units, each time the least of those that need not come after another."""
    found: list[str] = []
    left = [axis for axis, extent in hardware.array.items() if extent > 1]
    while left:
        free = [
            axis
            for place, axis in enumerate(left)
            if not any(_depend(hardware, axis, before) for before in left[:place])
        ]
        found.append(min(free, key=lambda axis: _traits(hardware, axis)))
        left.remove(found[-1])
    return found


def _traits(hardware: Hardware, axis: str) -> tuple[object, ...]:
    """All that an axis is."""
    loops = tuple(_loops(dataflow, axis) for dataflow in hardware.dataflows)
    return hardware.array[axis], hardware.skewed.count(axis), loops


def _loops(dataflow: Dataflow, axis: str) -> tuple[str, ...]:
    """What an axis may unroll; the order does not matter, with ``several`` how often does."""
    loops = dataflow.unrolls.get(axis, ())
    return tuple(sorted(loops if dataflow.several else set(loops)))


def _depend(hardware: Hardware, one: str, other: str) -> bool:
    """Whether the order of two axes matters."""
    return any(
        dataflow.several and not {*_loops(dataflow, one)}.isdisjoint(_loops(dataflow, other))
        for dataflow in hardware.dataflows
    )

"""Whether links of several dataflows are right, and what they cost, from the links alone.

Nothing of how they were found is used: not the options, the trees or the programs, only the
accesses, the schedules and the coordinates of the units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelgen.affine.spacetime import IntVector, SpaceTime, TensorAccess
from accelgen.fabric.interconnect import PORT_WEIGHT, SCALE, Interconnect
from accelgen.fabric.sharing import MUX_WEIGHT
from accelgen.fabric.space import Grid
from accelgen.reuse.links import Link
from accelgen.reuse.schedule import Schedule

__all__ = ["Wired", "verify"]


@dataclass(frozen=True)
class Wired:
    """The links of an operand in one dataflow; ``schedule`` is ``None`` where it is held."""

    kernel: SpaceTime
    tensor: TensorAccess
    schedule: Schedule | None
    interconnect: Interconnect


def verify(operands: Sequence[Wired]) -> int:
    """The cost of what serves all dataflows, in registers of one bit times ``SCALE``.

    Raises :class:`AssertionError` when a unit would not have the element that it needs when it
    needs it.
    """
    sizes: dict[tuple[object, ...], int] = {}
    sources: list[set[tuple[object, ...]]] = [set() for _ in range(operands[0].kernel.units)]
    for operand in operands:
        _check(operand)
        slots, offsets = _slots(operand), _offsets(operand)
        fed = {}
        for head in set(operand.interconnect.head):
            fed[head], parts = _source(operand, head, slots[head], offsets[head])
            for part, size in parts.items():
                sizes[part] = max(size, sizes.get(part, 0))
        for unit, head in enumerate(operand.interconnect.head):
            sources[unit].add(fed[head])
    bits = max(operand.tensor.format.bits for operand in operands)
    more = [len(seen) - 1 for seen in sources]
    return sum(sizes.values()) + sum(round(n * MUX_WEIGHT * SCALE * bits) for n in more)


def _source(
    operand: Wired, head: int, slot: int, offset: int
) -> tuple[tuple[object, ...], dict[tuple[object, ...], int]]:
    """What feeds a head, by a name that is the same in all dataflows, and what it is made of."""
    links, bits = operand.interconnect, operand.tensor.format.bits
    whole = PORT_WEIGHT * bits * SCALE
    port: tuple[object, ...] = ("held", head)
    memory = port
    if operand.schedule is not None:
        port, memory = ("port", slot, head), ("port", slot, offset)
    if links.link[head] < 0:
        return memory, {port: whole}
    link, giver = links.links[links.link[head]], links.giver[head]
    registers = link.depth * bits * SCALE
    if not any(link.dt):
        return ("edge", giver, link.depth), {("edge", giver, head, link.depth): registers}
    absent = round(whole * (1 - link.share_held(operand.kernel.time_extents)))
    return ("fifo", head, giver, *memory), {("fifo", head): registers, port: absent}


def _check(operand: Wired) -> None:
    """That every unit has the element it needs: by equations, not by the options."""
    kernel, links = operand.kernel, operand.interconnect
    grid = Grid(kernel.space_extents)
    assert len(links.head) == len(links.link) == len(links.giver) == len(links.port) == grid.size
    for unit, head in enumerate(links.head):
        assert links.head[head] == head, "a head follows another"
        # One wire: the same element in the same cycle.
        across = _difference(grid, unit, head)
        assert not any(_moved(operand, (0,) * len(kernel.time), across)), "a wire joins elements"
        assert _hop(kernel, across) == 0, "a wire takes time"
    for head in sorted(set(links.head)):
        number = links.link[head]
        if number < 0:
            assert links.giver[head] < 0
            assert links.port[head], "a head has no source"
            continue
        link = links.links[number]
        assert _difference(grid, head, links.giver[head]) == link.ds, "a link from elsewhere"
        _check_link(operand, link)
        assert links.port[head] == any(link.dt), "a link that fails needs a port, another has none"
    links.check()


def _check_link(operand: Wired, link: Link) -> None:
    kernel, schedule = operand.kernel, operand.schedule
    assert not any(_moved(operand, link.dt, link.ds)), "a link carries another element"
    assert schedule is not None or not any(link.dt), "what is held does not travel through time"
    flat = 0 if schedule is None else schedule.flat(link.dt)
    assert link.depth == flat + _hop(kernel, link.ds) > 0, "a link has another depth"
    assert all(abs(d) < n for d, n in zip(link.dt, kernel.time_extents, strict=True))


def _difference(grid: Grid, unit: int, other: int) -> IntVector:
    assert other >= 0
    pairs = zip(grid.coordinates(unit), grid.coordinates(other), strict=True)
    return tuple(a - b for a, b in pairs)


def _moved(operand: Wired, dt: IntVector, ds: IntVector) -> list[int]:
    kernel, tensor = operand.kernel, operand.tensor
    return [int(x) for x in kernel.along_time(tensor) @ dt + kernel.along_space(tensor) @ ds]


def _hop(kernel: SpaceTime, ds: IntVector) -> int:
    return sum(c * d for c, d in zip(kernel.skew, ds, strict=True))


def _slots(operand: Wired) -> list[int]:
    """The place of each unit's element among those that the array needs at once."""
    grid = Grid(operand.kernel.space_extents)
    moves = operand.kernel.along_space(operand.tensor)
    places = [tuple(place) for place in (grid.points @ moves.T).tolist()]
    number = {place: n for n, place in enumerate(sorted(set(places)))}
    return [number[place] for place in places]


def _offsets(operand: Wired) -> list[int]:
    """The cycles by which each unit runs behind the earliest."""
    grid = Grid(operand.kernel.space_extents)
    ahead = [_hop(operand.kernel, grid.coordinates(u)) for u in range(grid.size)]
    least = min(ahead)
    return [cycles - least for cycles in ahead]

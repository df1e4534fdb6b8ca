"""The map space of a problem on hardware: what may run at once, in a unit, and in which order.

- A dataflow of the hardware.  Each axis of the array unrolls one of the loops it may, as far as it
  goes, or none; with ``several`` loops a product of sizes: for each number of parts of a loop the
  smallest, as many as fit, so that none could be the next larger.
- With registers, a tile for every unit that fits them: of each loop that a unit may run on its own,
  for each number of tiles, the smallest size.
- Orders: loops that move the same operands are alike and stand together; loops that move all of
  them come first, and before these the ones with a single iteration.  All orders of such groups;
  where windows slide, with any loop of the innermost group last.  A dataflow that keeps a tensor
  stationary has, within the innermost box, the loops that move it outside the others.
- Boxes: every level of buffers holds of each tensor its part of one box of iterations, the same for
  all (*even*).  With ``uneven``, a single level of buffers holds some tensors of a larger box than
  others: this is whole along loops that move none of the tensors held of it, and the smaller box is
  as long as it along loops that move none of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain, permutations, product
from math import prod

import numpy as np

from accelgen.affine.roles import LOOP_ROLES
from accelgen.errors import InfeasibleError, InputError
from accelgen.hardware.model import Dataflow, Hardware
from accelgen.mapper.mapping import Unrolling, spread_of
from accelgen.mapper.problem import Problem
from accelgen.mapper.sizes import tile_sizes
from accelgen.mapper.tables import Integers
from accelgen.names import FrozenMap, unknown

__all__ = [
    "Constraints",
    "Holding",
    "Order",
    "fill_of",
    "holdings",
    "inner_orders",
    "orders",
    "register_tiles",
    "unrollings",
]

Order = tuple[int, ...]


@dataclass(frozen=True)
class Constraints:
    """What a mapping is pinned to; whatever is not given is free.

    ``dataflow``: one of the hardware; ``unroll``: loops (by name) with units, by axis;
    ``registers`` and ``buffer``: sizes of tiles by loop; ``inner`` and ``outer``: loops in the
    order they have within the innermost buffer and outside of the outermost, outermost first (in
    every order of the space they change places with each other).  ``levels`` pins tiles as
    ``buffer`` does those of the innermost level, by the name of the level; where both pin the same,
    ``buffer`` counts.

    With ``uneven`` there are mappings in which the buffer holds some tensors of a larger box.  Pins
    are then of the smaller box, and not along loops where it is as long as the larger one.
    """

    dataflow: str | None = None
    unroll: FrozenMap[str, FrozenMap[str, int]] | None = None
    registers: FrozenMap[str, int] = field(default_factory=FrozenMap)
    buffer: FrozenMap[str, int] = field(default_factory=FrozenMap)
    inner: tuple[str, ...] = ()
    outer: tuple[str, ...] = ()
    levels: FrozenMap[str, FrozenMap[str, int]] = field(default_factory=FrozenMap)
    uneven: bool = False

    @property
    def named(self) -> tuple[str, ...]:
        """The loops that are in anything pinned."""
        sizes = chain(self.levels.values(), (self.unroll or FrozenMap()).values())
        return tuple(chain(self.registers, self.buffer, self.inner, self.outer, *sizes))

    def check(self, problem: Problem, hardware: Hardware) -> None:
        """Raise :class:`InputError` for names that problem and hardware do not have, for sizes
        below 1 and for a loop that is named twice.
        """
        for loop in self.named:
            if loop not in problem.loops:
                raise unknown(loop, "loop", problem.loops)
        for axis in self.unroll or ():
            if axis not in hardware.array:
                raise unknown(axis, "axis", hardware.array)
        for level in self.levels:
            if level not in (buffers := [level.name for level in hardware.levels[:-1]]):
                raise unknown(level, "level", buffers)
        if self.uneven and len(hardware.levels) != 2:
            raise InputError(
                f"uneven tiles in {len(hardware.levels) - 1} levels",
                where=hardware.name,
                hint="use them with one level of buffers",
            )
        names = [dataflow.name for dataflow in dataflows(hardware)]
        if self.dataflow is not None and self.dataflow not in names:
            raise unknown(self.dataflow, "dataflow", names)
        pinned = {"registers": self.registers, "buffer": self.buffer}
        pinned |= {f"{level}": loops for level, loops in self.levels.items()}
        pinned |= {f"unroll: {axis}": loops for axis, loops in (self.unroll or {}).items()}
        for where, sizes in pinned.items():
            for loop, size in sizes.items():
                if size < 1:
                    raise InputError(f"{loop}: {size}", where=where, hint="use 1 or more")
        for where, order in (("inner", self.inner), ("outer", self.outer)):
            for loop in order:
                if order.count(loop) > 1:
                    raise InputError(f"{loop} is there twice", where=where, hint="name it once")


@dataclass(frozen=True)
class Holding:
    """Which box every level holds of each operand (see :class:`accelgen.mapper.mapping.Mapping`);
    ``whole`` says of every box and loop whether it is as long as the box around it.
    """

    held: tuple[tuple[int, ...], ...]
    whole: tuple[tuple[bool, ...], ...]


def holdings(problem: Problem, hardware: Hardware, constraints: Constraints) -> list[Holding]:
    """Every one of the space, the even one first."""
    count, loops = len(problem.operands), len(problem.bounds)
    buffers = range(1, len(hardware.levels))
    even = Holding(tuple((k,) * count for k in buffers), ((False,) * loops,) * len(buffers))
    if not constraints.uneven:
        return [even]
    streams = [hardware.levels[0].memory(x.role).streams for x in problem.operands]
    # Tensors that the same loops move (blocks and their scales) are held alike.
    moving = [frozenset(d for d in x.loops if problem.bounds[d] > 1) for x in problem.operands]
    kinds = dict.fromkeys(x for x, passes in zip(moving, streams, strict=True) if not passes)
    found = [even]
    for chosen in product((1, 2), repeat=len(kinds)):
        if len(set(chosen)) < 2:
            continue
        box_of = dict(zip(kinds, chosen, strict=True))
        held = tuple(1 if passes else box_of[x] for x, passes in zip(moving, streams, strict=True))
        moved = [
            set().union(*(x for x, box in zip(moving, held, strict=True) if box == k))
            for k in (1, 2)
        ]
        whole = tuple(tuple(d not in here for d in range(loops)) for here in moved)
        found.append(Holding((held,), whole))
    return found


def dataflows(hardware: Hardware) -> tuple[Dataflow, ...]:
    """Those of the hardware; where it has none, one that may unroll any loop on any axis."""
    return hardware.dataflows or (
        Dataflow("any", FrozenMap(dict.fromkeys(hardware.array, LOOP_ROLES))),
    )


def unrollings(
    problem: Problem, hardware: Hardware, constraints: Constraints
) -> list[tuple[Dataflow, Unrolling]]:
    """Every unrolling of every dataflow; of those alike in all that counts the first."""
    found: dict[object, tuple[Dataflow, Unrolling]] = {}
    for dataflow in dataflows(hardware):
        if constraints.dataflow not in (None, dataflow.name):
            continue
        for chosen in _of_axes(problem, hardware, dataflow, tuple(hardware.array), problem.bounds):
            if not _is_pinned(problem, chosen, constraints):
                continue
            spread = spread_of(chosen, len(problem.bounds))
            alike = dataflow.stationary, spread, fill_of(hardware, chosen)
            found.setdefault(alike, (dataflow, chosen))
    if not found:
        raise _no_unrolling(problem, hardware, constraints)
    return list(found.values())


def _no_unrolling(
    problem: Problem, hardware: Hardware, constraints: Constraints
) -> InfeasibleError:
    """Which axis cannot be as pinned, and how it can be."""
    unroll = constraints.unroll or FrozenMap()
    free = unrollings(problem, hardware, replace(constraints, unroll=None))
    for axis, loops in unroll.items():
        alone = replace(constraints, unroll=FrozenMap({axis: loops}))
        if any(_is_pinned(problem, chosen, alone) for _, chosen in free):
            continue
        ways = dict.fromkeys(
            ", ".join(f"{problem.loops[d]}: {n}" for x, d, n in chosen if x == axis)
            for _, chosen in free
        )
        known = [way or "nothing" for way in ways][:4]
        wanted = ", ".join(f"{loop}: {units}" for loop, units in loops.items()) or "nothing"
        return InfeasibleError(
            f"{axis} cannot unroll {wanted}",
            where=f"{hardware.name}: unroll",
            hint=f"use {' or '.join(known)}",
        )
    return InfeasibleError(
        "no unrolling is as pinned on all axes at once",
        where=f"{hardware.name}: unroll",
        hint=f"pin fewer of {', '.join(unroll)}",
    )


def fill_of(hardware: Hardware, unrolling: Unrolling) -> int:
    """Cycles until the last unit works and its result has left: paid once."""
    used = dict.fromkeys(hardware.array, 1)
    for axis, _, units in unrolling:
        used[axis] *= units
    return hardware.fill + sum(used[axis] - 1 for axis in hardware.skewed)


def _is_pinned(problem: Problem, chosen: Unrolling, constraints: Constraints) -> bool:
    for axis, loops in (constraints.unroll or {}).items():
        here = {problem.loops[d]: units for x, d, units in chosen if x == axis}
        if here != {loop: units for loop, units in loops.items() if units > 1}:
            return False
    return True


def _of_axes(
    problem: Problem,
    hardware: Hardware,
    dataflow: Dataflow,
    axes: Sequence[str],
    left: Sequence[int],
) -> Iterator[Unrolling]:
    """``left`` are the parts of every loop that the axes so far do not share."""
    if not axes:
        yield ()
        return
    axis, extent = axes[0], hardware.array[axes[0]]
    allowed = dataflow.unrolls.get(axis, ())
    # In the order of the dataflow: what it names first is on the axis first.
    loops = [
        d
        for role in allowed
        for d, letter in enumerate(problem.roles)
        if letter == role and left[d] > 1
    ]
    choices: list[tuple[tuple[int, int], ...]]
    if dataflow.several:
        choices = _products(loops, left, extent)
    else:
        free = [d for d in loops if left[d] == problem.bounds[d]]
        choices = [(), *(((d, min(extent, left[d])),) for d in free)]
    for choice in choices:
        rest = list(left)
        for d, units in choice:
            rest[d] = -(-left[d] // units)
        here = tuple((axis, d, units) for d, units in choice if units > 1)
        for others in _of_axes(problem, hardware, dataflow, axes[1:], rest):
            yield here + others


def _products(
    loops: Sequence[int], left: Sequence[int], extent: int
) -> list[tuple[tuple[int, int], ...]]:
    """Sizes of loops whose product is at most ``extent``, none of which could be the next one."""
    sizes = {d: sorted(tile_sizes(left[d], 1).tolist()) for d in loops}
    found: list[tuple[tuple[int, int], ...]] = [()]
    room: dict[tuple[tuple[int, int], ...], int] = {(): extent}
    for d in loops:
        longer: list[tuple[tuple[int, int], ...]] = []
        for choice in found:
            for size in sizes[d]:
                if size > room[choice]:
                    break
                longer.append((*choice, (d, size)))
                room[longer[-1]] = room[choice] // size
        found = longer
    kept = []
    for choice in found:
        total = prod(units for _, units in choice)
        larger = (
            next((size for size in sizes[d] if size > units), extent + 1) * (total // units)
            for d, units in choice
        )
        if all(n > extent for n in larger):
            kept.append(tuple((d, units) for d, units in choice if units > 1))
    return list(dict.fromkeys(kept))


def register_tiles(
    problem: Problem,
    hardware: Hardware,
    dataflow: Dataflow,
    spread: Sequence[int],
    constraints: Constraints,
) -> Integers:
    """Iterations of a unit (tiles x loops) that fit its registers, for so many units."""
    left = [-(-n // s) for n, s in zip(problem.bounds, spread, strict=True)]
    if hardware.registers is None:
        return np.ones((1, len(left)), dtype=np.int64)
    tiles = np.ones((1, len(left)), dtype=np.int64)
    for d, loop in enumerate(problem.loops):
        sizes = tile_sizes(left[d], 1)
        if dataflow.inner is not None and problem.roles[d] not in dataflow.inner:
            sizes = np.ones(1, dtype=np.int64)
        if loop in constraints.registers:
            sizes = np.array([min(constraints.registers[loop], left[d])])
        several = np.repeat(tiles, len(sizes), axis=0)
        several[:, d] = np.tile(sizes, len(tiles))
        tiles = several[_fit(problem, hardware, several)]
    return tiles


def _fit(problem: Problem, hardware: Hardware, tiles: Integers) -> Integers:
    """Which tiles fit; a loop whose turn has not come has one iteration."""
    assert hardware.registers is not None
    fits = np.ones(len(tiles), dtype=np.bool_)
    for memory in hardware.registers.memories:
        if memory.size is None:
            continue
        bits = np.zeros(len(tiles), dtype=np.int64)
        for operand in problem.operands:
            if operand.role in memory.holds:
                copies = 1 if memory.slides else memory.buffers
                bits += operand.footprint(tiles) * operand.partial_bits * copies
        fits &= bits <= 8 * memory.size
    return np.flatnonzero(fits)


@lru_cache(maxsize=1 << 10)
def orders(problem: Problem, pinned: tuple[str, ...] = ()) -> list[Order]:
    """Orders of the loops over boxes, outermost first."""
    return _pinned([tuple(chain(*groups)) for groups in _group_orders(problem)], problem, pinned)


def inner_orders(
    problem: Problem, dataflow: Dataflow, slides: bool, pinned: Sequence[str] = ()
) -> list[Order]:
    """Orders of the loops within the buffer, outermost first; none where what is pinned moves
    what the dataflow keeps.
    """
    kept = next((x for x in problem.operands if x.role == dataflow.stationary), None)
    found = []
    for groups in _group_orders(problem):
        *most, last = groups
        ends = [(*(d for d in last if d != end), end) for end in last] if slides else []
        found += [(*chain(*most), *end) for end in ends or [last]]
    every = _pinned(list(dict.fromkeys(found)), problem, pinned)
    if kept is None:
        return every
    moves = [[d in kept.loops for d in order if problem.bounds[d] > 1] for order in every]
    return [x for x, m in zip(every, moves, strict=True) if m == sorted(m, reverse=True)]


def _group_orders(problem: Problem) -> list[list[Order]]:
    still = tuple(d for d, n in enumerate(problem.bounds) if n == 1)
    groups = [tuple(d for d in group if d not in still) for group in problem.groups]
    common = tuple(d for d in chain(*groups) if all(d in x.loops for x in problem.operands))
    others = [group for group in groups if group and not set(group) <= set(common)]
    return [[still, common, *order] for order in permutations(others)]


def _pinned(found: list[Order], problem: Problem, pinned: Sequence[str]) -> list[Order]:
    if not pinned:
        return found
    wanted = [problem.loops.index(loop) for loop in pinned]
    moved = []
    for order in found:
        # The loops that are named come in the order given, at the places they have together.
        places = [k for k, d in enumerate(order) if d in wanted]
        changed = list(order)
        for place, d in zip(places, wanted, strict=True):
            changed[place] = d
        moved.append(tuple(changed))
    return list(dict.fromkeys(moved))

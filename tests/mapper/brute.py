"""The best mapping by brute force: the space as it is stated, enumerated on its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from math import inf, prod

import numpy as np

from accelgen.affine.roles import LOOP_ROLES, Role
from accelgen.hardware import Dataflow, Hardware, Memory
from accelgen.mapper.compiled import compiled
from accelgen.mapper.counts import moves_into, scratch_of
from accelgen.mapper.elements import footprint
from accelgen.mapper.mapping import Mapping, Unrolling, spread_of
from accelgen.mapper.problem import Operand, Problem
from accelgen.mapper.space import Constraints
from accelgen.mapper.tables import Config, Floats, Integers, Nest, Tables, config_of, tables_of
from accelgen.mapper.trace import box_elements
from accelgen.mapper.walk import total_cycles, walk_of
from accelgen.names import FrozenMap

__all__ = ["Found", "brute_force", "configurations", "slides"]

Order = tuple[int, ...]


@dataclass(frozen=True)
class Found:
    """The least value and its mapping; how many mappings there are, and do not fit."""

    value: float
    mapping: Mapping | None
    covered: int
    too_large: int


@dataclass(frozen=True)
class Configuration:
    """What runs at once and in a unit."""

    dataflow: str
    stationary: Role | None
    unrolling: Unrolling
    spread: Order
    inner: Order
    fill: int


def brute_force(
    problem: Problem,
    hardware: Hardware,
    exponents: tuple[float, float],
    pins: Constraints,
    *,
    every_order: bool,
) -> Found:
    """``every_order``: also those that the space leaves out, as no better than one that it has."""
    t = tables_of(problem, hardware)
    best, mapping, covered, too_large = inf, None, 0, 0
    outermost = outer_orders(problem, pins, every_order=every_order)
    middle = outer_orders(problem, Constraints(), every_order=every_order)
    held_ways = list(holdings(problem, hardware, pins))
    for c, held in product(configurations(problem, hardware, pins), held_ways):
        inners = inner_orders(problem, hardware, c.stationary, pins, every_order=every_order)
        if not inners:
            continue
        step = tuple(
            min(n, s * i) for n, s, i in zip(problem.bounds, c.spread, c.inner, strict=True)
        )
        boxes = max(map(max, held))
        outers = list(product(*[middle] * (boxes - 1), outermost))
        along = [
            list(nested(problem, hardware, pins, held, d, step[d], boxes, bound))
            for d, bound in enumerate(problem.bounds)
        ]
        chains = [tuple(zip(*chosen, strict=True)) for chosen in product(*along)]
        kept = [tiles for tiles in chains if fits_buffers(problem, hardware, step, tiles, held)]
        pairs = len(inners) * len(outers)
        covered += len(chains) * pairs
        too_large += (len(chains) - len(kept)) * pairs
        if not kept:
            continue
        config = config_of(problem, np.array(c.spread), np.array(c.inner), c.fill)
        found = np.array([best, 0, 0, 0])
        evaluate(
            t, config, np.array(kept), np.array(inners), np.array(outers), np.array(held),
            np.array(exponents), every_order and c.stationary is None and pins == Constraints(),
            found,
        )  # fmt: skip
        if found[0] < best:
            best = float(found[0])
            tiles, inner, outer = (int(n) for n in found[1:])
            mapping = Mapping(
                (step, *kept[tiles], problem.bounds),
                (inners[inner], *outers[outer]),
                c.unrolling,
                c.inner,
                c.dataflow,
                held,
            )
    return Found(best, mapping, covered, too_large)


Held = tuple[tuple[int, ...], ...]


def holdings(problem: Problem, hardware: Hardware, pins: Constraints) -> Iterator[Held]:
    """Which box each level holds of each operand."""
    levels = len(hardware.levels) - 1
    yield tuple((level + 1,) * len(problem.operands) for level in range(levels))
    if not pins.uneven:
        return
    for held in product((1, 2), repeat=len(problem.operands)):
        of: dict[frozenset[int], set[int]] = {}
        streaming = False
        for x, box in zip(problem.operands, held, strict=True):
            if hardware.levels[0].memory(x.role).streams:
                streaming = streaming or box == 2
            else:
                several = frozenset(d for d in x.loops if problem.bounds[d] > 1)
                of.setdefault(several, set()).add(box)
        # Those that the same loops move are held alike, and both boxes are for something.
        if streaming or any(len(each) > 1 for each in of.values()):
            continue
        if set().union(*of.values()) == {1, 2}:
            yield (held,)


def nested(
    problem: Problem,
    hardware: Hardware,
    pins: Constraints,
    held: Held,
    d: int,
    step: int,
    j: int,
    around: int,
) -> Iterator[tuple[int, ...]]:
    """Sizes of boxes up to ``j`` along a loop, innermost first, within ``around`` iterations."""
    if j == 0:
        yield ()
        return
    bound, loop = problem.bounds[d], problem.loops[d]
    sizes = smallest(bound, step)
    if around < bound:
        sizes = [n for n in range(step, around + 1, step) if around % n == 0]
    uneven = max(map(max, held)) > len(held)
    level = hardware.levels[j - 1].name
    pinned = pins.levels.get(level, FrozenMap()).get(loop)
    if j == 1 and loop in pins.buffer:
        pinned = pins.buffer[loop]
    streams = [hardware.levels[0].memory(x.role).streams for x in problem.operands]
    moved = [
        d in x.loops
        for x, box, passing in zip(problem.operands, held[0], streams, strict=True)
        if box == j
    ]
    if uneven and not any(moved):
        sizes = [around]
    elif pinned:
        size = min(around, -(-min(bound, pinned) // step) * step)
        sizes = [size] if around == bound or around % size == 0 else []
    for size in sizes:
        for inside in nested(problem, hardware, pins, held, d, step, j - 1, size):
            yield (*inside, size)


def configurations(
    problem: Problem, hardware: Hardware, pins: Constraints
) -> Iterator[Configuration]:
    """Every one once: those with the same units, tiles, fill and orders are the same."""
    flows = hardware.dataflows or (
        Dataflow("any", FrozenMap(dict.fromkeys(hardware.array, LOOP_ROLES))),
    )
    seen = set()
    for flow in flows:
        if pins.dataflow not in (None, flow.name):
            continue
        for unrolling in unrollings(problem, hardware, flow):
            here = {
                axis: {problem.loops[d]: n for x, d, n in unrolling if x == axis}
                for axis in hardware.array
            }
            wanted = {
                axis: {loop: n for loop, n in loops.items() if n > 1}
                for axis, loops in (pins.unroll or {}).items()
            }
            if any(here[axis] != loops for axis, loops in wanted.items()):
                continue
            spread = spread_of(unrolling, len(problem.bounds))
            used = {axis: prod(here[axis].values()) for axis in hardware.array}
            fill = hardware.fill + sum(used[axis] - 1 for axis in hardware.skewed)
            if (flow.stationary, spread, fill) in seen:
                continue
            seen.add((flow.stationary, spread, fill))
            for inner in register_tiles(problem, hardware, flow, spread, pins):
                yield Configuration(flow.name, flow.stationary, unrolling, spread, inner, fill)


def unrollings(problem: Problem, hardware: Hardware, flow: Dataflow) -> Iterator[Unrolling]:
    """An axis after the other."""

    def of_axis(axis: str, shared: Sequence[int]) -> Iterator[dict[int, int]]:
        extent = hardware.array[axis]
        allowed = flow.unrolls.get(axis, ())
        loops = [d for role in allowed for d, r in enumerate(problem.roles) if r == role]
        left = {d: -(-problem.bounds[d] // shared[d]) for d in loops}
        if not flow.several:
            yield {}
            for d in loops:
                if shared[d] == 1:
                    yield {d: min(extent, left[d])}
            return
        sizes = {d: smallest(left[d], 1) for d in loops}
        for chosen in product(*(sizes[d] for d in loops)):
            if prod(chosen) > extent:
                continue
            # As many as fit: with the next larger size of any loop they would not.
            larger = (
                prod(chosen) // n * min(size for size in sizes[d] if size > n)
                for d, n in zip(loops, chosen, strict=True)
                if n < max(sizes[d])
            )
            if all(units > extent for units in larger):
                yield dict(zip(loops, chosen, strict=True))

    def of_axes(axes: Sequence[str], shared: list[int]) -> Iterator[Unrolling]:
        if not axes:
            yield ()
            return
        for chosen in of_axis(axes[0], shared):
            now = [n * chosen.get(d, 1) for d, n in enumerate(shared)]
            here = tuple((axes[0], d, n) for d, n in chosen.items() if n > 1)
            for rest in of_axes(axes[1:], now):
                yield here + rest

    yield from of_axes(list(hardware.array), [1] * len(problem.bounds))


def smallest(bound: int, step: int) -> list[int]:
    """For every number of tiles the smallest size, in whole steps."""
    found: dict[int, int] = {}
    for size in range(step, bound + step, step):
        found.setdefault(-(-bound // size), min(size, bound))
    return list(found.values())


def register_tiles(
    problem: Problem,
    hardware: Hardware,
    flow: Dataflow,
    spread: Sequence[int],
    pins: Constraints,
) -> Iterator[Order]:
    if hardware.registers is None:
        yield (1,) * len(problem.bounds)
        return
    sizes = []
    loops = zip(problem.loops, problem.roles, problem.bounds, spread, strict=True)
    for loop, role, bound, units in loops:
        part = -(-bound // units)
        own = flow.inner is None or role in flow.inner
        sizes.append(smallest(part, 1) if own else [1])
        if loop in pins.registers:
            sizes[-1] = [min(part, pins.registers[loop])]
    for tile in product(*sizes):
        copies: Callable[[Memory, Operand], int] = lambda m, _: 1 if m.slides else m.buffers  # noqa: E731
        if fits(problem, hardware.registers.memories, everyone(tile), copies):
            yield tile


def fits_buffers(
    problem: Problem, hardware: Hardware, step: Order, tiles: Sequence[Order], held: Held
) -> bool:
    """Operands that never change have one tile, those that stream one of the array."""
    for level, boxes in zip(hardware.levels, held, strict=False):
        box_of = dict(zip(problem.operands, boxes, strict=True))

        def tile(operand: Operand, of: dict[Operand, int] = box_of) -> Order:
            return tiles[of[operand] - 1]

        def copies(memory: Memory, operand: Operand, of: dict[Operand, int] = box_of) -> int:
            whole = tiles[of[operand] - 1]
            return memory.buffers if any(whole[d] < problem.bounds[d] for d in operand.loops) else 1

        streams = [memory for memory in level.memories if memory.streams]
        keeps = [memory for memory in level.memories if not memory.streams]
        if not fits(problem, keeps, tile, copies):
            return False
        if not fits(problem, streams, everyone(step), lambda *_: 1):
            return False
    return True


def everyone(tile: Order) -> Callable[[Operand], Order]:
    """The same tile for all operands."""
    return lambda _: tile


def fits(
    problem: Problem,
    memories: Sequence[Memory],
    tile: Callable[[Operand], Order],
    copies: Callable[[Memory, Operand], int],
) -> bool:
    for memory in memories:
        bits = sum(
            len(box_elements(x, tuple((0, n) for n in tile(x))))
            * x.partial_bits
            * copies(memory, x)
            for x in problem.operands
            if x.role in memory.holds
        )
        if memory.size is not None and bits > 8 * memory.size:
            return False
    return True


def slides(problem: Problem, hardware: Hardware) -> bool:
    return hardware.registers is not None and any(
        hardware.registers.memory(x.role).slides for x in problem.operands if not x.is_output
    )


def outer_orders(problem: Problem, pins: Constraints, *, every_order: bool) -> list[Order]:
    every = permutations(range(len(problem.bounds)))
    found = [x for x in every if every_order or grouped(problem, x, any_last=False)]
    return rearranged(problem, found, pins.outer)


def inner_orders(
    problem: Problem,
    hardware: Hardware,
    stationary: Role | None,
    pins: Constraints,
    *,
    every_order: bool,
) -> list[Order]:
    any_last = slides(problem, hardware)
    every = permutations(range(len(problem.bounds)))
    free = [x for x in every if every_order or grouped(problem, x, any_last=any_last)]
    kept = [x for x in problem.operands if x.role == stationary]
    found = []
    for order in rearranged(problem, free, pins.inner):
        # The loops that move what is kept are outside the others.
        outside = [d in kept[0].loops for d in order if problem.bounds[d] > 1] if kept else []
        if sorted(outside, reverse=True) == outside:
            found.append(order)
    return found


def rearranged(problem: Problem, orders: list[Order], names: tuple[str, ...]) -> list[Order]:
    """Every order with the loops that are named in the order of the names."""
    wanted = [problem.loops.index(name) for name in names]
    found: dict[Order, None] = {}
    for order in orders:
        left = iter(wanted)
        found[tuple(next(left) if d in wanted else d for d in order)] = None
    return list(found)


def grouped(problem: Problem, order: Order, *, any_last: bool) -> bool:
    """Loops of one iteration first, those that move everything next, then those that move the
    same stand together; each in the order of the problem, but for the last one if ``any_last``.
    """
    moved = {d: frozenset(x.name for x in problem.operands if d in x.loops) for d in order}
    blocks: list[tuple[object, list[int]]] = []
    for d in order:
        one = problem.bounds[d] == 1
        everything = not one and len(moved[d]) == len(problem.operands)
        kind: object = "one" if one else "everything" if everything else moved[d]
        if not blocks or blocks[-1][0] != kind:
            blocks.append((kind, []))
        blocks[-1][1].append(d)
    kinds = [kind for kind, _ in blocks]
    first = [kind for kind in ("one", "everything") if kind in kinds]
    if len(set(kinds)) < len(kinds) or kinds[: len(first)] != first:
        return False
    for number, (kind, loops) in enumerate(blocks):
        free = any_last and number == len(blocks) - 1 and kind != "one"
        along = loops[:-1] if free else loops
        if along != sorted(along):
            return False
    return True


@compiled
def evaluate(
    t: Tables,
    c: Config,
    tiles: Integers,
    inners: Integers,
    outers: Integers,
    held: Integers,
    exponents: Floats,
    once: bool,
    found: Floats,
) -> None:
    """Of all mappings the least value, and the numbers of its tiles and orders.

    With ``once`` of orders that differ only in loops of a single step one is evaluated.
    """
    count, boxes, n = len(t.bits), tiles.shape[1], len(t.bounds)
    output = count - 1
    whole = footprint(t.axes, output, t.bounds)
    orders, scratch = np.empty((boxes + 1, n), dtype=np.int64), scratch_of(boxes, n)
    walk = walk_of(t, boxes)
    for number in range(len(tiles)):
        nest = Nest(tiles[number], orders, held)
        for i in range(len(inners)):
            if once and not _is_first(nest.tiles[0], c.tile, inners[i]):
                continue
            orders[0] = inners[i]
            for o in range(len(outers)):
                orders[1:] = outers[o]
                skip = False
                for j in range(1, boxes + 1):
                    around = t.bounds if j == boxes else nest.tiles[j]
                    skip = skip or (once and not _is_first(around, nest.tiles[j - 1], orders[j]))
                if skip:
                    continue
                energy = t.spent
                for x in range(count):
                    taken, got = moves_into(t, x, c, nest, 0, boxes + 1, True, scratch)
                    for p in range(len(held)):
                        moved = moves_into(t, x, c, nest, held[p, x], boxes + 1, False, scratch)[0]
                        if p == 0 and t.streams[x]:
                            moved = taken
                        if x < output:
                            energy += t.bits[x] * moved * t.outside[p, x, 0]
                            continue
                        narrow = whole * (t.partial[x] - t.bits[x])
                        energy += t.partial[x] * (moved - whole) * t.outside[p, x, 0]
                        energy += (t.partial[x] * moved - narrow) * t.outside[p, x, 1]
                    if x < output:
                        energy += t.bits[x] * (taken * t.inside[x, 0] + got * t.units[x, 0])
                        continue
                    narrow = whole * (t.partial[x] - t.bits[x])
                    energy += t.partial[x] * (taken - whole) * t.inside[x, 0]
                    energy += (t.partial[x] * taken - narrow) * t.inside[x, 1]
                    energy += t.partial[x] * got * t.units[x, 1]
                    energy += t.partial[x] * max(0, got - whole) * t.units[x, 0]
                cycles = total_cycles(t, c, nest, walk)
                energy += t.leak * cycles
                value = energy ** exponents[0] * cycles ** exponents[1]
                if value < found[0]:
                    found[0], found[1], found[2], found[3] = value, number, i, o


@compiled
def _is_first(box: Integers, tile: Integers, order: Integers) -> bool:
    """Whether loops of a single step come first, in order."""
    last, moving = -1, False
    for d in order:
        if tile[d] < box[d]:
            moving = True
        elif moving or d < last:
            return False
        else:
            last = d
    return True

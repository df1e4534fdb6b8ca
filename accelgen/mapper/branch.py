"""Branch and bound over the boxes and orders of all configurations.  Compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelgen.mapper.bounds import (
    Around,
    Floor,
    around_of,
    floor_of,
    node_bound,
    order_bound,
    value_of_parts,
    work_of,
)
from accelgen.mapper.compiled import compiled, lean
from accelgen.mapper.counts import moves_into, scratch_of
from accelgen.mapper.cycles import ports
from accelgen.mapper.elements import footprint
from accelgen.mapper.sizes import fits, nested_sizes
from accelgen.mapper.tables import Config, Floats, Integers, Nest, Tables, made_config
from accelgen.mapper.walk import Walk, carry, total_cycles, walk_of

__all__ = [
    "Best",
    "Scratch",
    "Space",
    "array_energy",
    "crossing_energy",
    "explore",
    "found_in",
    "keep",
    "scratch_for",
    "set_order",
    "sizes_of",
]

Best = Floats
"""[value, number of the configuration, tiles..., orders...] of a nest."""


class Space(NamedTuple):
    """All configurations of an array, and the boxes and orders of loops."""

    spreads: Integers
    """(configurations, loops) units along loops."""
    inners: Integers
    """(configurations, loops) iterations of a unit."""
    fills: Integers
    """(configurations) cycles to fill the array."""
    kinds: Integers
    """(configurations) which orders there are within the innermost box."""
    within: Integers
    """(kinds, orders, loops)"""
    orders: Integers
    """(kinds) how many orders are within."""
    outside: Integers
    """(orders, loops) of the outermost boxes."""
    grouped: Integers
    """(orders, loops) those that stand for all, of other boxes and for bounds; ``outside`` may be
    fewer."""
    outside_table: Integers
    grouped_table: Integers
    within_table: Integers
    """Of these orders and of all ``within`` (see :mod:`accelgen.mapper.outside`)."""
    held: Integers
    """(levels, operands) the box, from 1, of which a level holds an operand's part."""
    pinned: Integers
    """(boxes, loops) size, 0 where it is free."""
    whole: Integers
    """(boxes, loops) 1 where a box is as long as the one around it."""


class Scratch(NamedTuple):
    """Scratch for the evaluation of the orders of an innermost box."""

    within: Floats
    """(4, orders) of the orders within it."""
    outside: Floats
    """(orders, 3) of those of such boxes."""
    ranked: Integers
    """(2, orders) the best first, of either."""
    bits: Floats
    """(2, operands) that the array takes and gives."""
    carried: Floats
    """(channels) bits between levels."""
    counts: Integers
    """That of :func:`.moves_into`."""
    work: Floats
    """That of bounds."""
    walk: Walk


@compiled
def scratch_for(t: Tables, space: Space) -> Scratch:
    """Scratch for the mappings of a space."""
    within, outside = space.within.shape[1], max(len(space.outside), len(space.grouped))
    return Scratch(
        np.empty((4, within)),
        np.empty((outside, 3)),
        np.empty((2, max(within, outside)), dtype=np.int64),
        np.empty((2, len(t.bits))),
        np.empty(len(t.carried)),
        scratch_of(len(space.whole), len(t.bounds)),
        work_of(t),
        walk_of(t, len(space.whole)),
    )


@lean
def _rank(values: Floats, into: Integers) -> None:
    """The numbers of values, the least first, equal ones in their order."""
    for k in range(len(values)):
        at = k
        while at > 0 and values[into[at - 1]] > values[k]:
            into[at] = into[at - 1]
            at -= 1
        into[at] = k


@lean
def set_order(nest: Nest, j: int, order: Integers) -> None:
    """Boxes ``j`` come in an order."""
    for position in range(len(order)):
        nest.orders[j, position] = order[position]


@lean
def array_energy(
    t: Tables,
    c: Config,
    nest: Nest,
    known: int,
    entered: Floats,
    left: Floats,
    scratch: Integers,
) -> float:
    """PJ of what the array takes and gives; ``entered`` and ``left`` get the bits per operand,
    ``scratch`` is that of :func:`.moves_into`.

    With so many ``known`` orders, all mappings with these are at least as much.
    """
    output = len(t.bits) - 1
    energy = 0.0
    for o in range(len(t.bits)):
        taken, got = moves_into(t, o, c, nest, 0, known, t.delivers, scratch)
        if o < output:
            entered[o], left[o] = taken * t.bits[o], 0.0
            energy += entered[o] * t.inside[o, 0] + got * t.bits[o] * t.units[o, 0]
            continue
        whole = footprint(t.axes, o, t.bounds)
        entered[o] = (taken - whole) * t.partial[o]
        left[o] = entered[o] + whole * t.bits[o]
        energy += entered[o] * t.inside[o, 0] + left[o] * t.inside[o, 1]
        # Every unit gives its sums; those of units that share an element are added on the way.
        energy += got * t.partial[o] * t.units[o, 1]
        energy += max(0, got - whole) * t.partial[o] * t.units[o, 0]
    return energy


@lean
def crossing_energy(
    t: Tables, c: Config, nest: Nest, entered: Floats, carried: Floats, scratch: Integers
) -> float:
    """PJ of what crosses the boundaries between levels, of which the array takes the bits
    ``entered``; ``carried`` gets the bits of every channel.
    """
    output, known = len(t.bits) - 1, len(nest.orders)
    for channel in range(len(carried)):
        carried[channel] = 0.0
    energy = 0.0
    whole = footprint(t.axes, output, t.bounds)
    for p in range(len(nest.held)):
        for o in range(output + 1):
            if p == 0 and t.streams[o]:
                carry(t, p, o, 0, entered[o], carried)
                continue
            moved = moves_into(t, o, c, nest, nest.held[p, o], known, False, scratch)[0]
            down, up = moved * t.bits[o], 0.0
            if o == output:
                down = (moved - whole) * t.partial[o]
                up = down + whole * t.bits[o]
            carry(t, p, o, 0, down, carried)
            carry(t, p, o, 1, up, carried)
            energy += down * t.outside[p, o, 0] + up * t.outside[p, o, 1]
    return energy


@lean
def keep(best: Best, value: float, number: int, nest: Nest) -> None:
    """A mapping is the best so far."""
    best[0], best[1] = value, number
    boxes, n = nest.tiles.shape
    for d in range(n):
        for k in range(boxes):
            best[2 + k * n + d] = nest.tiles[k, d]
        for k in range(boxes + 1):
            best[2 + (boxes + k) * n + d] = nest.orders[k, d]


@compiled
def branch(
    t: Tables,
    c: Config,
    floor: Floor,
    number: int,
    space: Space,
    nest: Nest,
    a: Around,
    exponents: Floats,
    best: Best,
    counts: Integers,
    scratch: Scratch,
) -> None:
    """Cover all mappings of a configuration with the larger boxes that a nest has around box ``j``:
    its sizes and orders, and those of all smaller boxes.

    Sizes are chosen loop by loop, the best bound first.  Until a loop has its turn it may have any:
    it fits if the smallest does, and its bound is that of the largest.  ``best`` is replaced by
    anything better; ``counts`` gets how many mappings were too large, how many were evaluated, and
    how many bounds were computed.
    """
    n, j, boxes = len(t.bounds), a.j, len(nest.tiles)
    many = space.orders[space.kinds[number]]
    outers = space.outside if j == boxes else space.grouped
    outer = space.outside_table if j == boxes else space.grouped_table
    around = t.bounds.copy() if j == boxes else nest.tiles[j].copy()
    tile, least = around.copy(), np.minimum(t.bounds, c.tile)
    into = np.empty((len(outers), 3))
    own = np.empty((2, n), dtype=np.int64)
    if j < boxes:
        # The order around these boxes is known now.
        counts[2] += 1
        lowest = node_bound(
            t, c, floor, nest, a, tile, least, outer, space.grouped_table, exponents, into, own,
            scratch.work,
        )  # fmt: skip
        if lowest >= best[0]:
            return
    choices = [sizes_of(t, c, space, d, j, around[d]) for d in range(n)]
    lengths = np.array([len(sizes) for sizes in choices])
    widest = lengths.max()
    # Of every size of a loop, how many ways there are to choose the smaller boxes.
    sizes, ways = np.ones((n, widest), dtype=np.int64), np.ones((n, widest))
    for d in range(n):
        for k in range(lengths[d]):
            sizes[d, k] = choices[d][k]
            ways[d, k] = chains(t, c, space, d, j - 1, choices[d][k])
    # The loops with most sizes first.
    order = np.argsort(-lengths)
    below, above = np.ones(n + 1), np.ones(n + 1)
    below[n] = float(len(outers) * many * len(space.grouped) ** (j - 1))
    for depth in range(n - 1, -1, -1):
        d = order[depth]
        below[depth] = below[depth + 1] * ways[d, : lengths[d]].sum()
    bounds = np.empty((n, widest))
    ranked = np.empty((n, widest), dtype=np.int64)
    at = np.zeros(n, dtype=np.int64)
    depth = 0
    fresh = True
    while depth >= 0:
        d = order[depth]
        if fresh:
            for k in range(lengths[d]):
                tile[d] = least[d] = sizes[d, k]
                bounds[depth, k] = np.inf
                if not fits(t, c, nest, j, tile, least):
                    counts[0] += int(above[depth] * ways[d, k] * below[depth + 1])
                    continue
                counts[2] += 1
                bounds[depth, k] = node_bound(
                    t, c, floor, nest, a, tile, least, outer, space.grouped_table, exponents, into,
                    own, scratch.work,
                )  # fmt: skip
            ranked[depth, : lengths[d]] = np.argsort(bounds[depth, : lengths[d]])
            at[depth] = 0
        k = at[depth]
        if k == lengths[d] or bounds[depth, ranked[depth, k]] >= best[0]:
            tile[d], least[d] = around[d], min(t.bounds[d], c.tile[d])
            depth -= 1
            fresh = False
            continue
        at[depth] += 1
        tile[d] = least[d] = sizes[d, ranked[depth, k]]
        above[depth + 1] = above[depth] * ways[d, ranked[depth, k]]
        fresh = depth < n - 1
        if fresh:
            depth += 1
            continue
        # All loops have their size: every order, the best bound first.
        node_bound(
            t, c, floor, nest, a, tile, least, outer, space.grouped_table, exponents, into, own,
            scratch.work,
        )  # fmt: skip
        nest.tiles[j - 1] = tile
        if j == 1:
            _leaf(t, c, floor, number, space, nest, own[1], into, exponents, best, counts, scratch)
            continue
        at_leaf = into.copy()
        for o in np.argsort(at_leaf[:, 0]):
            if at_leaf[o, 0] >= best[0]:
                break
            nest.orders[j] = outers[o]
            inside = around_of(t, c, nest, j - 1, a.least_pj, a.least_bits)
            branch(t, c, floor, number, space, nest, inside, exponents, best, counts, scratch)


@lean
def _leaf(
    t: Tables,
    c: Config,
    floor: Floor,
    number: int,
    space: Space,
    nest: Nest,
    parts: Integers,
    at_leaf: Floats,
    exponents: Floats,
    best: Best,
    counts: Integers,
    scratch: Scratch,
) -> None:
    """Every order of the innermost boxes and within them; ``at_leaf`` has bounds of the former."""
    kind, outers = space.kinds[number], space.outside if len(nest.tiles) == 1 else space.grouped
    many, known = space.orders[kind], len(nest.orders)
    inners, table = space.within[kind, :many], space.within_table[kind, :many]
    entered, left, carried = scratch.bits[0], scratch.bits[1], scratch.carried
    rough, within, busy = scratch.within[0, :many], scratch.within[1], scratch.within[2]
    order_bound(t, c, floor, nest.tiles[0], parts, table, scratch.work, rough)
    for i in range(many):
        within[i] = -1.0
    cheapest, first = scratch.ranked[0], scratch.ranked[1]
    _rank(rough, cheapest)
    _rank(at_leaf[:, 0], first)
    for at in range(len(outers)):
        o = first[at]
        if at_leaf[o, 0] >= best[0]:
            break
        for rank in range(many):
            i = cheapest[rank]
            energy, cycles = at_leaf[o, 1] + rough[i], at_leaf[o, 2]
            if value_of_parts(t, energy, cycles, exponents) >= best[0]:
                break
            set_order(nest, 0, inners[i])
            if within[i] < 0:
                within[i] = array_energy(t, c, nest, 1, entered, left, scratch.counts)
                busy[i] = ports(t, entered, left)
            energy, cycles = at_leaf[o, 1] + within[i], max(cycles, busy[i])
            if value_of_parts(t, energy, cycles, exponents) >= best[0]:
                continue
            counts[1] += 1
            set_order(nest, 1, outers[o])
            energy = t.spent + array_energy(t, c, nest, known, entered, left, scratch.counts)
            energy += crossing_energy(t, c, nest, entered, carried, scratch.counts)
            cycles = max(at_leaf[o, 2], ports(t, entered, left))
            for channel in range(len(carried)):
                cycles = max(cycles, carried[channel] / t.carried[channel])
            if value_of_parts(t, energy, cycles, exponents) >= best[0]:
                continue
            cycles = total_cycles(t, c, nest, scratch.walk)
            value = value_of_parts(t, energy, cycles, exponents)
            if value < best[0]:
                keep(best, value, number, nest)


def found_in(best: Best, held: Integers) -> Nest:
    """The nest that ``best`` has."""
    boxes, n = int(held.max()), (len(best) - 2) // (2 * int(held.max()) + 1)
    values = best[2:].astype(np.int64)
    size = boxes * n
    return Nest(values[:size].reshape(boxes, n), values[size:].reshape(boxes + 1, n), held)


@compiled
def explore(
    t: Tables,
    space: Space,
    least_pj: Floats,
    least_bits: float,
    exponents: Floats,
    best: Best,
    counts: Integers,
) -> float:
    """Cover all mappings of all configurations, the best bound first; how many there are.

    No mapping has less than ``least_pj`` and ``least_bits`` (see :class:`.Around`); ``best`` and
    ``counts`` are those of :func:`branch`.
    """
    n, many, boxes = len(t.bounds), len(space.spreads), len(space.whole)
    lowest = np.empty(many)
    into = np.empty((len(space.outside), 3))
    scratch = scratch_for(t, space)
    own = np.empty((2, n), dtype=np.int64)
    tiles, orders = np.ones((boxes, n), dtype=np.int64), np.empty((boxes + 1, n), dtype=np.int64)
    nest = Nest(tiles, orders, space.held)
    a = around_of(t, _config(t, space, 0), nest, boxes, least_pj, least_bits)
    for number in range(many):
        c = _config(t, space, number)
        lowest[number] = node_bound(
            t, c, floor_of(t, c), nest, a, t.bounds, c.tile, space.outside_table,
            space.grouped_table, exponents, into, own, scratch.work,
        )  # fmt: skip
    covered = 0.0
    for number in np.argsort(lowest):
        c = _config(t, space, number)
        mappings = float(
            space.orders[space.kinds[number]]
            * len(space.outside)
            * len(space.grouped) ** (boxes - 1)
        )
        for d in range(n):
            mappings *= chains(t, c, space, d, boxes, t.bounds[d])
        covered += mappings
        if lowest[number] >= best[0]:
            continue
        branch(t, c, floor_of(t, c), number, space, nest, a, exponents, best, counts, scratch)
    return covered


@compiled
def sizes_of(t: Tables, c: Config, space: Space, d: int, j: int, around: int) -> Integers:
    """Sizes of box ``j`` along a loop, within ``around`` iterations."""
    step, pinned = c.tile[d], space.pinned[j - 1, d]
    if space.whole[j - 1, d]:
        return np.array([around])
    sizes = nested_sizes(t.bounds[d], around, step)
    if pinned == 0:
        return sizes
    size = min(around, -(-min(pinned, t.bounds[d]) // step) * step)
    # A pinned size need not be the smallest for as many boxes; others must divide what is around.
    fitting = around == t.bounds[d] or around % size == 0
    return np.array([size]) if fitting else sizes[:0]


@compiled
def chains(t: Tables, c: Config, space: Space, d: int, j: int, around: int) -> float:
    """How many ways there are to choose boxes ``j`` and smaller ones along a loop."""
    if j == 0:
        return 1.0
    sizes = sizes_of(t, c, space, d, j, around)
    if j == 1:
        return float(len(sizes))
    total = 0.0
    for k in range(len(sizes)):
        total += chains(t, c, space, d, j - 1, sizes[k])
    return total


@compiled
def _config(t: Tables, space: Space, number: int) -> Config:
    return made_config(t.bounds, space.spreads[number], space.inners[number], space.fills[number])

"""Branch and bound over the buffer tiles and orders of one configuration.  Compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelgen.mapper.bounds import (
    FIXED,
    Floor,
    floor_of,
    node_bound,
    order_bound,
    scratch,
    value_of_parts,
)
from accelgen.mapper.compiled import compiled
from accelgen.mapper.counts import array_moves, buffer_moves
from accelgen.mapper.cycles import ports, total_cycles
from accelgen.mapper.elements import footprint
from accelgen.mapper.relaxed import least_outside
from accelgen.mapper.sizes import room, tile_sizes
from accelgen.mapper.tables import Config, Floats, Integers, Tables, made_config

__all__ = ["Best", "Space", "energy_of", "explore"]

Best = Floats
"""[value, number of the configuration, numbers of the inner and outer order, tile...]"""


class Space(NamedTuple):
    """All configurations of an array, and the orders of loops."""

    spreads: Integers
    """(configurations, loops) units along loops."""
    inners: Integers
    """(configurations, loops) iterations of a unit."""
    fills: Integers
    """(configurations) cycles to fill the array."""
    kinds: Integers
    """(configurations) which orders there are within the buffer."""
    within: Integers
    """(kinds, orders, loops)"""
    orders: Integers
    """(kinds) how many orders are within."""
    outside: Integers
    """(orders, loops)"""
    grouped: Integers
    """(orders, loops) those that stand for all, for bounds; ``outside`` may be fewer."""
    pinned: Integers
    """(loops) size of the buffer's tile, 0 where it is free."""


@compiled
def array_energy(
    t: Tables,
    c: Config,
    tile: Integers,
    inner: Integers,
    outer: Integers,
    entered: Floats,
    left: Floats,
) -> float:
    """PJ of what the array takes and gives; ``entered`` and ``left`` get the bits per operand.

    Without an order ``outer`` (empty) all are at least as much.
    """
    output = len(t.bits) - 1
    energy = 0.0
    for o in range(len(t.bits)):
        taken, got = array_moves(t, o, c, tile, inner, outer, t.delivers)
        if o < output:
            entered[o], left[o] = taken * t.bits[o], 0.0
            energy += entered[o] * t.inside[o, 0] + got * t.bits[o] * t.units[o, 0]
            continue
        whole = footprint(t, o, t.bounds)
        entered[o] = (taken - whole) * t.partial[o]
        left[o] = entered[o] + whole * t.bits[o]
        energy += entered[o] * t.inside[o, 0] + left[o] * t.inside[o, 1]
        # Every unit gives its sums; those of units that share an element are added on the way.
        energy += got * t.partial[o] * t.units[o, 1]
        energy += max(0, got - whole) * t.partial[o] * t.units[o, 0]
    return energy


@compiled
def energy_of(
    t: Tables,
    c: Config,
    tile: Integers,
    inner: Integers,
    outer: Integers,
    entered: Floats,
    left: Floats,
) -> tuple[float, float]:
    """PJ without leakage and bits of the outermost memory of a mapping; ``entered`` and ``left``
    get the bits that the array takes and gives of each operand.
    """
    output = len(t.bits) - 1
    energy = t.spent + array_energy(t, c, tile, inner, outer, entered, left)
    traffic = 0.0
    for o in range(output):
        bits = entered[o]
        if not t.streams[o]:
            bits = buffer_moves(t, o, tile, outer) * t.bits[o]
        energy += bits * t.outside[o, 0]
        traffic += bits
    whole = footprint(t, output, t.bounds)
    done = whole * t.bits[output]
    again = (buffer_moves(t, output, tile, outer) - whole) * t.partial[output]
    energy += again * t.outside[output, 0] + (again + done) * t.outside[output, 1]
    return energy, traffic + 2 * again + done


@compiled
def branch(
    t: Tables,
    c: Config,
    floor: Floor,
    number: int,
    inners: Integers,
    outers: Integers,
    grouped: Integers,
    exponents: Floats,
    sizes: Integers,
    lengths: Integers,
    best: Best,
    counts: Integers,
) -> None:
    """Cover all mappings of a configuration: buffer tiles of the given sizes (loops x sizes, of
    which there are ``lengths``), all orders.

    Tiles are chosen loop by loop, the best bound first.  Until a loop has its turn it may have any
    size: it fits if the smallest does, and its bound is that of the largest.  ``best`` is replaced
    by anything better; ``counts`` gets how many mappings were too large, how many were evaluated,
    and how many bounds were computed.
    """
    n = len(t.bounds)
    pairs = len(inners) * len(outers)
    # The loops with most sizes first.
    order = np.argsort(-lengths)
    below = np.ones(n + 1, dtype=np.int64)
    for depth in range(n - 1, -1, -1):
        below[depth] = below[depth + 1] * lengths[order[depth]]
    widest = lengths[order[0]]
    bounds = np.empty((n, widest))
    ranked = np.empty((n, widest), dtype=np.int64)
    at = np.zeros(n, dtype=np.int64)
    tile, least = t.bounds.copy(), np.minimum(t.bounds, c.tile)
    into, at_leaf = scratch(t, outers), scratch(t, outers)
    own = np.empty((2, n), dtype=np.int64)
    rough, within, busy = np.empty(len(inners)), np.empty(len(inners)), np.empty(len(inners))
    none = inners[0][:0]
    entered, left = np.zeros(len(t.bits)), np.zeros(len(t.bits))
    counts[2] += 1
    if node_bound(t, c, floor, tile, least, outers, grouped, exponents, into, own) >= best[0]:
        return
    depth = 0
    fresh = True
    while depth >= 0:
        d = order[depth]
        if fresh:
            for k in range(lengths[d]):
                tile[d] = least[d] = sizes[d, k]
                bounds[depth, k] = np.inf
                fits = True
                for m in range(len(t.room)):
                    fits = fits and room(t, c, m, tile, least) <= t.room[m]
                if not fits:
                    counts[0] += below[depth + 1] * pairs
                    continue
                counts[2] += 1
                bounds[depth, k] = node_bound(
                    t, c, floor, tile, least, outers, grouped, exponents, into, own
                )
            ranked[depth, : lengths[d]] = np.argsort(bounds[depth, : lengths[d]])
            at[depth] = 0
        k = at[depth]
        if k == lengths[d] or bounds[depth, ranked[depth, k]] >= best[0]:
            tile[d], least[d] = t.bounds[d], min(t.bounds[d], c.tile[d])
            depth -= 1
            fresh = False
            continue
        at[depth] += 1
        tile[d] = least[d] = sizes[d, ranked[depth, k]]
        if depth < n - 1:
            depth += 1
            fresh = True
            continue
        fresh = False
        # All loops have their size: every order, the best bound of those outside first.
        node_bound(t, c, floor, tile, least, outers, grouped, exponents, at_leaf, own)
        for i in range(len(inners)):
            rough[i], within[i] = order_bound(t, c, floor, tile, own[1], inners[i]), -1.0
        for o in np.argsort(at_leaf[:, 0]):
            if at_leaf[o, 0] >= best[0]:
                break
            for i in np.argsort(rough):
                energy, cycles = at_leaf[o, 1] + rough[i], at_leaf[o, 2]
                if value_of_parts(t, energy, cycles, exponents) >= best[0]:
                    break
                if within[i] < 0:
                    within[i] = array_energy(t, c, tile, inners[i], none, entered, left)
                    busy[i] = ports(t, entered, left)
                energy, cycles = at_leaf[o, 1] + within[i], max(cycles, busy[i])
                if value_of_parts(t, energy, cycles, exponents) >= best[0]:
                    continue
                counts[1] += 1
                energy, traffic = energy_of(t, c, tile, inners[i], outers[o], entered, left)
                cycles = max(floor[1], traffic / t.rate, ports(t, entered, left))
                if value_of_parts(t, energy, cycles, exponents) >= best[0]:
                    continue
                cycles, _ = total_cycles(t, c, tile, inners[i], outers[o])
                value = value_of_parts(t, energy, cycles, exponents)
                if value < best[0]:
                    best[0], best[1], best[2], best[3] = value, number, i, o
                    best[4:] = tile


@compiled
def explore(t: Tables, space: Space, exponents: Floats, best: Best, counts: Integers) -> float:
    """Cover all mappings of all configurations, the best bound first; how many there are.

    ``best`` and ``counts`` are those of :func:`branch`.
    """
    n, many = len(t.bounds), len(space.spreads)
    floors = np.empty((many, FIXED + 2 * len(t.bits)))
    lowest = np.empty(many)
    into, own = scratch(t, space.outside), np.empty((2, n), dtype=np.int64)
    outside = _least_outside(t, space, exponents)
    for number in range(many):
        c = _config(t, space, number)
        floors[number] = floor_of(t, c, space.grouped)
        floors[number, 3:5] = outside
        lowest[number] = node_bound(
            t,
            c,
            floors[number],
            t.bounds,
            c.tile,
            space.outside,
            space.grouped,
            exponents,
            into,
            own,
        )
    covered = 0.0
    lengths = np.empty(n, dtype=np.int64)
    for number in np.argsort(lowest):
        c = _config(t, space, number)
        kind = space.kinds[number]
        within = space.within[kind, : space.orders[kind]]
        choices = [tile_sizes(t.bounds[d], c.tile[d]) for d in range(n)]
        for d in range(n):
            if space.pinned[d] > 0:
                steps = -(-min(space.pinned[d], t.bounds[d]) // c.tile[d])
                choices[d] = np.array([min(t.bounds[d], steps * c.tile[d])])
            lengths[d] = len(choices[d])
        mappings = float(len(within) * len(space.outside))
        for d in range(n):
            mappings *= lengths[d]
        covered += mappings
        if lowest[number] >= best[0]:
            continue
        sizes = np.ones((n, lengths.max()), dtype=np.int64)
        for d in range(n):
            sizes[d, : lengths[d]] = choices[d]
        branch(
            t, c, floors[number], number, within, space.outside, space.grouped, exponents, sizes,
            lengths, best, counts,
        )  # fmt: skip
    return covered


@compiled
def _config(t: Tables, space: Space, number: int) -> Config:
    return made_config(t.bounds, space.spreads[number], space.inners[number], space.fills[number])


@compiled
def _least_outside(t: Tables, space: Space, exponents: Floats) -> Floats:
    """PJ of the outermost memory's traffic, and its bits, that no mapping is below."""
    output = len(t.bits) - 1
    found = np.zeros(2)
    if exponents[0] > 0:
        inputs = t.bits * t.outside[:, 0]
        again = t.partial[output] * (t.outside[output, 0] + t.outside[output, 1])
        once = t.bits[output] * t.outside[output, 1]
        found[0] = least_outside(t, space.outside, space.pinned, inputs, again, once)
    if exponents[1] > 0 and t.rate < np.inf:
        again, once = 2 * t.partial[output], t.bits[output]
        found[1] = least_outside(t, space.outside, space.pinned, t.bits, again, once)
    return np.where(found < np.inf, found, 0.0)

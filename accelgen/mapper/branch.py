"""Branch and bound over the buffer tiles and orders of one configuration.  Compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelgen.mapper.bounds import Floor, floor_of, inside_bound, node_bound, value_of_parts
from accelgen.mapper.compiled import compiled
from accelgen.mapper.counts import array_moves, buffer_moves
from accelgen.mapper.cycles import ports, total_cycles
from accelgen.mapper.elements import footprint
from accelgen.mapper.tables import Config, Floats, Integers, Tables

__all__ = ["Best", "Space", "energy_of", "explore", "room", "tile_sizes"]

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
    pinned: Integers
    """(loops) size of the buffer's tile, 0 where it is free."""


@compiled
def tile_sizes(bound: int, step: int) -> Integers:
    """For every possible number of tiles the smallest size, in whole steps; largest first."""
    steps = -(-bound // step)
    count = 0
    size = steps
    while True:
        count += 1
        if size == 1:
            break
        size = _smaller(steps, size)
    sizes = np.empty(count, dtype=np.int64)
    size = steps
    for k in range(count):
        sizes[k] = min(size * step, bound)
        if size > 1:
            size = _smaller(steps, size)
    return sizes


@compiled
def _smaller(steps: int, size: int) -> int:
    """The smallest size with as many tiles as size - 1."""
    return -(-steps // -(-steps // (size - 1)))


@compiled
def room(t: Tables, c: Config, m: int, tile: Integers, least: Integers) -> float:
    """Bits that tiles from ``least`` to ``tile`` take at least in a memory of the buffer.

    Of an operand that changes it holds as many tiles as it has buffers, of one that it streams a
    tile of the array.
    """
    bits = 0.0
    for o in range(len(t.bits)):
        if t.memory[o] != m:
            continue
        if t.streams[o]:
            bits += footprint(t, o, c.tile) * t.bits[o]
            continue
        changes = False
        for d in range(len(tile)):
            changes = changes or (t.relevant[o, d] and tile[d] < t.bounds[d])
        elements = footprint(t, o, least) * t.copies[m]
        if not changes:
            elements = min(elements, footprint(t, o, tile))
        bits += elements * t.partial[o]
    return bits


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
    energy, traffic = t.spent, 0.0
    for o in range(len(t.bits)):
        taken, got = array_moves(t, o, c, tile, inner, outer, t.delivers)
        moved = taken if t.streams[o] else buffer_moves(t, o, tile, outer)
        if o < output:
            entered[o], left[o] = taken * t.bits[o], 0.0
            energy += moved * t.bits[o] * t.outside[o, 0]
            energy += entered[o] * t.inside[o, 0] + got * t.bits[o] * t.units[o, 0]
            traffic += moved * t.bits[o]
            continue
        whole = footprint(t, o, t.bounds)
        done = whole * t.bits[o]
        again = (moved - whole) * t.partial[o]
        energy += again * t.outside[o, 0] + (again + done) * t.outside[o, 1]
        traffic += 2 * again + done
        entered[o] = (taken - whole) * t.partial[o]
        left[o] = entered[o] + done
        energy += entered[o] * t.inside[o, 0] + left[o] * t.inside[o, 1]
        # Every unit gives its sums; those of units that share an element are added on the way.
        energy += got * t.partial[o] * t.units[o, 1]
        energy += max(0, got - whole) * t.partial[o] * t.units[o, 0]
    return energy, traffic


@compiled
def branch(
    t: Tables,
    c: Config,
    floor: Floor,
    number: int,
    inners: Integers,
    outers: Integers,
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
    by anything better; ``counts`` gets how many mappings were (too large, evaluated), how many
    bounds were computed, and the bits of the smallest tile that was too large.
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
    into, at_leaf = np.empty((len(outers), 3)), np.empty((len(outers), 3))
    within = np.empty(len(inners))
    entered, left = np.zeros(len(t.bits)), np.zeros(len(t.bits))
    counts[2] += 1
    if node_bound(t, c, floor, tile, least, outers, exponents, into) >= best[0]:
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
                    bits = room(t, c, m, tile, least)
                    if bits > t.room[m]:
                        fits = False
                        counts[3] = min(counts[3], int(bits))
                if not fits:
                    counts[0] += below[depth + 1] * pairs
                    continue
                counts[2] += 1
                bounds[depth, k] = node_bound(t, c, floor, tile, least, outers, exponents, into)
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
        node_bound(t, c, floor, tile, least, outers, exponents, at_leaf)
        for i in range(len(inners)):
            within[i] = max(floor[0], inside_bound(t, c, tile, inners[i]))
        for o in np.argsort(at_leaf[:, 0]):
            if at_leaf[o, 0] >= best[0]:
                break
            for i in np.argsort(within):
                energy, cycles = at_leaf[o, 1] + within[i], at_leaf[o, 2]
                if value_of_parts(t, energy, cycles, exponents) >= best[0]:
                    break
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
    floors = np.empty((many, 3))
    lowest = np.empty(many)
    into = np.empty((len(space.outside), 3))
    for number in range(many):
        c = _config(t, space, number)
        floors[number] = floor_of(t, c)
        lowest[number] = node_bound(
            t, c, floors[number], t.bounds, c.tile, space.outside, exponents, into
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
            t, c, floors[number], number, within, space.outside, exponents, sizes, lengths, best,
            counts,
        )  # fmt: skip
    return covered


@compiled
def _config(t: Tables, space: Space, number: int) -> Config:
    spread, inner = space.spreads[number], space.inners[number]
    return Config(spread, inner, np.minimum(t.bounds, spread * inner), space.fills[number])

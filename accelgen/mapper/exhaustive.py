"""Every mapping of the space evaluated exactly, with no bound: slower, and nothing to trust.

The orders of one choice of boxes are evaluated together, as far as they share what they cost.
Compiled.
"""

from __future__ import annotations

import numpy as np

from accelgen.mapper.bounds import value_of_parts
from accelgen.mapper.branch import Best, Space, array_energy, crossing_energy, keep, sizes_of
from accelgen.mapper.compiled import compiled, lean
from accelgen.mapper.counts import scratch_of
from accelgen.mapper.sizes import fits
from accelgen.mapper.tables import Config, Floats, Integers, Nest, Tables, made_config
from accelgen.mapper.walk import Walk, total_cycles, walk_of

__all__ = ["evaluate_every"]


@compiled
def evaluate_every(
    t: Tables, space: Space, exponents: Floats, best: Best, counts: Integers
) -> None:
    """Evaluate all mappings of all configurations.

    ``best`` is replaced by anything better; ``counts`` gets how many mappings are too large, and
    how many were evaluated.
    """
    boxes, n = len(space.whole), len(t.bounds)
    orders = np.empty((boxes + 1, n), dtype=np.int64)
    nest = Nest(np.ones((boxes, n), dtype=np.int64), orders, space.held)
    walk = walk_of(t, boxes)
    for number in range(len(space.spreads)):
        c = made_config(t.bounds, space.spreads[number], space.inners[number], space.fills[number])
        _every(t, c, number, space, nest, boxes, exponents, best, counts, walk)


@compiled
def _every(
    t: Tables,
    c: Config,
    number: int,
    space: Space,
    nest: Nest,
    j: int,
    exponents: Floats,
    best: Best,
    counts: Integers,
    walk: Walk,
) -> None:
    """All mappings with the boxes that a nest has around box ``j``."""
    n, boxes = len(t.bounds), len(nest.tiles)
    around = t.bounds.copy() if j == boxes else nest.tiles[j].copy()
    sizes = [sizes_of(t, c, space, d, j, around[d]) for d in range(n)]
    at = np.zeros(n, dtype=np.int64)
    for d in range(n):
        if len(sizes[d]) == 0:
            return
    while True:
        for d in range(n):
            nest.tiles[j - 1, d] = sizes[d][at[d]]
        if j > 1:
            outers = space.outside if j == boxes else space.grouped
            for o in range(len(outers)):
                nest.orders[j] = outers[o]
                _every(t, c, number, space, nest, j - 1, exponents, best, counts, walk)
        else:
            kind = space.kinds[number]
            inners = space.within[kind, : space.orders[kind]]
            outers = space.outside if boxes == 1 else space.grouped
            if fits(t, c, nest, 0, nest.tiles[0], c.tile):
                _orders(t, c, number, inners, outers, nest, exponents, best, walk)
                counts[1] += len(inners) * len(outers)
            else:
                counts[0] += len(inners) * len(outers)
        d = n - 1
        while d >= 0 and at[d] == len(sizes[d]) - 1:
            at[d] = 0
            d -= 1
        if d < 0:
            return
        at[d] += 1


@compiled
def _orders(
    t: Tables,
    c: Config,
    number: int,
    inners: Integers,
    outers: Integers,
    nest: Nest,
    exponents: Floats,
    best: Best,
    walk: Walk,
) -> None:
    """All orders of the innermost boxes and within them."""
    count, known = len(t.bits), len(nest.orders)
    entered, left, carried = np.empty(count), np.empty(count), np.empty(len(t.carried))
    scratch = scratch_of(len(nest.tiles), len(t.bounds))
    shared = _starts_within(t, c, nest)
    within = np.empty(len(inners))
    for i in range(len(inners) if shared else 0):
        nest.orders[0], nest.orders[1] = inners[i], outers[0]
        within[i] = array_energy(t, c, nest, known, entered, left, scratch)
    for o in range(len(outers)):
        nest.orders[1] = outers[o]
        crossing = cycles = -1.0
        for i in range(len(inners)):
            nest.orders[0] = inners[i]
            if not shared:
                within[i] = array_energy(t, c, nest, known, entered, left, scratch)
            if crossing < 0 or t.streams.any():
                crossing = crossing_energy(t, c, nest, entered, carried, scratch)
            if cycles < 0 or t.limited or t.streams.any():
                cycles = total_cycles(t, c, nest, walk)
            value = value_of_parts(t, t.spent + within[i] + crossing, cycles, exponents)
            if value < best[0]:
                keep(best, value, number, nest)


@lean
def _starts_within(t: Tables, c: Config, nest: Nest) -> bool:
    """Whether in every innermost box every operand has several tiles for the array, so that the
    order of the boxes does not change what the array takes.
    """
    for o in range(len(t.bits)):
        several = False
        for d in range(len(t.bounds)):
            tile = nest.tiles[0, d]
            rest = t.bounds[d] % tile
            several = several or (
                t.relevant[o, d] and tile > c.tile[d] and (rest == 0 or rest > c.tile[d])
            )
        if not several:
            return False
    return True

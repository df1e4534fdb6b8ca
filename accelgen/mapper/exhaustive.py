"""Every mapping of the space evaluated exactly, with no bound: slower, and nothing to trust.

The orders of one choice of boxes are evaluated together, as far as they share what they cost.
Compiled.
"""

from __future__ import annotations

import numpy as np

from accelgen.mapper.bounds import value_of_parts
from accelgen.mapper.branch import (
    Best,
    Scratch,
    Space,
    array_energy,
    crossing_energy,
    keep,
    scratch_for,
    set_order,
    sizes_of,
)
from accelgen.mapper.compiled import compiled, lean
from accelgen.mapper.sizes import fits
from accelgen.mapper.tables import Config, Floats, Integers, Nest, Tables, made_config
from accelgen.mapper.walk import total_cycles

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
    scratch = scratch_for(t, space)
    for number in range(len(space.spreads)):
        c = made_config(t.bounds, space.spreads[number], space.inners[number], space.fills[number])
        _every(t, c, number, space, nest, boxes, exponents, best, counts, scratch)


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
    scratch: Scratch,
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
                _every(t, c, number, space, nest, j - 1, exponents, best, counts, scratch)
        else:
            kind = space.kinds[number]
            inners = space.within[kind, : space.orders[kind]]
            outers = space.outside if boxes == 1 else space.grouped
            if fits(t, c, nest, 0, nest.tiles[0], c.tile):
                _orders(t, c, number, inners, outers, nest, exponents, best, scratch)
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


@lean
def _orders(
    t: Tables,
    c: Config,
    number: int,
    inners: Integers,
    outers: Integers,
    nest: Nest,
    exponents: Floats,
    best: Best,
    scratch: Scratch,
) -> None:
    """All orders of the innermost boxes and within them."""
    known, entered, left = len(nest.orders), scratch.bits[0], scratch.bits[1]
    streams = False
    for o in range(len(t.bits)):
        streams = streams or t.streams[o]
    shared, within, outside = _starts_within(t, c, nest), scratch.within[0], scratch.outside
    set_order(nest, 1, outers[0])
    for i in range(len(inners) if shared else 0):
        set_order(nest, 0, inners[i])
        within[i] = array_energy(t, c, nest, known, entered, left, scratch.counts)
    for o in range(len(outers)):
        set_order(nest, 1, outers[o])
        crossing = cycles = -1.0
        # Orders that differ in loops of a single step cost the same.
        outside[o, 0] = _code(t, nest)
        for same in range(o if shared and not streams else 0):
            if outside[same, 0] == outside[o, 0]:
                crossing, cycles = outside[same, 1], outside[same, 2]
        for i in range(len(inners)):
            set_order(nest, 0, inners[i])
            if not shared or streams:
                within[i] = array_energy(t, c, nest, known, entered, left, scratch.counts)
            if crossing < 0 or streams:
                crossing = crossing_energy(t, c, nest, entered, scratch.carried, scratch.counts)
            if cycles < 0 or t.limited or streams:
                cycles = total_cycles(t, c, nest, scratch.walk)
            outside[o, 1], outside[o, 2] = crossing, cycles
            value = value_of_parts(t, t.spent + within[i] + crossing, cycles, exponents)
            if value < best[0]:
                keep(best, value, number, nest)


@lean
def _code(t: Tables, nest: Nest) -> float:
    """A number for the loops over innermost boxes that have several steps, in their order."""
    code, n = 0.0, len(t.bounds)
    for position in range(n):
        d = nest.orders[1, position]
        around = t.bounds[d] if len(nest.tiles) == 1 else nest.tiles[1, d]
        if nest.tiles[0, d] < around:
            code = code * (n + 1) + d + 1
    return code


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

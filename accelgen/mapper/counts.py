"""Analytic access counts: how many elements enter and leave every level, exactly.

A level holds the part of an operand in one box of a nest and takes another one only when its own
changes.  Loops inside the innermost one that moves the operand (and has more than one step)
therefore cost nothing; those outside repeat everything.  Compiled; equal to
:func:`accelgen.mapper.trace`.
"""

from __future__ import annotations

import numpy as np

from accelgen.mapper.compiled import compiled, lean
from accelgen.mapper.elements import delivered, footprint, slid, tiled
from accelgen.mapper.tables import Config, Integers, Nest, Tables, working

__all__ = ["box_moves", "innermost", "moves_into", "scratch_of", "sliding"]


@lean
def innermost(t: Tables, o: int, box: Integers, tile: Integers, order: Integers) -> int:
    """The position in ``order`` of the last loop that moves operand ``o`` in a box; -1: none."""
    last = -1
    for position in range(len(order)):
        d = order[position]
        if t.relevant[o, d] and box[d] > tile[d]:
            last = position
    return last


@lean
def sliding(t: Tables, o: int, c: Config, order: Integers, last: int) -> int:
    """The loop along which the windows of units slide, or -1: the innermost, when it is not
    divided among units.
    """
    if last < 0 or not t.slides[o] or c.spread[order[last]] > 1:
        return -1
    return int(order[last])


@lean
def box_moves(t: Tables, o: int, c: Config, box: Integers, order: Integers) -> int:
    """Elements that the array takes from a box in the buffer, whatever it had before."""
    last = innermost(t, o, box, c.tile, order)
    if last < 0:
        return footprint(t.axes, o, box)
    loop = sliding(t, o, c, order, last)
    total = tiled(t.axes, o, box, c.tile) if loop < 0 else slid(t.axes, o, box, c.tile, loop)
    for position in range(last):
        d = order[position]
        if not t.relevant[o, d]:
            total *= -(-box[d] // c.tile[d])
    return total


@compiled
def scratch_of(boxes: int, loops: int) -> Integers:
    """Scratch for :func:`moves_into`."""
    return np.empty((5, loops, 1 << boxes), dtype=np.int64)


@lean
def moves_into(
    t: Tables, o: int, c: Config, nest: Nest, b: int, known: int, units_too: bool, scratch: Integers
) -> tuple[int, int]:
    """Elements of operand ``o`` that enter what holds its part of box ``b`` of a nest (0: the
    array, of its steps), and of the array, if wanted, how many all units get (else 0).

    ``known`` orders of the nest, from the innermost, are given; the numbers are the least of all
    that the others may be.  ``scratch`` is as :func:`scratch_of` makes it.
    """
    n, boxes = len(t.bounds), len(nest.tiles)
    step = c.tile if b == 0 else nest.tiles[b - 1]
    # Boxes at the ends of loops are smaller, and may have a single step of a loop: of every loop
    # the lengths of the next larger box, how often each is there, and (a bit per box from b)
    # where around it there are several steps.
    lengths, often, several = scratch[0], scratch[1], scratch[2]
    kinds, chosen, box = scratch[3, :, 0], scratch[3, :, 1], scratch[4, :, 0]
    for d in range(n):
        kinds[d], chosen[d], box[d] = 1, 0, t.bounds[d]
        if not t.relevant[o, d]:
            continue
        lengths[d, 0], often[d, 0], several[d, 0] = t.bounds[d], 1, 0
        for j in range(boxes, b, -1):
            size = nest.tiles[j - 1, d]
            for k in range(kinds[d]):
                length = lengths[d, k]
                if length <= size:
                    continue
                several[d, k] |= 1 << j
                if length % size > 0:
                    more = kinds[d]
                    lengths[d, more], often[d, more] = length % size, often[d, k]
                    several[d, more] = several[d, k]
                    kinds[d] += 1
                lengths[d, k], often[d, k] = size, often[d, k] * (length // size)
        for k in range(kinds[d]):
            if lengths[d, k] > step[d]:
                several[d, k] |= 1 << b
    total = every = 0
    while True:
        times, units, around = 1, 1, 0
        for d in range(n):
            if t.relevant[o, d]:
                box[d] = lengths[d, chosen[d]]
                times *= often[d, chosen[d]]
                around |= several[d, chosen[d]]
        units = times
        j = b
        while j <= boxes and not around >> j & 1:
            j += 1
        # The innermost loop that moves the operand is the last of those over boxes j.
        last = -1
        if j < known:
            for position in range(n):
                d = nest.orders[j, position]
                if t.relevant[o, d] and several[d, chosen[d]] >> j & 1:
                    last = position
        loop = sliding(t, o, c, nest.orders[0], last) if j == 0 else -1
        moved = tiled(t.axes, o, box, step) if loop < 0 else slid(t.axes, o, box, step, loop)
        got = delivered(t.axes, o, box, step, c.spread, loop) if units_too else 0
        for position in range(n):
            d = nest.orders[j, position] if j < known else position
            if t.relevant[o, d]:
                continue
            outer = boxes + 1 if j >= known else j if position < last else j + 1
            times *= _boxes(t, c, nest, d, outer)
            units *= _working(t, c, nest, d, outer)
        total += times * moved
        every += units * got
        d = n - 1
        while d >= 0 and chosen[d] == kinds[d] - 1:
            chosen[d] = 0
            d -= 1
        if d < 0:
            return total, every
        chosen[d] += 1


@lean
def _boxes(t: Tables, c: Config, nest: Nest, d: int, j: int) -> int:
    """How many boxes ``j`` there are along a loop."""
    if j > len(nest.tiles):
        return 1
    size = c.tile[d] if j == 0 else nest.tiles[j - 1, d]
    return int(-(-t.bounds[d] // size))


@lean
def _working(t: Tables, c: Config, nest: Nest, d: int, j: int) -> int:
    """Units along a loop that work in the first step of every box ``j``, added up."""
    if j == 0:
        return int(c.working[d])
    size = t.bounds[d] if j > len(nest.tiles) else nest.tiles[j - 1, d]
    whole = working(min(c.tile[d], size), c.spread[d])
    rest = working(min(c.tile[d], t.bounds[d] % size), c.spread[d])
    return int(t.bounds[d] // size * whole + rest)

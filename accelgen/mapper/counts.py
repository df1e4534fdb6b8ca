"""Analytic access counts: how many elements enter and leave the buffer and the array, exactly.

A level holds one tile of every operand and takes another one only when its own changes.  Loops
inside the innermost one that moves the operand (and has more than one step) therefore cost
nothing; those outside repeat all the tiles.  Compiled; equal to :func:`accelgen.mapper.trace`.
"""

from __future__ import annotations

import numpy as np

from accelgen.mapper.compiled import compiled, inlined
from accelgen.mapper.elements import delivered, footprint, slid, tiled
from accelgen.mapper.tables import Config, Integers, Tables, working

__all__ = ["array_moves", "box_moves", "buffer_moves", "innermost", "sliding"]


@inlined
def buffer_moves(t: Tables, o: int, tile: Integers, order: Integers) -> int:
    """Elements of operand ``o`` in all ``tile`` that the buffer takes, under the ``order`` of
    loops outside it (outermost first).
    """
    bounds = t.bounds
    repeats, again, moving = 1, 1, False
    for position in range(len(order)):
        d = order[position]
        if tile[d] >= bounds[d]:
            continue
        if t.relevant[o, d]:
            moving = True
            repeats *= again
            again = 1
        else:
            again *= -(-bounds[d] // tile[d])
    return repeats * tiled(t, o, bounds, tile) if moving else footprint(t, o, bounds)


@inlined
def innermost(t: Tables, o: int, box: Integers, tile: Integers, order: Integers) -> int:
    """The position in ``order`` of the last loop that moves operand ``o`` in a box; -1: none."""
    last = -1
    for position in range(len(order)):
        d = order[position]
        if t.relevant[o, d] and box[d] > tile[d]:
            last = position
    return last


@inlined
def sliding(t: Tables, o: int, c: Config, order: Integers, last: int) -> int:
    """The loop along which the windows of units slide, or -1: the innermost, when it is not
    divided among units.
    """
    if last < 0 or not t.slides[o] or c.spread[order[last]] > 1:
        return -1
    return int(order[last])


@compiled
def box_moves(t: Tables, o: int, c: Config, box: Integers, order: Integers) -> int:
    """Elements that the array takes from a box in the buffer, whatever it had before."""
    last = innermost(t, o, box, c.tile, order)
    if last < 0:
        return footprint(t, o, box)
    loop = sliding(t, o, c, order, last)
    total = tiled(t, o, box, c.tile) if loop < 0 else slid(t, o, box, c.tile, loop)
    for position in range(last):
        d = order[position]
        if not t.relevant[o, d]:
            total *= -(-box[d] // c.tile[d])
    return total


@inlined
def array_moves(
    t: Tables, o: int, c: Config, tile: Integers, inner: Integers, outer: Integers, units_too: bool
) -> tuple[int, int]:
    """Elements of operand ``o`` that the array takes from buffer tiles, and, if wanted, how many
    all units get (else 0).

    ``inner`` is the order of loops within a tile of the buffer, ``outer`` that of the tiles.  With
    none (empty) the numbers are the least of all orders outside.
    """
    bounds, n = t.bounds, len(t.bounds)
    box = bounds.copy()
    loops, choices = np.empty(n, dtype=np.int64), 0
    for d in range(n):
        if t.relevant[o, d]:
            box[d] = tile[d]
            if bounds[d] % tile[d] > 0:
                loops[choices] = d
                choices += 1
    # The last tile along a loop may be smaller than the others, and take fewer steps.
    total = every = 0
    for chosen in range(1 << choices):
        often = 1
        for d in range(n):
            if t.relevant[o, d]:
                box[d] = tile[d]
                often *= bounds[d] // tile[d]
        for bit in range(choices):
            d = loops[bit]
            if chosen >> bit & 1:
                box[d] = bounds[d] % tile[d]
                often //= bounds[d] // tile[d]
        last = innermost(t, o, box, c.tile, inner)
        loop = sliding(t, o, c, inner, last)
        moved = tiled(t, o, box, c.tile) if loop < 0 else slid(t, o, box, c.tile, loop)
        got = delivered(t, o, box, c.tile, c.spread, loop) if units_too else 0
        times, units = 1, 1
        if last >= 0:
            for position in range(n):
                d = inner[position]
                if t.relevant[o, d]:
                    continue
                if position < last:
                    times *= -(-bounds[d] // c.tile[d])
                    units *= int(c.working[d])
                else:
                    times *= -(-bounds[d] // tile[d])
                    units *= _first_active(c, d, tile[d], bounds[d])
        else:
            # The array keeps its tile while the tiles of the buffer do not move it.
            end = innermost(t, o, bounds, tile, outer)
            for position in range(n):
                d = outer[position] if len(outer) > 0 else position
                if t.relevant[o, d]:
                    continue
                if position < end:
                    times *= -(-bounds[d] // tile[d])
                    units *= _first_active(c, d, tile[d], bounds[d])
                else:
                    units *= working(min(c.tile[d], tile[d]), c.spread[d])
        total += often * times * moved
        every += often * units * got
    return total, every


@inlined
def _first_active(c: Config, d: int, tile: int, bound: int) -> int:
    """The same over the first steps of all tiles of the buffer."""
    whole = working(min(c.tile[d], tile), c.spread[d])
    return int(bound // tile * whole + working(min(c.tile[d], bound % tile), c.spread[d]))

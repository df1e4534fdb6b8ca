"""Sizes of the buffer's tiles, and the room they take.  Compiled."""

from __future__ import annotations

import numpy as np

from accelgen.mapper.compiled import compiled, inlined
from accelgen.mapper.elements import footprint
from accelgen.mapper.tables import Config, Integers, Tables

__all__ = ["room", "tile_sizes"]


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


@inlined
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

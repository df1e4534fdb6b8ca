"""Sizes of boxes, and the room their tiles take.  Compiled."""

from __future__ import annotations

import numpy as np

from accelgen.mapper.compiled import compiled, lean
from accelgen.mapper.elements import footprint
from accelgen.mapper.tables import Config, Integers, Nest, Tables

__all__ = ["fits", "fits_level", "nested_sizes", "tile_sizes"]


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


@lean
def _smaller(steps: int, size: int) -> int:
    """The smallest size with as many tiles as size - 1."""
    return -(-steps // -(-steps // (size - 1)))


@compiled
def nested_sizes(bound: int, around: int, step: int) -> Integers:
    """Sizes of boxes within boxes of ``around`` iterations: those of :func:`tile_sizes` within the
    whole loop, else those that divide it, in whole steps; largest first.
    """
    if around == bound:
        return tile_sizes(bound, step)
    steps = around // step
    return np.array([around // k for k in range(1, steps + 1) if steps % k == 0])


@lean
def fits(t: Tables, c: Config, nest: Nest, j: int, tile: Integers, least: Integers) -> bool:
    """Whether boxes ``j`` from ``least`` to ``tile`` may fit the memories, with larger boxes as the
    nest has them and smaller ones as small as they can be.
    """
    for p in range(len(nest.held)):
        for m in range(t.room.shape[1]):
            taken = 0.0
            for o in range(len(t.bits)):
                h = nest.held[p, o]
                if t.memory[p, o] != m:
                    continue
                if p == 0 and t.streams[o]:
                    taken += footprint(t.axes, o, c.tile) * t.bits[o]
                elif h > j:
                    taken += _room(t, p, o, nest.tiles[h - 1], nest.tiles[h - 1])
                elif h == j:
                    taken += _room(t, p, o, tile, least)
                else:
                    taken += _room(t, p, o, tile, c.tile)
            if taken > t.room[p, m]:
                return False
    return True


@lean
def fits_level(t: Tables, c: Config, p: int, tile: Integers, least: Integers) -> bool:
    """Whether tiles from ``least`` to ``tile`` of all operands may fit a level."""
    for m in range(t.room.shape[1]):
        taken = 0.0
        for o in range(len(t.bits)):
            if t.memory[p, o] != m:
                continue
            if p == 0 and t.streams[o]:
                taken += footprint(t.axes, o, c.tile) * t.bits[o]
            else:
                taken += _room(t, p, o, tile, least)
        if taken > t.room[p, m]:
            return False
    return True


@lean
def _room(t: Tables, p: int, o: int, tile: Integers, least: Integers) -> float:
    """Bits that tiles of an operand from ``least`` to ``tile`` take at least at a level.

    Of what changes it holds as many tiles as it has buffers.
    """
    changes = False
    for d in range(len(tile)):
        changes = changes or (t.relevant[o, d] and tile[d] < t.bounds[d])
    elements = footprint(t.axes, o, least) * t.copies[p, o]
    if not changes:
        elements = min(elements, footprint(t.axes, o, tile))
    return float(elements * t.partial[o])

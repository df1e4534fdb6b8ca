"""What crosses a boundary between levels at least, whatever else is mapped how.  Compiled.

Tiles in whole steps of an array are as many along every loop as some tiles in steps
of one iteration, and no smaller: a lower bound over the latter is one over all configurations.
"""

from __future__ import annotations

import numpy as np

from accelgen.mapper.compiled import compiled, lean
from accelgen.mapper.elements import distinct, footprint
from accelgen.mapper.outside import products
from accelgen.mapper.sizes import fits_level, tile_sizes
from accelgen.mapper.tables import Floats, Integers, Tables, made_config

__all__ = ["least_crossing", "least_outside"]

_KEPT = 1 << 12
"""Results kept in memory."""

_known: dict[tuple[object, ...], float] = {}


def least_crossing(
    t: Tables, p: int, table: Integers, pinned: Integers, inputs: Floats, again: float, once: float
) -> float:
    """As :func:`least_outside`, at once for what is known: other arrays, bandwidths and energies
    inside change nothing.
    """
    arrays = t.bounds, t.axes, t.room[p], t.copies[p], t.memory[p], t.partial, t.bits, t.streams
    parts = (x.tobytes() for x in (*arrays, table, pinned, inputs))
    key = (p == 0, table.shape, again, once, *parts)
    if key not in _known:
        if len(_known) == _KEPT:
            _known.clear()
        _known[key] = float(least_outside(t, p, table, pinned, inputs, again, once))
    return _known[key]


@compiled
def least_outside(
    t: Tables,
    p: int,
    table: Integers,
    pinned: Integers,
    inputs: Floats,
    again: float,
    once: float,
) -> float:
    """The least sum, over all tiles that fit level ``p`` and all orders outside (a ``table``), of
    ``inputs`` (one value per operand) for every element that comes in, ``again`` for every sum that
    leaves and comes back, and ``once`` for every output.
    """
    n = len(t.bounds)
    ones = np.ones(n, dtype=np.int64)
    c = made_config(t.bounds, ones, ones, 0)
    longest = 1
    lengths = np.ones(n, dtype=np.int64)
    for d in range(n):
        lengths[d] = len(tile_sizes(t.bounds[d], 1))
        longest = max(longest, lengths[d])
    sizes = np.ones((n, longest), dtype=np.int64)
    for d in range(n):
        sizes[d, : lengths[d]] = tile_sizes(t.bounds[d], 1)
        if pinned[d] > 0:
            # The tile is the pinned size in whole steps: as many tiles, or fewer.
            lengths[d] = np.searchsorted(-sizes[d, : lengths[d]], -min(pinned[d], t.bounds[d])) + 1
            lengths[d] = min(lengths[d], len(tile_sizes(t.bounds[d], 1)))
    order = np.argsort(-lengths)
    of_parts, work = np.empty(1 << n), np.empty(n + len(t.bits))
    bounds = np.empty((n, longest))
    ranked = np.empty((n, longest), dtype=np.int64)
    at = np.zeros(n, dtype=np.int64)
    tile, least = t.bounds.copy(), ones.copy()
    best = np.inf
    depth, fresh = 0, True
    while depth >= 0:
        d = order[depth]
        if fresh:
            for k in range(lengths[d]):
                tile[d] = least[d] = sizes[d, k]
                bounds[depth, k] = np.inf
                if fits_level(t, c, p, tile, least):
                    bounds[depth, k] = _moved(
                        t, p, tile, table, inputs, again, once, of_parts, work
                    )
            ranked[depth, : lengths[d]] = np.argsort(bounds[depth, : lengths[d]])
            at[depth] = 0
        k = at[depth]
        if k == lengths[d] or bounds[depth, ranked[depth, k]] >= best:
            tile[d], least[d] = t.bounds[d], 1
            depth -= 1
            fresh = False
            continue
        at[depth] += 1
        tile[d] = least[d] = sizes[d, ranked[depth, k]]
        fresh = depth < n - 1
        if fresh:
            depth += 1
        else:
            best = bounds[depth, ranked[depth, k]]
    return best


@lean
def _moved(
    t: Tables,
    p: int,
    tile: Integers,
    table: Integers,
    inputs: Floats,
    again: float,
    once: float,
    of_parts: Floats,
    work: Floats,
) -> float:
    n, count = len(tile), len(t.bits)
    output, several = count - 1, 0
    parts, sums = work[:n], work[n : n + count]
    for d in range(n):
        parts[d] = -(-t.bounds[d] // tile[d])
        several |= int(tile[d] < t.bounds[d]) << d
    products(parts, of_parts)
    for o in range(count):
        streams = p == 0 and t.streams[o]
        sums[o] = footprint(t.axes, o, t.bounds) if streams else _least_tiled(t, o, tile)
    whole = float(footprint(t.axes, output, t.bounds))
    lowest = np.inf
    for number in range(len(table)):
        total = whole * once
        for o in range(output):
            times = 1.0 if p == 0 and t.streams[o] else of_parts[table[number, o, several]]
            total += sums[o] * times * inputs[o]
        total += (sums[output] * of_parts[table[number, output, several]] - whole) * again
        lowest = min(lowest, total)
    return lowest


@lean
def _least_tiled(t: Tables, o: int, tile: Integers) -> float:
    """The footprints of as many tiles as ``tile`` makes, however long each is, added up, at least.

    Tiles along one loop of a window whose elements its steps share make halos, as many as there
    are tiles; where they share none, or both loops are divided, the tensor counts once.
    """
    size = 1.0
    for x in range(t.axes.shape[1]):
        i, j = t.axes[o, x, 0], t.axes[o, x, 1]
        if i < 0:
            break
        if j < 0:
            size *= t.bounds[i]
            continue
        u, v = t.axes[o, x, 2], t.axes[o, x, 3]
        a, b = t.bounds[i], t.bounds[j]
        whole = distinct(a, b, u, v)
        if tile[i] < a and tile[j] >= b and u == 1:
            # a - 1 steps of v elements each, and b elements more for every tile (if b > v).
            parts = -(-a // tile[i])
            whole += (parts - 1) * max(0, b - v)
        elif tile[j] < b and tile[i] >= a and v == 1:
            parts = -(-b // tile[j])
            whole += (parts - 1) * max(0, a - u)
        size *= whole
    return size

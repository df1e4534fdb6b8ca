"""Analytic access counts: how many elements enter and leave every level, exactly.

A level holds one tile of every operand and takes another one only when its own changes.  Loops
inside the innermost one that moves the operand (and has more than one step) therefore cost
nothing; those outside repeat all the tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Operand, Problem, Sizes

__all__ = ["least_moved", "moved"]


def moved(problem: Problem, mapping: Mapping, level: int, operand: Operand) -> tuple[int, int]:
    """Elements of ``operand`` that (enter, leave) ``level`` of a mapping, exactly.

    The same as :func:`accelgen.mapper.trace.trace`.  A tile at the end of a loop may have a single
    step inside where the others have several, and then reuses more: ends are counted apart.
    """
    relevant = operand.loops

    @cache
    def visits(k: int, box: tuple[int, ...]) -> int:
        """Footprints of the operand's tiles in a walk over a tile ``box`` of level ``k``."""
        if k == level:
            return int(operand.footprint(np.array([box], dtype=np.int64))[0])
        step, order = mapping.tiles[k - 1], mapping.orders[k - 1]
        active = [d for d in order if box[d] > step[d]]
        moving = [position for position, d in enumerate(active) if d in relevant]
        # Loops inside the innermost that moves the operand come back to the tile they left.
        changing = active[: moving[-1] + 1 if moving else 0]
        returning = active[len(changing) :]
        total = 0
        for outer in product(*(_parts(box[d], step[d]) for d in changing)):
            tile = [min(n, s) for n, s in zip(box, step, strict=True)]
            for d, (size, _) in zip(changing, outer, strict=True):
                tile[d] = size
            often = prod(number for _, number in outer)
            if all(tile[d] <= mapping.tiles[level][d] for d in relevant):
                total += often * visits(k - 1, tuple(tile))
                continue
            for inner in product(*(_parts(box[d], step[d]) for d in returning)):
                for d, (size, _) in zip(returning, inner, strict=True):
                    tile[d] = size
                again = prod(number for _, number in inner)
                total += often * again * visits(k - 1, tuple(tile))
        return total

    total = visits(len(mapping.orders), problem.bounds)
    if not operand.is_output:
        return total, 0
    whole = int(operand.footprint(np.array([problem.bounds], dtype=np.int64))[0])
    return total - whole, total


def least_moved(
    problem: Problem,
    tiles: Sequence[Sizes],
    orders: Sequence[Sequence[int]],
    operand: Operand,
) -> NDArray[np.int64]:
    """At least how many elements of ``operand`` enter (the output: leave) a level.

    ``tiles`` are those of that level (candidates x loops) and of the levels above it but for the
    outermost, ``orders`` the loops over each of them.  Equal to :func:`moved` unless a loop has a
    single step in its last tile only.
    """
    bounds = np.array(problem.bounds, dtype=np.int64)
    outer = [*tiles[1:], np.broadcast_to(bounds, tiles[0].shape)]
    repeats = np.ones(tiles[0].shape[0], dtype=np.int64)
    moving = np.zeros(tiles[0].shape[0], dtype=np.bool_)
    repeated = {d: moving for d in range(len(bounds)) if d not in operand.loops}
    for inside, outside, order in zip(tiles, outer, orders, strict=True):
        # Steps within the last of the outer tiles: the fewest.
        ends = (bounds - 1) % outside + 1
        for d in reversed(order):
            if d in operand.loops:
                moving = moving | (ends[:, d] > inside[:, d])
            else:
                counts = moving & ~repeated[d]
                repeats *= np.where(counts, -(-bounds[d] // inside[:, d]), 1)
                repeated[d] = repeated[d] | counts
    return repeats * operand.tiled(problem.bounds, tiles[0])


def _parts(extent: int, step: int) -> list[tuple[int, int]]:
    """Sizes of the tiles of ``extent``, each with how many there are."""
    whole, rest = divmod(extent, step)
    return [(step, whole)] * bool(whole) + [(rest, 1)] * bool(rest)

"""How many elements of a tensor boxes of iterations access.  Compiled.

Tiles of a box begin at its start; the last one along a loop is what is left.
"""

from __future__ import annotations

from accelgen.mapper.compiled import lean
from accelgen.mapper.tables import Integers

__all__ = ["delivered", "distinct", "footprint", "slid", "tiled"]


@lean
def distinct(first: int, second: int, keep_first: int, keep_second: int) -> int:
    """How many values ``a i + b j`` takes for ``first`` values of i and ``second`` of j.

    Two pairs give the same value when they differ by a multiple of (b, -a) / gcd, so that all but
    the pairs that such a step (``keep_first``, ``keep_second``) leads to another pair of the box
    are distinct.
    """
    again = max(first - keep_first, 0) * max(second - keep_second, 0)
    return first * second - again


@lean
def footprint(axes: Integers, o: int, box: Integers) -> int:
    """Elements of operand ``o`` that a box of iterations accesses."""
    size = 1
    for x in range(axes.shape[1]):
        i, j = axes[o, x, 0], axes[o, x, 1]
        if i < 0:
            break
        if j < 0:
            size *= box[i]
        else:
            size *= distinct(box[i], box[j], axes[o, x, 2], axes[o, x, 3])
    return size


@lean
def tiled(axes: Integers, o: int, box: Integers, tile: Integers) -> int:
    """The footprints of all tiles of a box, each once, added up."""
    size = 1
    for x in range(axes.shape[1]):
        i, j = axes[o, x, 0], axes[o, x, 1]
        if i < 0:
            break
        if j < 0:
            size *= box[i]
            continue
        u, v = axes[o, x, 2], axes[o, x, 3]
        a, b = min(tile[i], box[i]), min(tile[j], box[j])
        m, n = box[i] // a, box[j] // b
        c, d = box[i] - m * a, box[j] - n * b
        total = m * n * distinct(a, b, u, v)
        if c > 0:
            total += n * distinct(c, b, u, v)
        if d > 0:
            total += m * distinct(a, d, u, v)
            if c > 0:
                total += distinct(c, d, u, v)
        size *= total
    return size


@lean
def slid(axes: Integers, o: int, box: Integers, tile: Integers, loop: int) -> int:
    """The same when of a tile only what the one before along ``loop`` has not is counted."""
    size = 1
    for x in range(axes.shape[1]):
        i, j = axes[o, x, 0], axes[o, x, 1]
        if i < 0:
            break
        if j < 0:
            size *= box[i]
            continue
        u, v = axes[o, x, 2], axes[o, x, 3]
        if j == loop:
            i, j, u, v = j, i, v, u
        a, b = min(tile[i], box[i]), min(tile[j], box[j])
        m, n = box[i] // a, box[j] // b
        c, d = box[i] - m * a, box[j] - n * b
        total = n * _walk(a, m, c, b, u, v, i == loop)
        if d > 0:
            total += _walk(a, m, c, d, u, v, i == loop)
        size *= total
    return size


@lean
def _walk(a: int, m: int, c: int, b: int, u: int, v: int, slides: bool) -> int:
    """``m`` tiles of ``a`` and one of ``c`` (0: none) along a loop, with ``b`` along the other."""
    whole = distinct(a, b, u, v)
    last = distinct(c, b, u, v)
    if not slides:
        return m * whole + last
    total = whole + (m - 1) * (distinct(2 * a, b, u, v) - whole)
    if c > 0:
        total += distinct(a + c, b, u, v) - whole
    return total


@lean
def delivered(
    axes: Integers, o: int, box: Integers, tile: Integers, spread: Integers, loop: int
) -> int:
    """Elements that all units get for the tiles of a box, each tile once, of which ``spread``
    units along every loop take equal parts (the last ones less).

    ``loop`` is the one along which windows slide, or -1.  Loops that do not move the operand are
    not counted: the units along them get the same elements.
    """
    size = 1
    for x in range(axes.shape[1]):
        i, j = axes[o, x, 0], axes[o, x, 1]
        if i < 0:
            break
        if j < 0:
            size *= box[i]
            continue
        u, v = axes[o, x, 2], axes[o, x, 3]
        if j == loop:
            i, j, u, v = j, i, v, u
        a, b = min(tile[i], box[i]), min(tile[j], box[j])
        m, n = box[i] // a, box[j] // b
        c, d = box[i] - m * a, box[j] - n * b
        total = 0
        # Of either length of a tile along j, either length of a unit's part of it.
        for length, often in ((b, n), (d, 1)):
            if length == 0:
                continue
            part = -(-length // spread[j])
            for width, units in ((part, length // part), (length % part, 1)):
                if width == 0:
                    continue
                if i == loop:
                    total += often * units * _walk(a, m, c, width, u, v, True)
                    continue
                total += often * units * m * _parts(a, spread[i], width, u, v)
                if c > 0:
                    total += often * units * _parts(c, spread[i], width, u, v)
        size *= total
    return size


@lean
def _parts(length: int, units: int, width: int, u: int, v: int) -> int:
    part = -(-length // units)
    total = (length // part) * distinct(part, width, u, v)
    if length % part > 0:
        total += distinct(length % part, width, u, v)
    return total

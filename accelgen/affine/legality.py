"""Is every point done exactly once?  An exact check of integer affine maps between boxes.

A map splits into independent maps, one per connected component of its rows and columns, and the
number of hits of a point is the product of the hits in each.  A component of one row is counted
by running sums, any other is enumerated, so the cost is the largest component, not the box: a
tiled GEMM of any size is cheap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.spacetime import SpaceTime
from accelgen.errors import InputError

__all__ = ["Hits", "check_legal", "count_hits"]

MAX_POINTS = 2**26
_CHUNK = 2**20

Point = tuple[int, ...]


@dataclass(frozen=True)
class Hits:
    """How many source points fall on each point of a target box.

    ``minimum``/``maximum`` are over the target box; ``first_missed`` is its lexicographically
    first point with no hit, ``first_doubled`` the first with more than one (``None``: no such).
    """

    minimum: int
    maximum: int
    first_missed: Point | None
    first_doubled: Point | None


@dataclass(frozen=True)
class _Part:
    """The hits within one component, in the coordinates of its ``rows``."""

    rows: tuple[int, ...]
    minimum: int
    maximum: int
    missed: Point | None
    hit: Point | None
    doubled: Point | None


def count_hits(
    matrix: NDArray[np.int64],
    source_extents: Sequence[int],
    offset: Sequence[int],
    target_extents: Sequence[int],
) -> Hits:
    """Hits of ``x -> matrix @ x + offset`` from the box ``source_extents`` into a target box.

    ``matrix`` has a row per target dimension and a column per source dimension; extents are at
    least 1.  Source points that fall outside the target are not counted.  Raises
    :class:`InputError` when a component has more than ``2**26`` points (a component of one row:
    when the values it takes span more than that, too).
    """
    source_extents = [int(n) for n in source_extents]
    target_extents = [int(n) for n in target_extents]
    rows, columns = len(target_extents), len(source_extents)
    m = np.asarray(matrix, dtype=np.int64).reshape(rows, columns)
    used = [j for j in range(columns) if m[:, j].any()]
    copies = prod(source_extents[j] for j in range(columns) if j not in used)
    parts = [
        _count(
            m[np.ix_(rs, cs)],
            [source_extents[j] for j in cs],
            [int(offset[i]) for i in rs],
            [target_extents[i] for i in rs],
            tuple(rs),
        )
        for rs, cs in _components(m)
    ]
    missed = [_point(rows, [(p.rows, p.missed)]) for p in parts if p.missed is not None]
    doubled: list[Point] = []
    hit = [(p.rows, p.hit) for p in parts if p.hit is not None]
    if len(hit) == len(parts):
        if copies > 1:
            doubled.append(_point(rows, hit))
        doubled += [
            _point(rows, [*hit, (p.rows, p.doubled)]) for p in parts if p.doubled is not None
        ]
    return Hits(
        copies * prod(p.minimum for p in parts),
        copies * prod(p.maximum for p in parts),
        min(missed, default=None),
        min(doubled, default=None),
    )


def check_legal(spacetime: SpaceTime) -> None:
    """Raise :class:`InputError` unless every iteration is executed exactly once.

    The message names the first iteration that is never executed, or executed more than once.
    """
    st = spacetime
    matrix = np.array(
        [(*t, *s) for t, s in zip(st.time_matrix, st.space_matrix, strict=True)], dtype=np.int64
    )
    names = st.time + st.space
    extents = st.time_extents + st.space_extents
    hits = count_hits(matrix, extents, st.offset, st.bounds)
    for point, fault in (
        (hits.first_missed, "is never executed"),
        (hits.first_doubled, "is executed more than once"),
    ):
        if point is None:
            continue
        at = ", ".join(f"{loop}={x}" for loop, x in zip(st.loops, point, strict=True))
        ranges = ", ".join(f"{n}={e}" for n, e in zip(names, extents, strict=True))
        unused = [n for j, n in enumerate(names) if extents[j] > 1 and not matrix[:, j].any()]
        hint = f"check the map and the extents ({ranges})"
        if unused and point is hits.first_doubled:
            hint = f"no map uses {' or '.join(unused)}: use it, or make its extent 1"
        raise InputError(f"iteration {at} {fault}", where=f"{st.name}: map", hint=hint)


def _components(matrix: NDArray[np.int64]) -> list[tuple[list[int], list[int]]]:
    """Rows with the columns they share, directly or through other rows."""
    groups: list[tuple[set[int], set[int]]] = []
    for i, row in enumerate(matrix):
        rows, columns = {i}, set(np.flatnonzero(row).tolist())
        apart = []
        for rs, cs in groups:
            if cs & columns:
                rows |= rs
                columns |= cs
            else:
                apart.append((rs, cs))
        groups = [*apart, (rows, columns)]
    return [(sorted(rs), sorted(cs)) for rs, cs in groups]


def _count(
    matrix: NDArray[np.int64],
    source: list[int],
    offset: list[int],
    target: list[int],
    rows: tuple[int, ...],
) -> _Part:
    reach = [
        abs(b) + sum(abs(c) * (n - 1) for c, n in zip(row, source, strict=True))
        for row, b in zip(matrix.tolist(), offset, strict=True)
    ]
    if max(prod(source), *reach) >= 2**62:
        raise InputError("the map reaches beyond 2**62", hint="use smaller extents")
    alone = len(rows) == 1 and reach[0] < MAX_POINTS
    points = reach[0] + 1 if alone else prod(source)
    if max(points, prod(target)) > MAX_POINTS:
        raise InputError(
            f"the map couples {max(points, prod(target))} points, beyond 2**26",
            hint="use smaller extents, or a map whose rows share fewer loops",
        )
    if alone:
        counts = _count_row(matrix[0].tolist(), source, offset[0], target[0])
    else:
        counts = _count_rows(matrix, source, offset, target)
    return _Part(
        rows,
        int(counts.min()),
        int(counts.max()),
        _first(counts == 0, target),
        _first(counts > 0, target),
        _first(counts > 1, target),
    )


def _count_row(row: list[int], source: list[int], offset: int, target: int) -> NDArray[np.int64]:
    """Hits on ``0..target-1`` of one row: each column sums the counts so far along its step."""
    spans = [c * (n - 1) for c, n in zip(row, source, strict=True)]
    low = offset + sum(s for s in spans if s < 0)
    size = 1 + sum(abs(s) for s in spans)
    counts = np.zeros(size, dtype=np.int64)
    counts[0] = 1
    for c, n in zip(row, source, strict=True):
        table = np.zeros((-(-size // abs(c)), abs(c)), dtype=np.int64)
        table.reshape(-1)[:size] = counts
        np.cumsum(table, axis=0, out=table)
        if n < len(table):
            table[n:] -= table[:-n].copy()
        counts = table.reshape(-1)[:size]
    hits = np.zeros(target, dtype=np.int64)
    start, stop = max(low, 0), min(low + size, target)
    if start < stop:
        hits[start:stop] = counts[start - low : stop - low]
    return hits


def _count_rows(
    matrix: NDArray[np.int64], source: list[int], offset: list[int], target: list[int]
) -> NDArray[np.int64]:
    """Hits on the target box, row-major, by enumeration."""
    points = prod(source)
    counts = np.zeros(prod(target), dtype=np.int64)
    for start in range(0, points, _CHUNK):
        x = np.unravel_index(np.arange(start, min(points, start + _CHUNK)), source or (1,))
        flat = np.zeros(len(x[0]), dtype=np.int64)
        inside = np.ones(len(x[0]), dtype=np.bool_)
        for row, b, extent in zip(matrix, offset, target, strict=True):
            d = np.full(len(flat), b, dtype=np.int64)
            for c, coordinate in zip(row.tolist(), x, strict=False):
                if c:
                    d += c * coordinate
            inside &= (d >= 0) & (d < extent)
            flat = flat * extent + d.clip(0, extent - 1)
        np.add.at(counts, flat[inside], 1)
    return counts


def _first(where: NDArray[np.bool_], extents: list[int]) -> Point | None:
    index = int(where.argmax())
    if not where[index]:
        return None
    return tuple(int(x) for x in np.unravel_index(index, extents))


def _point(rank: int, parts: list[tuple[tuple[int, ...], Point]]) -> Point:
    """The point with the given coordinates and zero elsewhere; later parts win."""
    point = [0] * rank
    for rows, coordinates in parts:
        for row, x in zip(rows, coordinates, strict=True):
            point[row] = x
    return tuple(point)

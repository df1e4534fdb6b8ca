"""Direct links between units along which an input element can be passed on.

A link (dt, ds) exists when ``M_X (M_T dt + M_S ds) = 0``: unit ``s`` needs at ``t`` the element
that unit ``s - ds`` had at ``t - dt``, ``depth = flat(dt) + skew . ds`` cycles earlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from accelgen.affine.spacetime import IntVector, SpaceTime, TensorAccess
from accelgen.reuse.lattice import echelon, kernel, short_vectors, solve
from accelgen.reuse.schedule import Schedule

__all__ = ["Link", "candidate_links", "spatial_links"]


@dataclass(frozen=True)
class Link:
    """A reuse vector: ``depth`` cycles from unit ``s - ds`` at ``t - dt`` to ``s`` at ``t``.

    Depth 0 is a wire, 1 a systolic hop, more a FIFO.  With ``dt != 0`` the link holds only
    while ``t - dt`` is inside the loop bounds.
    """

    dt: IntVector
    ds: IntVector
    depth: int

    @property
    def predicated(self) -> bool:
        """Whether the link needs a memory port for the iterations in which it does not hold."""
        return any(self.dt)

    def share_held(self, extents: Sequence[int]) -> float:
        """Fraction of the iterations in which the link holds."""
        return prod((n - abs(d)) / n for n, d in zip(extents, self.dt, strict=True))


def spatial_links(access: SpaceTime, tensor: TensorAccess) -> list[Link]:
    """Links with dt = 0, oriented so that ``depth = skew . ds >= 0``, nearest first."""
    moves = access.along_space(tensor).tolist()
    axes = len(access.space)
    links = []
    for ds in short_vectors(kernel(moves, axes)):
        depth = sum(c * d for c, d in zip(access.skew, ds, strict=True))
        if depth >= 0 and _fits(ds, access.space_extents):
            links.append(Link((0,) * len(access.time), tuple(ds), depth))
    return sorted(links, key=lambda k: (k.depth, sum(map(abs, k.ds)), k.ds))


def candidate_links(access: SpaceTime, tensor: TensorAccess, schedule: Schedule) -> list[Link]:
    """All spatial links, and for each nearby displacement the shallowest link through time.

    Displacements are the short vectors of the lattice of every ``ds`` for which an integer
    ``dt`` exists at all, so strides and dilations are found whatever their size.
    """
    along_time = access.along_time(tensor).tolist()
    along_space = access.along_space(tensor).tolist()
    loops, axes = len(access.time), len(access.space)
    joint = kernel(
        [[*space, *time] for space, time in zip(along_space, along_time, strict=True)],
        axes + loops,
    )
    projected = echelon([row[:axes] for row in joint])
    displacements = [(0,) * axes, *(short_vectors(projected) if projected else ())]
    links = spatial_links(access, tensor)
    idle = echelon(kernel(along_time, loops)) if loops else []
    for ds in displacements:
        if not _fits(ds, access.space_extents):
            continue
        target = [-sum(m * d for m, d in zip(row, ds, strict=True)) for row in along_space]
        start = solve(along_time, target, loops)
        if start is None:
            continue
        hop = sum(c * d for c, d in zip(access.skew, ds, strict=True))
        dt = _shallowest(start, idle, schedule, at_least=1 - hop)
        if dt is not None and any(dt):
            links.append(Link(tuple(dt), tuple(ds), schedule.flat(dt) + hop))
    return links


def _fits(ds: Sequence[int], extents: Sequence[int]) -> bool:
    return all(abs(d) < n for d, n in zip(ds, extents, strict=True))


def _shallowest(
    start: list[int], basis: list[list[int]], schedule: Schedule, at_least: int
) -> list[int] | None:
    """The vector of ``start + lattice(basis)`` inside the loop bounds with the smallest
    ``flat`` that is at least ``at_least`` and not reached by the zero vector.

    Branch and bound over the loops, outermost first: ``basis`` is in echelon form, so at each
    loop either one coefficient is free or the component is already determined, and what the
    inner loops can still add is bounded by their extents.
    """
    extents, strides = schedule.extents, schedule.strides
    loops = len(extents)
    pivots = [next(k for k, x in enumerate(row) if x) for row in basis]
    reach = [0] * (loops + 1)
    for level in reversed(range(loops)):
        reach[level] = reach[level + 1] + (extents[level] - 1) * strides[level]
    best: tuple[int, list[int]] | None = None

    def descend(level: int, vector: list[int], flat: int) -> None:
        nonlocal best
        if flat + reach[level] < at_least or (best and flat - reach[level] >= best[0]):
            return
        if level == loops:
            if any(vector):
                best = (flat, vector)
            return
        limit = extents[level] - 1
        if level in pivots:
            row = basis[pivots.index(level)]
            step = row[level]
            first = -((limit + vector[level]) // step)
            for factor in range(first, (limit - vector[level]) // step + 1):
                moved = [v + factor * x for v, x in zip(vector, row, strict=True)]
                descend(level + 1, moved, flat + moved[level] * strides[level])
        elif abs(vector[level]) <= limit:
            descend(level + 1, vector, flat + vector[level] * strides[level])

    descend(0, start, 0)
    return best[1] if best else None

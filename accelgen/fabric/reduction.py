"""How the products of one cycle that belong to one output element are summed in space."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accelgen.affine.spacetime import IntVector, SpaceTime
from accelgen.fabric.space import Grid
from accelgen.reuse.links import spatial_links

__all__ = ["Group", "Reduction", "reduce_in_space"]


@dataclass(frozen=True)
class Group:
    """The units that contribute to one output element per iteration.

    ``index`` is their displacement in the output tensor; ``ends`` the units whose (chained)
    sums a tree adds up; ``offset`` the cycles by which the sum runs behind the issue.
    """

    index: IntVector
    ends: IntVector
    offset: int


@dataclass(frozen=True)
class Reduction:
    """``partials[u]`` lists the units whose running sums enter unit ``u``, each
    ``offset(u) - offset(v) >= 1`` cycles old; ``groups`` are ordered by their first end.
    """

    partials: tuple[IntVector, ...]
    groups: tuple[Group, ...]

    def check(self, offsets: Sequence[int]) -> None:
        """Assert that every unit reaches the end of exactly one group, forward in time."""
        fed = [v for sources in self.partials for v in sources]
        ends = [v for group in self.groups for v in group.ends]
        assert sorted(fed + ends) == list(range(len(self.partials)))
        for unit, sources in enumerate(self.partials):
            assert all(offsets[unit] > offsets[v] for v in sources)


def reduce_in_space(kernel: SpaceTime, grid: Grid, offsets: Sequence[int]) -> Reduction:
    """Systolic chains along every direction in which the skew leaves time, trees over the rest.

    Chains are laid one direction after the other: the ends of the rows found first are chained
    along the next direction, so a skewed box ends in one unit without any tree.
    """
    output = kernel.output
    moves = kernel.along_space(output)
    index = grid.points @ moves.T
    partials: list[list[int]] = [[] for _ in range(grid.size)]
    alive = np.ones(grid.size, dtype=bool)
    # Along the axes first: a diagonal would leave single units behind.
    links = sorted(spatial_links(kernel, output), key=lambda k: (sum(map(abs, k.ds)), k.depth))
    for link in links:
        if link.depth == 0:
            continue
        giver = grid.shifted(link.ds)
        joined = np.flatnonzero((giver >= 0) & alive & alive[giver])
        for unit in joined.tolist():
            partials[unit].append(int(giver[unit]))
        alive[giver[joined]] = False
    members: dict[IntVector, list[int]] = defaultdict(list)
    for unit in np.flatnonzero(alive).tolist():
        members[tuple(index[unit].tolist())].append(unit)
    groups = tuple(
        Group(key, tuple(ends), max(offsets[u] for u in ends)) for key, ends in members.items()
    )
    return Reduction(tuple(map(tuple, partials)), groups)

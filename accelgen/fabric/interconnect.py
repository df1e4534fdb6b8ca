"""Where every unit takes an input operand from: a wire, a link, or a memory port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from accelgen.affine.spacetime import IntVector, SpaceTime, TensorAccess
from accelgen.fabric.arborescence import minimum_arborescence
from accelgen.fabric.space import Grid
from accelgen.reuse.links import Link, candidate_links, spatial_links
from accelgen.reuse.schedule import Schedule

__all__ = [
    "PORT_WEIGHT",
    "SCALE",
    "Candidates",
    "Interconnect",
    "at_depths",
    "candidates",
    "connect",
]

PORT_WEIGHT = 32
"""Cost of a memory port read in every cycle, in registers of the same width.  A port that a
link relieves in a share of the iterations costs the remaining share: what counts is both the
wiring of the port and the energy of its reads, of the order of tens of register writes."""

SCALE = 1 << 10
"""Costs are integers: this many to a register of one bit."""


@dataclass(frozen=True)
class Interconnect:
    """The sources of one input tensor, per unit number.

    ``head[u]`` is the unit whose operand wire ``u`` shares (``u`` itself when it has a source
    of its own).  For a head, ``link[u]`` indexes ``links`` and ``giver[u]`` is the unit at the
    other end (-1: no link), and ``port[u]`` tells whether it has a memory port: the only
    source, or the fall-back while a predicated link does not hold.
    """

    tensor: str
    links: tuple[Link, ...]
    head: IntVector
    link: IntVector
    giver: IntVector
    port: tuple[bool, ...]

    @property
    def ported(self) -> list[int]:
        """The units with a memory port."""
        return [u for u, port in enumerate(self.port) if port]

    def check(self) -> None:
        """Assert that following heads and givers ends at a memory port."""
        for unit in range(len(self.head)):
            here, steps = self.head[unit], 0
            while self.giver[here] >= 0:
                here = self.head[self.giver[here]]
                steps += 1
                assert steps <= len(self.head), "the links of a tensor form a cycle"
            assert self.port[here]


@dataclass(frozen=True, eq=False)
class Candidates:
    """All ways to feed the clusters of units that wires join.

    ``cluster[u]`` numbers the cluster of unit ``u``.  Option ``o`` feeds cluster ``target[o] - 1``
    at its unit ``entry[o]``, by ``links[via[o]]`` from cluster ``source[o] - 1``, or, where
    ``via[o]`` is -1 and ``source[o]`` 0, by a memory port.  It costs ``hops[o]`` registers and
    ``port[o]``, the part of a memory port that it takes, both times ``SCALE`` and the width.
    """

    tensor: str
    bits: int
    links: tuple[Link, ...]
    grid: Grid
    cluster: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    entry: NDArray[np.int64]
    via: NDArray[np.int64]
    hops: NDArray[np.int64]
    port: NDArray[np.int64]

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return int(self.cluster.max()) + 1

    def tree(self, cost: NDArray[np.int64]) -> NDArray[np.int64]:
        """The option of every cluster in a cheapest tree, at a cost per option (Edmonds)."""
        return minimum_arborescence(self.clusters + 1, self.source, self.target, cost)[1:]

    def only(self, chosen: NDArray[np.int64]) -> Candidates:
        """The same clusters with no option but those chosen."""
        columns = ("source", "target", "entry", "via", "hops", "port")
        return replace(self, **{name: getattr(self, name)[chosen] for name in columns})

    def interconnect(self, chosen: NDArray[np.int64]) -> Interconnect:
        """The sources of all units, given the option of every cluster."""
        return _assemble(
            self.tensor,
            self.links,
            self.grid,
            self.cluster,
            self.entry[chosen],
            self.via[chosen],
        )


def candidates(
    kernel: SpaceTime, tensor: TensorAccess, grid: Grid, schedule: Schedule | None
) -> Candidates:
    """The ports and links that could feed every unit.

    ``schedule`` is ``None`` for a stationary tensor, whose elements travel through space only.
    """
    if schedule is None:
        links = spatial_links(kernel, tensor)
    else:
        links = candidate_links(kernel, tensor, schedule)
    wires = [k for k in links if k.depth == 0 and not k.predicated]
    links = [k for k in links if k.depth > 0]
    cluster = _clusters(grid, wires)
    clusters = int(cluster.max()) + 1
    first = np.full(clusters, grid.size, dtype=np.int64)
    np.minimum.at(first, cluster, np.arange(grid.size))

    bits = tensor.format.bits
    port_cost = PORT_WEIGHT * bits * SCALE
    source = [np.zeros(clusters, dtype=np.int64)]
    target = [np.arange(1, clusters + 1, dtype=np.int64)]
    hops = [np.zeros(clusters, dtype=np.int64)]
    port = [np.full(clusters, port_cost, dtype=np.int64)]
    via = [np.full(clusters, -1, dtype=np.int64)]
    entry = [first]
    for index, link in enumerate(links):
        giver = grid.shifted(link.ds)
        units = np.flatnonzero(giver >= 0)
        part = 0
        if link.predicated:
            part = round(port_cost * (1 - link.share_held(kernel.time_extents)))
        source.append(cluster[giver[units]] + 1)
        target.append(cluster[units] + 1)
        hops.append(np.full(len(units), link.depth * bits * SCALE, dtype=np.int64))
        port.append(np.full(len(units), part, dtype=np.int64))
        via.append(np.full(len(units), index, dtype=np.int64))
        entry.append(units)
    joined = [np.concatenate(column) for column in (source, target, entry, via, hops, port)]
    return Candidates(tensor.name, bits, tuple(links), grid, cluster, *joined)


def connect(
    kernel: SpaceTime,
    tensor: TensorAccess,
    grid: Grid,
    schedule: Schedule | None,
) -> Interconnect:
    """The cheapest tree of links and ports that feeds every unit (Edmonds over wire clusters).

    ``schedule`` is ``None`` for a stationary tensor, whose elements travel through space only.
    """
    ways = candidates(kernel, tensor, grid, schedule)
    return ways.interconnect(ways.tree(ways.hops + ways.port))


def at_depths(links: Interconnect, schedule: Schedule) -> Interconnect:
    """The same links at the depths they have under another schedule.

    A link that holds in no iteration there, or would reach into the future, has depth 0.
    """
    found = []
    for link in links.links:
        hop = sum(c * d for c, d in zip(schedule.skew, link.ds, strict=True))
        depth = schedule.flat(link.dt) + hop
        holds = all(abs(d) < n for d, n in zip(link.dt, schedule.extents, strict=True))
        found.append(replace(link, depth=depth if holds and depth > 0 else 0))
    return replace(links, links=tuple(found))


def _assemble(
    tensor: str,
    links: Sequence[Link],
    grid: Grid,
    cluster: NDArray[np.int64],
    heads: NDArray[np.int64],
    head_link: NDArray[np.int64],
) -> Interconnect:
    used = sorted({int(k) for k in head_link if k >= 0})
    number = {old: new for new, old in enumerate(used)}
    link = [-1] * grid.size
    giver = [-1] * grid.size
    port = [False] * grid.size
    shifted = {old: grid.shifted(links[old].ds) for old in used}
    for head, via in zip(heads.tolist(), head_link.tolist(), strict=True):
        port[head] = via < 0 or links[via].predicated
        if via >= 0:
            link[head] = number[via]
            giver[head] = int(shifted[via][head])
    return Interconnect(
        tensor,
        tuple(links[k] for k in used),
        tuple(heads[cluster].tolist()),
        tuple(link),
        tuple(giver),
        tuple(port),
    )


def _clusters(grid: Grid, wires: Sequence[Link]) -> NDArray[np.int64]:
    """Number the sets of units joined by wires, in the order of their first unit."""
    rows = [np.arange(grid.size)]
    columns = [np.arange(grid.size)]
    for wire in wires:
        giver = grid.shifted(wire.ds)
        units = np.flatnonzero(giver >= 0)
        rows.append(units)
        columns.append(giver[units])
    row, column = np.concatenate(rows), np.concatenate(columns)
    graph = coo_array((np.ones(len(row), dtype=np.int8), (row, column)), shape=(grid.size,) * 2)
    _, labels = connected_components(graph, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[inverse].astype(np.int64)

"""Minimum-cost arborescence (Chu-Liu/Edmonds), vectorised over the edges.

J. Edmonds, "Optimum branchings", J. Res. NBS 71B, 1967: take the cheapest edge into every node;
contract the cycles that appear, charging each entering edge for the edge it would replace;
repeat; expand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["minimum_arborescence"]

Ints = NDArray[np.int64]


def minimum_arborescence(nodes: int, source: Ints, target: Ints, cost: Ints) -> Ints:
    """For every node 1..nodes-1 the index of its edge in a cheapest arborescence rooted at 0.

    Edges run ``source[e] -> target[e]`` with non-negative ``cost[e]``; every node must be
    reachable from the root.  Among equals the edge listed first wins.  Element 0 is -1.
    """
    keep = np.flatnonzero((target != 0) & (source != target))
    chosen = _solve(nodes, source[keep], target[keep], cost[keep])
    result = np.full(nodes, -1, dtype=np.int64)
    result[1:] = keep[chosen[1:]]
    return result


def _solve(nodes: int, source: Ints, target: Ints, cost: Ints) -> Ints:
    order = np.lexsort((np.arange(len(cost)), cost, target))
    first = np.searchsorted(target[order], np.arange(1, nodes))
    cheapest = np.concatenate(([-1], order[first]))
    component, cycles = _cycles(nodes, np.concatenate(([0], source[cheapest[1:]])))
    if not cycles:
        return cheapest
    on_cycle = np.zeros(nodes, dtype=bool)
    for cycle in cycles:
        on_cycle[cycle] = True
    reduced = cost - np.where(on_cycle[target], cost[cheapest[target]], 0)
    outer = np.flatnonzero(component[source] != component[target])
    inner = _solve(
        int(component.max()) + 1, component[source[outer]], component[target[outer]], reduced[outer]
    )
    # An edge entering a contracted cycle replaces the cycle's own edge into its target.
    entering = outer[inner[1:]]
    cheapest[target[entering]] = entering
    return cheapest


def _cycles(nodes: int, parent: Ints) -> tuple[Ints, list[Ints]]:
    """Number the nodes with every cycle of ``parent`` contracted; the root stays 0."""
    state = np.zeros(nodes, dtype=np.int64)  # 0 new, k > 0 on the walk numbered k
    state[0] = -1
    cycles: list[Ints] = []
    parents = parent.tolist()
    for start in range(1, nodes):
        node = start
        while state[node] == 0:
            state[node] = start
            node = parents[node]
        if state[node] == start:
            walked = [node]
            while parents[walked[-1]] != node:
                walked.append(parents[walked[-1]])
            cycles.append(np.array(walked, dtype=np.int64))
        walk = start
        while state[walk] == start:
            state[walk] = -1
            walk = parents[walk]
    leader = np.arange(nodes)
    for cycle in cycles:
        leader[cycle] = cycle.min()
    _, component = np.unique(leader, return_inverse=True)
    return component.astype(np.int64), cycles

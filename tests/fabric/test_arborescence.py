"""Minimum-cost arborescences against an independent optimum.

The reference is the linear program in which the root sends every node a unit of flow through
the edges bought; its optimum is integral.  networkx is not used: its version 3.6.1 finds no
arborescence in ``NESTED``.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from accelgen.fabric.arborescence import minimum_arborescence

Edges = list[tuple[int, int, int]]

# Entering the cycle at 2 saves an edge of cost 1, at 1 one of cost 9.
ENTRIES: tuple[int, Edges] = (3, [(1, 2, 1), (2, 1, 9), (0, 1, 10), (0, 2, 8)])
# Cycles that overlap.
NESTED: tuple[int, Edges] = (4, [(0, 1, 1), (1, 2, 1), (2, 3, 1), (2, 1, 0), (3, 2, 0)])


@st.composite
def graphs(draw: st.DrawFn, max_nodes: int = 9, more: int = 4) -> tuple[int, Edges]:
    """Nodes 0..n-1, every one of which the root 0 reaches, with parallel edges and loops.

    Edges between the other nodes are many and cheap, those from the root dear: what is cheapest
    into each node forms cycles.
    """
    nodes = draw(st.integers(3, max_nodes))
    inner = st.integers(1, nodes - 1)
    edges: Edges = [
        (draw(st.integers(0, v - 1)), v, draw(st.integers(5, 20))) for v in range(1, nodes)
    ]
    cheap = st.tuples(inner, inner, st.integers(0, 9))
    edges += draw(st.lists(cheap, min_size=nodes, max_size=more * nodes))
    dear = st.tuples(st.just(0), inner, st.integers(5, 20))
    edges += draw(st.lists(dear, min_size=1, max_size=nodes))
    back = st.tuples(inner, st.just(0), st.integers(0, 9))
    edges += draw(st.lists(back, max_size=2))
    return nodes, draw(st.permutations(edges))


def chosen(nodes: int, edges: Edges) -> list[int]:
    columns = np.array(edges, dtype=np.int64).T
    picked = minimum_arborescence(nodes, columns[0], columns[1], columns[2])
    return [int(e) for e in picked]


def optimum(nodes: int, edges: Edges) -> float:
    """The cost of a cheapest arborescence, by the flow formulation."""
    edges = [(u, v, cost) for u, v, cost in edges if u != v and v != 0]
    count = len(edges)
    conserve = np.zeros((nodes, count))
    for e, (u, v, _) in enumerate(edges):
        conserve[u, e] -= 1
        conserve[v, e] += 1
    # Columns: the edges bought, then the flow to each node but the root.
    sinks = nodes - 1
    equal = np.hstack([np.zeros((sinks * nodes, count)), np.kron(np.eye(sinks), conserve)])
    demand = np.zeros((sinks, nodes))
    demand[:, 0] = -1
    demand[np.arange(sinks), np.arange(1, nodes)] = 1
    capacity = np.hstack([-np.tile(np.eye(count), (sinks, 1)), np.eye(sinks * count)])
    cost = np.concatenate([[c for _, _, c in edges], np.zeros(sinks * count)])
    found = linprog(cost, capacity, np.zeros(sinks * count), equal, demand.ravel())
    assert found.status == 0, found.message
    assert found.fun is not None
    return float(found.fun)


def enumerated(nodes: int, edges: Edges) -> int:
    """The same by trying one edge into every node, in every way."""
    costs = []
    into = [[edge for edge in edges if edge[1] == v] for v in range(1, nodes)]
    for picked in product(*into):
        parent = {v: u for u, v, _ in picked}
        reached = {0}
        for _ in range(nodes):
            reached |= {v for v, u in parent.items() if u in reached}
        if len(reached) == nodes:
            costs.append(sum(cost for _, _, cost in picked))
    return min(costs)


@given(graphs())
@example(NESTED)
@example(ENTRIES)
@settings(max_examples=150)
def test_as_cheap_as_can_be(graph: tuple[int, Edges]) -> None:
    nodes, edges = graph
    picked = chosen(nodes, edges)
    assert picked[0] == -1
    for v in range(1, nodes):
        assert edges[picked[v]][1] == v
        # Every node is reached from the root.
        here, steps = v, 0
        while here:
            here, steps = edges[picked[here]][0], steps + 1
            assert steps < nodes
    assert sum(edges[e][2] for e in picked[1:]) == pytest.approx(optimum(nodes, edges))


@given(graphs(max_nodes=5, more=1))
@example(NESTED)
@example(ENTRIES)
@settings(max_examples=60)
def test_as_cheap_as_any_enumerated(graph: tuple[int, Edges]) -> None:
    nodes, edges = graph
    cheapest = enumerated(nodes, edges)
    assert optimum(nodes, edges) == pytest.approx(cheapest)
    assert sum(edges[e][2] for e in chosen(nodes, edges)[1:]) == cheapest


def test_the_first_of_equals_wins() -> None:
    assert chosen(2, [(0, 1, 5), (0, 1, 5), (0, 1, 4), (0, 1, 4)]) == [-1, 2]


def test_a_cycle_of_free_edges_is_entered_where_it_is_cheapest() -> None:
    edges = [(1, 2, 0), (2, 3, 0), (3, 1, 0), (0, 1, 9), (0, 2, 7), (0, 3, 8)]
    assert chosen(4, edges) == [-1, 2, 4, 1]

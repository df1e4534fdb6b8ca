"""Minimum-cost arborescences against networkx."""

from __future__ import annotations

import networkx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.fabric.arborescence import minimum_arborescence

Edges = list[tuple[int, int, int]]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, Edges]:
    """Nodes 0..n-1, every one of which the root 0 reaches, with parallel edges and loops."""
    nodes = draw(st.integers(2, 12))
    edges: Edges = [
        (draw(st.integers(0, v - 1)), v, draw(st.integers(0, 20))) for v in range(1, nodes)
    ]
    node = st.integers(0, nodes - 1)
    edges += draw(st.lists(st.tuples(node, node, st.integers(0, 20)), max_size=40))
    return nodes, draw(st.permutations(edges))


def chosen(nodes: int, edges: Edges) -> list[int]:
    columns = np.array(edges, dtype=np.int64).T
    picked = minimum_arborescence(nodes, columns[0], columns[1], columns[2])
    return [int(e) for e in picked]


@given(graphs())
@settings(max_examples=150)
def test_as_cheap_as_edmonds(graph: tuple[int, Edges]) -> None:
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
    reference = networkx.DiGraph()
    for u, v, cost in edges:
        if u != v and v != 0 and cost < reference.get_edge_data(u, v, {"cost": 21})["cost"]:
            reference.add_edge(u, v, cost=cost)
    tree = networkx.minimum_spanning_arborescence(reference, attr="cost")
    assert sum(edges[e][2] for e in picked[1:]) == tree.size(weight="cost")


def test_the_first_of_equals_wins() -> None:
    assert chosen(2, [(0, 1, 5), (0, 1, 5), (0, 1, 4), (0, 1, 4)]) == [-1, 2]


def test_a_cycle_of_free_edges_is_entered_where_it_is_cheapest() -> None:
    edges = [(1, 2, 0), (2, 3, 0), (3, 1, 0), (0, 1, 9), (0, 2, 7), (0, 3, 8)]
    assert chosen(4, edges) == [-1, 2, 4, 1]

"""Does every sum and product still take the same terms, whichever dataflow runs?"""

from __future__ import annotations

from collections import Counter
from functools import cache

from accelgen.netlist.graph import Edge, Netlist, Node, is_by_dataflow

__all__ = ["same_reads", "verify"]

Term = tuple[object, str, int]
"""Where a term comes from, and how late it is."""


def verify(before: Netlist, after: Netlist) -> None:
    """Raise :class:`AssertionError` unless, for every dataflow, every node that is no multiplexer
    reads the same as before, sums and products as the same terms in any order.
    """
    if before is after:
        return
    same_reads(before, after)
    assert _inputs(after) <= _inputs(before), "there are more multiplexer inputs than there were"


def same_reads(before: Netlist, after: Netlist) -> None:
    """Raise :class:`AssertionError` unless netlists differ in multiplexers by dataflow alone, and
    in the order of the terms of sums and products.
    """
    dataflows = max(
        len(node.parameters) for node in before.nodes if is_by_dataflow(before.nodes, node)
    )
    for dataflow in range(dataflows):
        old, new = _reads(before, dataflow), _reads(after, dataflow)
        assert old.keys() == new.keys(), "other nodes than multiplexers changed"
        for place, terms in old.items():
            assert terms == new[place], f"{place} reads another value in dataflow {dataflow}"


def _reads(netlist: Netlist, dataflow: int) -> dict[object, object]:
    """By place, the inputs of every node but adders and multiplexers."""
    nodes = netlist.nodes

    def through(edge: Edge) -> tuple[Node, int]:
        node, delay = nodes[edge.source], edge.delay
        while is_by_dataflow(nodes, node):
            edge = node.inputs[int(str(node.parameters[dataflow]))]
            node, delay = nodes[edge.source], delay + edge.delay
        return node, delay

    @cache
    def terms(edge: Edge) -> frozenset[tuple[Term, int]]:
        """What is added up to the value of an edge, each how often and how late."""
        node, delay = through(edge)
        if node.kind != "add":
            return frozenset({((node.home, node.name, delay), 1)})
        total: Counter[Term] = Counter()
        for below in node.inputs:
            for (home, name, late), count in terms(below):
                total[home, name, late + delay] += count
        return frozenset(total.items())

    return {
        (node.home, node.name): (
            Counter(map(terms, node.inputs))
            if node.kind == "multiply"
            else tuple(map(terms, node.inputs))
        )
        for node in nodes
        if node.kind != "add" and not is_by_dataflow(nodes, node)
    }


def _inputs(netlist: Netlist) -> int:
    return sum(len(node.inputs) - 1 for node in netlist.nodes if node.kind == "choose")

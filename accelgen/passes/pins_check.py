"""Does every sum and product still take the same terms, whichever dataflow runs?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

from accelgen.netlist.dataflows import dataflows_of, is_by_dataflow, taken
from accelgen.netlist.graph import Edge, Netlist, Node

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


def same_reads(
    before: Netlist,
    after: Netlist,
    is_open: Callable[[Sequence[Node], Node, int], bool] = lambda nodes, node, dataflow: False,
) -> None:
    """Raise :class:`AssertionError` unless netlists differ in multiplexers by dataflow alone, in
    the order of the terms of sums and products, and in nodes that are open in a dataflow: these
    give what their first input is.
    """
    for dataflow in range(dataflows_of(before.nodes)):
        old, new = (_reads(netlist, dataflow, is_open) for netlist in (before, after))
        assert old.keys() == new.keys(), "other nodes than multiplexers changed"
        for place, terms in old.items():
            assert terms == new[place], (
                f"{place} is another or reads another value in dataflow {dataflow}"
            )


def _reads(
    netlist: Netlist, dataflow: int, is_open: Callable[[Sequence[Node], Node, int], bool]
) -> dict[object, object]:
    """By place, what every node does and reads, but adders, multiplexers and open ones."""
    nodes = netlist.nodes

    @cache
    def terms(edge: Edge) -> frozenset[tuple[Term, int]]:
        """What is added up to the value of an edge, each how often and how late."""
        node, delay = taken(nodes, edge, dataflow, is_open)
        if node.kind != "add":
            return frozenset({((node.home, node.name, delay), 1)})
        total: Counter[Term] = Counter()
        for below in node.inputs:
            for (home, name, late), count in terms(below):
                total[home, name, late + delay] += count
        return frozenset(total.items())

    return {
        (node.home, node.name): (
            (node.kind, node.latency, node.parameters),
            Counter(map(terms, node.inputs))
            if node.kind == "multiply"
            else tuple(map(terms, node.inputs)),
        )
        for node in nodes
        if node.kind != "add"
        and not is_by_dataflow(nodes, node)
        and not is_open(nodes, node, dataflow)
    }


def _inputs(netlist: Netlist) -> int:
    return sum(len(node.inputs) - 1 for node in netlist.nodes if node.kind == "choose")

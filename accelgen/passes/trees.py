"""Reduction-tree extraction: chains of adders become balanced trees.

A tree is a set of adders of one unit that feed each other at once and nothing else; its leaves are
what they add.  Addition is associative modulo two to the width of the sum, so any order will do,
and the balanced one has the fewest levels: ceil(log2(leaves)).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from math import ceil, log2

from accelgen.netlist.graph import Edge, Netlist, Node
from accelgen.passes.base import NetlistPass, ordered, place_of

__all__ = ["TREES", "adder_trees"]


def adder_trees(netlist: Netlist) -> Iterator[tuple[int, list[int], list[Edge], int]]:
    """Every tree: its root, its other adders, its leaves in order, its levels."""
    nodes = netlist.nodes
    inner: set[int] = set()
    for number, readers in enumerate(netlist.fanout()):
        if nodes[number].kind == "add" and len(readers) == 1:
            reader, edge = readers[0]
            above = nodes[reader]
            if above.kind == "add" and above.home == nodes[number].home and not edge.delay:
                inner.add(number)
    for root, node in enumerate(nodes):
        if node.kind != "add" or root in inner:
            continue
        leaves: list[Edge] = []
        others: list[int] = []
        deepest = 0
        stack = [(edge, 1) for edge in reversed(node.inputs)]
        while stack:
            edge, depth = stack.pop()
            if edge.source in inner and not edge.delay:
                others.append(edge.source)
                stack += [(below, depth + 1) for below in reversed(nodes[edge.source].inputs)]
            else:
                leaves.append(edge)
                deepest = max(deepest, depth)
        yield root, others, leaves, deepest


def run(netlist: Netlist) -> Netlist:
    """Rebuild the trees that have more levels than they need."""
    nodes = dict(enumerate(netlist.nodes))
    key: dict[int, float] = {number: number for number in nodes}
    moved: dict[int, int] = {}
    for root, others, leaves, depth in list(adder_trees(netlist)):
        if depth <= ceil(log2(len(leaves))):
            continue
        for number in others:
            del nodes[number]
        made = _balanced(nodes.pop(root), leaves, len(key))
        for offset, (number, node) in enumerate(made.items(), 1):
            nodes[number] = node
            key[number] = root - 1 + offset / (len(made) + 1)
        moved[root] = max(made)
    if not moved:
        return netlist
    for number, node in nodes.items():
        if any(edge.source in moved for edge in node.inputs):
            inputs = [
                Edge(moved.get(edge.source, edge.source), edge.delay, edge.port)
                for edge in node.inputs
            ]
            nodes[number] = replace(node, inputs=tuple(inputs))
    return replace(netlist, nodes=ordered(nodes, key.__getitem__))


def _balanced(root: Node, leaves: list[Edge], first: int) -> dict[int, Node]:
    """The adders of a balanced tree, numbered from ``first``; the last is its root."""
    made: dict[int, Node] = {}
    size, depth = len(leaves), 0
    alone = root.home[0] == "sum"
    stem, prefix = (f"sum{size}", "") if alone else (f"{root.group}{size}", f"{root.name}_")
    level = leaves
    while len(level) > 1:
        summed = []
        for position in range(0, len(level) - 1, 2):
            number = first + len(made)
            made[number] = replace(
                root,
                name=f"{prefix}level{depth}_{position // 2}",
                group=f"{stem}.level{depth}",
                inputs=tuple(level[position : position + 2]),
            )
            summed.append(Edge(number, 0, ""))
        # An odd one out joins the next level.
        level = summed + level[len(level) - len(level) % 2 :]
        depth += 1
    return made


def verify(before: Netlist, after: Netlist) -> None:
    """Raise :class:`AssertionError` unless all nodes but adders are the same, and what each reads
    is the same sum: the same terms as often, each equally late.
    """
    old, new = _Sums(before), _Sums(after)
    assert old.others.keys() == new.others.keys(), "other nodes than adders changed"
    for place, number in old.others.items():
        was, now = before.nodes[number], after.nodes[new.others[place]]
        assert replace(was, inputs=()) == replace(now, inputs=()), f"{was.name} is another"
        assert len(was.inputs) == len(now.inputs)
        for a, b in zip(was.inputs, now.inputs, strict=True):
            assert old.of(a) == new.of(b), f"{was.name} reads another sum"
    # No sum is cut to fewer bits than the one it is part of.
    for node in after.nodes:
        for edge in node.inputs:
            source = after.nodes[edge.source]
            cut = node.kind == source.kind == "add" and node.home == source.home
            assert not cut or source.format.bits >= node.format.bits or edge.delay


class _Sums:
    """Edges as sums of what is no adder."""

    def __init__(self, netlist: Netlist) -> None:
        self._nodes = netlist.nodes
        self.others = {place_of(n): k for k, n in enumerate(netlist.nodes) if n.kind != "add"}
        self._known: dict[int, Counter[tuple[object, str, int]]] = {}
        for number, node in enumerate(netlist.nodes):
            if node.kind == "add":
                self._known[number] = self.of(node.inputs[0]) + self.of(node.inputs[1])

    def of(self, edge: Edge) -> Counter[tuple[object, str, int]]:
        """Terms: a node's place and the delay, and how often it is added."""
        node = self._nodes[edge.source]
        if node.kind != "add":
            return Counter({(*place_of(node), edge.delay): 1})
        terms = self._known[edge.source].items()
        return Counter({(home, name, d + edge.delay): n for (home, name, d), n in terms})


TREES = NetlistPass(
    "trees", "reduction trees: chains of adders become balanced", run, verify, alone=True
)

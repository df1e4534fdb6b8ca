"""What a netlist of several dataflows is while one of them runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from accelgen.netlist.graph import Edge, Node

__all__ = ["dataflows_of", "is_by_dataflow", "lacks", "taken"]


def is_by_dataflow(nodes: Mapping[int, Node] | Sequence[Node], node: Node) -> bool:
    """Whether a node is a ``choose`` by the dataflow, not one of taps by the depth of a link."""
    return node.kind == "choose" and nodes[node.inputs[-1].source].parameters == ("dataflow",)


def dataflows_of(nodes: Sequence[Node]) -> int:
    """How many dataflows multiplexers choose by."""
    return max(len(node.parameters) for node in nodes if is_by_dataflow(nodes, node))


def taken(
    nodes: Sequence[Node],
    edge: Edge,
    dataflow: int,
    is_open: Callable[[Sequence[Node], Node, int], bool] = lambda nodes, node, dataflow: False,
) -> tuple[Node, int]:
    """What an edge carries in a dataflow, and how late: through multiplexers, and through nodes
    that are open, which give what their first input is.
    """
    node, late = nodes[edge.source], edge.delay
    while (by_dataflow := is_by_dataflow(nodes, node)) or is_open(nodes, node, dataflow):
        edge = node.inputs[int(str(node.parameters[dataflow])) if by_dataflow else 0]
        node, late = nodes[edge.source], late + edge.delay
    return node, late


def lacks(nodes: Sequence[Node], edge: Edge, dataflow: int) -> bool:
    """Whether an edge carries a flag that a dataflow lacks: it is high there, from the first
    iteration on.
    """
    flag, _ = taken(nodes, edge, dataflow)
    if flag.parameters[:1] != ("by dataflow",):
        return False
    conditions = flag.parameters[1]
    assert isinstance(conditions, tuple)
    return conditions[dataflow] is None

"""Does every unit hold, and pass on, what it did, whichever dataflow runs?"""

from __future__ import annotations

from collections.abc import Sequence

from accelgen.netlist.dataflows import dataflows_of, lacks, taken
from accelgen.netlist.graph import Netlist, Node
from accelgen.passes.base import place_of
from accelgen.passes.pins_check import same_reads

__all__ = ["verify"]


def verify(before: Netlist, after: Netlist) -> None:
    """Raise :class:`AssertionError` unless, for every dataflow, every node reads what it did: in
    one that lacks the switch of a hold, what the hold takes, which is open in time.
    """
    if before is after:
        return
    same_reads(before, after, _is_open)
    nodes = after.nodes
    was = {place_of(node): node for node in before.nodes if node.kind == "hold"}
    for node in nodes:
        if node.kind != "hold":
            continue
        old = before.nodes[was[place_of(node)].inputs[0].source]
        if place_of(old) == place_of(nodes[node.inputs[0].source]):
            continue  # as it was: where it is open, nothing reads it
        for dataflow in range(dataflows_of(nodes)):
            if lacks(nodes, node.inputs[1], dataflow):
                (_, late), (_, since) = (taken(nodes, edge, dataflow) for edge in node.inputs)
                assert since <= late, f"{node.name} opens too late"


def _is_open(nodes: Sequence[Node], node: Node, dataflow: int) -> bool:
    return node.kind == "hold" and lacks(nodes, node.inputs[1], dataflow)

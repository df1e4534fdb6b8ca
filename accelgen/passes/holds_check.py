"""Does every unit hold, and pass on, what it did, whichever dataflow runs?"""

from __future__ import annotations

from collections.abc import Sequence

from accelgen.netlist.dataflows import dataflows_of, lacks, taken
from accelgen.netlist.graph import Netlist, Node
from accelgen.passes.pins_check import same_reads

__all__ = ["verify"]


def verify(before: Netlist, after: Netlist) -> None:
    """Raise :class:`AssertionError` unless, for every dataflow, every node reads what it did: in
    one that lacks the switch of a hold, what the hold takes, which is open in time.
    """
    if before is after:
        return
    same_reads(before, after, _is_open)
    for node in after.nodes:
        if node.kind != "hold":
            continue
        for dataflow in range(dataflows_of(after.nodes)):
            if not lacks(after.nodes, node.inputs[1], dataflow):
                continue
            (_, late), (_, since) = (taken(after.nodes, edge, dataflow) for edge in node.inputs)
            assert since <= late, f"{node.name} opens too late"


def _is_open(nodes: Sequence[Node], node: Node, dataflow: int) -> bool:
    return node.kind == "hold" and lacks(nodes, node.inputs[1], dataflow)

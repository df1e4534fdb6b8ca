"""Does everything still read what it did, whichever dataflow runs, from fewer registers?"""

from __future__ import annotations

from collections.abc import Sequence

from accelgen.netlist.graph import Netlist, Node, is_by_dataflow
from accelgen.passes.pins_check import same_reads

__all__ = ["line_bits", "verify"]


def verify(before: Netlist, after: Netlist) -> None:
    """Raise :class:`AssertionError` unless, for every dataflow, every node reads what it did,
    the dataflow is known where it chooses, and there are fewer registers.
    """
    if before is after:
        return
    same_reads(before, after)
    for node in after.nodes:
        if is_by_dataflow(after.nodes, node):
            *values, switch = node.inputs
            # A value belongs to an iteration at least as many cycles ago as it is late.
            assert all(switch.delay <= edge.delay for edge in values), (
                f"{node.name} is chosen by the dataflow of the problem before"
            )
    assert line_bits(after.nodes) < line_bits(before.nodes), "there are no fewer registers"


def line_bits(nodes: Sequence[Node]) -> int:
    """Bits of the registers that the dataflow asks for: of each value as late as it is read."""
    longest: dict[int, int] = {}
    for node in nodes:
        for edge in node.inputs:
            if edge.delay > longest.get(edge.source, 0):
                longest[edge.source] = edge.delay
    return sum(late * nodes[source].format.bits for source, late in longest.items())

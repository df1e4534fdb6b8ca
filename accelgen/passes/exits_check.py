"""Does everything still read what it did, whichever dataflow runs, from fewer registers?"""

from __future__ import annotations

from accelgen.netlist.dataflows import is_by_dataflow
from accelgen.netlist.graph import Netlist
from accelgen.passes.metrics import measure
from accelgen.passes.pins_check import same_reads

__all__ = ["verify"]


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
    bits = [measure(netlist).register_bits for netlist in (before, after)]
    assert bits[1] < bits[0], "there are no fewer registers"

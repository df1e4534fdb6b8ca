"""Is a pipeline right?  Checked from its register counts alone, without the linear program."""

from __future__ import annotations

from accelgen.netlist.graph import Netlist
from accelgen.passes.timing import TOLERANCE, TimingModel, arrivals

__all__ = ["verify"]


def verify(netlist: Netlist, registers: tuple[tuple[int, ...], ...], model: TimingModel) -> float:
    """Check register counts on their own, without positions; return the longest delay (ns).

    All paths between two nodes must differ by exactly their dataflow delays, and every path
    between registers must fit the period; anything else raises :class:`AssertionError`.
    """
    shift: list[int | None] = [None] * len(netlist.nodes)
    readers = netlist.fanout()
    slot = [{id(edge): k for k, edge in enumerate(node.inputs)} for node in netlist.nodes]
    for root, node in enumerate(netlist.nodes):
        if shift[root] is not None:
            continue
        shift[root] = 0
        stack = [root]
        while stack:
            here = stack.pop()
            base = shift[here]
            assert base is not None
            node = netlist.nodes[here]
            moves = [
                (reader, registers[reader][slot[reader][id(edge)]] - edge.delay + node.latency)
                for reader, edge in readers[here]
            ] + [
                (
                    edge.source,
                    -registers[here][k] + edge.delay - netlist.nodes[edge.source].latency,
                )
                for k, edge in enumerate(node.inputs)
            ]
            for other, step in moves:
                if shift[other] is None:
                    shift[other] = base + step
                    stack.append(other)
                assert shift[other] == base + step, (
                    f"data at {netlist.nodes[other].name} arrive in different cycles"
                )
    assert all(count >= 0 for counts in registers for count in counts), "negative delay"
    worst = arrivals(netlist, registers, model)
    assert worst <= model.budget + TOLERANCE, f"a path takes {worst:.3f} ns"
    return worst

"""Exits: what several dataflows give to one place waits in one delay line, behind the choice.

A ``choose`` in front of the output memory takes, for each dataflow, a value that is as late as its
skew asks for, each from a delay line of its own.  Of these the latest is chosen from first: by
choices in a row, the next value joins the line as many cycles later as it is less late.

The choices in front see the dataflow as many cycles before the last one as their values do: it
stays for a whole problem, and no value comes before the first iteration of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from accelgen.netlist.dataflows import is_by_dataflow
from accelgen.netlist.graph import Edge, Netlist, Node
from accelgen.passes.base import NetlistPass, ordered, with_inputs
from accelgen.passes.exits_check import verify

__all__ = ["EXITS", "line_bits"]


def run(netlist: Netlist) -> Netlist:
    """Put every choice into a row for which that takes fewer registers."""
    nodes = netlist.nodes
    # Numbers of nodes that are there already stay; new ones go in front of what they are made of.
    places = list(range(len(nodes)))
    for number, readers in enumerate(netlist.fanout()):
        node = netlist.nodes[number]
        by_dataflow = is_by_dataflow(netlist.nodes, node)
        if node.home[0] == "exit" and by_dataflow and len(readers) == 1:
            made = _in_a_row(nodes, number, *readers[0])
            if line_bits(made) < line_bits(nodes):
                places += [number] * (len(made) - len(nodes))
                nodes = made
    if nodes is netlist.nodes:
        return netlist
    key = {number: (place, number == place, number) for number, place in enumerate(places)}
    return replace(netlist, nodes=ordered(dict(enumerate(nodes)), key.__getitem__))


def _in_a_row(nodes: Sequence[Node], number: int, reader: int, out: Edge) -> tuple[Node, ...]:
    """The nodes with one of them, read by ``reader``, as several choices, new ones at the end."""
    made = list(nodes)
    node = nodes[number]
    *edges, switch = node.inputs
    *steps, last = sorted({edge.delay for edge in edges}, reverse=True)
    # What has joined so far, the places it is of, and how late it is to what leaves the row.
    line, joined = None, set[int]()
    for late in (*steps, last):
        places = [place for place, edge in enumerate(edges) if edge.delay == late]
        inputs = [replace(edges[place], delay=0) for place in places]
        table = {place: k for k, place in enumerate(places)}
        if line is not None:
            table |= dict.fromkeys(joined, len(inputs))
            inputs.append(replace(line, delay=line.delay - late))
        joined |= set(places)
        # A dataflow whose value comes in later may take anything.
        parameters = tuple(table.get(int(str(taken)), 0) for taken in node.parameters)
        chosen = replace(with_inputs(node, [*inputs, switch]), parameters=parameters)
        if late == last:
            made[number] = chosen
        elif len(inputs) == 1:
            line = replace(inputs[0], delay=late)
        else:
            step = len(made) - len(nodes)
            name, group = f"{node.name}_line{step}", f"{node.group}.{step}"
            made.append(replace(chosen, name=name, group=group))
            line = Edge(len(made) - 1, late, "")
    behind = [replace(e, delay=e.delay + last) if e == out else e for e in nodes[reader].inputs]
    made[reader] = with_inputs(nodes[reader], behind)
    return tuple(made)


def line_bits(nodes: Sequence[Node]) -> int:
    """Bits of the registers that the dataflow asks for: of each value as late as it is read."""
    longest: dict[int, int] = {}
    for node in nodes:
        for edge in node.inputs:
            if edge.delay > longest.get(edge.source, 0):
                longest[edge.source] = edge.delay
    return sum(late * nodes[source].format.bits for source, late in longest.items())


EXITS = NetlistPass(
    "exits",
    "what several dataflows give to one place waits in one delay line",
    run,
    verify,
)

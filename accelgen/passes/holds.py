"""Holds: the register that keeps a stationary operand is that in which others are passed on.

Of several dataflows on one array, one holds an operand in a unit while another passes it from unit
to unit, or pipelines it: two registers, and a ``choose`` of the first or what goes to the second.
Here the choice comes first and one register behind it, which takes its input when the flag of the
held operand is set, or always in a dataflow that holds none.

A flag that a dataflow lacks is high in it (see :mod:`accelgen.netlist.fuse`), from its first
iteration on if it is taken no later than the value that it lets in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from accelgen.netlist.dataflows import is_by_dataflow, lacks
from accelgen.netlist.graph import Edge, Netlist, Node
from accelgen.passes.base import NetlistPass, ordered, with_inputs
from accelgen.passes.delay_problem import is_causal
from accelgen.passes.holds_check import verify

__all__ = ["HOLDS"]


def run(netlist: Netlist) -> Netlist:
    """Move holds behind the choices that read them, if values are late behind these."""
    readers = netlist.fanout()
    nodes = list(netlist.nodes)
    found = [
        (number, place)
        for number, node in enumerate(nodes)
        if node.home[0] == "pe" and is_by_dataflow(nodes, node)
        for place in [_held(netlist, readers, node)]
        if place is not None
    ]
    # What is read later of the value chosen has a register, which will be that of the hold.
    if not any(edge.delay for number, _ in found for _, edge in _behind(netlist, readers, number)):
        return netlist
    for number, place in found:
        _swap(nodes, number, place)
    made = replace(netlist, nodes=ordered(dict(enumerate(nodes))))
    # What is passed on within a cycle has no time for a register.
    return made if is_causal(made) else netlist


def _held(
    netlist: Netlist, readers: Sequence[Sequence[tuple[int, Edge]]], node: Node
) -> int | None:
    """Which input of a choice is a hold that nothing else reads, of which it is known in which
    dataflows it holds.
    """
    nodes = netlist.nodes
    for place, edge in enumerate(node.inputs[:-1]):
        hold = nodes[edge.source]
        if hold.kind != "hold" or edge.delay or len(readers[edge.source]) > 1:
            continue
        others = [d for d, taken in enumerate(node.parameters) if taken != place]
        switch = nodes[hold.inputs[1].source]
        alone = switch.kind == "flag" or len(readers[hold.inputs[1].source]) == 1
        if alone and all(lacks(nodes, hold.inputs[1], d) for d in others):
            return place
    return None


def _behind(
    netlist: Netlist, readers: Sequence[Sequence[tuple[int, Edge]]], number: int
) -> list[tuple[int, Edge]]:
    """What reads the value chosen, wires looked through."""
    found = []
    for reader, edge in readers[number]:
        wire = netlist.nodes[reader].kind == "wire" and not edge.delay
        found += _behind(netlist, readers, reader) if wire else [(reader, edge)]
    return found


def _swap(nodes: list[Node], number: int, place: int) -> None:
    """Make a choice of what is held, and a hold of the choice: each takes the other's number."""
    chosen = nodes[number]
    *values, dataflow = chosen.inputs
    held = values[place].source
    hold = nodes[held]
    taken = [int(str(k)) for k in chosen.parameters]
    # No later than the value of any dataflow that holds none.
    most = min(values[k].delay for k in taken if k != place)
    switch = _early(nodes, hold, [k == place for k in taken], dataflow, most)
    values[place] = hold.inputs[0]
    nodes[number] = with_inputs(hold, [Edge(held, 0, ""), switch])
    nodes[held] = with_inputs(chosen, [*values, dataflow])


def _early(
    nodes: list[Node], hold: Node, holding: Sequence[bool], dataflow: Edge, most: int
) -> Edge:
    """The switch of a hold, at most ``most`` cycles late in dataflows that are not ``holding``."""
    switch = hold.inputs[1]
    source = nodes[switch.source]
    if source.kind == "choose":
        *taps, _ = source.inputs
        table = [int(str(k)) for k in source.parameters]
    else:
        taps, table = [switch], [0] * len(holding)
    early = next((k for k, tap in enumerate(taps) if tap.delay <= most), len(taps))
    table = [
        k if holds or taps[k].delay <= most else early
        for k, holds in zip(table, holding, strict=True)
    ]
    if early == len(taps) and early in table:
        taps.append(replace(taps[0], delay=0))
    if source.kind == "choose":
        node, number = source, switch.source
    elif len(taps) == 1:
        return switch
    else:
        name = f"{hold.name}_{switch.port}"
        node = Node(
            "choose", name, hold.home, f"choose.{hold.group}.{switch.port}", source.format, 0, ()
        )
        number = len(nodes)
        nodes.append(node)
    taps = [replace(tap, port=f"{switch.port}_{hold.name}_{k}") for k, tap in enumerate(taps)]
    choice = replace(dataflow, port=f"dataflow_{hold.name}_{switch.port}")
    nodes[number] = replace(with_inputs(node, [*taps, choice]), parameters=tuple(table))
    return Edge(number, 0, switch.port)


HOLDS = NetlistPass(
    "holds",
    "the register of a stationary operand passes on those of other dataflows",
    run,
    verify,
)

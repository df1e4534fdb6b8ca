"""Does every reader still get the same value in the same cycle, for no more registers and wires?"""

from __future__ import annotations

from collections.abc import Mapping

from accelgen.netlist.graph import Edge
from accelgen.passes import delay_check
from accelgen.passes.delay_matching import Pipeline
from accelgen.passes.metrics import wire_length
from accelgen.passes.timing import TimingModel

__all__ = ["verify"]

Place = tuple[object, str]


def verify(before: Pipeline, after: Pipeline, model: TimingModel) -> None:
    """Raise :class:`AssertionError` unless, relays apart, all nodes read what they did before, as
    many registers late, and neither register bits nor wires are more than they were.
    """
    if before is after:
        return
    known = {(node.home, node.name): n for n, node in enumerate(before.netlist.nodes)}
    relays = {
        n for n, node in enumerate(after.netlist.nodes) if (node.home, node.name) not in known
    }
    assert all(after.netlist.nodes[n].kind == "wire" for n in relays)
    assert len(after.netlist.nodes) - len(relays) == len(known), "a node is missing"
    for number, node in enumerate(after.netlist.nodes):
        if number in relays:
            continue
        old = known[node.home, node.name]
        was = before.netlist.nodes[old]
        same = (was.kind, was.group, was.format, was.latency, was.parameters, was.ways)
        assert same == (
            node.kind, node.group, node.format, node.latency, node.parameters, node.ways
        )  # fmt: skip
        assert _read(before, old, frozenset()) == _read(after, number, relays), (
            f"{node.name} reads another value"
        )
    assert _enables(before) == _enables(after), "registers have other enables"
    delay_check.verify(after.netlist, after.registers, model)
    assert _bits(after) <= _bits(before), "there are more register bits than there were"
    lengths = [wire_length(p.netlist, p.registers) for p in (before, after)]
    assert lengths[1] <= lengths[0], "there is more wire than there was"


def _enables(pipeline: Pipeline) -> list[object]:
    """By place, which registers have which enables."""

    def place(number: int) -> Place:
        node = pipeline.netlist.nodes[number]
        return node.home, node.name

    return [
        (place(e.node), e.stage, [(place(wire), values) for wire, values in e.terms])
        for e in pipeline.enables
    ]


def _read(
    pipeline: Pipeline, number: int, relays: frozenset[int] | set[int]
) -> list[tuple[Place, int, int, str]]:
    """What the inputs of a node are: the node behind all relays, delay and registers on the way."""
    nodes = pipeline.netlist.nodes
    found: list[tuple[Place, int, int, str]] = []
    for edge, count in zip(nodes[number].inputs, pipeline.registers[number], strict=True):
        source, delay, registers = edge.source, edge.delay, count
        while source in relays:
            (through,) = nodes[source].inputs
            registers += pipeline.registers[source][0]
            source, delay = through.source, delay + through.delay
        found.append(((nodes[source].home, nodes[source].name), delay, registers, edge.port))
    return found


def _bits(pipeline: Pipeline) -> int:
    """Register bits on edges: per value the longest way it is read late."""
    longest: dict[int, int] = {}
    nodes = pipeline.netlist.nodes
    for node, counts in zip(nodes, pipeline.registers, strict=True):
        edges: Mapping[Edge, int] = dict(zip(node.inputs, counts, strict=True))
        for edge, count in edges.items():
            if nodes[edge.source].kind != "constant":
                longest[edge.source] = max(longest.get(edge.source, 0), count)
    return sum(count * nodes[source].format.bits for source, count in longest.items())

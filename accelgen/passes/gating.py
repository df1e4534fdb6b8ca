"""Clock and operand gating: registers of units keep still while their value does not count.

A value counts where some reader lets it through: a gate whose conditions are met, a multiplexer
that takes it, a register that loads, a sum or a write of an iteration that is issued.  Of each
register in a unit it is worked out, against the flow of the data, which conditions all of its
readers agree on; it loads only when these are met, and so do all that it would have switched.
Synthesis makes of these enables gated clocks (Yosys: ``clockgate``) or flip-flops with enable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from accelgen.formats import IntFormat
from accelgen.netlist.fuse import conditions_of
from accelgen.netlist.graph import Edge, Home, Netlist, Node, enable_of
from accelgen.passes.base import PipelinePass
from accelgen.passes.delay_matching import Enable, Pipeline
from accelgen.passes.delay_problem import ORIGIN
from accelgen.passes.gating_check import verify

__all__ = ["GATING"]

Care = Mapping[tuple[int, int], frozenset[int]]
"""Values that matter only when, for each (flag, k), that flag is one of these values ``k`` cycles
of the dataflow after them.
"""

LEAST_BITS = 4
"""Narrower registers are not worth an enable."""


def run(pipeline: Pipeline) -> Pipeline:
    """Give an enable to every register that can do with one."""
    if pipeline.netlist.frame is None or not pipeline.shared:
        return pipeline
    given, (pipeline, issue) = pipeline, _with_issue(pipeline)
    netlist = pipeline.netlist
    cares = _cares(netlist, issue)
    longest = [0] * len(netlist.nodes)
    lines: list[list[tuple[int, Care]]] = [[] for _ in netlist.nodes]
    for number, node in enumerate(netlist.nodes):
        for k, (edge, count) in enumerate(
            zip(node.inputs, pipeline.registers[number], strict=True)
        ):
            longest[edge.source] = max(longest[edge.source], count)
            # Registers towards the memory are outside the units.
            if node.kind != "write":
                lines[edge.source].append((count, _of_edge(netlist, number, k, cares, issue)))
    gates = _Gates(pipeline)
    for number, node in enumerate(netlist.nodes):
        if node.home[0] not in ("pe", "sum") or node.format.bits < LEAST_BITS:
            continue
        if (
            node.kind == "accumulate"
            and enable_of(node) is None
            and _is_of_iterations(netlist, node)
        ):
            # What it adds between the last term of a sum and the first of the next is lost anyway.
            wire = gates.wire(node.home, issue, pipeline.registers[number][1])
            gates.enables.append(Enable(number, 0, ((wire, (1,)),)))
        for stage in range(1, max((count for count, _ in lines[number]), default=0) + 1):
            care = _agreed([care for count, care in lines[number] if count >= stage])
            leaves = gates.positions[node.group] + node.latency + stage - 1
            terms = []
            for (flag, shift), values in sorted(care.items()):
                source = netlist.nodes[flag]
                late = leaves - shift - gates.positions[source.group] - source.latency
                # A condition must be there in time, and take no longer a delay line than there is.
                there = late >= 0 and (flag == issue or late <= longest[flag])
                if there and _is_worth(source, values):
                    terms.append((gates.wire(node.home, flag, late), tuple(sorted(values))))
            if terms:
                gates.enables.append(Enable(number, stage, tuple(terms)))
    return gates.finish() if gates.enables else given


def _is_worth(flag: Node, values: frozenset[int]) -> bool:
    """Whether a condition keeps a register still for more than a cycle of many."""
    often = {"last": 0, "first": 0, "inside": 1}
    conditions = conditions_of(flag, 1) if flag.kind == "flag" else ()
    dataflow = conditions[:1] == (("dataflow",),)
    if len(values) == (flag.ways if dataflow else 1 << flag.format.bits):
        return False  # what some dataflows, or depths, do not need, the others do
    # Of several dataflows, one is enough.
    return any(c is not None and values != {often.get(str(c[0]))} for c in conditions)


class _Gates:
    """Collects enables, and the wires on which units take the conditions."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._nodes = list(pipeline.netlist.nodes)
        self._registers = list(pipeline.registers)
        self._wires: dict[Home, dict[tuple[int, int], int]] = {}
        self.positions = dict(pipeline.positions)
        self.enables: list[Enable] = []

    def wire(self, home: Home, flag: int, late: int) -> int:
        """The wire of a unit with the flag of ``late`` cycles ago."""
        known = self._wires.setdefault(home, {})
        if (flag, late) not in known:
            source, name = self._nodes[flag], f"enable{len(known)}"
            position = late + self.positions[source.group] + source.latency
            group = f"enable.{position}"
            self.positions[group] = position
            known[flag, late] = len(self._nodes)
            inputs = (Edge(flag, 0, name),)
            self._nodes.append(Node("wire", name, home, group, source.format, 0, inputs))
            self._registers.append((late,))
        return known[flag, late]

    def finish(self) -> Pipeline:
        """The pipeline with all of it."""
        return replace(
            self._pipeline,
            netlist=Netlist(tuple(self._nodes), self._pipeline.netlist.frame),
            positions=tuple(sorted(self.positions.items())),
            registers=tuple(self._registers),
            enables=tuple(self.enables),
        )


def _with_issue(pipeline: Pipeline) -> tuple[Pipeline, int]:
    """The pipeline with a flag that says whether an iteration is issued, and its node."""
    netlist = pipeline.netlist
    for number, node in enumerate(netlist.nodes):
        if node.kind == "flag" and set(conditions_of(node, 1)) == {("issue",)}:
            return pipeline, number
    ways = max((node.ways for node in netlist.nodes if node.group == ORIGIN), default=1)
    flag = Node(
        "flag",
        "iteration",
        ("control", 0),
        ORIGIN,
        IntFormat(1, signed=False),
        1,
        (),
        ("issue",),
        ways,
    )
    added = Netlist((*netlist.nodes, flag), netlist.frame)
    registers = (*pipeline.registers, ())
    return replace(pipeline, netlist=added, registers=registers), len(netlist.nodes)


def _cares(netlist: Netlist, issue: int) -> list[Care]:
    """Of every node, what all its readers agree on."""
    readers = netlist.fanout()
    nodes = netlist.nodes
    cares: list[Care] = [{} for _ in nodes]
    for number in reversed(range(len(nodes))):
        found = []
        for reader, edge in readers[number]:
            if reader <= number and not nodes[reader].latency:
                break  # feedback through logic: not looked into
            position = nodes[reader].inputs.index(edge)
            found.append(_of_edge(netlist, reader, position, cares, issue))
        else:
            cares[number] = _agreed(found)
    return cares


def _agreed(cares: list[Care]) -> Care:
    """The conditions that all have, with all the values that any lets through."""
    if not cares:
        return {}
    first, *others = cares
    agreed = {}
    for key, values in first.items():
        if all(key in care for care in others):
            agreed[key] = values.union(*(care[key] for care in others))
    return agreed


def _of_edge(netlist: Netlist, reader: int, position: int, cares: list[Care], issue: int) -> Care:
    """When the value on an edge matters."""
    nodes = netlist.nodes
    node = nodes[reader]
    edge = node.inputs[position]
    care: dict[tuple[int, int], frozenset[int]] = {}

    def when(flag: Edge, values: frozenset[int], later: int = 0) -> None:
        key = (flag.source, edge.delay - flag.delay - later)
        care[key] = care.get(key, values) & values

    if not node.latency and node.kind != "write":
        # Whenever what it makes of it matters.  Of a flag that decides here as well, that will do:
        # chains would collect one condition more at every unit.
        near = {e.source for e in node.inputs} if node.kind in ("gate", "select", "choose") else ()
        care |= {
            (f, k + edge.delay): values for (f, k), values in cares[reader].items() if f not in near
        }
    met = frozenset({1})
    if node.kind == "gate" and position == 0:
        for flag in node.inputs[1:]:
            when(flag, met)
    elif node.kind == "multiply":
        other = node.inputs[1 - position]
        factor = nodes[other.source]
        if factor.kind == "gate":
            for flag in factor.inputs[1:]:
                when(flag, met, other.delay)
    elif node.kind == "select" and position < 2:
        when(node.inputs[2], frozenset({1 - position}))
    elif node.kind == "choose" and position < len(node.inputs) - 1:
        takers = (d for d, taken in enumerate(node.parameters) if taken == position)
        when(node.inputs[-1], frozenset(takers))
    elif node.kind == "hold" and position == 0:
        when(node.inputs[1], met)
    elif node.kind == "accumulate" and position in _summed(node) and enable_of(node) is not None:
        enable = enable_of(node)
        assert enable is not None
        when(enable, met)
    elif node.kind == "accumulate" and position == 0 and _is_of_iterations(netlist, node):
        when(Edge(issue, node.inputs[1].delay, ""), met)
    elif node.kind == "write" and position == 0 and (frame := netlist.frame) and frame.settled:
        # Whether an element is written is known at the memory, too late and too far away.
        issues, writes = frame.issues, frame.writes
        if (issues.extents, issues.strides) == (writes.extents, writes.strides):
            # What is written is of the iteration issued so many cycles before.
            when(Edge(issue, writes.start, ""), met)
    return care


def _summed(node: Node) -> tuple[int, ...]:
    """The inputs of a running sum that it adds: a term, and what a neighbour passes on."""
    chained = node.parameters[:1] == ("chained",)
    return (0, len(node.inputs) - 2) if chained else (0,)


def _is_of_iterations(netlist: Netlist, node: Node) -> bool:
    """Whether a sum need not ask to take only what belongs to an iteration."""
    first, frame = netlist.nodes[node.inputs[1].source], netlist.frame
    if first.kind != "flag" or first.parameters[0] != "first":
        return False
    level = first.parameters[1]
    assert isinstance(level, int)
    return frame is not None and frame.is_gapless(level)


GATING = PipelinePass(
    "gating", "clock and operand gating: registers keep still while they do not count", run, verify
)

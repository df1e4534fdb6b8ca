"""Constant and dead logic removal.

Conditions that the loop bounds decide, where these are known; multiplexers whose inputs are the
same, gates without conditions, zeros that are added or multiplied, and nodes that reach no write.
Memory ports stay: how many there are was decided with the banks.
"""

from __future__ import annotations

from dataclasses import replace

from accelgen.formats import IntFormat
from accelgen.netlist.graph import RING, Edge, Frame, Home, Netlist, Node
from accelgen.passes.base import NetlistPass, ordered, with_inputs
from accelgen.passes.constants_check import verify
from accelgen.passes.truths import simplified

__all__ = ["CONSTANTS"]

ZERO = Edge(-1, 0, "")
"""In place of an edge: zero, at all times."""


def run(netlist: Netlist) -> Netlist:
    """Fold until nothing is left to fold, then keep what the writes need."""
    if netlist.frame is None:
        return netlist
    folding = _Folding(netlist, netlist.frame)
    while folding.round():
        pass
    return replace(netlist, nodes=ordered(folding.finish()))


class _Folding:
    def __init__(self, netlist: Netlist, frame: Frame) -> None:
        self._frame = frame
        self._given = netlist.nodes
        self._nodes = dict(enumerate(netlist.nodes))
        self._alias: dict[int, Edge] = {}
        self._value: dict[int, bool] = {}
        known: dict[tuple[str, tuple[object, ...]], int] = {}
        for number, node in enumerate(netlist.nodes):
            if node.kind != "flag":
                continue
            found = simplified(node, frame) if frame.settled else node
            if isinstance(found, bool):
                self._value[number] = found
                continue
            self._nodes[number] = found
            first = known.setdefault((found.group, found.parameters), number)
            if first != number:
                self._alias[number] = Edge(first, 0, "")

    def round(self) -> bool:
        """Fold every node once; whether that changed anything."""
        changed = False
        for number, node in list(self._nodes.items()):
            if number in self._alias or node.kind == "flag":
                continue
            inputs = tuple(self._resolved(edge) for edge in node.inputs)
            if inputs != node.inputs:
                node = with_inputs(node, inputs)
            found = self._folded(node)
            if found is None:
                del self._nodes[number]
                changed = True
            elif isinstance(found, Edge):
                self._alias[number] = found
                changed = True
            elif found is not self._nodes[number]:
                self._nodes[number] = found
                changed = True
        return changed

    def _resolved(self, edge: Edge) -> Edge:
        while (found := self._alias.get(edge.source)) is not None:
            if found is ZERO:
                return ZERO
            # The port is the reader's; within a sum it may have none.
            edge = Edge(found.source, edge.delay + found.delay, edge.port or found.port)
        return edge

    def _folded(self, node: Node) -> Node | Edge | None:
        """What stands for the node: one with fewer inputs, an edge, or nothing at all."""
        inputs = node.inputs
        if node.kind == "write":
            return None if self._value.get(inputs[1].source) is False else node
        if node.kind == "gate":
            return self._gate(node)
        if node.kind == "select":
            choice = self._value.get(inputs[2].source)
            if choice is not None:
                return inputs[0 if choice else 1]
            return inputs[0] if _same(inputs[0], inputs[1]) else node
        if node.kind == "choose":
            taken = [inputs[int(str(k))] for k in node.parameters]
            return taken[0] if all(_same(taken[0], edge) for edge in taken) else node
        if node.kind == "multiply" and ZERO in inputs:
            return ZERO
        if node.kind == "add" and ZERO in inputs:
            other = inputs[0] if inputs[1] is ZERO else inputs[1]
            narrower = other is not ZERO and (
                node.format.bits < self._nodes[other.source].format.bits
            )
            return node if narrower else other
        if node.kind in ("wire", "hold", "accumulate") and inputs and inputs[0] is ZERO:
            return ZERO
        if node.kind == "accumulate" and len(inputs) > 2 and self._is_tight(node):
            return with_inputs(node, inputs[:2])
        return node

    def _gate(self, node: Node) -> Node | Edge:
        data, *conditions = node.inputs
        if data is ZERO or any(self._value.get(edge.source) is False for edge in conditions):
            return ZERO
        kept = [edge for edge in conditions if edge.source not in self._value]
        if not kept:
            return data
        if len(kept) == len(conditions):
            return node
        # Ports are numbered from 0 in every unit, to keep units alike.
        ports = (edge.port for edge in conditions)
        return with_inputs(
            node, [data, *(Edge(e.source, e.delay, p) for e, p in zip(kept, ports, strict=False))]
        )

    def _is_tight(self, node: Node) -> bool:
        """Whether an iteration is issued in every cycle of a sum: no need to ask."""
        _, first, issue = node.inputs
        kind, level = self._nodes[first.source].parameters[:2]
        if kind != "first" or self._nodes[issue.source].parameters != ("issue",):
            return False
        assert isinstance(level, int)
        return self._frame.is_gapless(level) and first.delay == issue.delay

    def finish(self) -> dict[int, Node]:
        """What the writes need, and the memory ports; zeros that remain become nodes."""
        live: set[int] = set()
        stack = [n for n, node in self._nodes.items() if node.kind in ("write", "read", "address")]
        while stack:
            number = stack.pop()
            if number in live:
                continue
            live.add(number)
            stack += [edge.source for edge in self._nodes[number].inputs if edge is not ZERO]
        kept: dict[int, Node] = {}
        zeros: dict[tuple[Home, IntFormat], int] = {}
        for number in sorted(live):
            node = self._nodes[number]
            if ZERO in node.inputs:
                home = node.home if node.kind != "write" else ("pe", 0)
                inputs = list(node.inputs)
                for position, edge in enumerate(inputs):
                    if edge is ZERO:
                        form = self._format_there(number, position)
                        # Numbers from -1 downwards: before all that read them.
                        zero = zeros.setdefault((home, form), -1 - len(zeros))
                        kept[zero] = _zero(home, form)
                        port = self._given[number].inputs[position].port
                        inputs[position] = Edge(zero, 0, port or kept[zero].name)
                node = with_inputs(node, inputs)
            kept[number] = node
        return kept

    def _format_there(self, number: int, position: int) -> IntFormat:
        """The format of a zero: as it was for those that read bits, and a bit for all others."""
        node = self._given[number]
        if node.kind in RING or node.kind == "write":
            return IntFormat(1, signed=False)
        return self._given[node.inputs[position].source].format


def _same(a: Edge, b: Edge) -> bool:
    return a.source == b.source and a.delay == b.delay


def _zero(home: Home, form: IntFormat) -> Node:
    name = "zero" if form.bits == 1 else f"zero{form.bits}"
    return Node("constant", name, home, f"{home[0]}.{name}", form, 0, ())


CONSTANTS = NetlistPass(
    "constants",
    "constant and dead logic: decided conditions, added zeros, what reaches no write",
    run,
    verify,
    alone=True,
)

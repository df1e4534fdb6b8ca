"""Is what a gated register misses never missed?

With the flow of the data, cycle by cycle: the value that a register did not take is followed
through all logic behind it, and on every way it must be stopped by the condition for which it was
not taken, as seen in that very cycle.  Nothing but register counts says which cycle that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from accelgen.netlist.graph import Edge, enable_of
from accelgen.passes import delay_check
from accelgen.passes.constants_check import issues_always
from accelgen.passes.delay_matching import Enable, Pipeline
from accelgen.passes.timing import TimingModel

__all__ = ["verify"]

State = tuple[int, frozenset[int], int, int, int]
"""A flag and its values, an input of a node, and how many cycles after the flag was looked at."""


def verify(before: Pipeline, after: Pipeline, model: TimingModel) -> None:
    """Raise :class:`AssertionError` unless the pipeline is the same but for enables, and each of
    them is sound.
    """
    if before is after:
        return
    count = len(before.netlist.nodes)
    assert after.netlist.nodes[:count] == before.netlist.nodes
    for node in after.netlist.nodes[count:]:
        assert node.kind == "wire" or node.parameters == ("issue",)
    assert after.registers[:count] == before.registers
    same = replace(
        after,
        netlist=before.netlist,
        registers=before.registers,
        positions=before.positions,
        enables=(),
    )
    assert same == before
    delay_check.verify(after.netlist, after.registers, model)
    readers = after.netlist.fanout()
    positions = dict(after.positions)
    proven: set[State] = set()
    for enable in after.enables:
        for term in enable.terms:
            _Pursuit(after, readers, positions, enable, term).all(proven)


class _Pursuit:
    """One condition of one register, which takes its value, or not, at the end of cycle 0."""

    def __init__(
        self,
        pipeline: Pipeline,
        readers: list[list[tuple[int, Edge]]],
        positions: Mapping[str, int],
        enable: Enable,
        term: tuple[int, tuple[int, ...]],
    ) -> None:
        self._pipeline, self._nodes, self._readers = pipeline, pipeline.netlist.nodes, readers
        self._positions, self._enable = positions, enable
        wire, values = term
        assert self._nodes[wire].home == self._nodes[enable.node].home
        self._values = frozenset(values)
        (self._flag,) = (edge.source for edge in self._nodes[wire].inputs)
        self._seen = -pipeline.registers[wire][0]
        """The cycle in which the flag had the value that was looked at."""

    def all(self, proven: set[State]) -> None:
        """Follow the value from behind the register, where that is not ``proven`` yet."""
        assert self._values
        source, stage = self._enable.node, self._enable.stage
        if stage == 0:
            assert self._nodes[source].kind == "accumulate", "only sums have registers inside"
            stops = self._is_no_iteration(source, 0)
            assert stops, f"{self._nodes[source].name} misses a term"
            return
        todo: list[tuple[int, int, int]] = []
        for reader, position, count in self._behind(source):
            if self._nodes[reader].kind != "write" and count >= stage:
                todo.append((reader, position, 1 + count - stage))
        while todo:
            here, position, cycle = todo.pop()
            state = (self._flag, self._values, here, position, cycle - self._seen)
            if state in proven:
                continue
            # Of what is behind it, this pursuit takes care.
            proven.add(state)
            if self._stops(here, position, cycle):
                continue
            node = self._nodes[here]
            passes_on = node.latency == 0 and node.kind != "write"
            assert passes_on, f"{self._nodes[source].name} misses what {node.name} takes"
            todo += [(reader, k, cycle + count) for reader, k, count in self._behind(here)]

    def _behind(self, number: int) -> list[tuple[int, int, int]]:
        """The readers of a node: which input, how many registers away."""
        found = []
        for reader, edge in self._readers[number]:
            position = self._nodes[reader].inputs.index(edge)
            found.append((reader, position, self._pipeline.registers[reader][position]))
        return found

    def _is_it(self, number: int, position: int, cycle: int) -> bool:
        """Whether an input of a node is, in that cycle, the value of the flag looked at."""
        edge = self._nodes[number].inputs[position]
        count = self._pipeline.registers[number][position]
        return edge.source == self._flag and cycle - count == self._seen

    def _stops(self, number: int, position: int, cycle: int) -> bool:
        node = self._nodes[number]
        match node.kind:
            case "gate" if position == 0:
                flags = range(1, len(node.inputs))
                return 1 in self._values and any(self._is_it(number, k, cycle) for k in flags)
            case "multiply":
                other = node.inputs[1 - position].source
                before = cycle - self._pipeline.registers[number][1 - position]
                gate = self._nodes[other]
                return gate.kind == "gate" and self._stops(other, 0, before)
            case "select" if position < 2:
                return 1 - position in self._values and self._is_it(number, 2, cycle)
            case "choose" if position < len(node.inputs) - 1:
                takers = {d for d, taken in enumerate(node.parameters) if taken == position}
                return takers <= self._values and self._is_it(number, len(node.inputs) - 1, cycle)
            case "hold" if position == 0:
                return 1 in self._values and self._is_it(number, 1, cycle)
            case "accumulate" if position == 0:
                return self._is_no_iteration(number, cycle)
            case "accumulate" if node.parameters[:1] == ("chained",):
                # What is passed on is the last input but the dataflow.
                passed = position == len(node.inputs) - 2
                return passed and 1 in self._values and self._is_disabled(number, cycle)
            case "write" if position == 0:
                return self._is_unwritten(number, cycle)
        return False

    def _is_no_iteration(self, number: int, cycle: int) -> bool:
        """Whether a sum takes no term that belongs to an iteration not issued."""
        node = self._nodes[number]
        if 1 not in self._values:
            return False
        if self._is_disabled(number, cycle):
            return True
        first = self._nodes[node.inputs[1].source]
        frame = self._pipeline.netlist.frame
        flag = self._nodes[self._flag]
        assert frame is not None
        if flag.parameters != ("issue",) or first.parameters[0] != "first":
            return False
        # The iteration that the sum believes in is that which the flag speaks of, and ...
        at = cycle - self._pipeline.registers[number][1] - first.latency
        if at - self._position(first.group) != self._iteration():
            return False
        # ... between the first and the last of a sum one is issued in every cycle.
        level = int(str(first.parameters[1]))
        asks = len(node.inputs) > 2
        return issues_always(frame, level) or (
            asks
            and self._nodes[node.inputs[2].source].parameters == ("issue",)
            and node.inputs[2].delay == node.inputs[1].delay
        )

    def _is_disabled(self, number: int, cycle: int) -> bool:
        """Whether what lets a running sum take anything is, in that cycle, the flag looked at."""
        enable = enable_of(self._nodes[number])
        inputs = self._nodes[number].inputs
        return enable is not None and self._is_it(number, inputs.index(enable), cycle)

    def _is_unwritten(self, number: int, cycle: int) -> bool:
        """Whether nothing is written, since the iteration it would be of is not issued."""
        frame = self._pipeline.netlist.frame
        assert frame is not None
        issue = self._nodes[self._flag].parameters == ("issue",)
        if not frame.settled or not issue or 1 not in self._values:
            return False
        one_each = frame.issues.gaps == frame.writes.gaps and (
            frame.issues.extents == frame.writes.extents
        )
        issued = cycle - self._position(self._nodes[number].group) - frame.writes.start
        return one_each and issued == self._iteration()

    def _iteration(self) -> int:
        """The cycle of the dataflow that the flag speaks of."""
        flag = self._nodes[self._flag]
        return self._seen - flag.latency - self._position(flag.group)

    def _position(self, group: str) -> int:
        return self._positions[group]

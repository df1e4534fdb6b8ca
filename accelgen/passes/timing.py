"""Combinational delay of the primitives, and the budget a clock period leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2

from accelgen.netlist.graph import Netlist, Node
from accelgen.netlist.ring import Ring
from accelgen.passes.compose_timing import COMPOSE_DELAYS
from accelgen.passes.dot_timing import DOT_DELAYS
from accelgen.passes.float_timing import FLOAT_DELAYS
from accelgen.passes.multi_format_timing import MULTI_FORMAT_DELAYS
from accelgen.technology import Technology

__all__ = ["TimingModel", "arrivals"]

_STEPS = {**DOT_DELAYS, **COMPOSE_DELAYS, **FLOAT_DELAYS, **MULTI_FORMAT_DELAYS}
_FREE = frozenset(("read", "address", "write", "wire", "constant"))
"""Kinds whose inputs go to a register or a memory at once, or that only name a value."""

TOLERANCE = 1e-9
"""Nanoseconds by which sums of delays may miss the budget through rounding."""


@dataclass(frozen=True)
class TimingModel:
    """Delays of netlist primitives in a technology, for one clock period (ns)."""

    technology: Technology
    period: float

    @property
    def budget(self) -> float:
        """What remains of the period between a register's output and the next one's setup."""
        return self.period - self.overhead

    @property
    def overhead(self) -> float:
        """Clock-to-output plus setup of a register."""
        return self.technology.delay("register", 1) + self.technology.setup

    def arriving(self, node: Node, inputs: Sequence[Node]) -> float:
        """Delay from the inputs of a node to its output, or to its inner register."""
        delay = self.technology.delay
        width = node.format.bits
        if node.kind == "multiply":
            return delay("mul", inputs[0].format.bits, inputs[1].format.bits)
        if node.kind in ("add", "accumulate"):
            return delay("add", width)
        if node.kind in ("select", "hold"):
            return delay("mux", width)
        if node.kind == "choose":
            return delay("mux", width, max(2, len(inputs) - 1))
        if node.kind == "fifo":
            ring = Ring.of(node)
            word = delay("add", ring.counter_bits) + delay("mux", width, ring.words)
            return word + delay("mux", width)
        if node.kind == "gate":
            return delay("and", width) * ceil(log2(max(2, len(inputs))))
        if node.kind == "write" and node.ways > 1:
            return delay("mux", width, node.ways)
        if node.kind in _STEPS:
            return _STEPS[node.kind](self.technology, node, inputs)
        if node.kind == "flag":
            return delay("compare_constant", _bits(node.ways)) + delay("and", 1)
        assert node.kind in _FREE, f"{node.kind} has no delay"
        return 0.0

    def leaving(self, node: Node) -> float:
        """Delay from a node's inner register to its output, beyond the clock-to-output time."""
        if node.kind == "read" and node.latency == 1:
            return self._memory(node.ways, node.format.bits)
        return 0.0

    def _memory(self, words: int, width: int) -> float:
        """Clock to data of a memory, macro or registers, beyond that of a register."""
        technology = self.technology
        data = min(technology.delay(kind, words, width) for kind in ("memory", "regfile"))
        return max(0.0, data - technology.delay("register", 1))

    def loop(self, node: Node) -> float:
        """Delay of the loop from a node's inner register back to itself."""
        delay, width = self.technology.delay, node.format.bits
        if node.kind == "accumulate":
            return delay("and", width) + delay("add", width)
        if node.kind == "write" and (words := node.parameters[1]):
            # An accumulating memory: the word or one still on its way to it, and the adder.
            assert isinstance(words, int)
            return self._memory(words, width) + 3 * delay("mux", width) + delay("add", width)
        if node.kind == "read" and node.latency > 1:
            # Between the registers around a rotating memory.
            return self._memory(node.ways, width)
        if node.kind == "address":
            # Which loop steps, by how much, whether the residue wraps, then the address.
            (modulus,) = node.parameters
            assert isinstance(modulus, int)
            step = delay("and", 1) * _bits(node.ways) + delay("mux", width, node.ways + 1)
            if modulus > 1:
                step += delay("add", _bits(modulus)) + delay("compare_constant", _bits(modulus))
            return step + delay("add", width)
        return 0.0


def arrivals(netlist: Netlist, registers: Sequence[Sequence[int]], model: TimingModel) -> float:
    """The longest combinational delay between registers when edge ``e`` of node ``n`` has
    ``registers[n][e]`` of them; a loop without registers raises ``AssertionError``.
    """
    count = len(netlist.nodes)
    waiting = [0] * count
    readers: list[list[int]] = [[] for _ in range(count)]
    for number, node in enumerate(netlist.nodes):
        for edge, held in zip(node.inputs, registers[number], strict=True):
            if held == 0 and netlist.nodes[edge.source].latency == 0:
                waiting[number] += 1
                readers[edge.source].append(number)
    ready = [n for n in range(count) if not waiting[n]]
    out = [model.leaving(node) for node in netlist.nodes]
    worst, seen = 0.0, 0
    while ready:
        number = ready.pop()
        seen += 1
        node = netlist.nodes[number]
        sources = [netlist.nodes[e.source] for e in node.inputs]
        start = max(
            (
                out[edge.source] if held == 0 else 0.0
                for edge, held in zip(node.inputs, registers[number], strict=True)
            ),
            default=0.0,
        )
        inside = start + model.arriving(node, sources)
        worst = max(worst, inside, model.loop(node))
        if node.latency == 0:
            out[number] = inside
        worst = max(worst, out[number])
        for reader in readers[number]:
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    assert seen == count, "a combinational loop"
    return worst


def _bits(values: int) -> int:
    """Bits of an index with that many values; at least 2, the narrowest comparison measured."""
    return max(2, (values - 1).bit_length())

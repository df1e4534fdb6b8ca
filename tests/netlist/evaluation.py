"""What a netlist computes, and that no value ever exceeds the width of its node.

Nodes are evaluated in the dataflow's own time (edges have their delays, pipeline registers do
not exist yet), on the smallest and largest values of every type.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelgen.affine import Description
from accelgen.fabric.build import build_fabric
from accelgen.fabric.fabric import Fabric, Guard
from accelgen.netlist.build import build_netlist
from accelgen.netlist.graph import Netlist, Node
from accelgen.passes import rewrite
from tests.fabric.trace import accesses, affine, holds, plus

Tensor = NDArray[np.int64]
Index = tuple[int, ...]


class Evaluation:
    """Values of the nodes of a netlist, by cycle; ``None`` is undefined."""

    def __init__(self, fabric: Fabric, netlist: Netlist, inputs: dict[str, Tensor]) -> None:
        self.fabric, self.netlist, self.inputs = fabric, netlist, inputs
        loops = product(*map(range, fabric.kernel.time_extents))
        self.issued = {fabric.schedule.flat(t): t for t in loops}
        self.plans = {plan.tensor.name: plan for plan in fabric.inputs}
        self.reads = {name: dict(accesses(p.pattern)) for name, p in self.plans.items()}
        self.value = cache(self._value)

    def _value(self, number: int, cycle: int) -> int | None:
        node = self.netlist.nodes[number]
        found = self._compute(node, cycle)
        if found is not None:
            assert node.format.holds(found, found), f"{node.name} is {found} in {node.format}"
        return found

    def _input(self, node: Node, k: int, cycle: int) -> int | None:
        edge = node.inputs[k]
        return self.value(edge.source, cycle - edge.delay)

    def _compute(self, node: Node, cycle: int) -> int | None:
        def taken(k: int) -> int | None:
            return self._input(node, k, cycle)

        if node.kind == "flag":
            return self._flag(node, cycle)
        if node.kind == "read":
            return self._read(node, cycle)
        if node.kind == "wire":
            return taken(0)
        if node.kind == "constant":
            return 0
        if node.kind == "select":
            choice = taken(2)
            return None if choice is None else taken(0 if choice else 1)
        if node.kind == "gate":
            flags = [taken(k) for k in range(1, len(node.inputs))]
            if any(flag is None for flag in flags):
                return None
            return taken(0) if all(flags) else 0
        if node.kind in ("multiply", "add"):
            a, b = taken(0), taken(1)
            if node.kind == "multiply" and 0 in (a, b):
                return 0  # what a gate masks, whatever the other operands are
            if a is None or b is None:
                return None
            return a * b if node.kind == "multiply" else a + b
        if node.kind == "hold":
            return next(
                (self._input(node, 0, c) for c in range(cycle, -1, -1) if self._input(node, 1, c)),
                None,
            )
        assert node.kind == "accumulate", node.kind
        return self._accumulated(node, cycle)

    def _accumulated(self, node: Node, cycle: int) -> int | None:
        total = 0
        for c in range(cycle, -1, -1):
            if len(node.inputs) > 2 and not self._input(node, 2, c):
                continue
            term = self._input(node, 0, c)
            if term is None:
                return None
            total += term
            if self._input(node, 1, c):
                return total
        return None

    def _flag(self, node: Node, cycle: int) -> int | None:
        t = self.issued.get(cycle)
        kind, *arguments = node.parameters
        if kind in ("issue", "first", "last") and t is None:
            return 0
        if t is None:
            return None
        if kind == "issue":
            return 1
        extents = self.fabric.kernel.time_extents
        (argument,) = arguments
        if kind in ("first", "last"):
            assert isinstance(argument, int)
            wanted = [0 if kind == "first" else n - 1 for n in extents[argument:]]
            return int(list(t[argument:]) == wanted)
        if kind == "inside":
            assert isinstance(argument, tuple)
            return int(all(0 <= x - d < n for x, d, n in zip(t, argument, extents, strict=True)))
        assert isinstance(argument, Guard)
        kernel = self.fabric.kernel
        return int(holds((argument,), affine(kernel.time_matrix, t, kernel.offset)))

    def _read(self, node: Node, cycle: int) -> int | None:
        name, slot = node.parameters
        assert isinstance(name, str)
        assert isinstance(slot, int)
        t = self.reads[name].get(cycle)
        if t is None:
            return None
        pattern, tensor = self.plans[name].pattern, self.inputs[name]
        element = plus(affine(pattern.steps, t, pattern.origin), pattern.slots[slot])
        if all(0 <= x < n for x, n in zip(element, tensor.shape, strict=True)):
            return int(tensor[element])
        return None

    def output(self) -> Tensor:
        """What the write ports leave in the output memory."""
        plan = self.fabric.output
        memory: dict[Index, int] = {}
        for node in self.netlist.nodes:
            if node.kind != "write":
                continue
            slot = node.parameters[0]
            assert isinstance(slot, int)
            enable = self.netlist.nodes[node.inputs[1].source]
            kind, guards, members = enable.parameters
            assert kind == "write"
            assert isinstance(guards, tuple)
            for cycle, t in accesses(plan.pattern):
                base = affine(plan.pattern.steps, t, plan.pattern.origin)
                if not holds(guards, base) or (isinstance(members, int) and t[-1] >= members):
                    continue
                data = self._input(node, 0, cycle)
                assert data is not None, "an undefined value is written"
                element = plus(base, plan.pattern.slots[slot])
                memory[element] = data + (memory.get(element, 0) if plan.accumulate else 0)
        result = np.zeros(plan.tensor.shape, dtype=np.int64)
        for element, number in memory.items():
            result[element] = number
        return result


def check(description: Description, seed: int, without: Collection[str] = ()) -> None:
    """The netlist computes the expression, as it is built and after every pass."""
    fabric = build_fabric(description.lower(), 96)
    for name, netlist in rewrite(build_netlist(fabric), without):
        assert isinstance(netlist, Netlist)
        check_netlist(description, fabric, netlist, seed, name)


def check_netlist(
    description: Description, fabric: Fabric, netlist: Netlist, seed: int, name: str
) -> None:
    rng = np.random.default_rng(seed)
    fills = ("min", "max", "either")
    for fill in fills:
        inputs = {}
        for plan in fabric.inputs:
            limits = np.array([plan.tensor.format.min, plan.tensor.format.max], dtype=np.int64)
            count = prod(plan.tensor.shape)
            which = rng.integers(0, 2, count) if fill == "either" else fills.index(fill)
            inputs[plan.tensor.name] = np.broadcast_to(limits[which], count).reshape(
                plan.tensor.shape
            )
        expected = description.workload.evaluate(inputs)
        assert (Evaluation(fabric, netlist, inputs).output() == expected).all(), name

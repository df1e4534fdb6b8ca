"""The netlist computes the expression, and no value ever exceeds the width of its node.

Nodes are evaluated in the dataflow's own time (edges have their delays, pipeline registers do
not exist yet), on the smallest and largest values of every type.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelgen.affine import Description
from accelgen.fabric.build import build_fabric
from accelgen.fabric.fabric import Fabric, Guard
from accelgen.netlist.build import build_netlist
from accelgen.netlist.graph import Netlist, Node
from tests.affine.strategies import descriptions
from tests.fabric.trace import accesses, affine, holds, plus
from tests.shipped import SIZES, sized

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


def check(description: Description, seed: int) -> None:
    fabric = build_fabric(description.lower(), 96)
    netlist = build_netlist(fabric)
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
        assert (Evaluation(fabric, netlist, inputs).output() == expected).all()


@given(descriptions(), st.integers(0, 2**32))
@settings(max_examples=40)
def test_random_dataflows_compute_their_expression(description: Description, seed: int) -> None:
    kernel = description.lower()
    assume(prod(kernel.time_extents) * kernel.units <= 600)
    check(description, seed)


@pytest.mark.parametrize("name", ["gemm_os_systolic", "gemm_ws_systolic", "gemm_k_tree", "fir"])
def test_shipped_dataflows_compute_their_expression(name: str) -> None:
    check(sized(name, 1), 0)


@pytest.mark.parametrize("name", SIZES)
def test_names_tell_nodes_of_a_unit_apart(name: str) -> None:
    """Within a unit every node has a name of its own: names become signals."""
    netlist = build_netlist(build_fabric(sized(name, 1).lower()))
    netlist.check()
    named = [(node.home, node.name) for node in netlist.nodes]
    assert len(set(named)) == len(named)
    assert sum(len(readers) for readers in netlist.fanout()) == sum(
        len(node.inputs) for node in netlist.nodes
    )
    for node in netlist.nodes:
        ports = [edge.port for edge in node.inputs if edge.port]
        assert len(set(ports)) == len(ports)

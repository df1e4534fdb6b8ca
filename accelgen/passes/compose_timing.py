"""Combinational delay of the steps of composable products, made of measured primitives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from accelgen.netlist.graph import Node
from accelgen.technology import Technology

__all__ = ["COMPOSE_DELAYS"]

Delay = Callable[[Technology, Node, Sequence[Node]], float]

_LEVELS = (8, 11, 16, 21)
"""Bits of the sums after each level of the adder tree."""


def _select(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    # One of three by each mode; the modes drive sixteen multiplexers each.
    return 2 * technology.delay("mux", 32, 3) + technology.delay("and", 3)


def _multiply(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    return technology.delay("mul", 3, 3)


def _add(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    delay = technology.delay
    first, last = (int(str(level)) for level in node.parameters)
    return sum(delay("mux", width) + delay("add", width) for width in _LEVELS[first:last])


COMPOSE_DELAYS: Mapping[str, Delay] = MappingProxyType(
    {"compose_select": _select, "compose_multiply": _multiply, "compose_add": _add}
)
"""By kind of node (see :mod:`accelgen.netlist.compose`)."""

"""Combinational delay of the steps of the multi-format unit, made of measured primitives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from accelgen.netlist.graph import Node
from accelgen.netlist.multi_format import MultiFormatPlan
from accelgen.passes.dot_timing import Delay
from accelgen.technology import Technology

__all__ = ["MULTI_FORMAT_DELAYS"]


def _kind(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    return technology.delay("equal_constant", 2) + 2 * technology.delay("and", 1)


def _decode(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    delay = technology.delay
    lanes = _plan(node).lanes
    # The kind reaches all lanes while their integers are made positive.
    return max(delay("add", 4), delay("and", 4 * lanes)) + 2 * delay("mux", 4 * lanes)


def _significand(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    delay = technology.delay
    decoded = max(delay("equal_constant", 7), 2 * delay("compare_constant", 8))
    return decoded + 2 * delay("mux", 4)


def _exponent(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    delay, bits = technology.delay, node.format.bits
    return delay("equal_constant", 4) + delay("add", 8) + 2 * delay("mux", bits)


def _fold(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    delay, bits = technology.delay, node.format.bits
    return delay("equal_constant", 2) + delay("and", 1) + delay("mux", bits) + delay("add", bits)


def _bad(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    delay = technology.delay
    return delay("compare_constant", 8) + 3 * delay("and", 1) + delay("mux", 1)


def _place(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    delay = technology.delay
    return max(delay("equal_constant", 8), delay("equal_constant", 2) + delay("add", 8)) + delay(
        "mux", 8
    )


MULTI_FORMAT_DELAYS: Mapping[str, Delay] = MappingProxyType(
    {
        "multi_kind": _kind,
        "multi_decode": _decode,
        "multi_significand": _significand,
        "multi_exponent": _exponent,
        "multi_fold": _fold,
        "multi_bad": _bad,
        "multi_place": _place,
    }
)
"""By kind of node."""


def _plan(node: Node) -> MultiFormatPlan:
    (plan,) = node.parameters
    assert isinstance(plan, MultiFormatPlan)
    return plan

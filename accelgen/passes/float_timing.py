"""Combinational delay of the steps of floating-point units, made of measured primitives.

Counting leading zeros counts as choosing one of as many inputs as there are bits, which is a tree
of the same depth; finding any one among bits as comparing them with a constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from accelgen.netlist.floats import FixedToFloatPlan
from accelgen.netlist.graph import Node
from accelgen.passes.dot_timing import Delay
from accelgen.technology import Technology

__all__ = ["FLOAT_DELAYS"]


def _size(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    width = inputs[0].format.bits
    return technology.delay("add", width) + technology.delay("mux", width)


def _zeros(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    plan, delay = _plan(node), technology.delay
    count = delay("mux", plan.amount_bits, plan.padded)
    if plan.top_exponent - 1 >= plan.padded - 1:
        return count
    return count + delay("compare_constant", plan.amount_bits) + delay("mux", plan.amount_bits)


def _normal(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    plan, delay = _plan(node), technology.delay
    shift = delay("mux", plan.padded, plan.padded)
    lost = plan.padded - plan.kept
    sticky = delay("equal_constant", lost + 1) if lost else 0.0
    return max(shift + sticky, delay("add", plan.exponent_bits))


def _rounded(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    plan, delay = _plan(node), technology.delay
    mantissa = plan.format.mantissa_bits
    return delay("and", mantissa) + delay("add", plan.exponent_bits + mantissa)


def _limit(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    plan, delay = _plan(node), technology.delay
    return delay("equal_constant", plan.exponent_bits) + delay("mux", plan.format.width)


def _order(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    return technology.delay("compare", 31) + technology.delay("mux", 64)


def _distance(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    delay = technology.delay
    return (
        delay("equal_constant", 8) + delay("add", 8) + delay("equal_constant", 3) + delay("mux", 5)
    )


def _align(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    # The bits that are shifted out are gathered level by level.
    return technology.delay("mux", 27, 32) + technology.delay("equal_constant", 27)


def _add(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    return technology.delay("and", 28) + technology.delay("add", 28)


def _count(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    delay = technology.delay
    return delay("mux", 5, 28) + delay("compare", 8) + delay("mux", 5)


def _normalise(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    return max(technology.delay("mux", 28, 32), 2 * technology.delay("add", 9))


def _round(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    return technology.delay("and", 24) + technology.delay("add", 32)


def _select(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    return technology.delay("equal_constant", 9) + technology.delay("mux", 32, 4)


def _nan(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    return technology.delay("mux", node.format.bits)


def _narrow(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    return technology.delay("equal_constant", 16) + technology.delay("add", 16)


def _pick(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    count = inputs[0].format.bits // node.format.bits
    return technology.delay("mux", node.format.bits, count) if count > 1 else 0.0


def _partials(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    data = inputs[0].format.bits
    return technology.delay("equal_constant", 6) + technology.delay("mux", data)


def _collect(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    return technology.delay("and", 1) + technology.delay("mux", 1)


FLOAT_DELAYS: Mapping[str, Delay] = MappingProxyType(
    {
        "float_size": _size,
        "float_zeros": _zeros,
        "float_normal": _normal,
        "float_round": _rounded,
        "float_limit": _limit,
        "float_nan": _nan,
        "float_narrow": _narrow,
        "fp_order": _order,
        "fp_distance": _distance,
        "fp_align": _align,
        "fp_add": _add,
        "fp_count": _count,
        "fp_normalise": _normalise,
        "fp_round": _round,
        "fp_select": _select,
        "pick": _pick,
        "partials": _partials,
        "collect": _collect,
    }
)
"""By kind of node."""


def _plan(node: Node) -> FixedToFloatPlan:
    (plan,) = node.parameters
    assert isinstance(plan, FixedToFloatPlan)
    return plan

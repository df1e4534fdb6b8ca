"""Combinational delay of the steps of block dot products, made of measured primitives.

Levels of logic that the technology has no primitive for count as the one most like them: an
exclusive or with a common bit as gating, a test for zero as a comparison with a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from accelgen.golden.block_pair import BlockOperand, BlockPair
from accelgen.netlist.graph import Node
from accelgen.netlist.lanes import lane_format, product_format, sum_formats
from accelgen.technology import Technology

__all__ = ["DOT_DELAYS", "Delay"]

Delay = Callable[[Technology, Node, Sequence[Node]], float]
"""Nanoseconds from the inputs of a node to its output: of the technology, the node, its sources."""


def _decode(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    delay, operand = technology.delay, _operand(node)
    lane = lane_format(operand.element)
    code = operand.element.width
    if operand.is_adaptive:
        # To fixed point, while the bit that chooses is distributed.
        fixed = delay("equal_constant", code) + delay("mux", lane.significand, 4)
        return max(fixed, delay("and", operand.element.width)) + delay("mux", node.format.bits)
    if lane.power:
        return delay("equal_constant", code) + delay("add", lane.power)
    return delay("add", code)


def _multiply(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    a, b = (lane_format(operand.element) for operand in _operands(node))
    product = technology.delay("mul", a.significand, b.significand)
    both = max(a.power, b.power) if a.power and b.power else 0
    return max(product, technology.delay("add", both + 1)) if both else product


def _align(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    pair = _pair(node)
    width = sum_formats(pair)[0].bits
    power = product_format(*(lane_format(o.element) for o in _operands(node))).power
    shift = technology.delay("mux", width, 1 << power) if power else 0.0
    return shift + technology.delay("and", width)


def _add(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    level = node.parameters[1]
    assert isinstance(level, int)
    return technology.delay("add", sum_formats(_pair(node))[level].bits)


def _weigh(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    low, high = _bits(node.parameters[1:])
    width = sum_formats(_pair(node))[-1].bits
    if high - low == 1:
        # The one that the sum lacks, and a gate.
        return technology.delay("add", width) + technology.delay("and", width)
    # One row more, of that one.
    return technology.delay("mul", width, high - low + 1)


def _special(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    width = sum(word.format.bits for word in inputs)
    return technology.delay("equal_constant", width)


def _bad(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    return technology.delay("compare_constant", 8) + technology.delay("equal_constant", 4)


def _significand(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    delay, operand = technology.delay, _operand(node)
    if operand.scale_range is not None:
        return delay("compare_constant", 8) + delay("and", 1)
    return delay("equal_constant", 7) + delay("and", node.format.bits)


def _fold(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    return technology.delay("mux", inputs[0].format.bits) + technology.delay(
        "add", node.format.bits
    )


def _exponent(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    delay = technology.delay
    if _operand(node).scale_range is not None:
        return delay("add", node.format.bits)
    return delay("equal_constant", 4) + delay("add", 4)


def _add_shifted(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    (shift,) = node.parameters
    assert isinstance(shift, int)
    return technology.delay("add", node.format.bits - shift)


def _shift_left(technology: Technology, node: Node, inputs: Sequence[Node]) -> float:
    low, high = _bits(node.parameters)
    return technology.delay("mux", node.format.bits, 1 << (high - low))


DOT_DELAYS: Mapping[str, Delay] = MappingProxyType(
    {
        "add_shifted": _add_shifted,
        "shift_left": _shift_left,
        "block_decode": _decode,
        "block_multiply": _multiply,
        "block_align": _align,
        "block_add": _add,
        "block_weigh": _weigh,
        "block_special": _special,
        "block_bad": _bad,
        "scale_significand": _significand,
        "scale_fold": _fold,
        "scale_exponent": _exponent,
    }
)
"""By kind of node."""


def _pair(node: Node) -> BlockPair:
    pair = node.parameters[0]
    assert isinstance(pair, BlockPair)
    return pair


def _operands(node: Node) -> tuple[BlockOperand, BlockOperand]:
    pair = _pair(node)
    return pair.a, pair.b


def _operand(node: Node) -> BlockOperand:
    side = node.parameters[1]
    assert isinstance(side, int)
    return _operands(node)[side]


def _bits(parameters: tuple[object, ...]) -> tuple[int, int]:
    low, high = parameters
    assert isinstance(low, int)
    assert isinstance(high, int)
    return low, high

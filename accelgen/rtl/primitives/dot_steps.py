"""The steps of a block dot product (see :mod:`accelgen.netlist.dot`) as combinational hardware."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value

from accelgen.golden.block_pair import BlockOperand, BlockPair
from accelgen.netlist.lanes import LaneFormat, lane_format, product_format, sum_formats
from accelgen.rtl.primitives.lanes import align, decode, is_special, multiply
from accelgen.rtl.primitives.rounding import shift_left
from accelgen.rtl.primitives.scales import fold, split_scale

__all__ = ["DOT_STEPS", "Step"]

Step = Callable[[Module, Signal, Sequence[Value], tuple[object, ...]], None]
"""Drives a signal with the step's result, given its inputs and the parameters of its node."""


def _decode(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    pair, element = _pair(parameters), _operand(parameters).element
    integer = inputs[1][7] if len(inputs) > 1 else None
    lanes = [
        decode(m, element, code, integer, f"{value.name}{k}")
        for k, code in enumerate(_lanes(inputs[0], pair.lanes))
    ]
    m.d.comb += value.eq(Cat(*lanes))


def _multiply(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    pair = _pair(parameters)
    words = [_lanes(word, pair.lanes) for word in inputs]
    products = [
        multiply(m, a, b, _formats(pair), f"{value.name}{k}")
        for k, (a, b) in enumerate(zip(*words, strict=True))
    ]
    m.d.comb += value.eq(Cat(*products))


def _align(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    pair = _pair(parameters)
    form = product_format(*_formats(pair))
    width = (pair.a.element.maximum * pair.b.element.maximum).bit_length()
    terms = [
        align(m, product, form, width, f"{value.name}{k}")
        for k, product in enumerate(_lanes(inputs[0], pair.lanes))
    ]
    assert len(terms[0]) == sum_formats(pair)[0].bits
    m.d.comb += value.eq(Cat(*terms, *(term[-1] for term in terms)))


def _add(m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]) -> None:
    pair, level = _pair(parameters), parameters[1]
    assert isinstance(level, int)
    before, after = sum_formats(pair)[level - 1 : level + 1]
    word = inputs[0]
    sums = [s.as_signed() for s in _lanes(word[: before.bits * before.count], before.count)]
    carries = word[before.bits * before.count :]
    found = []
    for k in range(after.count):
        total = Signal(after.bits + 1, name=f"{value.name}_{k}")
        # One adder: the ones below the operands carry into them.
        m.d.comb += total.eq(
            Cat(C(1, 1), sums[2 * k]).as_signed() + Cat(carries[2 * k], sums[2 * k + 1]).as_signed()
        )
        found.append(total[1:])
    m.d.comb += value.eq(Cat(*found, *(carries[2 * k + 1] for k in range(after.count))))


def _weigh(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    low, high = _bits(parameters[1:])
    total, carry = inputs[0][:-1].as_signed(), inputs[0][-1]
    factor = inputs[1][low:high]
    m.d.comb += value.eq(total * factor + Mux(carry, factor, 0))


def _special(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    pair = _pair(parameters)
    m.d.comb += value.eq(
        Cat(
            is_special(operand.element, code)
            for operand, word in zip((pair.a, pair.b), inputs, strict=True)
            for code in _lanes(word, pair.lanes)
        ).any()
    )


def _bad(m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]) -> None:
    pair = _pair(parameters)
    bad = [*inputs[2:]]
    for operand, code in zip((pair.a, pair.b), inputs[:2], strict=True):
        if operand.scale_range is None:
            bad.append(split_scale(code)[2])
        else:
            low, high = (exponent + 127 for exponent in operand.scale_range)
            bad.append(((code < low) & code.any()) | (code > high))
    m.d.comb += value.eq(Cat(*bad).any())


def _significand(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    operand, code = _operand(parameters), inputs[0]
    if operand.scale_range is None:
        significand, _, nan = split_scale(code)
        m.d.comb += value.eq(Mux(nan, 0, significand))
    else:
        low, high = (exponent + 127 for exponent in operand.scale_range)
        m.d.comb += value.eq((code >= low) & (code <= high))


def _fold(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    significand, code = inputs
    m.d.comb += value.eq(fold(significand, code[7], _operand(parameters).factors))


def _exponent(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    operand, code = _operand(parameters), inputs[0]
    if operand.scale_range is None:
        m.d.comb += value.eq(split_scale(code)[1])
    else:
        # Anything where the scale does not count.
        m.d.comb += value.eq(code - (operand.scale_range[0] + 127))


def _add_shifted(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    (shift,) = parameters
    assert isinstance(shift, int)
    # The plain sum, which synthesis can merge with the multiplications before it.
    m.d.comb += value.eq(inputs[0] + (inputs[1] << shift))


def _shift_left(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    low, high = _bits(parameters)
    amount = inputs[1][low:high]
    m.d.comb += value.eq(shift_left(m, inputs[0], amount, len(value), value.name, low))


DOT_STEPS: Mapping[str, Step] = MappingProxyType(
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


def _pair(parameters: tuple[object, ...]) -> BlockPair:
    pair = parameters[0]
    assert isinstance(pair, BlockPair)
    return pair


def _operand(parameters: tuple[object, ...]) -> BlockOperand:
    pair = _pair(parameters)
    return pair.b if parameters[1] else pair.a


def _formats(pair: BlockPair) -> tuple[LaneFormat, LaneFormat]:
    return lane_format(pair.a.element), lane_format(pair.b.element)


def _lanes(word: Value, count: int) -> list[Value]:
    return [word.word_select(k, len(word) // count) for k in range(count)]


def _bits(parameters: tuple[object, ...]) -> tuple[int, int]:
    low, high = parameters
    assert isinstance(low, int)
    assert isinstance(high, int)
    return low, high

"""Sixteen 2-bit multipliers that fuse or split with the operands' widths, in three steps.

The method is that of the fusion unit of Bit Fusion (ISCA 2018).  A mode of an operand is the index
of its width in ``WIDTHS``; the operands are words of 32 bits with element e at bit ``e * width``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from types import MappingProxyType

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed

from accelgen.affine.composed import WIDTHS

__all__ = [
    "BRICKS",
    "COMPOSE_STEPS",
    "WIDTHS",
    "add_bricks",
    "multiply_bricks",
    "select_slices",
]

Brick = tuple[int, ...]
"""Position of a 2-bit multiplier: which bits of an operand it takes where operands are wide.

(a low, a high, b low, b high): in an 8-bit operand the slice is ``2 * high + low``, in a 4-bit one
``low``.  What does not choose a slice chooses the product.
"""
BRICKS: tuple[Brick, ...] = tuple(product((0, 1), repeat=4))
_SLICE, _PRODUCT = 3, 5
"""Bits of a slice with its sign, and of a product of two: -2 * 3 to 3 * 3."""

_JOINS = ((0, 2), (2, 2), (1, 4), (3, 4))
"""Per level of the adder tree, which position it joins, and the shift where that is fused."""
LEVELS = range(len(_JOINS))
SUM_BITS = (_PRODUCT, 8, 11, 16, 21)
"""Bits of a sum before each level, and after the last."""


def select_slices(
    m: Module, a: Value, b: Value, modes: Sequence[Value], signs: Sequence[Value]
) -> Value:
    """The slices that the bricks multiply: 2 bits and a sign of each operand, brick by brick."""
    parts: list[Value] = []
    for number, brick in enumerate(BRICKS):
        for side, (port, mode, is_signed) in enumerate(zip((a, b), modes, signs, strict=True)):
            bits = _select(m, brick, side, port, modes, f"{'ab'[side]}{number}")
            low, high = brick[2 * side : 2 * side + 2]
            # The highest slice of an element has its sign.
            inner = (C(not low, 1) & mode.any()) | (C(not high, 1) & mode[1])
            parts += [bits, bits[1] & is_signed & ~inner]
    return Cat(*parts)


def multiply_bricks(slices: Value) -> Value:
    """The products of the slices, 5 bits each."""
    words = [slices.word_select(number, _SLICE).as_signed() for number in range(2 * len(BRICKS))]
    return Cat((words[2 * k] * words[2 * k + 1])[:_PRODUCT] for k in range(len(BRICKS)))


def add_bricks(
    m: Module, sums: Value, modes: Sequence[Value], levels: range = LEVELS, name: str = ""
) -> Value:
    """Sums after the ``levels`` of an adder tree, from what the levels before give; side by side.

    Bricks are shifted to their places as they are joined; innermost the low bits.  All levels
    leave one sum, of 21 bits.
    """
    width, bricks = SUM_BITS[levels.start], _left(levels.start)
    level: dict[Brick, Value] = {
        brick: sums.word_select(number, width).as_signed() for number, brick in enumerate(bricks)
    }
    a_mode, b_mode = modes
    fused = (a_mode.any(), b_mode.any(), a_mode[1], b_mode[1])
    for number in levels:
        position, shift = _JOINS[number]
        above: dict[Brick, Value] = {}
        for brick in _left(number + 1):
            high = level[(*brick[:position], 1, *brick[position + 1 :])]
            label = f"{name}level{number}_{BRICKS.index(brick)}"
            both = Signal(signed(SUM_BITS[number + 1]), name=label)
            m.d.comb += both.eq(level[brick] + Mux(fused[number], high << shift, high))
            above[brick] = both
        level = above
    return Cat(level.values())


def _left(levels: int) -> list[Brick]:
    """The bricks that stand for a sum after so many levels."""
    joined = [position for position, _ in _JOINS[:levels]]
    return [brick for brick in BRICKS if not any(brick[position] for position in joined)]


def _slice(brick: Brick, a_width: int, b_width: int) -> tuple[int, int]:
    """Which 2-bit slices of the words ``a`` and ``b`` a brick multiplies."""
    a_low, a_high, b_low, b_high = brick
    # This order of the free bits needs the fewest multiplexers.
    free = [
        bit
        for bit, is_free in (
            (a_low, a_width < 4),
            (b_low, b_width < 4),
            (a_high, a_width < 8),
            (b_high, b_width < 8),
        )
        if is_free
    ]
    element = sum(bit << k for k, bit in enumerate(free))
    a_slice = (a_low if a_width >= 4 else 0) + (2 * a_high if a_width == 8 else 0)
    b_slice = (b_low if b_width >= 4 else 0) + (2 * b_high if b_width == 8 else 0)
    return element * a_width // 2 + a_slice, element * b_width // 2 + b_slice


def _select(
    m: Module, brick: Brick, side: int, port: Value, modes: Sequence[Value], name: str
) -> Value:
    """The 2-bit slice of an operand (``side`` 0 or 1) that a brick multiplies."""

    def of_widths(a_width: int, b_width: int) -> int:
        return _slice(brick, a_width, b_width)[side]

    by_a = [_mux(modes[1], [port.word_select(of_widths(a, b), 2) for b in WIDTHS]) for a in WIDTHS]
    found = Signal(2, name=f"{name}_slice")
    m.d.comb += found.eq(_mux(modes[0], by_a))
    return found


def _mux(mode: Value, values: list[Value]) -> Value:
    """The value of a mode: of 2, of 4, or of 8 bits."""
    return Mux(mode[1], values[2], Mux(mode[0], values[1], values[0]))


Step = Callable[[Module, Signal, Sequence[Value], tuple[object, ...]], None]


def _select_step(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    a, b, *modes = inputs
    signs = [C(bool(sign), 1) for sign in parameters]
    m.d.comb += value.eq(select_slices(m, a, b, modes, signs))


def _multiply_step(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    m.d.comb += value.eq(multiply_bricks(inputs[0]))


def _add_step(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    first, last = (int(str(level)) for level in parameters)
    name = f"{value.name}_"
    total = add_bricks(m, inputs[0], inputs[1:], range(first, last), name)
    m.d.comb += value.eq(total.as_signed())


COMPOSE_STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "compose_select": _select_step,
        "compose_multiply": _multiply_step,
        "compose_add": _add_step,
    }
)
"""By kind of node (see :mod:`accelgen.netlist.compose`)."""

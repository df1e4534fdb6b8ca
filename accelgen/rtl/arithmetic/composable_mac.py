"""A multiply-accumulate unit whose multipliers fuse or split with the operands' widths."""

from __future__ import annotations

from itertools import product

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from accelgen.errors import InputError
from accelgen.rtl.arithmetic.multiply_accumulate import accumulate
from accelgen.rtl.arithmetic.stages import Stages, choose_cuts
from accelgen.rtl.arithmetic.unit import ArithmeticUnit

__all__ = ["WIDTHS", "ComposableMac"]

WIDTHS = (2, 4, 8)
"""Operand widths; the run-time mode of an operand is the index of its width."""
_LEAST_BITS, _MOST_BITS = 18, 64
_DELAYS = (7, 6, 14)
"""Levels of logic of selecting, multiplying and adding."""

Brick = tuple[int, ...]
"""Position of a 2-bit multiplier: which bits of an operand it takes where operands are wide.

(a low, a high, b low, b high): in an 8-bit operand the slice is ``2 * high + low``, in a 4-bit one
``low``.  What does not choose a slice chooses the product.
"""
_BRICKS: tuple[Brick, ...] = tuple(product((0, 1), repeat=4))


def products(a_width: int, b_width: int) -> int:
    """Products per cycle: 1 for 8 x 8, 4 for 4 x 4, 16 for 2 x 2."""
    return 64 // (a_width * b_width)


def _slice(brick: Brick, a_width: int, b_width: int) -> tuple[int, int]:
    """Which 2-bit slices of the ports ``a`` and ``b`` a brick multiplies."""
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


class ComposableMac(ArithmeticUnit):
    """``sum = (0 if first else sum) + sum_e a[e] * b[e]`` in every cycle with ``valid``.

    Widths are chosen in every cycle: ``a_mode``, ``b_mode`` 0, 1, 2 (or 3) say 2, 4, 8 (8) bits,
    ``a_signed``, ``b_signed`` two's complement.  There are ``64 / (a_width * b_width)`` products:
    one 8 x 8, two 8 x 4, four 4 x 4 or 8 x 2, eight 4 x 2, sixteen 2 x 2.

    Ports: ``a``, ``b`` (in, 32 bits): element e is at bit ``e * width``, higher bits are ignored;
    the modes above; ``valid``, ``first`` (in); ``sum`` (out, ``bits`` bits signed, 18..64), modulo
    2**bits.  Latency: ``stages + 1`` cycles (``stages`` 0..3); throughput: that many products per
    cycle.

    Method: 16 multipliers of 2 x 2 bits and a sign each, shifted and added as the widths say (the
    fusion unit of Bit Fusion, ISCA 2018).
    """

    def __init__(self, bits: int = 32, stages: int = 0) -> None:
        if not _LEAST_BITS <= bits <= _MOST_BITS:
            raise InputError(f"an accumulator of {bits} bits", hint="use 18..64 bits")
        choose_cuts(_DELAYS, stages)
        self.stages = stages
        super().__init__(
            {
                "a": In(32),
                "b": In(32),
                "a_mode": In(2),
                "b_mode": In(2),
                "a_signed": In(1),
                "b_signed": In(1),
                "valid": In(1),
                "first": In(1),
                "sum": Out(signed(bits)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from operands to the sum with them."""
        return self.stages + 1

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        stages = Stages(m, _DELAYS, self.stages)
        slices: dict[str, Value] = {}
        for number, brick in enumerate(_BRICKS):
            a_low, a_high, b_low, b_high = brick
            a_bits = self._select(m, brick, 0, f"a{number}")
            b_bits = self._select(m, brick, 1, f"b{number}")
            for name, bits, mode, is_signed, low, high in (
                (f"a{number}", a_bits, self.a_mode, self.a_signed, a_low, a_high),
                (f"b{number}", b_bits, self.b_mode, self.b_signed, b_low, b_high),
            ):
                # The highest slice of an element has its sign.
                inner = (C(not low, 1) & mode.any()) | (C(not high, 1) & mode[1])
                sign = bits[1] & is_signed & ~inner
                slices[name] = Cat(bits, sign).as_signed()
        control = {
            "a_fused": self.a_mode.any(),
            "a_fused_twice": self.a_mode[1],
            "b_fused": self.b_mode.any(),
            "b_fused_twice": self.b_mode[1],
            "valid": self.valid,
            "first": self.first,
        }
        current = stages.after_all(0, {**slices, **control})
        # -2 * 3 to 3 * 3.
        terms: dict[str, Value] = {
            f"p{number}": (current[f"a{number}"] * current[f"b{number}"])[:5].as_signed()
            for number in range(len(_BRICKS))
        }
        control = {name: current[name] for name in control}
        current = stages.after_all(1, {**terms, **control})
        total = _tree(m, current)
        total, valid, first = stages.after(
            2, total=total, valid=current["valid"], first=current["first"]
        )
        accumulate(m, self.sum, total, valid, first)
        return m

    def _select(self, m: Module, brick: Brick, side: int, name: str) -> Value:
        """The 2-bit slice of ``a`` (``side`` 0) or ``b`` (1) that a brick multiplies."""
        port = (self.a, self.b)[side]

        def of_widths(a_width: int, b_width: int) -> int:
            return _slice(brick, a_width, b_width)[side]

        by_a = [
            _mux(self.b_mode, [port.word_select(of_widths(a, b), 2) for b in WIDTHS])
            for a in WIDTHS
        ]
        found = Signal(2, name=f"{name}_slice")
        m.d.comb += found.eq(_mux(self.a_mode, by_a))
        return found


def _mux(mode: Value, values: list[Value]) -> Value:
    """The value of a mode: of 2, of 4, or of 8 bits."""
    return Mux(mode[1], values[2], Mux(mode[0], values[1], values[0]))


def _tree(m: Module, current: dict[str, Value]) -> Value:
    """The sum of all bricks, each shifted to its place; innermost the low bits."""
    level: dict[Brick, Value] = {
        brick: current[f"p{number}"] for number, brick in enumerate(_BRICKS)
    }
    for position, name, shift in (
        (0, "a_fused", 2),
        (2, "b_fused", 2),
        (1, "a_fused_twice", 4),
        (3, "b_fused_twice", 4),
    ):
        fused = current[name]
        above: dict[Brick, Value] = {}
        for brick in level:
            if brick[position]:
                continue
            high = level[(*brick[:position], 1, *brick[position + 1 :])]
            width = len(high) + shift + 1
            both = Signal(signed(width), name=f"{name}_{_BRICKS.index(brick)}")
            m.d.comb += both.eq(level[brick] + Mux(fused, high << shift, high))
            above[brick] = both
        level = above
    return level[(0, 0, 0, 0)]

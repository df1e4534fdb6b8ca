"""The plain dot product of integers."""

from __future__ import annotations

from amaranth.hdl import Module, Shape, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from accelgen.errors import InputError
from accelgen.formats.integer import IntFormat
from accelgen.rtl.arithmetic.multiply_accumulate import accumulate
from accelgen.rtl.arithmetic.unit import ArithmeticUnit

__all__ = ["IntegerDot"]

_MOST_LANES, _MOST_BITS, _LONGEST = 256, 16, 1 << 20


class IntegerDot(ArithmeticUnit):
    """``sum = (0 if first else sum) + sum_e a[e] * b[e]`` in every cycle with ``valid``.

    Ports: ``a``, ``b`` (in, ``lanes`` integers of the formats, the first lowest), ``valid``,
    ``first`` (in), ``sum`` (out, signed, as wide as ``longest`` products of any values need).
    ``lanes`` is 1..256, formats have up to 16 bits, ``longest`` is ``lanes``..2**20.
    Latency: 1 cycle; throughput: ``lanes`` products per cycle.
    """

    def __init__(self, a: IntFormat, b: IntFormat, lanes: int = 16, longest: int = 4096) -> None:
        if not 1 <= lanes <= _MOST_LANES:
            raise InputError(f"{lanes} lanes", hint=f"use 1..{_MOST_LANES}")
        if not lanes <= longest <= _LONGEST:
            raise InputError(
                f"a longest sum of {longest} products", hint=f"use {lanes}..{_LONGEST}"
            )
        for form in (a, b):
            if form.bits > _MOST_BITS:
                raise InputError(f"elements of {form.bits} bits", hint=f"use 1..{_MOST_BITS}")
        self.formats, self.lanes = (a, b), lanes
        corners = [x * y * longest for x in (a.min, a.max) for y in (b.min, b.max)]
        # At least one bit below zero, so that the sum is signed.
        self.width = IntFormat.for_range(min(-1, *corners), max(corners)).bits
        super().__init__(
            {
                "a": In(lanes * a.bits),
                "b": In(lanes * b.bits),
                "valid": In(1),
                "first": In(1),
                "sum": Out(signed(self.width)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from operands to the sum with them."""
        return 1

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        products: list[Value] = []
        for lane in range(self.lanes):
            x, y = (
                port.word_select(lane, form.bits).as_signed()
                if form.signed
                else port.word_select(lane, form.bits)
                for port, form in zip((self.a, self.b), self.formats, strict=True)
            )
            both = x * y
            product = Signal(Shape(len(both), both.shape().signed), name=f"product{lane}")
            m.d.comb += product.eq(both)
            products.append(product)
        # A plain sum, which synthesis reduces without carries.
        total = Signal(signed(self.width), name="total")
        m.d.comb += total.eq(sum(products[1:], products[0]))
        accumulate(m, self.sum, total, self.valid, self.first)
        return m

"""An element of any format becomes an integer on the grid of its tensor."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.datapath.elements import Decoding, Table

__all__ = ["GRID_BITS", "Decoder"]

GRID_BITS = 9
"""Of the register that says where the grid of a tensor lies: signed."""


class Decoder(wiring.Component):
    """See :class:`accelgen.attention.accelerator.datapath.elements.Decoding`.

    Ports (in, unless said): ``code``; ``scale``, in the cycle after (of block formats); ``grid``
    (signed); ``element`` (out).  Latency: :meth:`latency`.  Throughput: an element per cycle.
    """

    def __init__(self, decoding: Decoding, bits: int) -> None:
        self.decoding, self.bits = decoding, bits
        scale = {"scale": In(decoding.scale_bits)} if decoding.block else {}
        super().__init__(
            {
                "code": In(decoding.code_bits),
                "grid": In(signed(GRID_BITS)),
                "element": Out(signed(bits)),
                **scale,
            }
        )

    @staticmethod
    def latency(decoding: Decoding) -> int:
        """None of integers; decode and align of others, after the scale is read."""
        return 0 if decoding.whole else 3 if decoding.block else 2

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        decoding = self.decoding
        if decoding.whole:
            m.d.comb += self.element.eq(self.code.as_signed())
            return m
        code: Value = self.code
        if decoding.block:
            registered = Signal(decoding.code_bits, reset_less=True)
            m.d.sync += registered.eq(code)
            code = registered
        negative, significand, exponent = _parts(m, decoding.table, code, "element")
        if decoding.other is not None:
            kind = self.scale[-1]
            others = _parts(m, decoding.other, code, "other")
            negative = Mux(kind, others[0], negative)
            significand = Mux(kind, others[1], significand)
            exponent = Mux(kind, others[2], exponent)
        if decoding.scale is not None:
            _, factor, power = _parts(m, decoding.scale, self.scale, "scale")
            significand, exponent = significand * factor, exponent + power
        elif decoding.power_bias is not None:
            exponent = exponent + self.scale - decoding.power_bias
        size = decoding.significand_bits
        wide = signed(GRID_BITS + 3)
        sign, magnitude = Signal(reset_less=True), Signal(size, reset_less=True)
        shift = Signal(wide, reset_less=True)
        m.d.sync += [sign.eq(negative), magnitude.eq(significand), shift.eq(exponent + self.grid)]
        self._align(m, sign, magnitude, shift)
        return m

    def _align(self, m: Module, sign: Signal, magnitude: Signal, shift: Signal) -> None:
        """One shift to the right from where the largest shift to the left ends, keeping the bit
        below the last for rounding.
        """
        bits, size = self.bits, len(magnitude)
        lowest = -(size + 1)
        near = Signal(range(bits - lowest + 1))
        over = Signal()
        m.d.comb += [
            over.eq(shift > bits),
            near.eq(Mux(over, 0, Mux(shift < lowest, bits - lowest, bits - shift))),
        ]
        shifted = Signal(size + bits + 1)
        rounded = Signal(size + bits + 1)
        most = (1 << (bits - 1)) - 1
        result = Signal(bits - 1)
        element = Signal(signed(bits), reset_less=True)
        m.d.comb += [
            shifted.eq(Cat(Const(0, bits + 1), magnitude) >> near),
            rounded.eq((shifted + 1) >> 1),
            result.eq(Mux(reduce(or_, rounded[bits - 1 :]), most, rounded[: bits - 1])),
            self.element.eq(element),
        ]
        m.d.sync += element.eq(Mux(sign, -result, result))


def _parts(m: Module, table: Table, code: Value, name: str) -> tuple[Value, Value, Value]:
    """Sign, significand and exponent of a code."""
    if table.values:
        size = table.significand_bits
        magnitudes = Array(Const(abs(value), size) for value in table.values)
        signs = Array(Const(int(value < 0), 1) for value in table.values)
        return signs[code], magnitudes[code], Const(table.exponent, signed(8))
    mantissa = table.mantissa_bits
    field, part = code[mantissa : table.width - 1], code[:mantissa]
    normal = field != 0
    exponent = Signal(signed(len(field) + 2), name=f"{name}_exponent")
    m.d.comb += exponent.eq(Mux(normal, field, 1) - (table.bias + mantissa))
    return code[table.width - 1], Cat(part, normal), exponent

"""Queries times the scale of the scores, as they come in."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.datapath.numerics import Numerics

__all__ = ["SCALE_BITS", "SHIFT_BITS", "Fold"]

SCALE_BITS = 16
SHIFT_BITS = 5


class Fold(wiring.Component):
    """``element * scale / 2**shift``, rounded half up, saturated symmetrically.

    Ports: ``element`` (in), ``scale`` (in, unsigned), ``shift`` (in, at least 1), ``operand``
    (out).  Latency: 2 (multiply, shift).  Throughput: an element per cycle.
    """

    LATENCY = 2

    def __init__(self, numerics: Numerics) -> None:
        self.numerics = n = numerics
        super().__init__(
            {
                "element": In(signed(n.element_bits)),
                "scale": In(SCALE_BITS),
                "shift": In(SHIFT_BITS),
                "operand": Out(signed(n.operand_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        n = self.numerics
        most = (1 << (n.operand_bits - 1)) - 1
        product = Signal(signed(n.element_bits + SCALE_BITS + 1), reset_less=True)
        operand = Signal(signed(n.operand_bits), reset_less=True)
        # Half a unit is the bit below: shift by one less, add one, drop a bit.
        shifted = Signal(signed(len(product)))
        rounded = Signal(signed(len(product)))
        m.d.sync += product.eq(self.element * self.scale)
        m.d.comb += [
            shifted.eq(product >> (self.shift - 1)[:SHIFT_BITS]),
            rounded.eq((shifted + 1) >> 1),
            self.operand.eq(operand),
        ]
        top, bottom = Const(most, signed(n.operand_bits)), Const(-most, signed(n.operand_bits))
        m.d.sync += operand.eq(
            Mux(rounded > most, top, Mux(rounded < -most, bottom, rounded[: n.operand_bits]))
        )
        return m

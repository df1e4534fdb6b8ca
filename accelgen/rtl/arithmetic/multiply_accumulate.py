"""The plain integer multiply-accumulate unit."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib.wiring import In, Out

from accelgen.errors import InputError
from accelgen.formats.integer import IntFormat
from accelgen.rtl.arithmetic.stages import Stages, choose_cuts
from accelgen.rtl.arithmetic.unit import ArithmeticUnit

__all__ = ["MultiplyAccumulate", "accumulate"]

_DELAYS = (10,)


class MultiplyAccumulate(ArithmeticUnit):
    """``sum = (0 if first else sum) + a * b`` in every cycle with ``valid``.

    Ports: ``a``, ``b`` (in, their formats), ``valid``, ``first`` (in), ``sum`` (out, the format
    ``accumulator``); the sum wraps modulo 2**bits of the accumulator, which must be signed if an
    operand is.  Latency: ``stages + 1`` cycles, ``stages`` (0 or 1) being registers behind the
    multiplier; throughput: a product per cycle.
    """

    def __init__(self, a: IntFormat, b: IntFormat, accumulator: IntFormat, stages: int = 0) -> None:
        if (a.signed or b.signed) and not accumulator.signed:
            raise InputError(
                f"{a} x {b} in an accumulator of {accumulator}",
                hint=f"use int{accumulator.bits + 1}",
            )
        choose_cuts(_DELAYS, stages)
        self.stages = stages
        super().__init__(
            {
                "a": In(Shape(a.bits, a.signed)),
                "b": In(Shape(b.bits, b.signed)),
                "valid": In(1),
                "first": In(1),
                "sum": Out(Shape(accumulator.bits, accumulator.signed)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a product's operands to the sum with it."""
        return self.stages + 1

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        product, valid, first = Stages(m, _DELAYS, self.stages).after(
            0, product=self.a * self.b, valid=self.valid, first=self.first
        )
        accumulate(m, self.sum, product, valid, first)
        return m


def accumulate(m: Module, total: Signal, term: Value, valid: Value, first: Value) -> None:
    """The register ``total``, to which ``term`` is added, or which it replaces.

    It needs no reset: the first term says so.
    """
    start = Signal(total.shape(), name="start")
    m.d.comb += start.eq(Mux(first, 0, total))
    with m.If(valid):
        m.d.sync += total.eq(start + term)

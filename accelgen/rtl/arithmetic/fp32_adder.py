"""A standalone adder of FP32 numbers."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from accelgen.netlist.floats import FP32_STEPS
from accelgen.rtl.arithmetic.stages import Stages, choose_cuts
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.primitives.float_steps import FP32_FUNCTIONS, Fields

__all__ = ["Fp32Adder"]

_DELAYS = (7, 6, 7, 9, 7, 7, 7, 3)
"""Levels of logic of order, distance, align, add, count, normalise, round and select."""


class Fp32Adder(ArithmeticUnit):
    """``y = a + b`` in IEEE 754 binary32, rounded to nearest even, with subnormals.

    Ports: ``a``, ``b`` (in, 32 bits), ``y`` (out, 32 bits).  Latency: ``stages`` cycles (0..8; with
    0 it is combinational); throughput: a sum per cycle.  NaN operands, and Inf - Inf, give the
    quiet NaN 0x7FC00000.  An exact zero sum is +0, unless both operands are -0.

    Method: the one-path adder of the textbooks (Muller et al., Handbook of Floating-Point
    Arithmetic): order by magnitude, align with guard, round and sticky bits, add or subtract,
    count leading zeros, normalise, round.
    """

    def __init__(self, stages: int = 0) -> None:
        choose_cuts(_DELAYS, stages)
        self.stages = stages
        super().__init__({"a": In(32), "b": In(32), "y": Out(32)})

    @property
    def latency(self) -> int:
        """Cycles from operands to sum."""
        return self.stages

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        stages = Stages(m, _DELAYS, self.stages)
        values: Fields = {"a": self.a, "b": self.b}
        for position, (kind, _) in enumerate(FP32_STEPS):
            step = FP32_FUNCTIONS[kind](m, values, kind.removeprefix("fp_"))
            values = stages.after_all(position, step)
        m.d.comb += self.y.eq(values["code"])
        return m

"""Fixed-point numbers and integers to floating point."""

from __future__ import annotations

from amaranth.hdl import Module, signed
from amaranth.lib.wiring import In, Out

from accelgen.formats.floating import FP32, FloatFormat
from accelgen.netlist.floats import FixedToFloatPlan
from accelgen.rtl.arithmetic.stages import Stages, choose_cuts
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.primitives.float_steps import (
    count_zeros,
    magnitude,
    normalise,
    round_normal,
)

__all__ = ["FixedToFloat"]

_DELAYS = (7, 6, 7, 9)
"""Levels of logic of magnitude, count, normalise and round."""


class FixedToFloat(ArithmeticUnit):
    """``y = x * 2**-fraction``, rounded to nearest even.

    Ports: ``x`` (in, ``width`` bits, two's complement), ``y`` (out, a code of ``format``).
    ``width`` is 2..640, ``fraction`` -640..640 (0: integers), ``format`` one with Inf, such as fp32
    or bf16.  Every input is rounded right, to subnormals and to Inf also; zero becomes +0.
    Latency: ``stages`` cycles (0..4); throughput: a number per cycle.

    Method: magnitude, leading-zero count, left shift, increment.
    """

    def __init__(
        self, width: int, fraction: int = 0, format: FloatFormat = FP32, stages: int = 0
    ) -> None:
        self._plan = FixedToFloatPlan(width, fraction, format)
        choose_cuts(_DELAYS, stages)
        self.width, self.fraction, self.format, self.stages = width, fraction, format, stages
        super().__init__({"x": In(signed(width)), "y": Out(format.width)})

    @property
    def latency(self) -> int:
        """Cycles from fixed to floating point."""
        return self.stages

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        plan = self._plan
        stages = Stages(m, _DELAYS, self.stages)
        v = stages.after_all(0, magnitude(m, self.x, "x"))
        amount = count_zeros(m, plan, v["size"], "x")
        v = stages.after_all(1, {**v, "amount": amount})
        normal = normalise(m, plan, v["size"], v["sign"], v["amount"], "x")
        v = stages.after_all(2, normal)
        code = round_normal(m, plan.format, v["normal"], v["exponent"], v["sign"], "x")
        m.d.comb += self.y.eq(stages.after(3, code=code)[0])
        return m

"""A dot product that takes time in proportion to the widths of its operands."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from accelgen.errors import InputError
from accelgen.rtl.arithmetic.multiply_accumulate import accumulate
from accelgen.rtl.arithmetic.stages import Stages, choose_cuts
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.primitives.rounding import shift_left

__all__ = ["BitSerialDot"]

_DELAYS = (12, 8)
"""Levels of logic of counting and shifting."""


class BitSerialDot(ArithmeticUnit):
    """``sum = (0 if first else sum) + sum_e a[e] * b[e]`` in ``a_bits * b_bits`` cycles.

    Widths are chosen with every step: ``a_bits``, ``b_bits`` are 1..``max_bits``; ``a_signed``,
    ``b_signed`` say two's complement.

    Ports: ``a``, ``b`` (in, ``max_bits * lanes`` bits): bit k of element e is at bit
    ``k * lanes + e`` (bit planes, as memories of such units hold them), higher planes are ignored;
    the widths above; ``first`` (in); ``valid`` (in) and ``ready`` (out): a step is taken in a cycle
    with both; ``sum`` (out, ``accumulator_bits`` bits signed), modulo 2**accumulator_bits; ``done``
    (out): the sum of a step is there, in this cycle for the first time.
    ``lanes`` is 1..1024, ``max_bits`` 1..16, ``accumulator_bits`` 2..64.

    Latency: ``a_bits * b_bits + 1 + stages`` cycles from taking a step to ``done`` (``stages``
    0..2); throughput: ``lanes`` products per ``a_bits * b_bits`` cycles, steps following without a
    gap.

    Method: AND and population count of every pair of bit planes, weighted by powers of two and,
    for the sign planes, -1 (BISMO, FPL 2018).
    """

    def __init__(
        self, lanes: int, max_bits: int = 8, accumulator_bits: int = 32, stages: int = 0
    ) -> None:
        for what, value, low, high in (
            ("lanes", lanes, 1, 1024),
            ("bits of an operand", max_bits, 1, 16),
            ("bits of an accumulator", accumulator_bits, 2, 64),
        ):
            if not low <= value <= high:
                raise InputError(f"{value} {what}", hint=f"use {low}..{high}")
        choose_cuts(_DELAYS, stages)
        self.lanes, self.max_bits, self.stages = lanes, max_bits, stages
        operand = In(max_bits * lanes)
        super().__init__(
            {
                "a": operand,
                "b": operand,
                "a_bits": In(range(max_bits + 1)),
                "b_bits": In(range(max_bits + 1)),
                "a_signed": In(1),
                "b_signed": In(1),
                "first": In(1),
                "valid": In(1),
                "ready": Out(1),
                "sum": Out(signed(accumulator_bits)),
                "done": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the last pair of planes to the sum."""
        return self.stages + 1

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        busy, first = Signal(), Signal()
        a, b = Signal.like(self.a, reset_less=True), Signal.like(self.b, reset_less=True)
        index = range(self.max_bits)
        i, j = Signal(index, reset_less=True), Signal(index, reset_less=True)
        i_top, j_top = Signal(index, reset_less=True), Signal(index, reset_less=True)
        a_signed, b_signed = Signal(reset_less=True), Signal(reset_less=True)
        i_last, j_last = Signal(), Signal()
        m.d.comb += [
            i_last.eq(i == i_top),
            j_last.eq(j == j_top),
            self.ready.eq(~busy | (i_last & j_last)),
        ]
        m.d.sync += first.eq(0)
        with m.If(busy):
            m.d.sync += j.eq(Mux(j_last, 0, j + 1))
            with m.If(j_last):
                m.d.sync += i.eq(i + 1)
        with m.If(self.ready):
            m.d.sync += busy.eq(self.valid)
        with m.If(self.ready & self.valid):
            m.d.sync += [
                a.eq(self.a),
                b.eq(self.b),
                i.eq(0),
                j.eq(0),
                i_top.eq(self.a_bits - 1),
                j_top.eq(self.b_bits - 1),
                a_signed.eq(self.a_signed),
                b_signed.eq(self.b_signed),
                first.eq(self.first),
            ]
        both = Signal(self.lanes)
        m.d.comb += both.eq(self._plane(a, i) & self._plane(b, j))
        ones = Signal(range(self.lanes + 1))
        m.d.comb += ones.eq(_count(m, both, "ones"))
        weight = Signal(range(2 * self.max_bits - 1))
        m.d.comb += weight.eq(i + j)
        stages = Stages(m, _DELAYS, self.stages)
        negative = (i_last & a_signed) ^ (j_last & b_signed)
        ones, weight, negative, valid, first_now, last = stages.after(
            0,
            ones=ones,
            weight=weight,
            negative=negative,
            valid=busy,
            first=first,
            last=busy & i_last & j_last,
        )
        width = len(ones) + 2 * self.max_bits - 1
        shifted = shift_left(m, ones, weight, width, "term")
        term, valid, first_now, last = stages.after(
            1,
            term=Mux(negative, -shifted, shifted),
            valid=valid,
            first=first_now,
            last=last,
        )
        accumulate(m, self.sum, term, valid, first_now)
        m.d.sync += self.done.eq(last)
        return m

    def _plane(self, planes: Signal, index: Value) -> Value:
        """One bit of every element."""
        values = [planes.word_select(k, self.lanes) for k in range(self.max_bits)]
        for bit in range(len(index)):
            pairs = zip(values[::2], values[1::2], strict=False)
            rest = values[len(values) & ~1 :]
            values = [Mux(index[bit], high, low) for low, high in pairs] + rest
        return values[0]


def _count(m: Module, bits: Signal, name: str) -> Signal:
    """The number of ones: a balanced tree of adders."""
    if len(bits) == 1:
        return bits
    half = len(bits) // 2
    total = Signal(range(len(bits) + 1), name=f"{name}_{len(bits)}")
    m.d.comb += total.eq(_count(m, bits[:half], f"{name}l") + _count(m, bits[half:], f"{name}h"))
    return total

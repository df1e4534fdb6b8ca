"""Dot products of blocks under unsigned E4M3 scales, exact until one final rounding."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from accelgen.errors import InputError
from accelgen.formats.floating import FP32, FloatFormat
from accelgen.formats.tensor_scaled import TensorScaledFormat
from accelgen.golden.blocks import block_unit
from accelgen.golden.elements import AdaptiveElement, AnyElement, element_of
from accelgen.rtl.arithmetic.element_products import ElementDot
from accelgen.rtl.arithmetic.fixed_to_float import FixedToFloat
from accelgen.rtl.arithmetic.multiply_accumulate import accumulate
from accelgen.rtl.arithmetic.scale_product import ScaleProduct
from accelgen.rtl.arithmetic.stages import Stages, choose_cuts
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.primitives.rounding import shift_left

__all__ = ["BlockDot", "accumulator_width"]

_DELAYS = (22, 14, 6)
"""Levels of logic of the elements' dot product, the scaling by significands, and the shift."""
_MOST_EXPONENT = 28
_LONGEST = 1 << 20


def _factors(element: AnyElement) -> tuple[int, int]:
    return element.factors if isinstance(element, AdaptiveElement) else (1, 1)


def _block_maximum(a: AnyElement, b: AnyElement, lanes: int) -> int:
    """Bound of a block's integer before it is shifted."""
    largest = lanes
    for element in (a, b):
        kinds = zip(element.values(), _factors(element), strict=False)
        largest *= 15 * max(factor * max(map(abs, values)) for values, factor in kinds)
    return int(largest)


def accumulator_width(a: TensorScaledFormat, b: TensorScaledFormat, longest: int) -> int:
    """Bits, with sign, in which no sum of ``longest`` products can overflow."""
    element_a, element_b = element_of(a), element_of(b)
    most = _block_maximum(element_a, element_b, longest) << _MOST_EXPONENT
    return int(most).bit_length() + 1


class BlockDot(ArithmeticUnit):
    """The dot product of two vectors in block formats, ``lanes`` elements per cycle.

    Ports: ``a``, ``b`` (in, ``lanes`` codes, the first lowest), ``a_scale``, ``b_scale`` (in, 8
    bits: the scales of the blocks that the elements are of; bit 7 counts for adaptive formats
    only), ``valid``, ``first``, ``last`` (in): the elements count, begin a sum, end it.
    ``sum`` (out, signed, :func:`accumulator_width` bits): the exact sum, when ``sum_done`` (out)
    is high; ``y`` (out): that sum times 2**-bits of
    :func:`accelgen.golden.blocks.block_unit`, rounded once to nearest even in ``format``, when
    ``done`` (out) is high.  A NaN scale makes ``y`` the quiet NaN and raises ``nan_seen`` (out),
    until reset; ``sum`` then is of no use.

    ``lanes`` divides both blocks.  A sum of up to ``longest`` products is exact; longer ones wrap.
    Latency from the last elements: ``stages + 1`` cycles to ``sum`` (``stages`` 0..3), and
    ``round_stages`` (0..4) more to ``y``; throughput: ``lanes`` products per cycle, sums following
    each other without a gap.

    Method: exact integer sums, scaled by the product of the scales' significands, shifted by that
    of their powers of two, in a fixed-point accumulator (Kulisch).
    """

    def __init__(
        self,
        a: TensorScaledFormat,
        b: TensorScaledFormat,
        lanes: int = 16,
        longest: int = 4096,
        format: FloatFormat = FP32,
        stages: int = 2,
        round_stages: int = 2,
    ) -> None:
        for form in (a, b):
            if lanes < 1 or (form.block or lanes) % lanes:
                raise InputError(
                    f"{lanes} lanes do not divide a block of {form.block}",
                    where=form.name,
                    hint=f"use a divisor of {form.block}",
                )
        if not lanes <= longest <= _LONGEST:
            raise InputError(
                f"a longest sum of {longest} products", hint=f"use {lanes}..{_LONGEST}"
            )
        choose_cuts(_DELAYS, stages)
        self.formats, self.lanes, self.longest = (a, b), lanes, longest
        self.target, self.stages = format, stages
        self.width = accumulator_width(a, b, longest)
        self._dot = ElementDot(element_of(a), element_of(b), lanes)
        self._scale = ScaleProduct(_factors(element_of(a)), _factors(element_of(b)))
        self._round = FixedToFloat(self.width, block_unit(a, b)[1], format, round_stages)
        super().__init__(
            {
                "a": In(len(self._dot.a)),
                "b": In(len(self._dot.b)),
                "a_scale": In(8),
                "b_scale": In(8),
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                "sum": Out(signed(self.width)),
                "sum_done": Out(1),
                "y": Out(format.width),
                "done": Out(1),
                "nan_seen": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the last elements to ``y``."""
        return self.stages + 1 + self._round.latency

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        m.submodules.dot = dot = self._dot
        m.submodules.scale = scale = self._scale
        m.submodules.round = rounding = self._round
        adaptive = [isinstance(element, AdaptiveElement) for element in dot.elements]
        m.d.comb += [dot.a.eq(self.a), dot.b.eq(self.b)]
        for name, is_adaptive in zip("ab", adaptive, strict=True):
            code = getattr(self, f"{name}_scale")
            m.d.comb += getattr(scale, name).eq(code)
            if is_adaptive:
                m.d.comb += getattr(dot, f"{name}_integer").eq(code[7])
        stages = Stages(m, _DELAYS, self.stages)
        control = {
            "valid": self.valid,
            "first": self.first,
            "last": self.valid & self.last,
            "nan": self.valid & scale.nan,
        }
        dot_sum, significand, exponent, *rest = stages.after(
            0, dot_sum=dot.sum, significand=scale.significand, exponent=scale.exponent, **control
        )
        control = dict(zip(control, rest, strict=True))
        bits = _block_maximum(*dot.elements, self.lanes).bit_length() + 1
        block = Signal(signed(bits))
        m.d.comb += block.eq(dot_sum * Cat(significand, 0).as_signed())
        block, exponent, *rest = stages.after(1, block=block, exponent=exponent, **control)
        control = dict(zip(control, rest, strict=True))
        shifted = shift_left(m, block, exponent, bits + _MOST_EXPONENT, "aligned").as_signed()
        term, *rest = stages.after(2, term=shifted, **control)
        valid, first, last, nan = rest
        accumulate(m, self.sum, term, valid, first)
        m.d.sync += self.sum_done.eq(last)
        with m.If(nan):
            m.d.sync += self.nan_seen.eq(1)
        # Whether the present sum has met a NaN scale.
        sum_nan = Signal(reset_less=True)
        with m.If(valid):
            m.d.sync += sum_nan.eq(nan | (sum_nan & ~first))
        m.d.comb += rounding.x.eq(self.sum)
        late = Cat(self.sum_done, sum_nan)
        for step in range(rounding.latency):
            delayed = Signal(2, name=f"late{step}")
            m.d.sync += delayed.eq(late)
            late = delayed
        m.d.comb += [
            self.done.eq(late[0]),
            self.y.eq(Mux(late[1], self.target.nan_code, rounding.y)),
        ]
        return m

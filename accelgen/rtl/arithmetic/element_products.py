"""Exact dot products of the elements of block formats."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from accelgen.errors import InputError
from accelgen.golden.elements import AdaptiveElement, AnyElement
from accelgen.netlist.lanes import lane_format, product_format
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.primitives.lanes import align, decode, is_special, multiply

__all__ = ["ElementDot", "sum_width"]

_MOST_LANES = 256


def sum_width(a: AnyElement, b: AnyElement, lanes: int) -> int:
    """Bits, with sign, of every sum of ``lanes`` products."""
    return (lanes * a.maximum * b.maximum).bit_length() + 1


class ElementDot(ArithmeticUnit):
    """``sum = sum_e a[e] * b[e]``, exact, in units of the product of the elements' units.

    Ports: ``a``, ``b`` (in, ``lanes`` codes, the first lowest); with adaptive elements
    ``a_integer``, ``b_integer`` (in, the block holds integers); ``sum`` (out, signed,
    :func:`sum_width` bits); where an element has Inf or NaN, ``special`` (out): one of the codes is
    such, and counts as zero in the sum.  ``lanes`` is 1..256.  Combinational (latency 0).

    Method: sign and magnitude; magnitudes as significand and exponent, multiplied and shifted.
    Adaptive elements are fixed-point magnitudes: of IF4 half units up to 14, so that a 4 x 4
    multiplier serves every mix.  Negative products enter the tree inverted, and their number is
    added.
    """

    def __init__(self, a: AnyElement, b: AnyElement, lanes: int) -> None:
        if not 1 <= lanes <= _MOST_LANES:
            raise InputError(f"{lanes} lanes", hint=f"use 1..{_MOST_LANES}")
        self.elements = (a, b)
        self.lanes = lanes
        members: dict[str, In | Out] = {
            "a": In(lanes * a.width),
            "b": In(lanes * b.width),
            "sum": Out(signed(sum_width(a, b, lanes))),
        }
        for name, element in (("a", a), ("b", b)):
            if isinstance(element, AdaptiveElement):
                members[f"{name}_integer"] = In(1)
        if a.has_specials or b.has_specials:
            members["special"] = Out(1)
        super().__init__(members)

    @property
    def latency(self) -> int:
        """None: it is combinational."""
        return 0

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        a, b = self.elements
        forms = lane_format(a), lane_format(b)
        width = (a.maximum * b.maximum).bit_length()
        terms: list[Value] = []
        signs: list[Value] = []
        specials: list[Value] = []
        for lane in range(self.lanes):
            parts = []
            for name, element, port in (("a", a, self.a), ("b", b, self.b)):
                code = port.word_select(lane, element.width)
                integer = getattr(self, f"{name}_integer", None)
                parts.append(decode(m, element, code, integer, f"{name}{lane}"))
                specials.append(is_special(element, code))
            x, y = parts
            product = multiply(m, x, y, forms, f"product{lane}")
            term = align(m, product, product_format(*forms), width, f"term{lane}")
            terms.append(term.as_signed())
            signs.append(term[-1])
        inverted = Signal(len(self.sum))
        # Modulo the width of the sum, so that the number of negatives needs no sign of its own.
        m.d.comb += inverted.eq(_tree(m, terms, "sum"))
        m.d.comb += self.sum.eq(inverted + _tree(m, signs, "negatives"))
        if a.has_specials or b.has_specials:
            m.d.comb += self.special.eq(Cat(*specials).any())
        return m


def _tree(m: Module, values: list[Value], name: str) -> Value:
    """The exact sum: a balanced tree of adders."""
    level = 0
    while len(values) > 1:
        pairs = []
        for k in range(0, len(values) - 1, 2):
            both = values[k] + values[k + 1]
            signal = Signal(both.shape(), name=f"{name}_{level}_{k // 2}")
            m.d.comb += signal.eq(both)
            pairs.append(signal)
        values = pairs + values[len(values) & ~1 :]
        level += 1
    return values[0]

"""Exact dot products of the elements of block formats."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from accelgen.errors import InputError
from accelgen.formats.floating import FloatFormat
from accelgen.formats.integer import IntFormat
from accelgen.golden.elements import AdaptiveElement, AnyElement, Element
from accelgen.rtl.arithmetic.rounding import shift_left
from accelgen.rtl.arithmetic.unit import ArithmeticUnit

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
        terms: list[Value] = []
        signs: list[Value] = []
        specials: list[Value] = []
        width = (a.maximum * b.maximum).bit_length()
        for lane in range(self.lanes):
            parts = []
            for name, element, port in (("a", a, self.a), ("b", b, self.b)):
                code = port.word_select(lane, element.width)
                integer = getattr(self, f"{name}_integer", None)
                parts.append(_decode(m, element, code, integer, f"{name}{lane}"))
            x, y = parts
            specials += [part.special for part in parts if part.special is not None]
            magnitude = _multiply(m, x, y, width, f"product{lane}")
            negative = Signal(name=f"negative{lane}")
            m.d.comb += negative.eq(x.sign ^ y.sign)
            term = Signal(signed(width + 1), name=f"term{lane}")
            m.d.comb += term.eq(Cat(magnitude ^ negative.replicate(width), negative))
            terms.append(term)
            signs.append(negative)
        inverted = Signal(len(self.sum))
        # Modulo the width of the sum, so that the number of negatives needs no sign of its own.
        m.d.comb += inverted.eq(_tree(m, terms, "sum"))
        m.d.comb += self.sum.eq(inverted + _tree(m, signs, "negatives"))
        if specials:
            m.d.comb += self.special.eq(Cat(*specials).any())
        return m


@dataclass(frozen=True)
class _Decoded:
    """(-1)**sign * significand << exponent."""

    sign: Value
    significand: Value
    exponent: Value | None = None
    special: Value | None = None


def _decode(
    m: Module, element: AnyElement, code: Value, integer: Value | None, name: str
) -> _Decoded:
    if isinstance(element, Element):
        return _decode_plain(m, element, code, name)
    floating = _decode_plain(m, element.floating, code, f"{name}_float")
    whole = _decode_plain(m, element.integer, code, f"{name}_integer")
    width = element.maximum.bit_length()
    fixed = floating.significand
    if floating.exponent is not None:
        fixed = shift_left(m, fixed, floating.exponent, width, f"{name}_fixed")
    magnitude = Signal(width, name=f"{name}_magnitude")
    m.d.comb += magnitude.eq(Mux(integer, whole.significand << element.shift, fixed))
    return _Decoded(code[-1], magnitude)


def _decode_plain(m: Module, element: Element, code: Value, name: str) -> _Decoded:
    form = element.format
    if isinstance(form, FloatFormat):
        return _decode_float(m, form, code, name)
    if not isinstance(form, IntFormat):
        return _Decoded(code[-1], code[:-1])
    if not form.signed:
        return _Decoded(C(0, 1), code)
    # The most negative number has a magnitude of all bits; without it, one bit less.
    width = len(code) - 1 if element.symmetric else len(code)
    magnitude = Signal(width, name=f"{name}_size")
    m.d.comb += magnitude.eq((code ^ code[-1].replicate(len(code))) + code[-1])
    return _Decoded(code[-1], magnitude)


def _decode_float(m: Module, form: FloatFormat, code: Value, name: str) -> _Decoded:
    mantissa = code[: form.mantissa_bits]
    exponent = code[form.mantissa_bits : form.mantissa_bits + form.exponent_bits]
    sign = code[-1] if form.signed else C(0, 1)
    normal = exponent.any()
    significand: Value = Cat(mantissa, normal)
    special: Value | None = None
    if form.specials != "finite":
        top = exponent.all()
        special = top & (mantissa.all() if form.specials == "nan" else C(1, 1))
        significand = significand & (~special).replicate(len(significand))
    # Subnormals have the exponent of the smallest normals.
    power = Signal(form.exponent_bits, name=f"{name}_power")
    m.d.comb += power.eq(exponent - normal)
    return _Decoded(sign, significand, power, special)


def _multiply(m: Module, x: _Decoded, y: _Decoded, width: int, name: str) -> Value:
    """The magnitude of a product, ``width`` bits."""
    product = Signal(len(x.significand) + len(y.significand), name=name)
    m.d.comb += product.eq(x.significand * y.significand)
    powers = [part.exponent for part in (x, y) if part.exponent is not None]
    if not powers:
        return product[:width]
    power = Signal(len(powers[0]) if len(powers) == 1 else max(map(len, powers)) + 1,
                   name=f"{name}_power")  # fmt: skip
    m.d.comb += power.eq(sum(powers[1:], powers[0]))
    return shift_left(m, product, power, width, name)


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

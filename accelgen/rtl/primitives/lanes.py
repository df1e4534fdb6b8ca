"""Elements of blocks as sign, significand and power; their products as integers.

Each function drives a signal of a combinational step for one lane; ``name`` is unique.
"""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value

from accelgen.formats.floating import FloatFormat
from accelgen.formats.integer import IntFormat
from accelgen.golden.elements import AdaptiveElement, AnyElement, Element
from accelgen.netlist.lanes import LaneFormat, lane_format, product_format
from accelgen.rtl.primitives.rounding import shift_left

__all__ = ["align", "decode", "is_special", "multiply"]


def decode(m: Module, element: AnyElement, code: Value, integer: Value | None, name: str) -> Signal:
    """A code as a lane of :func:`~accelgen.netlist.lanes.lane_format`.

    ``integer`` says of an adaptive element that it is one.  Inf and NaN become zero.
    """
    lane = lane_format(element)
    significand, power, sign = _decode(m, element, code, integer, name)
    found = Signal(lane.bits, name=name)
    padded = Signal(lane.significand, name=f"{name}_significand")
    m.d.comb += [padded.eq(significand), found.eq(Cat(padded, power, sign))]
    return found


def is_special(element: AnyElement, code: Value) -> Value:
    """Whether a code is Inf or NaN."""
    if isinstance(element, AdaptiveElement) or not isinstance(element.format, FloatFormat):
        return C(0, 1)
    form = element.format
    if form.specials == "finite":
        return C(0, 1)
    mantissa, exponent = _fields(form, code)
    return exponent.all() & (mantissa.all() if form.specials == "nan" else C(1, 1))


def multiply(m: Module, a: Value, b: Value, lanes: tuple[LaneFormat, LaneFormat], name: str
             ) -> Signal:  # fmt: skip
    """The product of two lanes, of :func:`~accelgen.netlist.lanes.product_format`."""
    x, y = lanes
    form = product_format(x, y)
    product = Signal(form.significand, name=f"{name}_significand")
    m.d.comb += product.eq(a[: x.significand] * b[: y.significand])
    powers = [
        value[lane.significand : lane.significand + lane.power]
        for value, lane in ((a, x), (b, y))
        if lane.power
    ]
    # Above most_power only where a special value has made the significand zero.
    power = Signal(form.power, name=f"{name}_power") if powers else C(0, 0)
    if powers:
        m.d.comb += power.eq(sum(powers[1:], powers[0]))
    found = Signal(form.bits, name=name)
    m.d.comb += found.eq(Cat(product, power, a[-1] ^ b[-1]))
    return found


def align(m: Module, product: Value, form: LaneFormat, width: int, name: str) -> Signal:
    """The product as an integer of ``width`` bits and a sign on top, inverted when negative.

    That is one less than the product when it is negative: the sign is to be added.
    """
    magnitude: Value = product[: form.significand]
    negative = product[-1]
    if form.power:
        power = product[form.significand : form.significand + form.power]
        magnitude = shift_left(m, magnitude, power, width, name)
    found = Signal(width + 1, name=name)
    m.d.comb += found.eq(Cat(magnitude[:width] ^ negative.replicate(width), negative))
    return found


def _decode(
    m: Module, element: AnyElement, code: Value, integer: Value | None, name: str
) -> tuple[Value, Value, Value]:
    if isinstance(element, Element):
        return _decode_plain(m, element, code, name)
    fixed, power, _ = _decode_plain(m, element.floating, code, f"{name}_float")
    whole, _, _ = _decode_plain(m, element.integer, code, f"{name}_integer")
    width = element.maximum.bit_length()
    if len(power):
        fixed = shift_left(m, fixed, power, width, f"{name}_fixed")
    return Mux(integer, whole << element.shift, fixed), C(0, 0), code[-1]


def _decode_plain(
    m: Module, element: Element, code: Value, name: str
) -> tuple[Value, Value, Value]:
    form = element.format
    if isinstance(form, FloatFormat):
        return _decode_float(m, form, element, code, name)
    if not isinstance(form, IntFormat):
        return code[:-1], C(0, 0), code[-1]
    if not form.signed:
        return code, C(0, 0), C(0, 1)
    # The most negative number has a magnitude of all bits; without it, one bit less.
    width = len(code) - 1 if element.symmetric else len(code)
    magnitude = Signal(width, name=f"{name}_size")
    m.d.comb += magnitude.eq((code ^ code[-1].replicate(len(code))) + code[-1])
    return magnitude, C(0, 0), code[-1]


def _decode_float(
    m: Module, form: FloatFormat, element: Element, code: Value, name: str
) -> tuple[Value, Value, Value]:
    mantissa, exponent = _fields(form, code)
    normal = exponent.any()
    significand: Value = Cat(mantissa, normal)
    if form.specials != "finite":
        significand = significand & (~is_special(element, code)).replicate(len(significand))
    # Subnormals have the exponent of the smallest normals.
    power = Signal(form.exponent_bits, name=f"{name}_power")
    m.d.comb += power.eq(exponent - normal)
    return significand, power, code[-1] if form.signed else C(0, 1)


def _fields(form: FloatFormat, code: Value) -> tuple[Value, Value]:
    """Mantissa and exponent."""
    bits = form.mantissa_bits
    return code[:bits], code[bits : bits + form.exponent_bits]

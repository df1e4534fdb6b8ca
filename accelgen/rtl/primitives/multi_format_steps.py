"""The steps of :mod:`accelgen.netlist.multi_format` as combinational hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed

from accelgen.netlist.multi_format import IF4, INT4, MXFP4, MultiFormatPlan
from accelgen.rtl.primitives.dot_steps import Step
from accelgen.rtl.primitives.scales import split_scale

__all__ = ["MULTI_FORMAT_STEPS", "bad", "decode", "exponent", "fold", "kind", "significand"]

_BIAS = 127


def kind(scale: Value, form: Value) -> Value:
    """Whether elements are integers, and whether those are plain (-8..7): 2 bits."""
    plain = form == INT4
    return Cat(plain | _doubled(scale, form), plain)


def decode(m: Module, code: Value, element: Value, name: str) -> Value:
    """Magnitude (4 bits) and sign of an element of a ``kind``.

    Halves of E2M1 (0..12) or of an integer (0..14, code 8 is 0), or ones of a plain one (0..8).
    """
    mantissa, power = code[0], code[1:3]
    floating = Cat(
        mantissa & ~power[1],
        Mux(power[1], mantissa & ~power[0], power[0]),
        power[1] & (mantissa | ~power[0]),
        power[1] & power[0],
    )
    size = Signal(4, name=f"{name}_size")
    found = Signal(5, name=name)
    m.d.comb += size.eq((code ^ code[3].replicate(4)) + code[3])
    doubled = Cat(C(0, 1), size[:3])
    whole = Mux(element[1], size, doubled)
    m.d.comb += found.eq(Cat(Mux(element[0], whole, floating), code[3]))
    return found


def significand(plan: MultiFormatPlan, scale: Value, form: Value) -> Value:
    """That of a scale, without if4's factor: 4 bits; 0 where the scale does not count."""
    unsigned, _, nan = split_scale(scale)
    power = Mux(form == MXFP4, _inside(plan, scale), 1)
    return Mux(_is_e4m3(form), Mux(nan, 0, unsigned), power)


def exponent(plan: MultiFormatPlan, scale: Value, form: Value) -> Value:
    """That of a scale, from 0 on; anything where the scale does not count."""
    _, unsigned, _ = split_scale(scale)
    bits = plan.most_exponent.bit_length()
    above = (scale - (_BIAS + plan.range[0]))[:bits]
    return Mux(_is_e4m3(form), unsigned, Mux(form == MXFP4, above, 0))[:bits]


def fold(value: Value, scale: Value, form: Value) -> Value:
    """``value`` times if4's factor, 7 of floats and 6 of integers: 8 - 1, 8 - 2; else 2 - 1."""
    return Mux(form == IF4, value << 3, value << 1) - Mux(_doubled(scale, form), value << 1, value)


def bad(plan: MultiFormatPlan, scale: Value, form: Value) -> Value:
    """Whether a scale is NaN or out of range; 2**-127, that of blocks of zeros, is not."""
    _, _, nan = split_scale(scale)
    power = scale.any() & ~_inside(plan, scale)
    return Mux(_is_e4m3(form), nan, (form == MXFP4) & power)


def _place(m: Module, plan: MultiFormatPlan, code: Value, form: Value, name: str) -> Value:
    """A sum that was rounded as one of nvfp4, in the units of its format: normal, or zero."""
    power = Signal(signed(9), name=f"{name}_power")
    mxfp4, int4 = (C(plan.power(number), signed(9)) for number in (MXFP4, INT4))
    m.d.comb += power.eq(Mux(form == MXFP4, mxfp4, Mux(form == INT4, int4, 0)))
    biased = Mux(code[23:31].any(), code[23:31] + power, 0)
    return Cat(code[:23], biased[:8], code[31])


def _is_e4m3(form: Value) -> Value:
    return ~form[1]


def _doubled(scale: Value, form: Value) -> Value:
    return (form == IF4) & scale[7]


def _inside(plan: MultiFormatPlan, scale: Value) -> Value:
    low, high = (end + _BIAS for end in plan.range)
    return (scale >= low) & (scale <= high)


def _emit_decode(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    word, element = inputs
    lanes = [
        decode(m, word.word_select(k, 4), element, f"{value.name}{k}")
        for k in range(_plan(parameters).lanes)
    ]
    m.d.comb += value.eq(Cat(*lanes))


def _emit_kind(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    m.d.comb += value.eq(kind(*inputs))


def _emit_significand(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    m.d.comb += value.eq(significand(_plan(parameters), *inputs))


def _emit_exponent(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    m.d.comb += value.eq(exponent(_plan(parameters), *inputs))


def _emit_fold(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    m.d.comb += value.eq(fold(*inputs))


def _emit_bad(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    a_scale, b_scale, form = inputs
    plan = _plan(parameters)
    m.d.comb += value.eq(bad(plan, a_scale, form) | bad(plan, b_scale, form))


def _emit_place(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    code, form = inputs
    m.d.comb += value.eq(_place(m, _plan(parameters), code, form, value.name))


MULTI_FORMAT_STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "multi_kind": _emit_kind,
        "multi_decode": _emit_decode,
        "multi_significand": _emit_significand,
        "multi_exponent": _emit_exponent,
        "multi_fold": _emit_fold,
        "multi_bad": _emit_bad,
        "multi_place": _emit_place,
    }
)
"""By kind of node: drives a signal, given its inputs and the parameters of its node."""


def _plan(parameters: tuple[object, ...]) -> MultiFormatPlan:
    (plan,) = parameters
    assert isinstance(plan, MultiFormatPlan)
    return plan

"""The steps of floating-point units (see :mod:`accelgen.netlist.floats`), combinational.

Each takes named values and returns those that the next step takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value

from accelgen.formats.floating import FP32, FloatFormat
from accelgen.netlist.floats import FP32_STEPS, FixedToFloatPlan, Word
from accelgen.rtl.primitives.rounding import (
    leading_zeros,
    limit,
    round_nearest,
    shift_left,
    shift_right_sticky,
)

__all__ = [
    "FLOAT_STEPS",
    "FP32_FUNCTIONS",
    "Fields",
    "count_zeros",
    "magnitude",
    "normalise",
    "round_normal",
]

Fields = dict[str, Value]
Step = Callable[[Module, Signal, Sequence[Value], tuple[object, ...]], None]


def magnitude(m: Module, x: Value, name: str) -> Fields:
    """``size`` and ``sign`` of a signed number."""
    size = Signal(len(x), name=f"{name}_size")
    m.d.comb += size.eq(Mux(x[-1], -x, x))
    return {"size": size, "sign": x[-1]}


def count_zeros(m: Module, plan: FixedToFloatPlan, size: Value, name: str) -> Value:
    """By how much a magnitude is shifted: its leading zeros, but not beyond the subnormals."""
    zeros = leading_zeros(m, _padded(plan, size), f"{name}_zeros")
    limit = min(plan.top_exponent - 1, (1 << len(zeros)) - 1)
    amount = Signal(plan.amount_bits, name=f"{name}_amount")
    m.d.comb += amount.eq(Mux(zeros > limit, limit, zeros))
    return amount


def normalise(
    m: Module, plan: FixedToFloatPlan, size: Value, sign: Value, amount: Value, name: str
) -> Fields:
    """``normal``, ``exponent`` and ``sign``."""
    shifted = shift_left(m, _padded(plan, size), amount, plan.padded, f"{name}_normal")
    normal = Signal(plan.kept, name=f"{name}_kept")
    exponent = Signal(plan.exponent_bits, name=f"{name}_exponent")
    lost = plan.padded - plan.kept
    kept = Cat(shifted[: lost + 1].any(), shifted[lost + 1 :]) if lost else shifted
    m.d.comb += [normal.eq(kept), exponent.eq(plan.top_exponent - amount)]
    return {"normal": normal, "exponent": exponent, "sign": sign}


def round_normal(
    m: Module, format: FloatFormat, normal: Value, exponent: Value, sign: Value, name: str
) -> Value:
    """The code."""
    return Cat(limit(round_nearest(m, normal, exponent, format, name), format), sign)


def _padded(plan: FixedToFloatPlan, size: Value) -> Value:
    return Cat(C(0, plan.below), size, C(0, plan.above))


def _order(m: Module, v: Fields, name: str) -> Fields:
    """By magnitude.  The sum has the sign of the larger operand."""
    a, b = v["a"], v["b"]
    swap = Signal(name=f"{name}_swap")
    m.d.comb += swap.eq(b[:31] > a[:31])
    return {"large": Mux(swap, b, a), "small": Mux(swap, a, b)}


def _distance(m: Module, v: Fields, name: str) -> Fields:
    """Shifting by 31 leaves the sticky bit alone, so do all larger distances."""
    distance = Signal(8, name=f"{name}_distance")
    m.d.comb += distance.eq(_exponent(v["large"]) - _exponent(v["small"]))
    return {**v, "amount": Mux(distance[5:].any(), 31, distance[:5])}


def _align(m: Module, v: Fields, name: str) -> Fields:
    """With guard, round and sticky bits."""
    large, small = v["large"], v["small"]
    guarded = Signal(27, name=f"{name}_guarded")
    m.d.comb += guarded.eq(Cat(C(0, 3), _significand(small)))
    large_top, small_top = large[23:31].all(), small[23:31].all()
    opposite = small_top & (large[31] ^ small[31])
    return {
        "significand": _significand(large),
        "aligned": shift_right_sticky(m, guarded, v["amount"], f"{name}_align"),
        "exponent": _exponent(large),
        # Minus zero only if both are: of equal magnitudes, `large` is operand a.
        "sign": large[31] & (small[31] | large[:31].any()),
        "subtract": large[31] ^ small[31],
        "nan": large_top & (large[:23].any() | opposite),
        "infinite": large_top,
    }


def _add(m: Module, v: Fields, name: str) -> Fields:
    aligned, subtract = v["aligned"], v["subtract"]
    total = Signal(28, name=f"{name}_total")
    operand = Mux(subtract, ~Cat(aligned, C(0, 1)), Cat(aligned, C(0, 1)))
    guarded = Cat(C(0, 3), v["significand"])
    m.d.comb += total.eq(guarded + operand + subtract)
    # Opposite numbers cancel to +0.
    cancelled = subtract & (aligned == guarded)
    sign = v["sign"] & ~(cancelled & ~v["infinite"])
    return {"total": total, "exponent": v["exponent"], "sign": sign, **_flags(v)}


def _count(m: Module, v: Fields, name: str) -> Fields:
    """Bit 27 has the exponent of the larger operand, plus one; it must stay at least 1."""
    zeros = Signal(5, name=f"{name}_zeros")
    amount = Signal(5, name=f"{name}_amount")
    exponent = v["exponent"]
    m.d.comb += [
        zeros.eq(leading_zeros(m, v["total"], f"{name}_count")),
        amount.eq(Mux(zeros > exponent, exponent[:5], zeros)),
    ]
    return {**v, "amount": amount}


def _normalise(m: Module, v: Fields, name: str) -> Fields:
    exponent = Signal(9, name=f"{name}_exponent")
    normal = Signal(28, name=f"{name}_normal")
    m.d.comb += [
        exponent.eq(v["exponent"] + 1 - v["amount"]),
        normal.eq((v["total"] << v["amount"])[:28]),
    ]
    return {"normal": normal, "exponent": exponent, "sign": v["sign"], **_flags(v)}


def _round(m: Module, v: Fields, name: str) -> Fields:
    rounded = round_nearest(m, v["normal"], v["exponent"], FP32, name)
    return {"rounded": rounded, "sign": v["sign"], **_flags(v)}


def _select(m: Module, v: Fields, name: str) -> Fields:
    finite = Cat(limit(v["rounded"], FP32), v["sign"])
    infinity = Cat(C(FP32.inf_code, 31), v["sign"])
    return {"code": Mux(v["nan"], C(FP32.nan_code, 32), Mux(v["infinite"], infinity, finite))}


def _exponent(code: Value) -> Value:
    """1 for subnormals."""
    return Cat(code[23] | ~code[23:31].any(), code[24:31])


def _significand(code: Value) -> Value:
    """With its hidden bit."""
    return Cat(code[:23], code[23:31].any())


def _flags(v: Fields) -> Fields:
    return {"nan": v["nan"], "infinite": v["infinite"]}


FP32_FUNCTIONS: Mapping[str, Callable[[Module, Fields, str], Fields]] = MappingProxyType(
    {
        "fp_order": _order,
        "fp_distance": _distance,
        "fp_align": _align,
        "fp_add": _add,
        "fp_count": _count,
        "fp_normalise": _normalise,
        "fp_round": _round,
        "fp_select": _select,
    }
)
"""The steps of an FP32 sum of ``a`` and ``b``."""


def _emit_fp32(
    kind: str, m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    kinds: list[str] = [name for name, _ in FP32_STEPS]
    position = kinds.index(kind)
    if position == 0:
        fields = dict(zip("ab", inputs, strict=True))
    else:
        fields = _split(inputs[0], FP32_STEPS[position - 1][1])
    found = FP32_FUNCTIONS[kind](m, fields, value.name)
    m.d.comb += value.eq(_join(found, FP32_STEPS[position][1]))


def _emit_fixed(
    kind: str, m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    (plan,) = parameters
    assert isinstance(plan, FixedToFloatPlan)
    name = value.name
    if kind == "float_size":
        found = _join(magnitude(m, inputs[0], name), plan.size)
    elif kind == "float_zeros":
        found = count_zeros(m, plan, inputs[0][: plan.width], name)
    elif kind == "float_normal":
        fields = _split(inputs[0], plan.size)
        normal = normalise(m, plan, fields["size"], fields["sign"], inputs[1], name)
        found = _join(normal, plan.normal)
    elif kind == "float_round":
        fields = _split(inputs[0], plan.normal)
        rounded = round_nearest(m, fields["normal"], fields["exponent"], plan.format, name)
        found = _join({"rounded": rounded, "sign": fields["sign"]}, plan.rounded)
    else:
        fields = _split(inputs[0], plan.rounded)
        found = Cat(limit(fields["rounded"], plan.format), fields["sign"])
    m.d.comb += value.eq(found)


def _narrow(
    m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]
) -> None:
    """FP32 to BF16, to nearest even; a NaN is the quiet one, and stays it."""
    code = inputs[0]
    up = code[15] & (code[:15].any() | code[16])
    m.d.comb += value.eq(code[16:] + up)


def _nan(m: Module, value: Signal, inputs: Sequence[Value], parameters: tuple[object, ...]) -> None:
    (form,) = parameters
    assert isinstance(form, FloatFormat)
    m.d.comb += value.eq(Mux(inputs[1], C(form.nan_code or 0, form.width), inputs[0]))


FLOAT_STEPS: Mapping[str, Step] = MappingProxyType(
    {
        **{kind: partial(_emit_fp32, kind) for kind, _ in FP32_STEPS},
        **{
            kind: partial(_emit_fixed, kind)
            for kind in ("float_size", "float_zeros", "float_normal", "float_round", "float_limit")
        },
        "float_narrow": _narrow,
        "float_nan": _nan,
    }
)
"""By kind of node: drives a signal, given its inputs and the parameters of its node."""


def _split(value: Value, word: Word) -> Fields:
    fields, at = {}, 0
    for name, bits in word:
        fields[name] = value[at : at + bits]
        at += bits
    return fields


def _join(fields: Fields, word: Word) -> Value:
    assert [(name, len(fields[name])) for name, _ in word] == list(word)
    return Cat(*(fields[name] for name, _ in word))

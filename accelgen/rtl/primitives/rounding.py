"""What floating-point units share: counting, shifting, rounding."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value

from accelgen.formats.floating import FloatFormat

__all__ = ["leading_zeros", "limit", "round_nearest", "shift_left", "shift_right_sticky"]


def leading_zeros(m: Module, value: Value, name: str) -> Value:
    """How many zeros ``value`` has above its highest one; anything where it is zero.

    A tree of depth log2 of the width; the result has ``ceil(log2(width))`` bits.
    """
    width = len(value)
    levels = max(1, (width - 1).bit_length())
    # Below the value everything counts as a one.
    bits = Cat(C(-1, (1 << levels) - width).as_unsigned(), value) if width != 1 << levels else value
    count, _ = _zeros(m, bits, levels, name)
    return count


def _zeros(m: Module, bits: Value, levels: int, name: str) -> tuple[Value, Value]:
    """The count of a power-of-two width (``levels`` bits), and whether all bits are zero."""
    if levels == 0:
        return C(0, 0), ~bits
    half = len(bits) // 2
    high, none_high = _zeros(m, bits[half:], levels - 1, f"{name}h")
    low, none_low = _zeros(m, bits[:half], levels - 1, f"{name}l")
    count = Signal(levels, name=f"{name}_count")
    none = Signal(name=f"{name}_none")
    m.d.comb += [
        count.eq(Cat(Mux(none_high, low, high), none_high) if levels > 1 else none_high),
        none.eq(none_high & none_low),
    ]
    return count, none


def shift_left(
    m: Module, value: Value, amount: Value, width: int, name: str, first: int = 0
) -> Value:
    """The low ``width`` bits of ``value << (amount << first)``; extends the value by its sign."""
    for k in range(first, first + len(amount)):
        shifted = Signal(width, name=f"{name}_shl{k}")
        wide = Signal(width, name=f"{name}_in{k}")
        m.d.comb += wide.eq(value)
        low = C(0, min(1 << k, width))
        m.d.comb += shifted.eq(
            Mux(amount[k - first], Cat(low, wide[: max(0, width - (1 << k))]), wide)
        )
        value = shifted
    return value


def shift_right_sticky(m: Module, value: Value, amount: Value, name: str) -> Value:
    """``value >> amount``, unsigned; the lowest bit is also set if any one was shifted out."""
    width = len(value)
    for k in range(len(amount)):
        step = min(1 << k, width)
        shifted = Signal(width, name=f"{name}_shr{k}")
        dropped = value[:step].any()
        kept = value[step:] if step < width else C(0, 1)
        low = kept[0] | dropped
        moved = Cat(low, kept[1:])
        m.d.comb += shifted.eq(Mux(amount[k], moved, value))
        value = shifted
    return value


def round_nearest(
    m: Module, magnitude: Value, exponent: Value, format: FloatFormat, name: str
) -> Value:
    """A magnitude rounded to nearest even: exponent and mantissa, not limited to the format.

    ``magnitude`` (with at least ``mantissa_bits + 1`` bits) has its highest one in its top bit, or
    ``exponent`` is 1 and the value subnormal.  ``exponent`` is that of the top bit, with the
    format's bias, at least 1.  The result has ``mantissa_bits + 1`` bits more than it.
    """
    p = format.mantissa_bits + 1
    extra = len(magnitude) - p
    kept = magnitude[extra:]
    field = Signal(len(exponent), name=f"{name}_field")
    m.d.comb += field.eq(Mux(kept[-1], exponent, 0))
    up: Value = C(0, 1)
    if extra:
        guard = magnitude[extra - 1]
        below = magnitude[: extra - 1].any() if extra > 1 else C(0, 1)
        up = guard & (below | kept[0])
    # A carry out of the mantissa goes where it belongs: into the exponent.
    code = Signal(len(exponent) + p, name=f"{name}_rounded")
    m.d.comb += code.eq(Cat(kept[:-1], field) + up)
    return code


def limit(rounded: Value, format: FloatFormat) -> Value:
    """The code, without its sign, of what :func:`round_nearest` gives: beyond the largest, Inf."""
    top = (1 << format.exponent_bits) - 1
    infinite = rounded[format.mantissa_bits :] >= top
    infinity = C(top << format.mantissa_bits, format.width - 1)
    return Mux(infinite, infinity, rounded[: format.width - 1])

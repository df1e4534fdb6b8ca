"""Unsigned E4M3 scales as significand and exponent."""

from __future__ import annotations

from amaranth.hdl import Cat, Mux, Value

from accelgen.errors import InputError

__all__ = ["Factors", "fold", "fold_shifts", "split_scale"]

Factors = tuple[int, int]
"""What a significand is multiplied by: of floating-point elements, of integers."""


def split_scale(code: Value) -> tuple[Value, Value, Value]:
    """Of an unsigned E4M3 in bits 6..0: significand (4 bits), exponent (0..14), whether NaN."""
    normal = code[3:7].any()
    return Cat(code[:3], normal), code[3:7] - normal, code[:7].all()


def fold(significand: Value, integer: Value, factors: Factors) -> Value:
    """``significand`` times one of ``factors``, the second where ``integer`` is set."""
    if factors == (1, 1):
        return significand
    n, c = fold_shifts(factors)
    return (significand << n) - Mux(integer, significand << c, significand)


def fold_shifts(factors: Factors) -> tuple[int, int]:
    """``n`` and ``c`` of factors 2**n - 1 and 2**n - 2**c."""
    n = factors[0].bit_length()
    rest = (1 << n) - factors[1]
    c = rest.bit_length() - 1
    if factors != (1, 1) and (factors[0] != (1 << n) - 1 or rest < 1 or rest != 1 << c):
        raise InputError(
            f"factors {factors[0]} and {factors[1]}", hint="use 2**n - 1 and 2**n - 2**c"
        )
    return n, c

"""Integers: two's complement, unsigned, and sign-magnitude."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from accelgen.errors import InputError
from accelgen.formats.policy import (
    DEFAULT,
    Codes,
    Float64s,
    Limits,
    Policy,
    check_codes,
    code_type,
    round_up,
    to_float,
)

__all__ = ["IntFormat", "SignMagnitudeFormat", "parse_format"]

MAX_BITS = 8192
"""Widest integer in hardware: words of a block, exact sums of wide formats."""
MAX_NAMED_BITS = 64
"""Widest integer that descriptions name; sums of 2**30 products of 16 bits fit."""
MAX_CODED_BITS = 32
"""Widest integer that is encoded and decoded: all its values are exact in float64."""


@dataclass(frozen=True)
class IntFormat:
    """An integer of ``bits`` bits (1..8192), two's complement when ``signed``.

    A ``symmetric`` one (signed, of at least 2 bits) reaches from -max to max: its lowest code, a
    one and zeros, is no number; encoding never makes it, and it decodes to 0.
    """

    bits: int
    signed: bool = True
    symmetric: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= MAX_BITS:
            raise InputError(f"a width of {self.bits} bits is outside 1..{MAX_BITS}")
        if self.symmetric and not (self.signed and self.bits > 1):
            raise InputError(f"{self} cannot be symmetric", hint="use a signed one of 2 bits up")

    @property
    def min(self) -> int:
        """Smallest value."""
        if self.symmetric:
            return -self.max
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        """Largest value."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @property
    def width(self) -> int:
        """Bits of a code."""
        return self.bits

    @property
    def limits(self) -> Limits:
        """Smallest and largest value; all others are normal."""
        return Limits(self.min, self.max, 1.0, 1.0)

    def holds(self, low: int, high: int) -> bool:
        """Whether every value of ``low..high`` is representable."""
        return self.min <= low and high <= self.max

    def spacing(self, values: object) -> Float64s:
        """Distance from each value to its neighbours: one."""
        return np.ones(np.shape(np.asarray(values)), dtype=np.float64)

    def decode(self, codes: object) -> Float64s:
        """The values of ``codes`` (integers 0..2**bits - 1, any shape; at most 32 bits)."""
        self._check_coded()
        found = check_codes(codes, 1 << self.bits, str(self)).astype(np.int64)
        if self.signed:
            found = found - ((found >> (self.bits - 1)) << self.bits)
        if self.symmetric:
            found = np.where(found < self.min, 0, found)
        return found.astype(np.float64)

    def encode(self, values: object, policy: Policy = DEFAULT) -> Codes:
        """The codes of real ``values`` of any shape, rounded; saturates whatever the policy."""
        self._check_coded()
        rounded = round_to_integer(to_float(values, policy, has_nan=False), policy)
        whole = np.clip(rounded, self.min, self.max).astype(np.int64)
        return (whole & ((1 << self.bits) - 1)).astype(code_type(self.bits))

    @classmethod
    def for_range(cls, low: int, high: int) -> IntFormat:
        """The narrowest format that holds ``low..high``; unsigned when ``low >= 0``."""
        if low >= 0:
            return cls(max(1, high.bit_length()), signed=False)
        return cls(1 + max((-low - 1).bit_length(), high.bit_length() if high > 0 else 0))

    def _check_coded(self) -> None:
        if self.bits > MAX_CODED_BITS:
            raise InputError(
                f"{self} is not encoded or decoded",
                hint=f"use at most {MAX_CODED_BITS} bits, or integers as they are",
            )

    def __str__(self) -> str:
        """``int8``, ``uint4``; a symmetric one is called as its width."""
        return f"{'int' if self.signed else 'uint'}{self.bits}"


@dataclass(frozen=True)
class SignMagnitudeFormat:
    """An integer of ``bits`` bits (2..16): the sign on top, the magnitude below it.

    Minus zero is a code that decodes to zero; encoding never produces it.
    """

    bits: int

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16:
            raise InputError(f"a width of {self.bits} bits is outside 2..16")

    @property
    def min(self) -> int:
        """Smallest value."""
        return -self.max

    @property
    def max(self) -> int:
        """Largest value."""
        return (1 << (self.bits - 1)) - 1

    @property
    def width(self) -> int:
        """Bits of a code."""
        return self.bits

    @property
    def limits(self) -> Limits:
        """Smallest and largest value; all others are normal."""
        return Limits(self.min, self.max, 1.0, 1.0)

    def spacing(self, values: object) -> Float64s:
        """Distance from each value to its neighbours: one."""
        return np.ones(np.shape(np.asarray(values)), dtype=np.float64)

    def decode(self, codes: object) -> Float64s:
        """The values of ``codes`` (integers 0..2**bits - 1, any shape)."""
        found = check_codes(codes, 1 << self.bits, str(self)).astype(np.int64)
        magnitude = found & self.max
        return np.where(found > self.max, -magnitude, magnitude).astype(np.float64)

    def encode(self, values: object, policy: Policy = DEFAULT) -> Codes:
        """The codes of real ``values`` of any shape, rounded; saturates whatever the policy."""
        rounded = round_to_integer(to_float(values, policy, has_nan=False), policy)
        whole = np.clip(rounded, self.min, self.max).astype(np.int64)
        code = np.where(whole < 0, self.max + 1 - whole, whole)
        return np.asarray(code, dtype=code_type(self.bits))

    def __str__(self) -> str:
        """``sm3``."""
        return f"sm{self.bits}"


def round_to_integer(
    values: Float64s, policy: Policy, generator: np.random.Generator | None = None
) -> Float64s:
    """``values`` rounded to whole numbers; infinities stay."""
    magnitude = np.abs(values)
    finite = np.where(np.isfinite(magnitude), magnitude, 0.0)
    below = np.floor(finite)
    up = round_up(finite - below, np.fmod(below, 2.0) == 1.0, policy, generator)
    return np.where(np.isfinite(magnitude), np.copysign(below + up, values), values)


def parse_format(text: str) -> IntFormat:
    """Read ``int8`` or ``uint4``; raise :class:`InputError` otherwise."""
    match = re.fullmatch(r"(u?)int([1-9][0-9]?)", text)
    if match is None:
        raise InputError(f"unknown format {text!r}", hint="use int2..int64 or uint1..uint64")
    if int(match[2]) > MAX_NAMED_BITS:
        raise InputError(
            f"a width of {match[2]} bits is outside 1..{MAX_NAMED_BITS}", hint="use int64"
        )
    return IntFormat(int(match[2]), signed=not match[1])

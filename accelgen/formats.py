"""Number formats of tensor elements: two's complement and unsigned integers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from accelgen.errors import InputError

__all__ = ["IntFormat", "parse_format"]

MAX_BITS = 64
"""Widest format of any element; accumulators of 16-bit products over 2**30 terms fit."""


@dataclass(frozen=True)
class IntFormat:
    """An integer of ``bits`` bits (1..64), two's complement when ``signed``."""

    bits: int
    signed: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= MAX_BITS:
            raise InputError(f"a width of {self.bits} bits is outside 1..{MAX_BITS}")

    @property
    def min(self) -> int:
        """Smallest value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        """Largest value."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    def holds(self, low: int, high: int) -> bool:
        """Whether every value of ``low..high`` is representable."""
        return self.min <= low and high <= self.max

    @classmethod
    def for_range(cls, low: int, high: int) -> IntFormat:
        """The narrowest format that holds ``low..high``; unsigned when ``low >= 0``."""
        if low >= 0:
            return cls(max(1, high.bit_length()), signed=False)
        return cls(1 + max((-low - 1).bit_length(), high.bit_length() if high > 0 else 0))

    def __str__(self) -> str:
        """``int8``, ``uint4``."""
        return f"{'int' if self.signed else 'uint'}{self.bits}"


def parse_format(text: str) -> IntFormat:
    """Read ``int8`` or ``uint4``; raise :class:`InputError` otherwise."""
    match = re.fullmatch(r"(u?)int([1-9][0-9]?)", text)
    if match is None:
        raise InputError(f"unknown format {text!r}", hint="use int2..int64 or uint1..uint64")
    return IntFormat(int(match[2]), signed=not match[1])

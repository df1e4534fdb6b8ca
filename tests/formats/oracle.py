"""Plain references the formats are compared with: one number, one block at a time.

Written from the definitions, without anything of the package: nearest values are found by searching
lists, blocks are Python loops over FP32 scalars.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from math import floor, log2

import numpy as np

__all__ = [
    "E2M0",
    "E2M1",
    "E2M3",
    "E3M2",
    "E4M3",
    "Element",
    "adaptive",
    "four_over_six",
    "mx",
    "nv",
]

F = np.float32


@dataclass(frozen=True)
class Element:
    """A signed format as the list of its magnitudes, by code; ``sign`` is the sign's bit."""

    magnitudes: tuple[float, ...]
    sign: int

    def nearest(self, value: float, *, ties_to_zero: bool = False) -> tuple[int, float]:
        """Code and value of what is nearest, a tie to the even code; saturates."""
        size = min(abs(value), self.magnitudes[-1])
        below = bisect_right(self.magnitudes, size) - 1
        code = below
        if below + 1 < len(self.magnitudes):
            down, up = size - self.magnitudes[below], self.magnitudes[below + 1] - size
            if up < down or (up == down and below % 2 == 1 and not ties_to_zero):
                code = below + 1
        negative = bool(np.signbit(value))
        found = self.magnitudes[code]
        return code + self.sign * negative, -found if negative else found


def _element(exponent: int, mantissa: int, count: int) -> Element:
    bias = 2 ** (exponent - 1) - 1
    magnitudes = []
    for code in range(count):
        e, m = divmod(code, 2**mantissa)
        significand = m / 2**mantissa + (e > 0)
        magnitudes.append(significand * 2.0 ** (max(e, 1) - bias))
    return Element(tuple(magnitudes), 1 << (exponent + mantissa))


E2M0 = _element(2, 0, 4)
E2M1 = _element(2, 1, 8)
E2M3 = _element(2, 3, 32)
E3M2 = _element(3, 2, 32)
E4M3 = _element(4, 3, 127)
E5M2 = _element(5, 2, 124)

Block = tuple[list[int], int]
"""Codes and the code of the scale."""


def _scale(value: np.float32) -> tuple[int, np.float32]:
    code, found = E4M3.nearest(float(value))
    return code, F(found)


def _code(whole: int, bits: int, *, sign_magnitude: bool) -> int:
    if sign_magnitude:
        return abs(whole) + (1 << (bits - 1) if whole < 0 else 0)
    return whole & ((1 << bits) - 1)


def _scaled(x: np.float32, dec: np.float32, s: np.float32) -> np.float32:
    return F(0) if s == 0 else F(x * F(F(1) / F(dec * s)))


def nv(blocks: list[list[np.float32]], largest: np.float32, element: Element | None) -> list[Block]:
    """NVFP4, and NVINT4 (without ``element``)."""
    maximum = F(element.magnitudes[-1] if element else 7)
    enc = F(F(maximum * F(448)) / largest)
    dec = F(F(1) / enc)
    found = []
    for block in blocks:
        a = F(np.abs(block).max())
        scale, s = _scale(F(F(a / maximum) * enc))
        scaled = [_scaled(x, dec, s) for x in block]
        if element:
            codes = [element.nearest(float(x))[0] for x in scaled]
        else:
            codes = [
                _code(round(min(max(float(x), -7.0), 7.0)), 4, sign_magnitude=False) for x in scaled
            ]
        found.append((codes, scale))
    return found


def _error(values: list[np.float32], block: list[np.float32], kind: str) -> np.float32:
    total = F(0)
    for d, x in zip(values, block, strict=True):
        difference = F(d - x)
        if kind == "mse":
            total = F(total + F(difference * difference))
        elif kind == "mae":
            total = F(total + abs(difference))
        else:
            total = F(max(total, abs(difference)))
    return total


def four_over_six(blocks: list[list[np.float32]], largest: np.float32, kind: str) -> list[Block]:
    enc = F(F(6 * 256) / largest)
    dec = F(F(1) / enc)
    found = []
    for block in blocks:
        a = F(np.abs(block).max())
        first = F(F(a / F(6)) * enc)
        tries = []
        for wanted in (first, F(first * F(1.5))):
            scale, s = _scale(wanted)
            pairs = [E2M1.nearest(float(_scaled(x, dec, s))) for x in block]
            values = [F(F(F(F(q) * s) * largest) / F(6 * 256)) for _, q in pairs]
            tries.append((_error(values, block, kind), [code for code, _ in pairs], scale))
        six, four = tries
        _, codes, scale = four if four[0] < six[0] else six
        found.append((codes, scale))
    return found


def adaptive(
    blocks: list[list[np.float32]], largest: np.float32, element: Element, most: int, kind: str
) -> list[Block]:
    """IF4 (``most`` = 7), IF3 (3), IF6 (31)."""
    maximum = F(element.magnitudes[-1])
    ratio = F(element.magnitudes[-1] / most)
    levels = F(maximum * F(448))
    enc = F(levels / largest)
    dec = F(F(1) / enc)
    found = []
    for block in blocks:
        a = F(np.abs(block).max())
        scale, s = _scale(F(F(a / maximum) * enc))
        scaled = [_scaled(x, dec, s) for x in block]
        pairs = [element.nearest(float(x), ties_to_zero=most == 3) for x in scaled]
        as_float = [F(F(F(F(q) * s) * largest) / levels) for _, q in pairs]
        wholes = [
            round(float(min(max(F(F(x * F(most)) / maximum), F(-most)), F(most)))) for x in scaled
        ]
        as_integer = [F(F(F(F(F(i) * s) * largest) * ratio) / levels) for i in wholes]
        if _error(as_integer, block, kind) < _error(as_float, block, kind):
            bits = (2 * most + 1).bit_length()
            codes = [_code(i, bits, sign_magnitude=most != 7) for i in wholes]
            found.append((codes, scale | 0x80))
        else:
            found.append(([code for code, _ in pairs], scale))
    return found


def mx(blocks: list[list[np.float32]], element: Element | None, rule: str) -> list[Block]:
    """The MX formats; MXINT8 without ``element``."""
    maximum = element.magnitudes[-1] if element else 127 / 64
    found = []
    for block in blocks:
        a = float(np.abs(block).max())
        if a == 0:
            exponent = -127
        elif rule == "floor":
            exponent = floor(log2(a)) - floor(log2(maximum))
            # log2 rounds: just below a power of two it may return the power.
            if 2.0 ** floor(log2(a)) > a:
                exponent -= 1
        else:
            exponent = next(e for e in range(-170, 130) if maximum * 2.0**e >= a)
        exponent = min(max(exponent, -127), 127)
        codes = []
        for x in block:
            scaled = float(x) * 2.0**-exponent
            if element:
                codes.append(element.nearest(scaled)[0])
            else:
                codes.append(min(max(round(scaled * 64), -127), 127) % 256)
        found.append((codes, exponent + 127))
    return found

"""Formats of intermediate values: wide enough for every value, never wider than the output.

Two's complement sums and products may wrap on the way: a result that fits the output is exact
modulo two to its width, so no intermediate value needs more bits than that.
"""

from __future__ import annotations

from collections.abc import Iterable

from accelgen.formats import IntFormat

__all__ = ["format_for", "product_format", "repeated_format", "sum_format", "widest"]


def format_for(low: int, high: int, limit: IntFormat) -> IntFormat:
    """The narrowest format that holds ``low..high``, or ``limit`` when that is no wider."""
    bits = (
        max(1, high.bit_length())
        if low >= 0
        else 1 + max((-low - 1).bit_length(), high.bit_length() if high > 0 else 0)
    )
    return limit if bits >= limit.bits else IntFormat(bits, signed=low < 0)


def product_format(a: IntFormat, b: IntFormat, limit: IntFormat) -> IntFormat:
    """The format of ``a * b``."""
    corners = [x * y for x in (a.min, a.max) for y in (b.min, b.max)]
    return format_for(min(corners), max(corners), limit)


def sum_format(terms: Iterable[IntFormat], limit: IntFormat) -> IntFormat:
    """The format of the sum of one value of each format."""
    known = list(terms)
    return format_for(sum(t.min for t in known), sum(t.max for t in known), limit)


def repeated_format(term: IntFormat, times: int, limit: IntFormat) -> IntFormat:
    """The format of the sum of up to ``times`` values of one format."""
    return format_for(term.min * times, term.max * times, limit)


def widest(formats: Iterable[IntFormat]) -> IntFormat:
    """The one that holds the values of all, which are alike in sign or cut to one limit."""
    return max(formats, key=lambda format: format.bits)

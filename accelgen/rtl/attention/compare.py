"""Which of two numbers is greater, and whether they are equal, with gates that both share."""

from __future__ import annotations

from amaranth.hdl import Value

__all__ = ["compare"]


def compare(a: Value, b: Value) -> tuple[Value, Value]:
    """``a > b`` and ``a == b`` of unsigned numbers of one width: a tree over their bits."""
    assert len(a) == len(b)
    if len(a) == 1:
        return a & ~b, ~(a ^ b)
    half = len(a) // 2
    low, same_low = compare(a[:half], b[:half])
    high, same_high = compare(a[half:], b[half:])
    return high | (same_high & low), same_high & same_low

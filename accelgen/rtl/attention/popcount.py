"""How many bits are set."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

__all__ = ["popcount"]


def popcount(m: Module, bits: Value, name: str) -> Value:
    """The number of ones among ``bits``: a balanced tree of adders, whose sums are called
    ``name_*``.
    """
    if len(bits) == 1:
        return bits
    half = len(bits) // 2
    total = Signal(range(len(bits) + 1), name=f"{name}_{len(bits)}")
    m.d.comb += total.eq(
        popcount(m, bits[:half], f"{name}_low") + popcount(m, bits[half:], f"{name}_high")
    )
    return total

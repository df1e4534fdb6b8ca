"""Tapped delay lines."""

from __future__ import annotations

from collections.abc import Collection

from amaranth.hdl import Cat, Module, Shape, Signal, Value

__all__ = ["delay_line"]


def delay_line(
    m: Module,
    value: Value,
    shape: Shape,
    taps: Collection[int],
    name: str,
    *,
    reset: bool = False,
    keep: bool = False,
) -> dict[int, Value]:
    """``value`` as it was ``r`` cycles ago, for every ``r`` in ``taps``.

    One shift register serves all taps.  Without ``reset`` its contents are undefined until it
    has been filled once.  With ``keep`` synthesis does not merge it with another of the same value.
    """
    longest = max(taps, default=0)
    result: dict[int, Value] = {0: value} if 0 in taps else {}
    if longest == 0:
        return result
    attributes = {"keep": 1} if keep else {}
    width = longest * shape.width
    line = Signal(width, name=f"{name}_line", reset_less=not reset, attrs=attributes)
    m.d.sync += line.eq(Cat(value.as_unsigned(), line[: (longest - 1) * shape.width]))
    for r in taps:
        if r:
            tap = line[(r - 1) * shape.width : r * shape.width]
            result[r] = tap.as_signed() if shape.signed else tap
    return result

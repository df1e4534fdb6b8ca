"""Tapped delay lines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from amaranth.hdl import C, Cat, Module, Shape, Signal, Value

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
    enables: Mapping[int, Value] = MappingProxyType({}),
) -> dict[int, Value]:
    """``value`` as it was ``r`` cycles ago, for every ``r`` in ``taps``.

    One shift register serves all taps.  Without ``reset`` its contents are undefined until it
    has been filled once.  Register ``r`` takes a value only when ``enables[r]`` is set, if there is
    one.  With ``keep``, and no enables, synthesis merges it with no other of the same value.
    """
    longest = max(taps, default=0)
    result: dict[int, Value] = {0: value} if 0 in taps else {}
    if longest == 0:
        return result
    if enables:
        for r in range(1, longest + 1):
            stage = Signal(shape, name=f"{name}_line{r}", reset_less=not reset)
            with m.If(enables.get(r, C(1))):
                m.d.sync += stage.eq(value)
            value = stage
            if r in taps:
                result[r] = stage
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

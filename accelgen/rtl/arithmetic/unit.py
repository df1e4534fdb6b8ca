"""What all arithmetic units have in common."""

from __future__ import annotations

from amaranth.lib import wiring

__all__ = ["ArithmeticUnit"]


class ArithmeticUnit(wiring.Component):
    """A component whose constructor checks its parameters.

    Its ``latency`` says how many cycles lie between inputs and the outputs they determine.
    """

    # A unit whose parameters are refused is not one that was forgotten.
    _MustUse__silence = True

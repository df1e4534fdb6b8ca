"""What all arithmetic units have in common."""

from __future__ import annotations

from amaranth.lib import wiring

__all__ = ["ArithmeticUnit"]


class ArithmeticUnit(wiring.Component):
    """A component with a fixed :attr:`latency`, whose constructor checks its parameters."""

    # A unit whose parameters are refused is not one that was forgotten.
    _MustUse__silence = True

    @property
    def latency(self) -> int:
        """Cycles from inputs to the outputs they determine."""
        raise NotImplementedError

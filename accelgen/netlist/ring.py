"""What a ``fifo`` is made of: said once, for the Verilog, for figures and for delays."""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.netlist.graph import Node

__all__ = ["Ring"]


@dataclass(frozen=True)
class Ring:
    """A ring of words that holds what came in during the last ``most`` cycles and before, the
    counter of the word that is written next, and a register behind it.  That takes a word by a
    multiplexer, or by a second one what comes in just now.
    """

    most: int
    """Cycles, beyond the first, up to which it can go back."""

    @classmethod
    def of(cls, node: Node) -> Ring:
        """That of a ``fifo``."""
        assert node.kind == "fifo"
        (most,) = node.parameters
        assert isinstance(most, int)
        return cls(most)

    @property
    def counter_bits(self) -> int:
        """Bits of the counter, which wraps around."""
        return self.most.bit_length()

    @property
    def words(self) -> int:
        """As many as the counter has values: a power of two beyond ``most``."""
        return 1 << self.counter_bits

    def register_bits(self, width: int) -> int:
        """Of the words, ``width`` bits each, of the counter and of the register behind them."""
        return self.words * width + self.counter_bits + width

    @property
    def mux_inputs(self) -> int:
        """Of both multiplexers."""
        return self.words + 2

"""What an output stage is made for: widths, the largest tensor, and from these its registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelgen.fabric.layout import Layout
from accelgen.golden.output_stage import MOST_POOL_SHIFT, MOST_SHIFT

__all__ = ["MULTIPLIER_BITS", "SUM_BITS", "WORDS", "Field", "StageForm", "planes"]

SUM_BITS = 32
"""Bits of a sum, of a bias, and of a word of the parameters."""

MULTIPLIER_BITS = 16

WORDS = 3
"""Words of a channel in a packet of parameters: the bias; the multiplier, and above it the shift;
the multiplier of the residual.  Other bits are ignored."""


@dataclass(frozen=True)
class Field:
    """A number of the stage that a problem sets: a register of ``bits`` bits, 0 to ``most``."""

    name: str
    bits: int
    most: int
    signed: bool = False


@dataclass(frozen=True)
class StageForm:
    """The hardware of an output stage.

    Codes have ``bits`` bits (of results, and of the residual), and multipliers are worked off
    ``chunk`` bits a cycle.  ``channels``, ``rows`` and ``columns`` are those of the largest tensor
    of sums, each by itself.
    """

    bits: int
    chunk: int
    channels: int
    rows: int
    columns: int

    @property
    def code_bits(self) -> int:
        """Bits of a code whose sign is part of it: those of codes with a sign and without."""
        return self.bits + 1

    @property
    def pool_bits(self) -> int:
        """Bits of the sum of the largest window, signed."""
        return self.code_bits + (self.rows * self.columns - 1).bit_length()

    @property
    def shift_bits(self) -> int:
        """Bits of a channel's shift."""
        return MOST_SHIFT.bit_length()

    @property
    def fields(self) -> tuple[Field, ...]:
        """The numbers that a problem sets.

        ``channels``, ``rows``, ``columns`` and the window are given less one, ``low`` and ``high``
        in two's complement; ``residual`` is 0 for none, 1 for codes without a sign, 2 with one;
        ``average`` is 0 for the largest of the window (of one element: no pooling).
        """
        code = (1 << self.code_bits) - 1
        wide = (1 << MULTIPLIER_BITS) - 1
        return (
            _last("channels", self.channels),
            _last("rows", self.rows),
            _last("columns", self.columns),
            Field("low", self.code_bits, code, signed=True),
            Field("high", self.code_bits, code, signed=True),
            Field("residual", 2, 2),
            Field("average", 1, 1),
            _last("window_rows", self.rows),
            _last("window_columns", self.columns),
            Field("pool_multiplier", MULTIPLIER_BITS, wide),
            Field("pool_shift", MOST_POOL_SHIFT.bit_length(), MOST_POOL_SHIFT),
        )

    def parameters(self, channels: int, bus_bits: int) -> Layout:
        """The layout of a packet of parameters."""
        words = max(2, self.channels)
        return Layout((channels, WORDS), (1, WORDS), SUM_BITS, bus_bits // SUM_BITS, words)


def planes(shape: Sequence[int]) -> tuple[int, int, int]:
    """Channels, rows and columns of a tensor of sums: [channels, rows, columns], a batch of these,
    or [channels, columns] of one row each.
    """
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    channels, rows, columns = shape[-3:]
    return channels, rows, columns


def _last(name: str, count: int) -> Field:
    return Field(name, max(1, (count - 1).bit_length()), count - 1)

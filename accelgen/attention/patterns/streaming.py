"""Sink tokens and a window of recent ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.blocks import Ints, interval_mask
from accelgen.attention.masks.mask import BlockMask, HeadMask
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import block_size, integer
from accelgen.attention.shape import AttentionShape

__all__ = ["Streaming", "streaming_mask"]


@dataclass(frozen=True)
class Streaming(Pattern):
    """A query at ``t`` sees the keys ``s <= t`` with ``s < sink`` or ``t - s < recent``
    (StreamingLLM).

    In shapes that are not causal the window reaches to both sides: ``|t - s| < recent``.  A
    sliding window is ``sink`` 0.
    """

    name: ClassVar[str] = "streaming"
    source: ClassVar[str] = "arXiv:2309.17453"

    sink: int = 4
    """First tokens that every query sees, 0 or more."""
    recent: int = 2000
    """Width of the window with the query itself, 1 or more."""
    block: int = 128
    """Side of a block, 1..4096 tokens."""

    def __post_init__(self) -> None:
        integer("streaming: sink", self.sink, 0)
        integer("streaming: recent", self.recent, 1)
        block_size("streaming: block", self.block)

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """One mask, the same for all heads."""
        return (streaming_mask(shape, self.sink, self.recent, self.block),) * shape.heads


def streaming_mask(shape: AttentionShape, sink: int, recent: int, block: int) -> BlockMask:
    """The mask of one head with that sink and window."""

    def rule(positions: Ints) -> tuple[Ints, Ints]:
        first = np.stack([np.zeros_like(positions), positions - recent + 1], axis=1)
        end = np.stack([np.full_like(positions, sink), positions + recent], axis=1)
        return first, end

    return interval_mask(shape, rule, block)

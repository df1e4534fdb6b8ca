"""Sink blocks and a window of blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.blocks import Ints, interval_mask
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import block_size, integer
from accelgen.attention.shape import AttentionShape

__all__ = ["BlockStreaming"]


@dataclass(frozen=True)
class BlockStreaming(Pattern):
    """Query block ``i`` sees the key blocks ``j < sink_blocks`` and those with
    ``i - j < local_blocks``, up to the query (Block-Sparse-Attention).

    Blocks are cut by position, also where a chunk of queries begins inside one.  In shapes that
    are not causal the window reaches to both sides: ``|i - j| < local_blocks``.
    """

    name: ClassVar[str] = "block_streaming"
    source: ClassVar[str] = "Block-Sparse-Attention"

    sink_blocks: int = 1
    """First blocks that every query sees, 0 or more."""
    local_blocks: int = 3
    """Blocks of the window with the query's own, 1 or more."""
    block: int = 128
    """Side of a block, 1..4096 tokens."""

    def __post_init__(self) -> None:
        integer("block_streaming: sink_blocks", self.sink_blocks, 0)
        integer("block_streaming: local_blocks", self.local_blocks, 1)
        block_size("block_streaming: block", self.block)

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """One mask, the same for all heads."""
        size, local = self.block, self.local_blocks

        def rule(positions: Ints) -> tuple[Ints, Ints]:
            own = positions // size
            first = np.stack([np.zeros_like(own), (own - local + 1) * size], axis=1)
            end = np.stack([np.full_like(own, self.sink_blocks * size), (own + local) * size], 1)
            return first, end

        return (interval_mask(shape, rule, size),) * shape.heads

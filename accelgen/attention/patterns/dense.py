"""Every pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.blocks import kept_mask
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import block_size
from accelgen.attention.shape import AttentionShape

__all__ = ["Dense"]


@dataclass(frozen=True)
class Dense(Pattern):
    """Every key at or before the query of causal shapes, else every key."""

    name: ClassVar[str] = "dense"
    source: ClassVar[str] = "arXiv:1706.03762"

    block: int = 128
    """Side of a block, 1..4096 tokens."""

    def __post_init__(self) -> None:
        block_size("dense: block", self.block)

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """One mask, the same for all heads."""
        sizes = -(-shape.queries // self.block), -(-shape.keys // self.block)
        everything = np.broadcast_to(np.True_, sizes)
        return (kept_mask(shape, everything, self.block),) * shape.heads

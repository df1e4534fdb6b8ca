"""MoBA: every token chooses among blocks of keys by their mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.masks.selection import (
    block_scores_mean,
    block_sizes,
    row_map_mask,
    top_k,
)
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import integer
from accelgen.attention.shape import AttentionShape

__all__ = ["Moba"]


@dataclass(frozen=True)
class Moba(Pattern):
    """Every token of every head keeps ``k`` blocks of ``block`` keys: its own, causal inside, and
    the ``k - 1`` earlier ones with the largest ``q_t . mean(K_j)``, unscaled.  Future blocks
    never.

    Causal: block 0 begins at key 0, so the own block of a query is that of its position, also
    when there are fewer queries than keys.  Shapes that are not causal have no own block: the
    ``k`` best of all blocks; the mean of a short last block is over the tokens it has.  Tokens
    differ, so blocks of the mask, of ``query_block`` queries, are mostly PARTIAL.

    Usual pairs of ``block`` and ``k``: 512 and 3, 2048 and 3, 4096 and 12; 128 and 8 where
    kernels are made for small blocks.  Sources: Lu et al., arXiv:2502.13189; arXiv:2511.11571.
    """

    name: ClassVar[str] = "moba"
    source: ClassVar[str] = "arXiv:2502.13189"
    dynamic: ClassVar[bool] = True

    block: int = 512
    k: int = 3
    query_block: int = 64

    def __post_init__(self) -> None:
        integer("moba: block", self.block, 1)
        integer("moba: k", self.k, 1)
        integer("moba: query_block", self.query_block, 1)

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """One mask per query head; every layer alike."""
        inputs = self.needed(inputs, shape)
        sizes = block_sizes(shape.keys, self.block)
        own = (np.arange(shape.queries) + shape.offset) // self.block
        column = np.arange(len(sizes))
        block_q = min(self.query_block, shape.queries)
        result = []
        for head in range(shape.heads):
            k = inputs.k[head // shape.group]
            scores = block_scores_mean(inputs.q[head], k, self.block) / sizes
            if shape.causal:
                kept = top_k(scores, self.k - 1, column < own[:, None])
                kept |= column == own[:, None]
            else:
                kept = top_k(scores, self.k)
            result.append(row_map_mask(shape, kept, block_q, self.block))
        return tuple(result)

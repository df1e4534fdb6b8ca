"""XAttention: blocks by sums along antidiagonals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.blocks import kept_mask
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.masks.selection import (
    top_p,
    visible_blocks,
)
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import integer, number
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["XAttention"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class XAttention(Pattern):
    """Tiles of ``stride`` queries and ``stride`` keys are scored by the sum of the products along
    their antidiagonal, over ``stride * sqrt(head_dim)``; a softmax over the tiles of each row of
    tiles; the score of a block is the sum of its tiles.  Every row of blocks keeps the first
    block and those on the diagonal, then the largest until the kept share reaches ``threshold``;
    the shares of the first and diagonal blocks count.

    Antidiagonal: query ``stride - 1 - n`` of a tile with key ``n``.  Tiles with no pair at or
    before the query are out of the softmax; those that the causal cut crosses count whole, as
    published.  Tokens that the last tile lacks count as zeros.  Rows and columns of blocks begin
    at query 0 and key 0; the diagonal is the blocks of the positions of the queries of the row,
    for causal shapes and for as many queries as keys, else there is none.

    Usual: stride 8 or 16, threshold .8 to .96, block 128.  Source: Xu et al., arXiv:2503.16428.
    """

    name: ClassVar[str] = "xattention"
    source: ClassVar[str] = "arXiv:2503.16428"
    dynamic: ClassVar[bool] = True

    block: int = 128
    stride: int = 8
    threshold: float = 0.9

    def __post_init__(self) -> None:
        integer("xattention: block", self.block, 1)
        integer("xattention: stride", self.stride, 1)
        number("xattention: threshold", self.threshold, 0, 1)
        if self.block % self.stride:
            raise InputError(
                f"{self.stride} does not divide the block of {self.block}",
                where="stride",
                hint="blocks are made of whole tiles",
            )

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """One mask per query head; every layer alike."""
        inputs = self.needed(inputs, shape)
        seen, _ = visible_blocks(shape, self.block, self.block)
        forced = np.zeros(seen.shape, dtype=np.bool_)
        forced[:, 0] = True
        if shape.causal or shape.queries == shape.keys:
            first = np.arange(0, shape.queries, self.block)
            last = np.minimum(first + self.block, shape.queries) - 1
            column = np.arange(seen.shape[1])
            forced |= (column >= ((first + shape.offset) // self.block)[:, None]) & (
                column <= ((last + shape.offset) // self.block)[:, None]
            )
        result = []
        for head in range(shape.heads):
            scores = self.block_scores(shape, inputs.q[head], inputs.k[head // shape.group])
            kept = top_p(scores, self.threshold, seen, forced)
            result.append(kept_mask(shape, kept, self.block, self.block))
        return tuple(result)

    def block_scores(self, shape: AttentionShape, q: Floats, k: Floats) -> Floats:
        """``[rows, columns]`` of blocks: the sums of the shares of their tiles, of one head."""
        stride = self.stride
        scores = _tiles(q, stride, reverse=True) @ _tiles(k, stride).T
        scores /= stride * math.sqrt(shape.head_dim)
        seen, _ = visible_blocks(shape, stride, stride)
        scores = np.where(seen, scores, -np.inf)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        tiles = self.block // stride
        by_column = np.add.reduceat(shares, np.arange(0, shares.shape[1], tiles), axis=1)
        return np.asarray(np.add.reduceat(by_column, np.arange(0, len(shares), tiles), axis=0))


def _tiles(x: Floats, stride: int, *, reverse: bool = False) -> Floats:
    """``[tiles, stride * d]``: the tokens of every tile side by side, in reverse order if asked."""
    count = -(-len(x) // stride)
    padded = np.zeros((count * stride, x.shape[1]), dtype=x.dtype)
    padded[: len(x)] = x
    tiles = padded.reshape(count, stride, -1)
    return tiles[:, :: -1 if reverse else 1].reshape(count, -1)

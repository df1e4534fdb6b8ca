"""SparDA: one layer forecasts the blocks of keys that the next one reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

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
from accelgen.errors import InputError

__all__ = ["Sparda", "forecast"]

Floats = NDArray[np.float64]


def forecast(hidden: Floats, weights: Floats) -> Floats:
    """``[kv_heads, queries, head_dim]``: the forecast that a layer makes for the next one.

    ``hidden`` ``[queries, width]`` are the hidden states of the layer, ``weights`` ``[kv_heads,
    width, head_dim]`` its trained forecast projections, one per head of keys and values.  A model
    with rotary keys rotates the result as it does its queries.  Raises :class:`InputError` when
    the widths differ.
    """
    if hidden.ndim != 2 or weights.ndim != 3 or hidden.shape[1] != weights.shape[1]:
        raise InputError(
            f"{weights.shape} do not project hidden states {hidden.shape}",
            where="forecast",
            hint="hidden states are [queries, width], weights [kv_heads, width, head_dim]",
        )
    return np.asarray(hidden @ weights)


@dataclass(frozen=True)
class Sparda(Pattern):
    """Every query of every group of heads keeps ``local`` blocks of ``block`` keys, its own and
    those just before it, and beside them the ``top`` earlier ones with the largest product of its
    forecast vector with the mean of the keys.  The heads of a group share the choice.

    ``forecast`` is what the layer before made for this one (see :func:`forecast`), of the shape
    ``[kv_heads, queries, head_dim]``.  Without it (the first layer, or tensors of one layer only)
    the queries of the layer, summed over each group, stand in for it: what a forecast is trained
    to foresee; sums have the order of averages.  Future blocks are never kept; the own block is
    causal inside.  Shapes that are not causal have no local blocks: the ``top + local`` best of
    all.

    Usual: block 64, top 64, local 32.  ``query_block`` queries make a row of blocks of the mask
    and change no pair.  Source: Fu et al., arXiv:2606.04511.
    """

    name: ClassVar[str] = "sparda"
    source: ClassVar[str] = "arXiv:2606.04511"
    dynamic: ClassVar[bool] = True

    block: int = 64
    top: int = 64
    local: int = 32
    query_block: int = 64
    forecast: Floats | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        integer("sparda: block", self.block, 1)
        integer("sparda: top", self.top, 0)
        integer("sparda: local", self.local, 1)
        integer("sparda: query_block", self.query_block, 1)

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """One mask per query head, the same object for all heads of a group.

        Raises :class:`InputError` when ``forecast`` is not of the shape.
        """
        inputs = self.needed(inputs, shape)
        vectors = self.forecast
        expected = (shape.kv_heads, shape.queries, shape.head_dim)
        if vectors is None:
            by_group = (shape.kv_heads, shape.group, shape.queries, shape.head_dim)
            vectors = inputs.q.reshape(by_group).sum(axis=1)
        elif vectors.shape != expected:
            raise InputError(
                f"has shape {vectors.shape} instead of {expected}",
                where="forecast",
                hint="give one vector per head of keys and values and query",
            )
        sizes = block_sizes(shape.keys, self.block)
        own = (np.arange(shape.queries) + shape.offset) // self.block
        distance = own[:, None] - np.arange(len(sizes))
        block_q = min(self.query_block, shape.queries)
        result: list[HeadMask] = []
        for group in range(shape.kv_heads):
            scores = block_scores_mean(vectors[group], inputs.k[group], self.block) / sizes
            if shape.causal:
                kept = top_k(scores, self.top, distance >= self.local)
                kept |= (distance >= 0) & (distance < self.local)
            else:
                kept = top_k(scores, self.top + self.local)
            result += [row_map_mask(shape, kept, block_q, self.block)] * shape.group
        return tuple(result)

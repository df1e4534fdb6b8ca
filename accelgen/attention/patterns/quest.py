"""Quest: pages of keys by an upper bound of their scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.masks.selection import (
    page_scores,
    row_map_mask,
    top_k,
)
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import integer
from accelgen.attention.shape import AttentionShape

__all__ = ["Quest"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Quest(Pattern):
    """Every query keeps the ``k = max(least, budget // page)`` pages of ``page`` keys with the
    largest ``U = sum_d max(q_d min_d, q_d max_d)``, an upper bound of its scores in the page.

    The first ``dense_layers`` layers keep everything.  The method is one of decoding, so each of
    several causal queries is a decode step of its own: it chooses among the pages that begin at
    or before it, and the minimum and maximum of its own page are over the keys up to itself.  Its
    own page has to win its place like any other.  Queries of shapes that are not causal choose
    among all pages.  ``query_block`` queries make a row of blocks of the mask (one, in a decode
    step) and change no pair.  No one budget is usual; the default is 1024.

    Source: Tang et al., arXiv:2406.10774.
    """

    name: ClassVar[str] = "quest"
    source: ClassVar[str] = "arXiv:2406.10774"
    dynamic: ClassVar[bool] = True

    page: int = 16
    budget: int = 1024
    least: int = 3
    dense_layers: int = 2
    query_block: int = 64

    def __post_init__(self) -> None:
        integer("quest: page", self.page, 1)
        integer("quest: budget", self.budget, 1)
        integer("quest: least", self.least, 1)
        integer("quest: dense_layers", self.dense_layers, 0)
        integer("quest: query_block", self.query_block, 1)

    @property
    def pages(self) -> int:
        """Pages that a query keeps."""
        return max(self.least, self.budget // self.page)

    @property
    def first_sparse_layer(self) -> int:
        """Layers before this one keep every pair, and do not look at tensors."""
        return self.dense_layers

    def keeps_all(self, shape: AttentionShape) -> bool:
        """Whether there are no more pages than a query keeps."""
        return self.pages >= -(-shape.keys // self.page)

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """One mask per query head; those of a dense layer need no ``inputs``."""
        block_q = min(self.query_block, shape.queries)
        columns = -(-shape.keys // self.page)
        if layer < self.dense_layers:
            every = np.ones((shape.queries, columns), dtype=np.bool_)
            return (row_map_mask(shape, every, block_q, self.page),) * shape.heads
        inputs = self.needed(inputs, shape)
        position = np.arange(shape.queries)[:, None] + shape.offset
        allowed = np.arange(columns) * self.page <= position if shape.causal else None
        result = []
        for head in range(shape.heads):
            q, k = inputs.q[head], inputs.k[head // shape.group]
            scores = page_scores(q, k, self.page)
            if shape.causal:
                own = (np.arange(shape.queries) + shape.offset) // self.page
                scores[np.arange(shape.queries), own] = self._own_scores(q, k, shape)
            kept = top_k(scores, self.pages, allowed)
            result.append(row_map_mask(shape, kept, block_q, self.page))
        return tuple(result)

    def _own_scores(self, q: Floats, k: Floats, shape: AttentionShape) -> Floats:
        """``[queries]``: the bound of the keys of its own page that a causal query sees."""
        # Only pages with queries: a decode step must not pay for the whole cache.
        start = shape.offset // self.page * self.page
        last = k[start:]
        pages = -(-len(last) // self.page)
        padded = np.zeros((pages * self.page, k.shape[1]), dtype=k.dtype)
        padded[: len(last)] = last
        by_page = padded.reshape(pages, self.page, -1)
        low = np.minimum.accumulate(by_page, axis=1).reshape(len(padded), -1)
        high = np.maximum.accumulate(by_page, axis=1).reshape(len(padded), -1)
        at = np.arange(shape.queries) + shape.offset - start
        bound = np.maximum(q, 0) * high[at] + np.minimum(q, 0) * low[at]
        return np.asarray(bound.sum(axis=1))

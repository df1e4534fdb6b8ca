"""Streaming heads, and heads that decode from the pages that may matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.blocks import kept_mask
from accelgen.attention.masks.mask import BlockMask, HeadMask
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import block_size, integer, number
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.patterns.gates import Gates, check_gates, dense_kv_heads
from accelgen.attention.patterns.streaming import streaming_mask
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["LServe", "PageState"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PageState:
    """What decoding remembers: steps since the last selection, and its pages per query head.

    Streaming heads have no pages.
    """

    age: int
    pages: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class LServe(Pattern):
    """A share of the KV heads streams.  The others are dense in prefill (several queries); in
    decode (one query) they see the best pages within a budget, and always the last one (LServe).

    The score of a page is the largest, over its ``subpages``, of ``sum_d max(q_d min_d, q_d
    max_d)`` with the least and the largest of the keys in it, of every query head by itself.
    Pages are selected every ``reselect`` steps (:meth:`decode`).  Without gates the first KV heads
    are the dense ones; with them see :class:`Duo`.  Tensors are needed in decode alone.
    """

    name: ClassVar[str] = "lserve"
    source: ClassVar[str] = "arXiv:2502.14866"
    dynamic: ClassVar[bool] = True

    sparsity: float = 0.5
    """Share of KV heads that stream, 0..1."""
    sink: int = 128
    """First tokens that streaming heads see, 0 or more."""
    prefill_local: int = 8192
    """Width of their window in prefill, 1 or more."""
    decode_local: int = 256
    """Width of their window in decode, 1 or more."""
    budget: int = 4096
    """Tokens that a dense head sees in decode, 1 or more; whole pages, at least one."""
    page: int = 64
    """Tokens of a page, 1..4096."""
    subpages: int = 4
    """Parts of a page with bounds of their own; divides it."""
    reselect: int = 4
    """Steps from one selection of pages to the next, 1 or more."""
    gates: Gates = ()
    """Layers x KV heads, or none."""
    block: int = 128
    """Side of a block in prefill, 1..4096 tokens; in decode it is a page."""

    def __post_init__(self) -> None:
        number("lserve: sparsity", self.sparsity, 0, 1)
        integer("lserve: sink", self.sink, 0)
        for name in ("prefill_local", "decode_local", "budget", "subpages", "reselect"):
            integer(f"lserve: {name}", getattr(self, name), 1)
        block_size("lserve: page", self.page)
        block_size("lserve: block", self.block)
        check_gates("lserve: gates", self.gates)
        if self.page % self.subpages:
            raise InputError(
                f"{self.subpages} does not divide the page of {self.page} tokens",
                where="lserve: subpages",
            )

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """Of prefill, or of a decode step that selects."""
        if shape.queries == 1:
            return self.decode(shape, self.needed(inputs, shape), layer=layer)[0]
        kept = self._dense(shape, layer)
        streams = None
        if not all(kept):
            streams = streaming_mask(shape, self.sink, self.prefill_local, self.block)
        dense = Dense(self.block).masks(shape)[0] if any(kept) else None
        chosen = (dense if one else streams for one in kept)
        return tuple(mask for mask in chosen if mask is not None)

    def decode(
        self,
        shape: AttentionShape,
        inputs: AttentionInputs,
        state: PageState | None = None,
        *,
        layer: int = 0,
    ) -> tuple[tuple[HeadMask, ...], PageState]:
        """The masks of one step, and the state to give to the next, of one key more.

        Pages are selected when there is no state and when it is ``reselect`` steps old; in between
        those of the state are kept, and the last page, which may be a new one.
        """
        inputs = self.needed(inputs, shape)
        if shape.queries != 1:
            raise InputError(f"{shape.queries} queries in one step", where="lserve: decode")
        if state is not None and len(state.pages) != shape.heads:
            raise InputError("a state of other heads", where="lserve: decode")
        kept = self._dense(shape, layer)
        last = -(-shape.keys // self.page) - 1
        if state is None or state.age >= self.reselect:
            pages = self._selected(shape, inputs, kept)
            state = PageState(0, pages)
        streams: BlockMask | None = None
        made: dict[tuple[int, ...], BlockMask] = {}
        masks: list[HeadMask] = []
        for head in range(shape.heads):
            if not kept[head]:
                if streams is None:
                    streams = streaming_mask(shape, self.sink, self.decode_local, self.page)
                masks.append(streams)
                continue
            chosen = tuple(sorted({*(p for p in state.pages[head] if p <= last), last}))
            if chosen not in made:
                grid = np.zeros((1, last + 1), dtype=np.bool_)
                grid[0, list(chosen)] = True
                made[chosen] = kept_mask(shape, grid, self.page)
            masks.append(made[chosen])
        return tuple(masks), PageState(state.age + 1, state.pages)

    def _dense(self, shape: AttentionShape, layer: int) -> tuple[bool, ...]:
        """Which query heads are dense."""
        gates, row = self.gates, layer
        if not gates:
            gates, row = ((0.0,) * shape.kv_heads,), 0
        kept = dense_kv_heads("lserve: gates", gates, self.sparsity, shape.kv_heads, row)
        return tuple(kept[head // shape.group] for head in range(shape.heads))

    def _selected(
        self, shape: AttentionShape, inputs: AttentionInputs, kept: tuple[bool, ...]
    ) -> tuple[tuple[int, ...], ...]:
        """The pages of every dense query head: the last one, and the best of the others."""
        part = self.page // self.subpages
        count = -(-shape.keys // self.page)
        starts = np.arange(0, shape.keys, part)
        least = np.minimum.reduceat(inputs.k, starts, axis=1)
        most = np.maximum.reduceat(inputs.k, starts, axis=1)
        more = max(1, self.budget // self.page) - 1
        pages = []
        for head in range(shape.heads):
            if not kept[head]:
                pages.append(())
                continue
            of, query = head // shape.group, inputs.q[head, 0]
            bound = np.maximum(query * least[of], query * most[of]).sum(axis=1)
            score = np.maximum.reduceat(bound, np.arange(0, len(starts), self.subpages))
            best = np.argsort(-score[: count - 1], kind="stable")[:more]
            pages.append((*sorted(best.tolist()), count - 1))
        return tuple(pages)

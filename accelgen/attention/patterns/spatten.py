"""SpAtten: tokens and heads pruned in cascade, values by row, keys in two steps of precision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.masks.selection import (
    fixed,
    share_of,
    token_mask,
    top_k,
    visible_scores,
)
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import integer, number
from accelgen.attention.patterns.spatten_state import SpattenState, SpattenStep, quantised
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["Spatten"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROWS = 512
"""Queries whose scores are held at a time, so that memory grows with the keys only."""


@dataclass(frozen=True)
class _Head:
    """What one head adds: its pairs, its importance, the importance it gives to every key."""

    row: Ints
    column: Ints
    output: float
    importance: Floats
    refined: int


@dataclass(frozen=True)
class Spatten(Pattern):
    """Layer by layer (see :meth:`step`), in a cascade: what is pruned stays pruned.

    1. Tokens: of the tokens left, the ``ceil(share * keys)`` with the largest importance stay,
       where importance is the attention probability that a token was given, summed over heads,
       queries and all layers and steps before.  The share falls linearly from 1, in the last of
       the first 15 % of the ``layers``, to ``token_keep`` in the last layer.  A pruned token is
       neither key nor query: its rows are empty.  The queries of a causal step with earlier keys
       (decoding) are not pruned in it.  Not causal: queries are the tokens of the keys when there
       are as many of them, and tokens of their own, which are not pruned, when not.
    2. Heads alike, by the sum of the absolute values of their outputs, from 30 % of the layers
       on, to ``head_keep``.  A pruned head has an empty mask and gives no importance.
    3. Keys come as ``msb_bits`` most significant bits of a linear symmetric code of ``msb_bits +
       lsb_bits`` bits (scale: the largest magnitude of the head of keys).  Rows whose largest
       probability with these is below ``threshold`` are flat, and fetch the rest of the bits and
       compute again; others go on without.
    4. Values: every row keeps the ``ceil(value_keep * seen)`` of the keys it sees with the largest
       probability, as from step 3; ties by :func:`fixed` probability, lowest index first.

    The mask holds the pairs whose *values* are read; scores are computed for all surviving pairs
    (``SpattenStep.scored``).  The method does not normalise again after step 4.

    ``state`` is what the layer before left.  Without one in a layer that prunes, the importance
    is taken from the layer's own tensors, unpruned, as if the layer before had been alike.

    Shares, bits and threshold are tuned per model; none is usual, so the defaults are round
    numbers, for a model of 12 layers.

    Source: Wang et al., arXiv:2012.09852.
    """

    name: ClassVar[str] = "spatten"
    source: ClassVar[str] = "arXiv:2012.09852"
    dynamic: ClassVar[bool] = True

    layers: int = 12
    token_keep: float = 0.5
    head_keep: float = 0.9
    value_keep: float = 0.9
    msb_bits: int = 8
    lsb_bits: int = 4
    threshold: float = 0.1
    state: SpattenState | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        integer("spatten: layers", self.layers, 1)
        for name in ("token_keep", "head_keep", "value_keep", "threshold"):
            number(f"spatten: {name}", getattr(self, name), 0, 1)
        integer("spatten: msb_bits", self.msb_bits, 2, 32)
        integer("spatten: lsb_bits", self.lsb_bits, 0, 32)
        if self.msb_bits + self.lsb_bits > 32:
            raise InputError(
                f"{self.msb_bits} + {self.lsb_bits} bits are more than 32",
                where="lsb_bits",
                hint="use at most 32 in all",
            )

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """One mask per query head, of one :meth:`step` from ``state``."""
        return self.step(shape, inputs, self.state, layer=layer).masks

    def shares(self, layer: int) -> tuple[float, float]:
        """The shares of tokens and of heads that ``layer`` keeps."""
        return self.share(layer, self.token_keep, 0.15), self.share(layer, self.head_keep, 0.3)

    def share(self, layer: int, least: float, front: float) -> float:
        """The share that ``layer`` keeps: 1 in the ``front`` share of layers (at least the first
        layer), ``least`` from the last layer on, linear between.
        """
        last = self.layers - 1
        dense = max(0, share_of(front, self.layers) - 1)
        if layer <= dense:
            return 1.0
        return (
            1 - (1 - least) * min(1.0, (layer - dense) / (last - dense)) if last > dense else least
        )

    def step(
        self,
        shape: AttentionShape,
        inputs: AttentionInputs | None,
        state: SpattenState | None = None,
        *,
        layer: int = 0,
    ) -> SpattenStep:
        """One layer from ``state``: masks, figures, and the state for the next layer, or for the
        next decode step, whose keys may be more: new ones enter alive, with no importance.

        Raises :class:`InputError` when the state is of more keys or of other heads.
        """
        inputs = self.needed(inputs, shape)
        start = SpattenState.fresh(shape) if state is None else state.grown(shape)
        tokens, heads = self.shares(layer)
        known = start
        if state is None and min(tokens, heads) < 1:
            known = self._observe(shape, inputs, start)
        protected = np.arange(shape.keys) >= shape.keys - shape.queries
        if not shape.causal or not shape.offset:
            protected[:] = False
        token_alive = _survivors(known.token_importance, start.token_alive, tokens, protected)
        nobody = np.zeros(shape.heads, dtype=np.bool_)
        head_alive = _survivors(known.head_importance, start.head_alive, heads, nobody)
        token_importance = start.token_importance.copy()
        head_importance = start.head_importance.copy()
        masks: list[HeadMask] = []
        refined = 0
        queries = self._queries(shape, token_alive)
        for head in range(shape.heads):
            if not head_alive[head]:
                empty = np.zeros(0, dtype=np.int64)
                masks.append(token_mask(shape, empty, empty))
                continue
            result = self._head(shape, inputs, head, queries, token_alive)
            masks.append(token_mask(shape, result.row, result.column))
            token_importance += result.importance
            head_importance[head] += result.output
            refined += result.refined
        rows = len(queries) * int(head_alive.sum())
        scored = _pairs(shape, queries, token_alive)
        return SpattenStep(
            masks=tuple(masks),
            state=SpattenState(token_importance, token_alive, head_importance, head_alive),
            refined=refined / rows if rows else 0.0,
            scored=tuple(scored if alive else 0 for alive in head_alive),
        )

    def _observe(
        self, shape: AttentionShape, inputs: AttentionInputs, state: SpattenState
    ) -> SpattenState:
        """The importance that this layer's tensors give when nothing is pruned."""
        every = np.ones(shape.keys, dtype=np.bool_)
        queries = np.arange(shape.queries)
        heads = [self._head(shape, inputs, h, queries, every) for h in range(shape.heads)]
        return SpattenState(
            np.sum([head.importance for head in heads], axis=0),
            state.token_alive,
            np.array([head.output for head in heads]),
            state.head_alive,
        )

    def _queries(self, shape: AttentionShape, token_alive: Bools) -> Ints:
        """The queries that are computed: those that are a key alive, and all of other tokens."""
        if shape.causal or shape.queries == shape.keys:
            return np.flatnonzero(token_alive[shape.offset :])
        return np.arange(shape.queries)

    def _head(
        self,
        shape: AttentionShape,
        inputs: AttentionInputs,
        head: int,
        queries: Ints,
        token_alive: Bools,
    ) -> _Head:
        """One head over the ``queries`` and the keys alive."""
        kv = head // shape.group
        coarse, fine = quantised(inputs.k[kv], self.msb_bits, self.lsb_bits)
        importance = np.zeros(shape.keys)
        row, column = [], []
        output, refined = 0.0, 0
        for start in range(0, len(queries), ROWS):
            rows = queries[start : start + ROWS]
            weight = _softmax(visible_scores(shape, inputs.q[head], coarse, rows), token_alive)
            flat = weight.max(axis=1) < self.threshold
            if flat.any():
                again = visible_scores(shape, inputs.q[head], fine, rows[flat])
                weight[flat] = _softmax(again, token_alive)
            importance += weight.sum(axis=0)
            seen = np.broadcast_to(token_alive, weight.shape)
            if shape.causal:
                seen = seen & (np.arange(shape.keys) <= rows[:, None] + shape.offset)
            few = np.ceil(self.value_keep * seen.sum(axis=1) - 1e-9).astype(np.int64)
            kept = top_k(fixed(weight), np.maximum(few, 1), seen)
            at, of = np.nonzero(kept)
            row.append(rows[at])
            column.append(of)
            output += float(np.abs(np.where(kept, weight, 0) @ inputs.v[kv]).sum())
            refined += int(np.count_nonzero(flat))
        return _Head(np.concatenate(row), np.concatenate(column), output, importance, refined)


def _survivors(importance: Floats, alive: Bools, share: float, protected: Bools) -> Bools:
    """Which of those ``alive`` stay: all ``protected`` ones, and the most important up to
    ``share`` of all there are, at least one.
    """
    if share >= 1:
        return alive
    forced = alive & protected
    count = max(1, share_of(share, len(alive))) - int(np.count_nonzero(forced))
    return forced | top_k(fixed(importance / max(1.0, importance.max())), count, alive & ~forced)


def _softmax(scores: Floats, alive: Bools) -> Floats:
    """The softmax of every row over the keys alive, of which every row sees one."""
    scores = np.where(alive, scores, -np.inf)
    weight = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _pairs(shape: AttentionShape, queries: Ints, token_alive: Bools) -> int:
    """Pairs of the ``queries`` and the keys alive, causal if the shape is."""
    if not shape.causal:
        return len(queries) * int(np.count_nonzero(token_alive))
    return int(np.cumsum(token_alive)[queries + shape.offset].sum())

"""Sparse VideoGen: every head is spatial or temporal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.blocks import kept_mask
from accelgen.attention.masks.mask import HeadMask, VariableMask
from accelgen.attention.masks.selection import (
    block_sizes,
    visible_scores,
)
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import integer, number
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["Svg"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Svg(Pattern):
    """Every head has the better of two windows for video of ``tokens_per_frame`` tokens a frame.

    Spatial: tokens less than ``w = ceil(frames * tokens_per_frame * (1 - sqrt(1 - density)))``
    apart, in frame-major order (the order of the tensors).  Temporal: the same window after the
    video tokens are permuted to token-major order (all frames of position 0, then of position 1,
    ...).  Keys always kept: the ``text`` tokens or, without text, the first
    ``tokens_per_frame`` video tokens of the order in use (as published kernels do: they apply one
    mask to either order).  Text queries keep everything.  The mask is the cover of these pairs by
    blocks of ``block`` tokens of the order in use: a BlockMask for spatial heads, a VariableMask
    with equal blocks for temporal ones.  ``density`` is of the window among video tokens; the keys
    always kept and the cover come on top.

    Better: the smaller mean squared error of the attention output against full attention on
    ``sampled`` queries, drawn without replacement by ``seed`` and the layer, the same ones for all
    heads; errors that differ by less than 1e-12 of the mean square of the output are equal, and
    then the head is spatial.

    ``tokens_per_frame`` has no usual value, as it follows from the size of the video (3600 at 720 x
    1280 with 16 x 16 pixels a token): it must be given before the pattern is applied.

    Text comes first unless ``text_last``.  Shapes must not be causal and have as many queries as
    keys, text and whole frames.  Usual: density .25 to .3, 64 rows sampled, block 128.

    Source: Xi et al., arXiv:2502.01776.
    """

    name: ClassVar[str] = "svg"
    source: ClassVar[str] = "arXiv:2502.01776"
    dynamic: ClassVar[bool] = True

    tokens_per_frame: int | None = None
    text: int = 0
    density: float = 0.25
    block: int = 128
    sampled: int = 64
    seed: int = 0
    text_last: bool = False

    def __post_init__(self) -> None:
        if self.tokens_per_frame is not None:
            integer("svg: tokens_per_frame", self.tokens_per_frame, 1)
        integer("svg: text", self.text, 0)
        number("svg: density", self.density, 0, 1)
        integer("svg: block", self.block, 1)
        integer("svg: sampled", self.sampled, 1)
        integer("svg: seed", self.seed, 0, 2**32 - 1)

    @property
    def frame(self) -> int:
        """Tokens of a frame; :class:`InputError` when they were not given."""
        if self.tokens_per_frame is None:
            raise InputError(
                "is not given, and no number is usual",
                where=f"{self.name}: tokens_per_frame",
                hint="write svg(1560) for 480 x 832 pixels of which 16 x 16 make a token",
            )
        return self.tokens_per_frame

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """One mask per query head, one of two objects."""
        inputs = self.needed(inputs, shape)
        spatial, temporal = self.windows(shape)
        rng = np.random.default_rng([self.seed, layer])
        count = min(self.sampled, shape.queries)
        rows = np.sort(rng.choice(shape.queries, size=count, replace=False)).astype(np.int64)
        kept = (self._rows(spatial, rows), self._rows(temporal, rows))
        result = []
        for head in range(shape.heads):
            k, v = inputs.k[head // shape.group], inputs.v[head // shape.group]
            scores = visible_scores(shape, inputs.q[head], k, rows)
            full = _output(scores, v)
            error = [
                np.square(_output(np.where(some, scores, -np.inf), v) - full).mean()
                for some in kept
            ]
            better = error[0] - error[1] > 1e-12 * np.square(full).mean()
            result.append(temporal if better else spatial)
        return tuple(result)

    def windows(self, shape: AttentionShape) -> tuple[HeadMask, HeadMask]:
        """The spatial and the temporal mask, which depend on the shape alone.

        Raises :class:`InputError` for shapes that are no text and video.
        """
        video, frame = shape.keys - self.text, self.frame
        if shape.causal or shape.queries != shape.keys:
            raise InputError(
                "windows over video need as many queries as keys, and no causal cut",
                where=self.name,
                hint="set causal: false and queries to the number of keys",
            )
        if video < 1 or video % frame:
            raise InputError(
                f"{frame} tokens a frame do not divide {video} video tokens",
                where="tokens_per_frame",
                hint="keys = text + frames * tokens_per_frame",
            )
        kept = self._cover(shape.keys)
        spatial = kept_mask(shape, kept, self.block, self.block)
        start = 0 if self.text_last else self.text
        order = np.arange(shape.keys)
        by_frame = order[start : start + video].reshape(-1, frame)
        order = np.concatenate([order[:start], by_frame.T.ravel(), order[start + video :]])
        sizes = block_sizes(shape.keys, self.block)
        temporal = VariableMask(
            queries=shape.queries,
            keys=shape.keys,
            query_order=order,
            key_order=order,
            query_sizes=sizes,
            key_sizes=sizes,
            kept=kept,
        )
        return spatial, temporal

    def _cover(self, tokens: int) -> Bools:
        """``[blocks, blocks]``: those with a pair of the window, in either order."""
        video = tokens - self.text
        width = math.ceil(video * (1 - math.sqrt(1 - self.density)) - 1e-9)
        start = 0 if self.text_last else self.text
        first = np.arange(0, tokens, self.block)
        last = np.minimum(first + self.block, tokens) - 1
        # The video tokens of each block, low..high (none when low > high).
        low, high = np.maximum(first, start), np.minimum(last, start + video - 1)
        some = low <= high
        apart = np.maximum(low[:, None] - high, low - high[:, None])
        # A token is always in its own window.
        near = (apart < max(1, width)) & some[:, None] & some
        text = (first < start) | (last >= start + video)
        sink = text if self.text else some & (low < start + self.frame)
        return np.asarray(near | sink | text[:, None])

    def _rows(self, mask: HeadMask, rows: Ints) -> Bools:
        """``[len(rows), keys]``: what the queries ``rows`` keep, without all other rows."""
        if isinstance(mask, VariableMask):
            place = np.argsort(mask.query_order)
        else:
            place = np.arange(mask.keys)
        kept = self._cover(mask.keys)
        return np.asarray(kept[place[rows][:, None] // self.block, place // self.block])


def _output(scores: Floats, v: Floats) -> Floats:
    """``[rows, value_dim]``: the softmax of ``scores`` ``[rows, keys]`` times the values."""
    weight = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weight @ v / weight.sum(axis=1, keepdims=True))

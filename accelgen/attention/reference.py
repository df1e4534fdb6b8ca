"""Attention in float64 under a mask, to compare everything else with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.mask import HeadMask
from accelgen.errors import InputError

__all__ = ["attention"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_CHUNK = 1 << 22
"""About how many scores are in memory at a time."""


def attention(
    inputs: AttentionInputs,
    masks: Sequence[HeadMask | Bools],
    scale: float | None = None,
) -> Floats:
    """``softmax(scale * q k^T) v`` over the allowed keys, ``[heads, queries, value_dim]``.

    ``masks`` has one mask per query head, or a Boolean array ``[queries, keys]`` each.  ``scale``
    is ``1 / sqrt(head_dim)`` when not given.  Query head ``h`` reads the key and value head
    ``h // group``.  Rows that see no key give zeros.  A dense mask of one head is in memory at a
    time.  Raises :class:`InputError` for masks of another number or size.
    """
    heads, queries, width = inputs.q.shape
    kv_heads, keys, _ = inputs.k.shape
    if len(masks) != heads:
        raise InputError(f"{len(masks)} masks for {heads} heads", where="masks")
    factor = 1 / np.sqrt(width) if scale is None else scale
    step = max(1, _CHUNK // keys)
    result = np.zeros((heads, queries, inputs.v.shape[2]))
    dense: Bools | None = None
    for head, mask in enumerate(masks):
        if dense is None or mask is not masks[head - 1]:
            dense = mask.dense() if isinstance(mask, HeadMask) else mask
        if dense.shape != (queries, keys):
            raise InputError(
                f"has shape {dense.shape} instead of {(queries, keys)}", where=f"mask {head}"
            )
        of = head * kv_heads // heads
        k, v = inputs.k[of].astype(np.float64), inputs.v[of].astype(np.float64)
        for first in range(0, queries, step):
            rows = slice(first, first + step)
            q = inputs.q[head, rows].astype(np.float64) * factor
            result[head, rows] = _rows(q @ k.T, dense[rows], v)
    return result


def _rows(scores: Floats, allowed: Bools, v: Floats) -> Floats:
    scores = np.where(allowed, scores, -np.inf)
    highest = scores.max(axis=1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(highest), highest, 0.0))
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray((weights @ v) / np.where(total > 0, total, 1.0))

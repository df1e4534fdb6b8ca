"""The rules of static patterns, pair by pair, as REFERENCES states them; no module's code."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.shape import AttentionShape

Sees = Callable[[int, int], bool]
"""Whether the query at position ``t`` sees the key ``s``, apart from causality."""


def matrix(shape: AttentionShape, sees: Sees) -> NDArray[np.bool_]:
    """``[queries, keys]``, one pair after the other."""
    found = np.zeros((shape.queries, shape.keys), dtype=np.bool_)
    offset = shape.keys - shape.queries if shape.causal else 0
    for n in range(shape.queries):
        t = n + offset
        for s in range(shape.keys):
            found[n, s] = sees(t, s) and (s <= t or not shape.causal)
    return found


def streaming(sink: int, recent: int) -> Sees:
    return lambda t, s: s < sink or abs(t - s) < recent


def block_streaming(sink_blocks: int, local_blocks: int, block: int) -> Sees:
    def sees(t: int, s: int) -> bool:
        i, j = t // block, s // block
        return j < sink_blocks or abs(i - j) < local_blocks

    return sees


def s2(head: int, heads: int, local: int, stride: int, block: int) -> Sees:
    step = max(1, stride // heads)

    def sees(t: int, s: int) -> bool:
        i, j = t // block, s // block
        return abs(i - j) < local or (j + head * step) % stride == 0

    return sees


def longlora(head: int, heads: int, groups: int, keys: int) -> Sees:
    size = math.ceil(keys / groups)
    # A shifted head looks at tokens rolled back by half a group.
    rolled = list(range(keys))
    if head >= heads / 2:
        half = size // 2
        rolled = rolled[half:] + rolled[:half]
    group = {token: place // size for place, token in enumerate(rolled)}
    return lambda t, s: group[t] == group[s]


def radial(frame: int, decay: float, sink: bool, block: int) -> Sees:
    def bits(x: int) -> int:
        return len(bin(x)) - 2 if x else 0

    def sees(t: int, s: int) -> bool:
        if sink and s < frame:
            return True
        far = abs(t // frame - s // frame)
        length = 2.0 ** bits(frame) / 2.0 ** bits(far)
        if length < 128 and far % math.floor(128 / length) != 0:
            return False
        wide = frame if far <= 1 else max(length * decay, block)
        return abs(t % frame - s % frame) <= wide

    return sees

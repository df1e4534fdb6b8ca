"""Windows between frames of a video that narrow with the distance of the frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.blocks import Ints, interval_mask
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import block_size, flag, integer, number
from accelgen.attention.shape import AttentionShape

__all__ = ["Radial"]

SPLIT = 128
"""Windows shorter than this are left out in part of the frames instead."""


@dataclass(frozen=True)
class Radial(Pattern):
    """Token ``a`` of a frame sees token ``b`` of a frame at distance ``D`` when ``|a - b| <= w``.

    ``w`` is ``frame`` for ``D <= 1``, else ``max(L * decay, block)`` with ``L = 2 **
    bit_length(frame) / 2 ** bit_length(D)``.  Where ``L < 128`` only frames at a distance that
    ``floor(128 / L)`` divides are seen (Radial Attention).  The last frame may be cut.
    """

    name: ClassVar[str] = "radial"
    source: ClassVar[str] = "arXiv:2506.19852"

    frame: int = 1560
    """Tokens per frame, 1 or more."""
    decay: float = 0.95
    """Factor of the widths, 0..1."""
    sink: bool = False
    """Whether every query sees the first frame."""
    block: int = 128
    """Side of a block, and the least width, 1..4096 tokens."""

    def __post_init__(self) -> None:
        integer("radial: frame", self.frame, 1)
        number("radial: decay", self.decay, 0, 1)
        flag("radial: sink", self.sink)
        block_size("radial: block", self.block)

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """One mask, the same for all heads."""
        size = self.frame
        frames = -(-shape.keys // size)
        most = max(frames, -(-(shape.queries + shape.offset) // size))
        widths, seen = self._by_distance(most)
        begins = np.arange(frames) * size

        def rule(positions: Ints) -> tuple[Ints, Ints]:
            # Queries of one call are neighbours: frames that none of them sees are left out.
            own = positions // size
            distance = np.abs(np.unique(own)[:, None] - np.arange(frames))
            which = np.flatnonzero(seen[distance].any(axis=0) | (self.sink & (begins == 0)))
            distance = np.abs(own[:, None] - which)
            inside = positions[:, None] % size
            width = widths[distance]
            low = np.maximum(inside - width, 0)
            high = np.minimum(inside + width + 1, size)
            high[~seen[distance]] = 0
            if self.sink:
                low[:, which == 0], high[:, which == 0] = 0, size
            return low + begins[which], high + begins[which]

        mask = interval_mask(shape, rule, self.block, intervals=frames)
        return (mask,) * shape.heads

    def _by_distance(self, frames: int) -> tuple[Ints, NDArray[np.bool_]]:
        """Per distance of frames the width, rounded down, and whether they see each other."""
        widths, seen = [], []
        for distance in range(frames):
            length = float(2 ** self.frame.bit_length() / 2 ** distance.bit_length())
            wide = self.frame if distance <= 1 else max(length * self.decay, self.block)
            widths.append(int(min(wide, self.frame)))
            seen.append(length >= SPLIT or distance % int(SPLIT / length) == 0)
        return np.array(widths, dtype=np.int64), np.array(seen, dtype=np.bool_)

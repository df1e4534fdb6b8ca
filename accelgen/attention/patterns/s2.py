"""A window of blocks and, per head, every n-th block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.blocks import Ints, interval_mask
from accelgen.attention.masks.mask import BlockMask, HeadMask
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import block_size, integer
from accelgen.attention.shape import AttentionShape

__all__ = ["S2"]


@dataclass(frozen=True)
class S2(Pattern):
    """Head ``h``: query block ``i`` sees the key blocks ``j <= i`` with ``i - j < local`` or
    ``(j + h * step) mod stride == 0``, where ``step = max(1, stride div heads)`` (S2-Attention).

    Heads together see every block.  In shapes that are not causal ``j <= i`` falls away and the
    window is ``|i - j| < local``.
    """

    name: ClassVar[str] = "s2"
    source: ClassVar[str] = "arXiv:2407.17678"

    local: int = 16
    """Blocks of the window with the query's own, 1 or more."""
    stride: int = 8
    """Every how many blocks a head sees one outside the window, 1 or more."""
    block: int = 64
    """Side of a block, 1..4096 tokens."""

    def __post_init__(self) -> None:
        integer("s2: local", self.local, 1)
        integer("s2: stride", self.stride, 1)
        block_size("s2: block", self.block)

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """At most ``stride`` different masks."""
        step = max(1, self.stride // shape.heads)
        made: dict[int, BlockMask] = {}
        for head in range(shape.heads):
            start = -head * step % self.stride
            if start not in made:
                made[start] = self._mask(shape, start)
        return tuple(made[-head * step % self.stride] for head in range(shape.heads))

    def _mask(self, shape: AttentionShape, start: int) -> BlockMask:
        """The window, and the blocks ``start``, ``start + stride``, ..."""
        size, local = self.block, self.local
        strided = np.arange(start, -(-shape.keys // size), self.stride) * size

        def rule(positions: Ints) -> tuple[Ints, Ints]:
            own = positions // size
            everywhere = np.broadcast_to(strided, (len(own), len(strided)))
            first = np.concatenate([everywhere, (own - local + 1)[:, None] * size], axis=1)
            end = np.concatenate([everywhere + size, (own + local)[:, None] * size], axis=1)
            return first, end

        return interval_mask(shape, rule, size, intervals=len(strided) + 1)

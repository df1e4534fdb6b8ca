"""Groups of neighbours, shifted by half a group in half of the heads."""

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
from accelgen.errors import InputError

__all__ = ["LongLora"]


@dataclass(frozen=True)
class LongLora(Pattern):
    """Tokens see their group of ``ceil(keys / groups)``, up to themselves; in the second half of
    the heads groups begin half a group later, and the last one wraps to the first tokens
    (LongLoRA's shifted sparse attention).

    Causal shapes are cut by position in the wrapped group too, so that no first token sees the
    last ones.  Raises :class:`InputError` for more queries than keys: a query needs a place among
    the keys.
    """

    name: ClassVar[str] = "longlora"
    source: ClassVar[str] = "arXiv:2309.12307"

    groups: int = 4
    """Groups of a sequence, 1 or more."""
    block: int = 128
    """Side of a block, 1..4096 tokens."""

    def __post_init__(self) -> None:
        integer("longlora: groups", self.groups, 1)
        block_size("longlora: block", self.block)

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """Two masks: of the first ``ceil(heads / 2)`` heads, and of the others."""
        if shape.queries > shape.keys:
            raise InputError(
                f"{shape.queries} queries have no group among {shape.keys} keys",
                where="longlora",
                hint="use at most as many queries as keys",
            )
        plain = -(-shape.heads // 2)
        size = -(-shape.keys // self.groups)
        first = self._mask(shape, size, 0)
        second = self._mask(shape, size, size // 2) if shape.heads > plain and size > 1 else first
        return (first,) * plain + (second,) * (shape.heads - plain)

    def _mask(self, shape: AttentionShape, size: int, shift: int) -> BlockMask:
        keys = shape.keys

        def rule(positions: Ints) -> tuple[Ints, Ints]:
            group = (positions - shift) % keys // size
            first = group * size + shift
            end = np.minimum((group + 1) * size, keys) + shift
            begins = np.stack([first, np.maximum(first - keys, 0)], axis=1)
            return begins, np.stack([end, end - keys], axis=1)

        return interval_mask(shape, rule, self.block)

"""Retrieval heads that see everything, and streaming heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import block_size, integer, number
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.patterns.gates import Gates, check_gates, dense_kv_heads
from accelgen.attention.patterns.streaming import streaming_mask
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["Duo"]


@dataclass(frozen=True)
class Duo(Pattern):
    """The ``1 - sparsity`` share of KV heads with the largest gates, over all layers, is dense;
    the others stream (DuoAttention).

    Query heads follow their KV head.  A description gives the gates, inline or as a file.
    Raises :class:`InputError` when there are none for the layer and its heads.
    """

    name: ClassVar[str] = "duo"
    source: ClassVar[str] = "arXiv:2410.10819"

    sparsity: float = 0.5
    """Share of KV heads that stream, 0..1."""
    sink: int = 64
    """First tokens that streaming heads see, 0 or more."""
    recent: int = 256
    """Width of their window with the query itself, 1 or more."""
    gates: Gates = ()
    """Layers x KV heads."""
    block: int = 128
    """Side of a block, 1..4096 tokens."""

    def __post_init__(self) -> None:
        number("duo: sparsity", self.sparsity, 0, 1)
        integer("duo: sink", self.sink, 0)
        integer("duo: recent", self.recent, 1)
        check_gates("duo: gates", self.gates)
        block_size("duo: block", self.block)

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """At most two masks, dense and streaming."""
        if not self.gates:
            raise InputError(
                "needs gates, a row per layer and a column per head of keys and values",
                where="duo",
                hint="write duo(gates=[[0.9, 0.1]]), or gates: FILE.csv in a description",
            )
        kept = dense_kv_heads("duo: gates", self.gates, self.sparsity, shape.kv_heads, layer)
        masks = {
            True: Dense(self.block).masks(shape)[0] if any(kept) else None,
            False: None if all(kept) else streaming_mask(shape, self.sink, self.recent, self.block),
        }
        chosen = (masks[kept[head // shape.group]] for head in range(shape.heads))
        return tuple(mask for mask in chosen if mask is not None)

"""What every pattern is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["Pattern", "masks_of"]


@dataclass(frozen=True)
class Pattern(ABC):
    """A rule that says which pairs of a query and a key are computed; its fields are parameters.

    Static patterns (``dynamic`` false) follow from the shape and the parameters alone; dynamic
    ones look at the tensors.  Parameters out of range raise :class:`InputError` when the pattern
    is made, and shapes for which there is no such pattern when it is applied.
    """

    name: ClassVar[str]
    """As in descriptions and on the command line."""
    source: ClassVar[str]
    """Where the rule was published."""
    dynamic: ClassVar[bool] = False

    @property
    def first_sparse_layer(self) -> int:
        """Layers before this one keep every pair, and do not look at tensors."""
        return 0

    def keeps_all(self, shape: AttentionShape) -> bool:
        """Whether it is known, without a look at tensors, that no layer loses a pair."""
        return False

    @abstractmethod
    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """One mask per query head; ``inputs`` are of ``shape``, and needed when ``dynamic``.

        Raises :class:`InputError` when they are missing.
        """

    def needed(self, inputs: AttentionInputs | None, shape: AttentionShape) -> AttentionInputs:
        """``inputs``, checked."""
        if inputs is None:
            raise InputError(
                "selects by queries and keys, and there are none",
                where=self.name,
                hint="give tensors (--tensors FILE), or --random to draw some",
            )
        inputs.check(shape)
        return inputs


def masks_of(
    patterns: Sequence[Pattern],
    shape: AttentionShape,
    inputs: AttentionInputs | None = None,
    layer: int = 0,
) -> tuple[HeadMask, ...]:
    """The mask of every head ``h``, which follows ``patterns[h]``.

    Every pattern is made for all heads, of which those that follow it take theirs.
    """
    made: dict[Pattern, tuple[HeadMask, ...]] = {}
    for pattern in patterns:
        if pattern not in made:
            made[pattern] = pattern.masks(shape, inputs, layer=layer)
    return tuple(made[pattern][head] for head, pattern in enumerate(patterns))

"""What there is to say about the masks of a layer: sizes, kinds of blocks, balance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accelgen.attention.masks.balance import POLICIES, Policy, balance
from accelgen.attention.masks.mask import DIAGONAL, FULL, PARTIAL, BlockMask, HeadMask

__all__ = ["MaskFigures", "distinct", "figures"]


@dataclass(frozen=True)
class MaskFigures:
    """Figures of one mask; blocks are ``None`` in forms that have none of one size."""

    nnz: int
    density: float
    bytes: int
    full: int | None
    diagonal: int | None
    partial: int | None
    balance: dict[Policy, float]
    """Largest load of an array over the mean."""


def figures(mask: HeadMask, arrays: int) -> MaskFigures:
    """The figures, with rows of the mask on so many arrays."""
    full = diagonal = partial = None
    if isinstance(mask, BlockMask):
        full, diagonal, partial = (
            int(np.count_nonzero(mask.flag == kind)) for kind in (FULL, DIAGONAL, PARTIAL)
        )
    loads = mask.loads
    ratios = {policy: balance(loads, arrays, policy).ratio for policy in POLICIES}
    return MaskFigures(mask.nnz, mask.density, mask.bytes, full, diagonal, partial, ratios)


def distinct(masks: Sequence[HeadMask]) -> list[tuple[HeadMask, tuple[int, ...]]]:
    """Different masks (by identity), each with the heads that have it."""
    heads: dict[int, list[int]] = {}
    for head, mask in enumerate(masks):
        heads.setdefault(id(mask), []).append(head)
    return [(masks[of[0]], tuple(of)) for of in heads.values()]

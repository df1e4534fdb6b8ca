"""A picture of a mask in characters."""

from __future__ import annotations

import numpy as np

from accelgen.attention.masks.grid import mask_grid
from accelgen.attention.masks.mask import HeadMask

__all__ = ["LEGEND", "draw_characters"]

LEGEND = ". no pair, - up to a half, + more, # all"
_WIDE = 64


def draw_characters(mask: HeadMask) -> list[str]:
    """At most 64 lines of at most 64 cells, one character each (see ``LEGEND``)."""
    share = mask_grid(mask, _WIDE).share
    levels = np.select([share == 0, share <= 0.5, share < 1], [0, 1, 2], 3)
    return ["".join(".-+#"[level] for level in row) for row in levels]

"""What travels with a tile of keys through the accelerator."""

from __future__ import annotations

from amaranth.hdl import Shape, unsigned
from amaranth.lib import data

from accelgen.attention.accelerator.core import Core

__all__ = ["CAUSAL", "LOWER", "MASKED", "POSITION_BITS", "UPPER", "WHOLE", "WINDOW", "list_item",
           "tile_info"]  # fmt: skip

POSITION_BITS = 24
"""Positions of tokens, counts of keys and of blocks."""

CAUSAL, WINDOW, MASKED = 1, 2, 4
"""Bits of the flags of a tile: which pairs of it are left out.

CAUSAL those of keys after the query, WINDOW those of keys that are neither among the first ``sink``
nor among the last ``window`` up to the query, MASKED those without a bit in the mask that follows.
"""


WHOLE, UPPER, LOWER = 1, 2, 3
"""What the keys of a tile stand for, where each is a block: a vector of its own, whose product with
the query is the score; or its largest elements, multiplied by what is positive of the query, and
its smallest, multiplied by what is negative and added.
"""


def list_item(core: Core) -> data.StructLayout:
    """A tile of keys to be used for a row group: from the scheduler to the sequencer.

    ``column``: the tile, ``position``: of the first query, ``void``: there is no tile at all,
    ``summary``: none, or what the keys are instead (see WHOLE, UPPER and LOWER).
    """
    return data.StructLayout(
        {
            "column": unsigned(POSITION_BITS),
            "position": unsigned(POSITION_BITS),
            "flags": unsigned(3),
            "slot": _index(core.mask_slots),
            "first": unsigned(1),
            "last": unsigned(1),
            "void": unsigned(1),
            "summary": unsigned(2),
        }
    )


def tile_info(core: Core) -> data.StructLayout:
    """An item with one of its tiles of queries, and which half of the totals they add to."""
    return data.StructLayout(
        {"item": list_item(core), "tile": _index(core.query_tiles), "half": unsigned(1)}
    )


def _index(count: int) -> Shape:
    return Shape.cast(range(max(2, count)))

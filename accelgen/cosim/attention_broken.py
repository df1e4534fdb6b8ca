"""Broken lists and headers of row groups, as an attention accelerator must survive them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.rows import Entry, RowGroup, Setting
from accelgen.rtl.attention.lists import BLOCKS, SELECT
from accelgen.rtl.attention.tile_info import POSITION_BITS

__all__ = ["HEADERS", "SELECTING", "misheaded", "spoilt"]

SELECTING = ("no blocks", "blocks", "no rows", "rows")
"""Those of HEADERS that only row groups of kind SELECT have."""

HEADERS = ("beyond", "furthest", "phase", *SELECTING)
"""What numbers of a header are: the row group is after the last position, or at the last one that
there is (which is no fault); its phase is not below the stride; it selects of no block or of more
than there can be, for no row or for more than there are.
"""


def spoilt(
    core: Core, rng: np.random.Generator, group: RowGroup, fault: str, keys: int
) -> RowGroup:
    """A list with one of FAULTS; one of a single tile stays as it is where order is concerned."""
    entries = list(group.entries)
    columns = -(-keys // core.numerics.rows)
    if fault == "unsorted":
        at = int(rng.integers(0, len(entries)))
        return replace(group, entries=[*entries, Entry(entries[at].column)])
    if fault == "outside":
        at = int(rng.integers(0, len(entries) + 1))
        beyond = Entry(columns + int(rng.integers(0, 5)))
        return replace(group, entries=[*entries[:at], beyond, *entries[at:]])
    if fault == "empty":
        return replace(group, entries=())
    assert fault == "length", fault
    way = int(rng.integers(0, 3))
    if way == 2 and len(entries) > 0:
        return replace(group, beats_cut=1)
    return replace(group, count=len(entries) + (1 if way == 0 else -1))


def misheaded(
    core: Core, rng: np.random.Generator, group: RowGroup, setting: Setting, wrong: str
) -> RowGroup:
    """A row group with one of HEADERS; as it is where its header has no such number."""
    furthest = ((1 << POSITION_BITS) - 1 - setting.offset) // core.tokens
    if wrong == "furthest":
        return replace(group, row=furthest)
    if wrong == "beyond":
        most = (1 << POSITION_BITS) - 1
        if furthest >= most:
            return group
        # Also where the sum is much longer than a position.
        row = furthest + 1 if rng.random() < 0.5 else int(rng.integers(furthest, most)) + 1
        return replace(group, row=min(row, most))
    if wrong == "phase":
        if group.kind != BLOCKS or not setting.stride:
            return group
        return replace(group, phase=setting.stride + int(rng.integers(0, 3)))
    if group.kind != SELECT:
        return group
    assert core.selector is not None
    if wrong == "no blocks":
        return replace(group, blocks=0)
    if wrong == "blocks":
        return replace(group, blocks=core.selector.max_scores + int(rng.integers(1, 1000)))
    if wrong == "no rows":
        return replace(group, rows=0)
    assert wrong == "rows", wrong
    return replace(group, rows=int(rng.integers(core.numerics.rows + 1, 128)))

"""What a dynamic pattern computes on the array before attention, to choose what is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import Core
from accelgen.attention.patterns.adaspa import AdaSpa
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.lserve import LServe
from accelgen.attention.patterns.moba import Moba
from accelgen.attention.patterns.quest import Quest
from accelgen.attention.patterns.sparda import Sparda
from accelgen.attention.patterns.svg import Svg
from accelgen.attention.patterns.svg2 import Svg2
from accelgen.attention.patterns.xattention import XAttention
from accelgen.attention.shape import AttentionShape

__all__ = ["scoring_note", "scoring_tiles"]

Ints = NDArray[np.int64]


def scoring_tiles(
    core: Core, shape: AttentionShape, pattern: Pattern, dense: Ints, layer: int = 0
) -> Ints | None:
    """Tiles per row group, beside those of the mask; ``dense`` are the tiles of dense attention.

    A pattern that scores a vector per block or page of keys scores ``rows`` vectors in a tile,
    which then counts like any other: its bytes are read and both passes made, although the second
    one is not needed.  ``None`` for patterns that choose nothing, or nothing on the array (see
    :func:`scoring_note`).
    """
    share = _share(core, shape, pattern, len(dense), layer)
    if share is None:
        return None
    if isinstance(pattern, Svg2):
        return np.full(len(dense), int(np.ceil(share)), dtype=np.int64)
    return np.asarray(np.ceil(dense * share), dtype=np.int64)


def scoring_note(pattern: Pattern) -> str:
    """How the choice is counted, in words."""
    notes = {
        "quest": "two vectors of every page are scored",
        "lserve": "two vectors of every part of a page are scored in decode",
        "moba": "a vector of every block is scored",
        "sparda": "a vector of every block is scored",
        "xattention": "one of stride products is computed",
        "adaspa": "all scores are computed, as in a step that searches anew",
        "svg": "sampled queries see every key",
        "svg2": "tokens are scored with the centres of all clusters, in every iteration",
    }
    return notes.get(pattern.name, "the choice is not counted") if pattern.dynamic else ""


def _share(
    core: Core, shape: AttentionShape, pattern: Pattern, groups: int, layer: int
) -> float | None:
    """Of the tiles of dense attention (of :class:`Svg2`: tiles of every row group)."""
    if isinstance(pattern, Quest):
        return 2 / pattern.page if layer >= pattern.dense_layers else None
    if isinstance(pattern, LServe):
        return 2 * pattern.subpages / pattern.page if shape.queries == 1 else None
    if isinstance(pattern, Moba | Sparda):
        return 1 / pattern.block
    if isinstance(pattern, XAttention):
        return 1 / pattern.stride
    if isinstance(pattern, AdaSpa):
        return 1.0
    if isinstance(pattern, Svg):
        return min(1.0, pattern.sampled / shape.queries)
    if isinstance(pattern, Svg2):
        centres = shape.keys * pattern.key_clusters
        centres += shape.group * shape.queries * pattern.query_clusters
        pairs = core.query_tiles * core.numerics.rows**2
        return pattern.iterations * centres / pairs / groups
    return None

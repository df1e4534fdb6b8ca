"""The cycles of a described layer, or of as much of it as is quick to follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.cycles import AttentionCycles, combined_cycles
from accelgen.attention.accelerator.pace import pace_of
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.rows import RowGroup, Setting
from accelgen.attention.accelerator.schedule import row_groups, share_out
from accelgen.attention.accelerator.tiling import row_group_count
from accelgen.attention.description import AttentionDescription
from accelgen.attention.inputs import random_inputs

__all__ = ["QUICK_TILES", "LayerCycles", "predict_layer", "tile_cycles"]

QUICK_TILES = 20_000
"""Tiles that are followed in a fraction of a second."""


@dataclass(frozen=True)
class LayerCycles:
    """Cycles of the first ``row_groups`` of ``all_row_groups`` of a layer, in the order of KV heads
    and of queries; they have ``tiles`` tiles.
    """

    layer: int
    row_groups: int
    all_row_groups: int
    tiles: int
    cycles: AttentionCycles

    @property
    def whole(self) -> bool:
        """Whether they are those of the whole layer."""
        return self.row_groups == self.all_row_groups

    def to_json(self) -> dict[str, object]:
        """As JSON values."""
        return {
            "compute_cycles": self.cycles.busy,
            "total_cycles": self.cycles.total,
            "utilisation": round(self.cycles.utilisation, 6),
            "of": {
                "layer": self.layer,
                "row_groups": self.row_groups,
                "all_row_groups": self.all_row_groups,
                "tiles": self.tiles,
            },
        }


def predict_layer(
    description: AttentionDescription, *, layer: int = 0, most_tiles: int = QUICK_TILES
) -> LayerCycles:
    """Predict a layer; of row groups as many as have ``most_tiles`` tiles together, at least one.

    Lists are those of :func:`row_groups`, shared among the arrays by :func:`share_out`.  Patterns
    that look at tensors are given drawn ones (seed 0).
    """
    core, shape = description.core(), description.shape
    dynamic = any(pattern.dynamic for pattern in description.head_patterns(layer))
    masks = description.masks(random_inputs(shape) if dynamic else None, layer)
    groups: list[RowGroup] = []
    tiles = 0
    for head in range(shape.kv_heads):
        for group in row_groups(core, masks, head):
            if groups and tiles + len(group.entries) > most_tiles:
                break
            groups.append(group)
            tiles += len(group.entries)
        else:
            continue
        break
    setting = Setting(keys=shape.keys, offset=shape.offset)
    none = np.zeros((0, 0, 0), dtype=np.int64)
    problems = [
        Problem(core, setting, shared, none, none, none) for shared in share_out(core, groups)
    ]
    count = shape.kv_heads * row_group_count(core, shape.queries)
    return LayerCycles(layer, len(groups), count, tiles, combined_cycles(problems))


def tile_cycles(core: Core) -> dict[str, int]:
    """Cycles from one tile of keys to the next when lists are long, by what may hold it up.

    ``array``: scores and outputs of every tile of queries; ``softmax``: its latency, for every tile
    of queries; ``keys``, ``values``: their beats.  The largest of them counts; where streams are
    within a few cycles of the array, a fraction of a percent more, as buffers hold two tiles.
    """
    pace = pace_of(core)
    return {
        "array": core.query_tiles * pace.passes,
        "softmax": core.query_tiles * pace.softmax,
        "keys": pace.key_beats,
        "values": pace.value_beats,
    }

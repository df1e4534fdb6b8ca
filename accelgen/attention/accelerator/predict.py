"""The cycles of a described layer, or of as much of it as is quick to follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.cycles import AttentionCycles, combined_cycles
from accelgen.attention.accelerator.driver import encode, problem_of, with_summaries
from accelgen.attention.accelerator.lowering import choose
from accelgen.attention.accelerator.pace import pace_of
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.rows import RowGroup, Setting
from accelgen.attention.accelerator.schedule import share_out
from accelgen.attention.accelerator.tiling import row_group_count
from accelgen.attention.description import AttentionDescription
from accelgen.attention.inputs import AttentionInputs, random_inputs
from accelgen.names import FrozenMap
from accelgen.rtl.attention.lists import BLOCKS, LIST, SELECT, TOKENS

__all__ = [
    "MAKERS",
    "QUICK_TILES",
    "LayerCycles",
    "LayerProblems",
    "layer_problems",
    "predict_layer",
    "tile_cycles",
]

QUICK_TILES = 20_000
"""Tiles that are followed in a fraction of a second."""

MAKERS: Mapping[int, str] = FrozenMap(
    {TOKENS: "counters", BLOCKS: "counters", SELECT: "selection", LIST: "lists"}
)
"""What makes the tiles of a kind of row groups: counters and selection in the hardware, or lists
that it is given.
"""


@dataclass(frozen=True)
class LayerCycles:
    """Cycles of the first ``row_groups`` of ``all_row_groups`` of a layer, in the order of KV heads
    and of queries; they have ``tiles`` tiles of keys, and ``summaries`` tiles of what stands for
    blocks of keys where blocks are selected.

    ``made_by`` says how many of these row groups have their tiles by ``counters``, by ``selection``
    and by ``lists`` (see :data:`MAKERS`), those there are none of left out.  ``drawn``: a pattern
    chose by drawn tensors, and cycles are those of its choice.
    """

    layer: int
    row_groups: int
    all_row_groups: int
    tiles: int
    cycles: AttentionCycles
    made_by: Mapping[str, int]
    summaries: int = 0
    drawn: bool = False

    @property
    def whole(self) -> bool:
        """Whether they are those of the whole layer."""
        return self.row_groups == self.all_row_groups

    @property
    def text(self) -> str:
        """``layer 0, the first 40 of 64 row groups: 32 by counters, 8 by lists``."""
        part = "" if self.whole else f"the first {self.row_groups} of "
        found = f"layer {self.layer}, {part}{self.all_row_groups} row groups"
        if len(self.made_by) == 1 and self.whole:
            found += f" by {next(iter(self.made_by))}"
        else:
            found += ": " + ", ".join(f"{n} by {maker}" for maker, n in self.made_by.items())
        return f"{found} (drawn tensors)" if self.drawn else found

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
                "made_by": dict(self.made_by),
                "drawn": self.drawn,
                "tiles": self.tiles,
                "summaries": self.summaries,
            },
        }


@dataclass(frozen=True, eq=False)
class LayerProblems:
    """A problem per array, with as many row groups of a layer as are quick to follow.

    Their tensors are empty where nothing is selected by them: cycles do not depend on them.
    """

    problems: tuple[Problem, ...]
    drawn: bool


def layer_problems(
    description: AttentionDescription, *, layer: int = 0, most_tiles: int = QUICK_TILES
) -> LayerProblems:
    """What the accelerator is given for a layer, in whichever way :func:`choose` finds.

    As many row groups as have ``most_tiles`` tiles together, at least one, shared among the arrays
    by :func:`share_out`.  Patterns that look at tensors are given drawn ones (seed 0).
    """
    core, shape = description.core(), description.shape
    patterns = description.head_patterns(layer)
    choice = choose(core, shape, patterns, layer=layer)
    listed = {
        patterns[head]
        for kv, rule in enumerate(choice.rules)
        if rule is None
        for head in range(kv * shape.group, (kv + 1) * shape.group)
    }
    looked_at = any(one.dynamic and layer >= one.first_sparse_layer for one in listed)
    inputs = random_inputs(shape) if looked_at or choice.block else None
    # Every pattern makes the masks of all heads.
    masks = description.masks(inputs, layer) if listed else ()
    base = _base(core, description, inputs if choice.block else None, choice.registers)
    if choice.block:
        base = with_summaries(base, choice.block, bounds=choice.bounds)
    groups: list[RowGroup] = []
    counts: list[int] = []
    for group in choice.row_groups(core, shape, masks):
        tiles = len(replace(base, groups=[group]).tiles[0])
        if groups and sum(counts) + tiles > most_tiles:
            break
        groups.append(group)
        counts.append(tiles)
    shared = share_out(core, groups, counts)
    return LayerProblems(tuple(replace(base, groups=some) for some in shared), inputs is not None)


def _base(
    core: Core,
    description: AttentionDescription,
    inputs: AttentionInputs | None,
    registers: Mapping[str, int],
) -> Problem:
    """A problem without row groups, of these tensors or of none."""
    shape = description.shape
    if inputs is not None:
        return problem_of(encode(core, shape, inputs), (), **registers)
    none = np.zeros((0, 0, 0), dtype=np.int64)
    setting = Setting(keys=shape.keys, offset=shape.offset, **registers)
    return Problem(core, setting, (), none, none, none)


def predict_layer(
    description: AttentionDescription, *, layer: int = 0, most_tiles: int = QUICK_TILES
) -> LayerCycles:
    """Predict the cycles of :func:`layer_problems`."""
    core, shape = description.core(), description.shape
    given = layer_problems(description, layer=layer, most_tiles=most_tiles)
    groups = [group for problem in given.problems for group in problem.groups]
    tiles = [tile for one in given.problems for some in one.tiles for tile in some]
    made = [MAKERS[group.kind] for group in groups]
    return LayerCycles(
        layer,
        len(groups),
        shape.kv_heads * row_group_count(core, shape.queries),
        sum(tile.column is not None and not tile.summary for tile in tiles),
        combined_cycles(given.problems),
        FrozenMap(
            {maker: made.count(maker) for maker in dict.fromkeys(MAKERS.values()) if maker in made}
        ),
        sum(tile.summary != 0 for tile in tiles),
        given.drawn,
    )


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

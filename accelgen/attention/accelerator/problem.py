"""A problem for the accelerator: integers in, integers out, as the hardware computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.datapath.softmax import Rows, fold_queries
from accelgen.attention.accelerator.datapath.topk import select_mask, selector_cycles
from accelgen.attention.accelerator.rows import (
    RowGroup,
    Setting,
    Tile,
    Walk,
    allowed,
    out_of_range,
    tiles_of,
    walk_of,
)
from accelgen.attention.accelerator.tiling import group_rows, row_tokens
from accelgen.names import FrozenMap
from accelgen.rtl.attention.lists import SELECT
from accelgen.rtl.attention.selection import Selection
from accelgen.rtl.attention.tile_info import LOWER

__all__ = ["Problem"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Problem:
    """Row groups, and the tensors they are of, as integers.

    ``q`` ``[kv heads, group, queries, head_dim]``, ``k`` ``[kv heads, keys, head_dim]``, ``v``
    ``[kv heads, keys, value_dim]`` are the codes of elements (of integers, their values), and
    ``scales`` those of their blocks, along the last axis, by tensor.  ``summaries`` ``[kv heads,
    blocks, parts, head_dim]`` stand for blocks of keys, in their format: one vector each, or the
    upper and the lower bounds; their scales are called ``summary``.
    """

    core: Core
    setting: Setting
    groups: Sequence[RowGroup]
    q: Ints
    k: Ints
    v: Ints
    scales: Mapping[str, Ints] = FrozenMap()
    summaries: Ints | None = None

    @cached_property
    def walks(self) -> list[Walk]:
        """What the scheduler makes of every row group."""
        return [
            walk_of(self.core, self.setting, group, self.selected[number])
            for number, group in enumerate(self.groups)
        ]

    @cached_property
    def selected(self) -> list[Bools | None]:
        """Per row group ``[rows, blocks]``, which blocks a row selects; none of other kinds."""
        return [self._select(group) for group in self.groups]

    def selection_cycles(self, number: int) -> int:
        """Cycles that selecting takes for all rows of a row group."""
        group, chosen = self.groups[number], self.selected[number]
        shape = self.core.selector
        assert chosen is not None
        assert shape is not None
        total = 0
        for row in chosen[: group.rows]:
            found = np.flatnonzero(row)
            last = int(found[-1]) if len(found) else None
            total += selector_cycles(shape, group.blocks, len(found), last) + Selection.ROW_CYCLES
        return total

    def _select(self, group: RowGroup) -> Bools | None:
        """What the selector finds; see Selection."""
        core, setting = self.core, self.setting
        if group.kind != SELECT or self.summaries is None or group.blocks == 0:
            return None
        if out_of_range(core, setting, group):
            return None
        n = core.numerics
        queries = self.folded(group)
        parts = self.summaries[group.head, : group.blocks].transpose(1, 0, 2)
        scales = self.scales.get("summary")
        found: list[Ints | None] = [None] * len(parts)
        if scales is not None:
            found = list(scales[group.head, : group.blocks].transpose(1, 0, 2))
        stored = [self._stored("k", p, s) for p, s in zip(parts, found, strict=True)]
        if group.bounds:
            sums = _product(np.maximum(queries, 0), stored[0])
            sums += _product(np.minimum(queries, 0), stored[1])
        else:
            sums = _product(queries, stored[0])
        scores = (sums + (1 << (n.score_shift - 1))) >> n.score_shift
        own = (setting.offset + row_tokens(core, group.row)) >> setting.block_shift
        block = np.arange(group.blocks)
        sinks = (setting.sink + (1 << setting.block_shift) - 1) >> setting.block_shift
        never = block[None, :] > own[:, None]
        forced = (block[None, :] + setting.local > own[:, None]) | (block < sinks)[None, :]
        chosen = select_mask(scores, setting.top, forced, never)
        chosen[group.rows :] = False
        return chosen

    def folded(self, group: RowGroup) -> Ints:
        """Queries of a row group as the array has them."""
        rows = self._stored("q", self.query_rows(group), self._query_scales(group))
        return fold_queries(rows, self.setting.scale, self.setting.shift, self.core.numerics)

    def summary_rows(self, group: RowGroup, tile: Tile, *, scales: bool = False) -> Ints:
        """``[rows, head_dim]``: a tile of summaries, zeros beyond the last; or of their scales."""
        tensor = self.scales["summary"] if scales else self.summaries
        assert tensor is not None
        part = tensor[:, : group.blocks, 1 if tile.summary == LOWER else 0]
        assert tile.column is not None
        return self.key_rows(part, group.head, tile.column)

    @cached_property
    def tiles(self) -> list[list[Tile]]:
        """The tiles that are computed for every row group."""
        return [tiles_of(walk) for walk in self.walks]

    def query_rows(self, group: RowGroup, tensor: Ints | None = None) -> Ints:
        """``[rows of the group, head_dim]``: the packet of queries; or of their scales."""
        tensor = self.q if tensor is None else tensor
        heads, queries = tensor.shape[1:3]
        real, head, token = group_rows(self.core, queries, heads, group.row)
        rows = np.zeros((len(real), tensor.shape[-1]), dtype=np.int64)
        rows[real] = tensor[group.head, head[real], token[real]]
        return rows

    def key_rows(self, tensor: Ints, head: int, column: int) -> Ints:
        """``[rows, dim]``: a tile of keys or values, zeros beyond the last."""
        rows = self.core.numerics.rows
        part = tensor[head, column * rows : (column + 1) * rows]
        return np.concatenate([part, np.zeros((rows - len(part), part.shape[1]), dtype=np.int64)])

    def outputs(self) -> list[Ints]:
        """Per row group ``[rows of the group, value_dim]``: the packets of results."""
        n = self.core.numerics
        results = []
        for group, tiles in zip(self.groups, self.tiles, strict=True):
            queries = self.folded(group)
            rows = Rows.empty(n, len(queries))
            for tile in tiles:
                if tile.column is None or tile.summary:
                    continue
                pairs = allowed(self.core, self.setting, group, tile)
                parts = {}
                for name, tensor in (("k", self.k), ("v", self.v)):
                    scales = self.scales.get(name)
                    parts[name] = self._stored(
                        name,
                        self.key_rows(tensor, group.head, tile.column),
                        None if scales is None else self.key_rows(scales, group.head, tile.column),
                    )
                rows.take(queries, parts["k"], parts["v"], pairs)
            results.append(rows.outputs())
        return results

    def _query_scales(self, group: RowGroup) -> Ints | None:
        scales = self.scales.get("q")
        return None if scales is None else self.query_rows(group, scales)

    def _stored(self, name: str, codes: Ints, scales: Ints | None) -> Ints:
        """Elements as the array holds them."""
        decoding = self.core.decoding(name)
        if scales is not None:
            scales = np.repeat(scales, decoding.block, axis=-1)
        if decoding.whole:
            codes = codes & ((1 << decoding.code_bits) - 1)
        grid = getattr(self.setting, f"{name}_grid")
        return decoding.stored(codes, scales, grid, self.core.numerics.element_bits)

    @property
    def faults(self) -> set[str]:
        """Faults of all lists."""
        return set().union(*(walk.faults for walk in self.walks))


def _product(a: Ints, b: Ints) -> Ints:
    """``a @ b.T``."""
    result: Ints = np.matmul(a, b.T)
    return result

"""A problem for the accelerator: integers in, integers out, as the hardware computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.core import Core
from accelgen.attention.datapath.softmax import Rows, fold_queries
from accelgen.attention.rows import RowGroup, Setting, Tile, Walk, allowed, tiles_of, walk_of

__all__ = ["Problem"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Problem:
    """Row groups, and the tensors they are of, as integers.

    ``q`` ``[kv heads, group, queries, head_dim]``, ``k`` ``[kv heads, keys, head_dim]``, ``v``
    ``[kv heads, keys, value_dim]``.
    """

    core: Core
    setting: Setting
    groups: Sequence[RowGroup]
    q: Ints
    k: Ints
    v: Ints

    @cached_property
    def walks(self) -> list[Walk]:
        """What the scheduler makes of every row group."""
        return [walk_of(self.core, self.setting, group) for group in self.groups]

    @cached_property
    def tiles(self) -> list[list[Tile]]:
        """The tiles that are computed for every row group."""
        return [tiles_of(walk) for walk in self.walks]

    def query_rows(self, group: RowGroup) -> Ints:
        """``[rows of the group, head_dim]``: the packet of queries."""
        core, n = self.core, self.core.numerics
        rows = np.zeros((core.query_tiles * n.rows, n.head_dim), dtype=np.int64)
        heads, queries = self.q.shape[1:3]
        for row in range(len(rows)):
            tile, i = divmod(row, n.rows)
            token = group.row * core.tokens + tile * core.tokens_per_tile + i // core.group
            if i < core.tokens_per_tile * core.group and i % core.group < heads and token < queries:
                rows[row] = self.q[group.head, i % core.group, token]
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
            queries = fold_queries(
                self.query_rows(group), self.setting.scale, self.setting.shift, n
            )
            rows = Rows.empty(n, len(queries))
            for tile in tiles:
                pairs = allowed(self.core, self.setting, group, tile)
                if tile.column is None:
                    continue
                keys = self.key_rows(self.k, group.head, tile.column)
                values = self.key_rows(self.v, group.head, tile.column)
                rows.take(queries, keys, values, pairs)
            results.append(rows.outputs())
        return results

    @property
    def faults(self) -> set[str]:
        """Faults of all lists."""
        return set().union(*(walk.faults for walk in self.walks))

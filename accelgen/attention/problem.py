"""A problem for the accelerator: integers in, integers out, as the hardware computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.core import Core
from accelgen.attention.datapath.softmax import Rows, fold_queries
from accelgen.attention.rows import RowGroup, Setting, Tile, Walk, allowed, tiles_of, walk_of
from accelgen.names import FrozenMap

__all__ = ["Problem"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Problem:
    """Row groups, and the tensors they are of, as integers.

    ``q`` ``[kv heads, group, queries, head_dim]``, ``k`` ``[kv heads, keys, head_dim]``, ``v``
    ``[kv heads, keys, value_dim]`` are the codes of elements (of integers, their values), and
    ``scales`` those of their blocks, along the last axis, by tensor.
    """

    core: Core
    setting: Setting
    groups: Sequence[RowGroup]
    q: Ints
    k: Ints
    v: Ints
    scales: Mapping[str, Ints] = FrozenMap()

    @cached_property
    def walks(self) -> list[Walk]:
        """What the scheduler makes of every row group."""
        return [walk_of(self.core, self.setting, group) for group in self.groups]

    @cached_property
    def tiles(self) -> list[list[Tile]]:
        """The tiles that are computed for every row group."""
        return [tiles_of(walk) for walk in self.walks]

    def query_rows(self, group: RowGroup, tensor: Ints | None = None) -> Ints:
        """``[rows of the group, head_dim]``: the packet of queries; or of their scales."""
        core, n = self.core, self.core.numerics
        tensor = self.q if tensor is None else tensor
        rows = np.zeros((core.query_tiles * n.rows, tensor.shape[-1]), dtype=np.int64)
        heads, queries = tensor.shape[1:3]
        for row in range(len(rows)):
            tile, i = divmod(row, n.rows)
            token = group.row * core.tokens + tile * core.tokens_per_tile + i // core.group
            if i < core.tokens_per_tile * core.group and i % core.group < heads and token < queries:
                rows[row] = tensor[group.head, i % core.group, token]
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
                self._stored("q", self.query_rows(group), self._query_scales(group)),
                self.setting.scale,
                self.setting.shift,
                n,
            )
            rows = Rows.empty(n, len(queries))
            for tile in tiles:
                pairs = allowed(self.core, self.setting, group, tile)
                if tile.column is None:
                    continue
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

"""Latency, energy and traffic of an attention layer on arrays, from the tiles of its row groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import Core
from accelgen.attention.masks.balance import balance
from accelgen.attention.network.prices import Prices
from accelgen.attention.network.tile_counts import TileFigures
from accelgen.attention.network.timeline import LIMITS, rates_of, row_group_bytes, timeline
from accelgen.attention.shape import AttentionShape
from accelgen.names import FrozenMap

__all__ = ["PARTS", "AttentionCost", "HeadWork", "attention_cost"]

Ints = NDArray[np.int64]

PARTS = ("mac", "softmax", "buffers", "link", "dram", "leakage")
"""Of the energy: multipliers of the array; lanes, totals and division; reads and writes of the
buffers; wires between cells; DRAM; leakage.
"""


@dataclass(frozen=True, eq=False)
class HeadWork:
    """Row groups that are computed ``times``, each time with keys and values of their own.

    ``heads`` query heads are in a row group.  ``scoring`` are the tiles of each row group that a
    pattern takes to choose the others (see :mod:`accelgen.attention.network.scoring`), 0 for none.
    """

    figures: TileFigures
    heads: int
    times: int = 1
    scoring: Ints | None = None

    @cached_property
    def tiles(self) -> Ints:
        """Tiles that are computed, per row group."""
        chosen = self.figures.tiles
        return chosen if self.scoring is None else chosen + self.scoring


@dataclass(frozen=True)
class AttentionCost:
    """An attention layer: ``cycles``, ``energy_pj`` by part (see PARTS), bytes of DRAM.

    ``limits`` are the cycles by what is waited for (see LIMITS in
    :mod:`accelgen.attention.network.timeline`) of the array that is ready last. ``tiles`` are
    those of keys times tiles of queries, ``pairs`` the pairs of a query and a key that the
    masks allow, ``density`` these over all pairs. ``balance`` is the work of the array with
    most over the mean.
    """

    cycles: float
    energy_pj: Mapping[str, float]
    dram_bytes: float
    limits: Mapping[str, float]
    tiles: int
    pairs: int
    density: float
    balance: float

    @property
    def total_pj(self) -> float:
        """Energy of everything."""
        return sum(self.energy_pj.values())

    @property
    def edp(self) -> float:
        """Energy-delay product in pJ x cycles."""
        return self.total_pj * self.cycles

    @property
    def limit(self) -> str:
        """What takes most of the cycles."""
        return max(self.limits, key=lambda name: self.limits[name])


def attention_cost(
    core: Core,
    shape: AttentionShape,
    work: Sequence[HeadWork],
    prices: Prices,
    *,
    arrays: int = 1,
    bytes_per_cycle: float | None = None,
) -> AttentionCost:
    """The cost of a layer, all of whose row groups are in ``work``.

    Row groups go to arrays longest first; arrays share the bandwidth of the DRAM in equal parts and
    share no data, so keys that two of them need are read twice.  Every row group reads its keys
    and values anew.  Cycles are those of the array that is ready last.

    Energy: every cell of a row with a query multiplies in every step, whether its pair is allowed
    or not; rows without queries hold zeros and cost nothing.
    """
    rates = rates_of(core)
    share = inf if bytes_per_cycle is None else bytes_per_cycle / arrays
    cycles, limits, ratio = _cycles(core, work, arrays, share)
    moved = sum(
        one.times * float(row_group_bytes(rates, one.tiles, one.figures.masked).sum())
        for one in work
    )
    energy = _energy(core, shape, work, prices)
    energy["leakage"] = prices.leakage * cycles
    pairs = sum(one.times * int(one.figures.pairs.sum()) for one in work)
    all_pairs = sum(one.times * one.heads for one in work) * shape.queries * shape.keys
    return AttentionCost(
        cycles=cycles,
        energy_pj=FrozenMap({part: energy[part] for part in PARTS}),
        dram_bytes=moved,
        limits=limits,
        tiles=core.query_tiles * sum(one.times * int(one.tiles.sum()) for one in work),
        pairs=pairs,
        density=pairs / all_pairs,
        balance=ratio,
    )


def _cycles(
    core: Core, work: Sequence[HeadWork], arrays: int, share: float
) -> tuple[float, FrozenMap[str, float], float]:
    """Cycles, by limit, and the balance of the arrays."""
    if arrays == 1:
        cycles, limits = 0.0, dict.fromkeys(LIMITS, 0.0)
        for one in work:
            once = timeline(core, one.tiles, one.figures.masked, share)
            found = once.cycles
            if one.times > 1:
                # A second time overlaps with the first, a third as the second did.
                twice = timeline(
                    core, np.tile(one.tiles, 2), np.tile(one.figures.masked, 2), share
                ).cycles
                found += (one.times - 1) * (twice - once.cycles)
            for name, value in once.limits.items():
                limits[name] += value * found / once.cycles
            cycles += found
        return cycles, _some(limits), 1.0
    tiles = np.concatenate([np.tile(one.tiles, one.times) for one in work])
    masked = np.concatenate([np.tile(one.figures.masked, one.times) for one in work])
    dealt = balance(np.maximum(tiles, 1), arrays, "longest_first")
    lines = []
    for number in range(arrays):
        here = dealt.array == number
        if here.any():
            lines.append(timeline(core, tiles[here], masked[here], share))
    last = max(lines, key=lambda line: line.cycles)
    return last.cycles, FrozenMap(last.limits), dealt.ratio


def _some(limits: Mapping[str, float]) -> FrozenMap[str, float]:
    return FrozenMap({name: value for name, value in limits.items() if value})


def _energy(
    core: Core, shape: AttentionShape, work: Sequence[HeadWork], prices: Prices
) -> dict[str, float]:
    """By part, without leakage."""
    n, rates = core.numerics, rates_of(core)
    d, dv, rows, q = n.head_dim, n.value_dim, n.rows, core.query_tiles
    energy = dict.fromkeys(PARTS, 0.0)
    for one in work:
        tiles = one.tiles
        groups, count = len(tiles), int(tiles.sum())
        # Rows with a query, of all row groups, and of these times their tiles.
        row = np.minimum(shape.queries - np.arange(groups) * core.tokens, core.tokens) * one.heads
        used, worked = int(row.sum()), int((row * tiles).sum())
        scores = worked * rows
        energy["mac"] += one.times * scores * (d + dv + 1) * prices.mac
        energy["softmax"] += one.times * (
            scores * prices.score
            + worked * (dv + 1) * prices.rescale
            + used * (prices.divide + dv * prices.result + d * prices.fold)
        )
        # Every step brings an element to each cell of a column and an operand to each of a row.
        steps = scores * (d + dv + 1)
        bits = steps * (n.element_bits + n.operand_bits)
        energy["link"] += one.times * bits * prices.link
        reads, writes = (np.array(x) for x in zip(
            prices.keys, prices.values, prices.queries, prices.totals, strict=True
        ))  # fmt: skip
        keys, values = count * rows * d * n.element_bits, count * rows * dv * n.element_bits
        totals = worked * (dv + 1) * n.total_bits
        written = [keys, values, used * d * n.operand_bits, totals]
        read = [q * keys, q * values, worked * d * n.operand_bits,
                totals + used * (dv + 1) * n.total_bits]  # fmt: skip
        energy["buffers"] += one.times * float(written @ writes + read @ reads)
        results = groups * rates.result_bytes
        inputs = float(row_group_bytes(rates, tiles, one.figures.masked).sum()) - results
        energy["dram"] += one.times * 8 * (inputs * prices.dram[0] + results * prices.dram[1])
    return energy

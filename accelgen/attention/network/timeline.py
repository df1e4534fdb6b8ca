"""Cycles of the row groups of one array, from how many tiles each has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import LIST_BITS, Core
from accelgen.attention.accelerator.pace import Pace, pace_of, stream_latency
from accelgen.attention.accelerator.rows import mask_beats
from accelgen.names import FrozenMap
from accelgen.rtl.attention.normaliser import Normaliser

__all__ = ["LIMITS", "Rates", "Timeline", "rates_of", "timeline"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Number = TypeVar("Number", int, Ints)

LIMITS = ("compute", "softmax", "memory", "stream", "list", "output")
"""What a row group waits for: the multipliers; the softmax, which takes longer than they do; the
DRAM; the streams of queries, keys and values; the list; the division and stream of results.
"""


@dataclass(frozen=True)
class Rates:
    """What an array takes: its pace in cycles, words of a mask (a cycle each), and bytes of a tile
    of keys and values, of the queries of a row group, of its results, and of a mask.
    """

    pace: Pace
    mask_words: int
    tile_bytes: float
    query_bytes: float
    result_bytes: float
    mask_bytes: int

    def list_cycles(self, tiles: Number, masked: Number) -> Number:
        """Of the scheduler, for the list of a row group."""
        return 2 + tiles + masked * self.mask_words


def rates_of(core: Core) -> Rates:
    """The rates of an array."""
    n = core.numerics
    rows, tile_rows = n.rows, core.query_tiles * n.rows
    return Rates(
        pace=pace_of(core),
        mask_words=tile_rows,
        tile_bytes=_bytes(core, "k", rows * n.head_dim) + _bytes(core, "v", rows * n.value_dim),
        query_bytes=_bytes(core, "q", tile_rows * n.head_dim),
        result_bytes=tile_rows * n.value_dim * n.OUTPUT_BITS / 8,
        mask_bytes=mask_beats(core) * LIST_BITS // 8,
    )


def _bytes(core: Core, tensor: str, elements: int) -> float:
    """Of elements as they come in, with the scales of their blocks."""
    decoding = core.decoding(tensor)
    scales = elements // decoding.block * decoding.scale_bits if decoding.block else 0
    return (elements * decoding.code_bits + scales) / 8


@dataclass(frozen=True)
class Timeline:
    """``cycles``: from the first accepted input to the last accepted output; ``limits``: of these,
    by what the row groups waited for, fill and drain in proportion (the sum is ``cycles``).
    """

    cycles: float
    limits: Mapping[str, float] = FrozenMap()


def row_group_bytes(rates: Rates, tiles: Ints, masked: Ints) -> Floats:
    """``[row groups]`` bytes of queries, keys, values, lists and results."""
    listed = LIST_BITS // 8 * (1 + tiles) + masked * rates.mask_bytes
    return np.asarray(
        rates.query_bytes + rates.result_bytes + tiles * rates.tile_bytes + listed,
        dtype=np.float64,
    )


def timeline(
    core: Core,
    tiles: Ints,
    masked: Ints,
    bytes_per_cycle: float = inf,
) -> Timeline:
    """The row groups with ``tiles`` and ``masked`` ones among them, one after the other.

    Everything that a row group needs takes its time: tiles times the interval, its streams, its
    list, its bytes at ``bytes_per_cycle``; buffers for two hide the lesser of these behind the
    largest, a row group at a time.  What comes first is followed exactly: queries and keys of
    the next row group cannot come before a buffer is released, the totals have two halves, the
    first tile waits for its data, the last results for their division.  Where the DRAM is not the
    limit and the streams are not slower than the array, the cycles are those of
    :func:`accelgen.attention.accelerator.cycles.predict_cycles`; streams that are about as fast as
    the array or slower, an array with two slots for masks, and the first scales of block formats
    (a few cycles) are close (tests/attention/test_timeline.py).

    ``tiles`` may not be empty; a row group without any takes the time of one (see Scheduler).
    """
    r = rates_of(core)
    pace, q = r.pace, core.query_tiles
    d, pass_out, interval, begin = pace.scores, pace.outputs, pace.interval, pace.softmax
    query_latency, key_latency, value_latency = (stream_latency(core, x) for x in "qkv")
    moved = row_group_bytes(r, tiles, masked) / bytes_per_cycle
    per_tile = r.tile_bytes / bytes_per_cycle
    first_bytes = (r.query_bytes + r.tile_bytes) / bytes_per_cycle
    # With two slots a tile with a mask waits for the outputs of the one before (see Scheduler).
    stall = 0
    if core.mask_slots == 2:
        ends = max(pass_out, begin) - interval if q > 1 else 0
        stall = pass_out + d + (max(d, begin) if q > 1 else begin) + ends - interval
    out = -inf  # when the last outputs began
    keys = values = queries = -1.0  # when the last packet had come
    dram = listed = 0.0
    score_end = -inf
    key_freed = key_freed_before = value_freed = value_freed_before = -inf
    query_freed, query_freed_before = -inf, -inf
    read, read_before = -inf, -inf
    items_before = 0
    limited = False
    for t, m, x in zip(tiles.tolist(), masked.tolist(), moved.tolist(), strict=True):
        items = max(t, 1) * q
        queries = max(queries + 1, query_freed_before + 1) + pace.query_beats - 1
        start = max(queries + query_latency, listed + 3 + (r.mask_words if m else 0))
        dram_first = max(dram, query_freed_before) + first_bytes
        dram = max(dram + x, query_freed_before + x, key_freed + (t - 1) * per_tile)
        if t:
            first_key = max(keys + 1, key_freed_before + 1) + pace.key_beats - 1
            first_value = max(values + 1, value_freed_before + 1) + pace.value_beats - 1
            rest = t - 1
            keys = max(first_key, key_freed if rest else -inf) + rest * pace.key_beats
            values = max(first_value, value_freed if rest else -inf) + rest * pace.value_beats
            start = max(start, first_key + key_latency)
            arrived = first_value + value_latency
        else:
            arrived = 0
        start = max(start, dram_first)
        usual = max(out - interval + pass_out, score_end)
        score = max(start, usual)
        if score > out:
            score = max(score, out + pass_out)
        elif score + d > out:
            out = score + d
        if out > -inf:
            read_before, read = read, max(out + pace.ending, read) + pace.reading
        begins = score + d + begin
        second = score + d if q > 1 else first_key + pace.key_beats + key_latency if t > 1 else inf
        if items > 1 and second <= begins:
            begins = max(begins, max(second, score + d) + d)
        first = max(out + interval, begins, arrived, read_before + 1)
        if items > 1 and second > begins:
            # The outputs do not wait for the second tile of keys, which then waits for them.
            again = max(second, first + pass_out)
            then = again + d + begin
            if t > 2 and (third := second + pace.key_beats) <= then:
                then = max(then, max(third, again + d) + d)
            first = max(first, then - interval)
        array = first + (items - 1) * interval + stall * m * max(0, m - 1) / max(t, 1)
        bounds = [array, dram + begin + d + (q - 1) * interval]
        if t:
            bounds.append(keys + key_latency + d + begin + (q - 1) * interval)
            bounds.append(values + value_latency + (q - 1) * interval)
        out = max(bounds)
        limited = out > array or (items == 1 and first > out + interval)
        score_end = max(out - 2 * interval + pass_out + d, score + d)
        if t:
            score_end = max(score_end, keys + key_latency + d + (q - 1) * interval)
        key_freed_before, key_freed = score_end - q * interval, score_end
        value_freed_before, value_freed = out + pass_out - q * interval, out + pass_out
        query_freed_before, query_freed = query_freed, score_end
        listed = max(listed + r.list_cycles(t, m), out - (core.list_depth + 2) * q * interval)
        items_before += items
    if items_before > 1 and not limited:
        # Nothing is scored before the last outputs.
        out -= interval - max(pass_out, begin)
    read = max(out + pace.ending, read) + pace.reading
    cycles = read + Normaliser.LATENCY + 1
    return Timeline(cycles, _limits(r, q, tiles, masked, moved, cycles))


def _limits(
    r: Rates, query_tiles: int, tiles: Ints, masked: Ints, moved: Floats, cycles: float
) -> FrozenMap[str, float]:
    """The cycles by what takes longest in each row group."""
    pace = r.pace
    demands = {
        "compute": np.maximum(tiles, 1) * query_tiles * pace.interval,
        "memory": moved,
        "stream": np.maximum(tiles * max(pace.key_beats, pace.value_beats), pace.query_beats),
        "list": r.list_cycles(tiles, masked),
        "output": np.full(len(tiles), pace.reading),
    }
    table = np.array(list(demands.values()), dtype=np.float64)
    longest, most = table.argmax(axis=0), table.max(axis=0)
    sums = np.bincount(longest, most, minlength=len(demands)) / most.sum() * cycles
    found = dict(zip(demands, sums.tolist(), strict=True))
    if pace.softmax > pace.passes:
        found["softmax"] = found.pop("compute")
    return FrozenMap({name: found[name] for name in LIMITS if found.get(name)})

"""Cycles of a mapping, exactly: step by step, all that differ.  Compiled.

The innermost boxes of a nest come one after the other.  Where a level has two buffers for an
operand, its next tile is loaded and its last one stored for as long as a tile is used: the longer
of using and moving counts, within every step of every loop, and the first loads and the last stores
count in full.  Where it has one everything adds up.  Sums that tiles share (of a transposed
convolution whose kernel is larger than its stride) come again while nothing else happens.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelgen.mapper.compiled import compiled, lean
from accelgen.mapper.counts import box_moves
from accelgen.mapper.cycles import box_cycles, ports
from accelgen.mapper.elements import footprint, tiled
from accelgen.mapper.tables import Config, Floats, Integers, Nest, Tables

__all__ = ["Walk", "carry", "total_cycles", "walk_of"]

KINDS = 4
"""Steps of a loop that differ: the first, those between, the last but one, the last; three of them
where the last is as long as the others."""


@lean
def carry(t: Tables, p: int, o: int, way: int, bits: float, into: Floats) -> None:
    """Bits of an operand cross a boundary down (0) or up (1)."""
    for number in range(2):
        channel = t.channels[p, o, way, number]
        if channel >= 0:
            into[channel] += bits


@lean
def _time(t: Tables, bits: Floats) -> float:
    """Cycles of the channel that needs longest."""
    longest = 0.0
    for channel in range(len(bits)):
        longest = max(longest, bits[channel] / t.carried[channel])
    return longest


@lean
def _streamed(t: Tables, c: Config, box: Integers, order: Integers, into: Floats) -> None:
    """Adds the bits that the innermost level passes on while a box is computed."""
    for o in range(len(t.bits)):
        if t.streams[o]:
            carry(t, 0, o, 0, box_moves(t, o, c, box, order) * t.bits[o], into)


@lean
def _first_load(t: Tables, c: Config, nest: Nest, bits: Floats) -> float:
    """Cycles until the first step has its inputs, from the outermost level inwards."""
    total = 0.0
    for p in range(len(nest.held) - 1, -1, -1):
        _clear(bits)
        for o in range(len(t.bits) - 1):
            tile = c.tile if p == 0 and t.streams[o] else nest.tiles[nest.held[p, o] - 1]
            carry(t, p, o, 0, footprint(t.axes, o, tile) * t.bits[o], bits)
        total += _time(t, bits)
    return total


@lean
def _shared_sums(t: Tables, nest: Nest, bits: Floats, moved: Floats) -> float:
    """Cycles for sums that several tiles have: read once more, and written as sums and not as
    results by all but the last, through everything on the way one after the other.
    """
    o = len(t.bits) - 1
    total = 0.0
    # Towards the array (0) innermost boxes count, across each boundary those that are held.
    for p in range(len(nest.held) + 1):
        tile = nest.tiles[0] if p == 0 else nest.tiles[nest.held[p - 1, o] - 1]
        shared = tiled(t.axes, o, t.bounds, tile) - footprint(t.axes, o, t.bounds)
        if shared == 0:
            continue
        read, written = shared * t.partial[o], shared * (t.partial[o] - t.bits[o])
        if p == 0:
            entered, left = moved[0], moved[1]
            _clear(entered)
            _clear(left)
            entered[o], left[o] = read, written
            total += ports(t, entered, left)
        else:
            _clear(bits)
            carry(t, p - 1, o, 0, read, bits)
            carry(t, p - 1, o, 1, written, bits)
            total += _time(t, bits)
    return total


@lean
def _clear(values: Floats) -> None:
    for k in range(len(values)):
        values[k] = 0.0


class Walk(NamedTuple):
    """Scratch for :func:`total_cycles`, for any mapping of a problem with so many boxes."""

    loops: Integers
    """(12, boxes x loops)"""
    flags: NDArray[np.bool_]
    """(2, boxes x loops + 1, boxes + 1)"""
    box: Integers
    """(boxes + 3, loops)"""
    of_loop: Integers
    """(2, loops)"""
    cycles: Floats
    """(4 x sets of loops)"""
    streams: Floats
    """(sets of loops, channels)"""
    spent: Floats
    """(boxes x loops + 1)"""
    moving: Floats
    """(boxes x loops + 3, channels)"""
    sums: Floats
    """(2, levels)"""
    moved: Floats
    """(2, operands)"""


@compiled
def walk_of(t: Tables, boxes: int) -> Walk:
    """Scratch for :func:`total_cycles`."""
    n, channels = len(t.bounds), len(t.carried)
    return Walk(
        np.empty((12, boxes * n), dtype=np.int64),
        np.empty((2, boxes * n + 1, boxes + 1), dtype=np.bool_),
        np.empty((boxes + 3, n), dtype=np.int64),
        np.empty((2, n), dtype=np.int64),
        np.empty(4 << n),
        np.empty((1 << n, channels)),
        np.empty(boxes * n + 1),
        np.empty((boxes * n + 3, channels)),
        np.empty((2, len(t.outside))),
        np.empty((2, len(t.bits))),
    )


@lean
def total_cycles(t: Tables, c: Config, nest: Nest, walk: Walk) -> float:
    """Cycles of all steps of a nest; ``walk`` is scratch.

    What a tile moves depends on whether it is the first or the last along each loop, and so do its
    neighbours in time: of the steps of a loop the first, one of those between, and the last two
    stand for all.  What is moved for the next tile, and for the last one, has the time of the
    present one: of a step of the innermost loop that moves it, with everything inside.
    """
    n, count = len(t.bounds), len(t.bits)
    boxes, levels = len(nest.tiles), len(nest.held)
    output, channels = count - 1, len(t.carried)
    # The loops with several steps, outermost first: over which boxes, which of them is the same
    # loop further out (-1: none), and what they move (a bit for each operand at each level).
    loops, over, further, movers = walk.loops[0], walk.loops[1], walk.loops[2], walk.loops[3]
    latest, bit_of = walk.of_loop[0], walk.of_loop[1]
    for d in range(n):
        latest[d] = bit_of[d] = -1
    active = ends = 0
    for j in range(boxes, 0, -1):
        for position in range(n):
            d = nest.orders[j, position]
            if nest.tiles[j - 1, d] >= (t.bounds[d] if j == boxes else nest.tiles[j, d]):
                continue
            loops[active], over[active], further[active], movers[active] = d, j, latest[d], 0
            latest[d] = active
            if bit_of[d] < 0:
                bit_of[d] = ends
                ends += 1
            for p in range(levels):
                for o in range(count):
                    if t.relevant[o, d] and j >= nest.held[p, o] and not (p == 0 and t.streams[o]):
                        movers[active] |= 1 << (p * count + o)
            active += 1
    # Of the loops up to each: length of its boxes, number of steps, how many steps the present one
    # stands for, whether the sums of a box (from each on outwards) begin or end.
    length, whole, index, stands = walk.loops[4], walk.loops[5], walk.loops[6], walk.loops[7]
    kinds, whole_before, stands_before = walk.loops[8], walk.loops[9], walk.loops[10]
    # What each loop and those inside it move.
    inside = walk.loops[11]
    firsts, finals = walk.flags[0], walk.flags[1]
    # Innermost boxes that end along the same loops have one shape: their cycles by whether sums
    # begin and end.
    box, cycles_of, streams_of = walk.box, walk.cycles, walk.streams
    # Of the present step of each loop (k + 1; 0: of all): cycles of what is inside it, and bits
    # that have its time.
    spent, moving = walk.spent, walk.moving
    waited, crossed = moving[active + 1], moving[active + 2]
    # Bits of the tile of sums before the present one, and of the present one.
    stored, leaves = walk.sums[0], walk.sums[1]
    everything = 0
    for q in range(active - 1, -1, -1):
        everything |= movers[q]
        inside[q] = everything
    for q in range(active + 1):
        spent[q] = 0.0
        _clear(moving[q])
        if q < active:
            index[q], whole_before[q], stands_before[q] = 0, 1, 1
    _clear(waited)
    _clear(stored)
    for x in range(boxes + 1):
        firsts[0, x] = finals[0, x] = True
        for d in range(n):
            if x < boxes:
                box[x, d] = nest.tiles[x, d]
    for kind in range(4 << ends):
        cycles_of[kind] = -1.0
    k, begun = 0, False
    while True:
        for q in range(k, active):
            d, j = loops[q], over[q]
            around = t.bounds[d] if further[q] < 0 else length[further[q]]
            size = nest.tiles[j - 1, d]
            whole[q] = (around + size - 1) // size
            last = around - (whole[q] - 1) * size
            kinds[q] = min(whole[q], KINDS if last < size else KINDS - 1)
            end = index[q] == kinds[q] - 1
            stands[q] = whole[q] - kinds[q] + 1 if index[q] == 1 else 1
            length[q] = last if end else size
            for x in range(j):
                box[x, d] = length[q]
            moves_sums = t.relevant[output, d]
            for x in range(1, boxes + 1):
                same = x > j or moves_sums
                firsts[q + 1, x] = firsts[q, x] and (same or index[q] == 0)
                finals[q + 1, x] = finals[q, x] and (same or end)
        # What ended with the step before: steps of loops from the innermost to k.
        seen = 0
        for q in range(active - 1, k - 1, -1):
            if not begun:
                break
            changed = movers[q] & ~seen if q == k or whole_before[q] > 1 else 0
            seen |= changed
            alone = 0.0
            for p in range(levels if changed else 0):
                for o in range(count):
                    if not changed >> (p * count + o) & 1:
                        continue
                    b = nest.held[p, o]
                    elements, store = footprint(t.axes, o, box[b - 1]), 0.0
                    load = elements * t.bits[o]
                    single = t.copies[p, o] == 1
                    if o == output:
                        load = 0.0 if firsts[active, b] else elements * t.partial[o]
                        store = leaves[p] if single else stored[p]
                        stored[p] = 0.0 if single else leaves[p]
                    if single:
                        _clear(crossed)
                        carry(t, p, o, 0, load, crossed)
                        carry(t, p, o, 1, store, crossed)
                        alone += _time(t, crossed)
                        for channel in range(channels):
                            waited[channel] += crossed[channel]
                    else:
                        carry(t, p, o, 0, load, moving[q + 1])
                        carry(t, p, o, 1, store, moving[q + 1])
            took = alone + max(spent[q + 1], _time(t, moving[q + 1]))
            spent[q] += stands_before[q] * took
            spent[q + 1] = 0.0
            for channel in range(channels):
                moving[q, channel] += stands_before[q] * (moving[q + 1, channel] + waited[channel])
                moving[q + 1, channel] = waited[channel] = 0.0
        begun = True
        shape = 0
        for d in range(n):
            if bit_of[d] >= 0 and box[0, d] < nest.tiles[0, d]:
                shape |= 1 << bit_of[d]
        first, final = firsts[active, 1], finals[active, 1]
        kind = 4 * shape + (2 * first + final if t.limited else 0)
        if cycles_of[kind] < 0:
            cycles_of[kind] = box_cycles(
                t, c, box[0], nest.orders[0], first, final, box[boxes:], walk.moved
            )
            _clear(streams_of[shape])
            _streamed(t, c, box[0], nest.orders[0], streams_of[shape])
        spent[active] = cycles_of[kind]
        for channel in range(channels):
            moving[active, channel] += streams_of[shape, channel]
        k = active - 1
        while k >= 0 and index[k] == kinds[k] - 1:
            index[k] = 0
            k -= 1
        # What may be left now: of sums that a loop from k on moves, at the end of all.
        for p in range(levels):
            b = nest.held[p, output]
            if k < 0 or inside[k] >> (p * count + output) & 1:
                width = t.bits[output] if finals[active, b] else t.partial[output]
                leaves[p] = footprint(t.axes, output, box[b - 1]) * width
        if k < 0:
            break
        for q in range(k, active):
            whole_before[q], stands_before[q] = whole[q], stands[q]
        index[k] += 1
    seen = 0
    for q in range(active - 1, -1, -1):
        changed = movers[q] & ~seen if whole[q] > 1 else 0
        seen |= changed
        for p in range(levels):
            if changed >> (p * count + output) & 1:
                carry(t, p, output, 1, stored[p], moving[q + 1])
        spent[q] += stands[q] * max(spent[q + 1], _time(t, moving[q + 1]))
        for channel in range(channels):
            moving[q, channel] += stands[q] * moving[q + 1, channel]
    total = max(spent[0], _time(t, moving[0])) + _first_load(t, c, nest, waited)
    for p in range(levels):
        _clear(waited)
        carry(t, p, output, 1, leaves[p], waited)
        total += _time(t, waited)
    return float(total + _shared_sums(t, nest, waited, walk.moved) + c.fill)

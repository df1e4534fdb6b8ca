"""Cycles of a mapping, exactly: step by step, all that differ.  Compiled.

The innermost boxes of a nest come one after the other.  Where a level has two buffers for an
operand, its next tile is loaded and its last one stored for as long as a tile is used: the longer
of using and moving counts, within every step of every loop, and the first loads and the last stores
count in full.  Where it has one everything adds up.  Within the innermost box the array computes
while its links and the buffer's ports carry what it takes and gives; it stops where units cannot
replace what they use, until the first step has what it needs.  Sums that tiles share (of a
transposed convolution whose kernel is larger than its stride) come again while nothing else
happens.
"""

from __future__ import annotations

import numpy as np

from accelgen.mapper.compiled import compiled, lean
from accelgen.mapper.counts import box_moves
from accelgen.mapper.elements import footprint, tiled
from accelgen.mapper.tables import Config, Floats, Integers, Nest, Tables

__all__ = [
    "array_cycles",
    "carry",
    "least_stall",
    "ports",
    "stalls",
    "step_cycles",
    "total_cycles",
]

KINDS = 4
"""Steps of a loop that differ: the first, those between, the last but one, the last."""


@lean
def step_cycles(t: Tables, c: Config, box: Integers) -> int:
    """Cycles of one step of the array on at most ``c.tile`` iterations: units take equal parts."""
    output = len(t.bits) - 1
    work, sums = 1, 1
    for d in range(len(box)):
        each = -(-box[d] // c.spread[d])
        work *= each
        if t.relevant[output, d]:
            sums *= each
    return work + t.join * sums


@lean
def array_cycles(t: Tables, c: Config, box: Integers) -> int:
    """Cycles of all steps of a box, when nothing is waited for."""
    output = len(t.bits) - 1
    work, sums = 1, 1
    for d in range(len(box)):
        whole, rest = box[d] // c.tile[d], box[d] % c.tile[d]
        each = whole * -(-c.tile[d] // c.spread[d]) + -(-rest // c.spread[d])
        work *= each
        sums *= each if t.relevant[output, d] else whole + (rest > 0)
    return work + t.join * sums


@compiled
def stalls(t: Tables, c: Config, box: Integers, order: Integers) -> float:
    """Cycles for which the array stops within a box of the buffer.

    It stops when a tile of those that the units cannot replace while they use it changes, and
    computes again as the operands of the first step arrive.
    """
    n = len(box)
    if not t.stops.any():
        return 0.0
    last = -1
    for position in range(n):
        d = order[position]
        if t.stops[d] and box[d] > c.tile[d]:
            last = position
    # A tile changes in every step of these loops, and of others outside the last of them.
    step, whole = np.minimum(box, c.tile), np.ones(n, dtype=np.int64)
    ends, choices = np.empty(n, dtype=np.int64), 0
    for position in range(n):
        d = order[position]
        if box[d] > c.tile[d] and (t.stops[d] or position < last):
            whole[d] = box[d] // c.tile[d]
            if box[d] % c.tile[d] > 0:
                ends[choices] = d
                choices += 1
    total = 0.0
    for chosen in range(1 << choices):
        often = 1
        for d in range(n):
            step[d] = min(box[d], c.tile[d])
            often *= whole[d]
        for bit in range(choices):
            d = ends[bit]
            if chosen >> bit & 1:
                step[d] = box[d] % c.tile[d]
                often //= whole[d]
        total += often * _stall(t, c, step)
    return total


@compiled
def least_stall(t: Tables, c: Config) -> float:
    """No mapping stops the array for fewer cycles in all: every tile is loaded once."""
    if not t.limited or not t.stops.any():
        return 0.0
    often = 1
    for d in range(len(t.bounds)):
        if t.stops[d]:
            often *= t.bounds[d] // c.tile[d]
    return often * _stall(t, c, c.tile)


@compiled
def _stall(t: Tables, c: Config, step: Integers) -> float:
    """Cycles by which the inputs of a step take longer to arrive than it computes."""
    loads, carried = np.zeros(len(t.rates)), np.zeros(len(t.links))
    for o in range(len(t.bits) - 1):
        bits = footprint(t.axes, o, step) * t.bits[o]
        loads[t.memory[0, o]] += bits
        carried[t.role[o]] += bits
    longest = 0.0
    for m in range(len(t.rates)):
        longest = max(longest, loads[m] / t.rates[m])
    for r in range(len(t.links)):
        longest = max(longest, carried[r] / t.links[r])
    return max(0.0, longest - step_cycles(t, c, step))


@lean
def ports(t: Tables, entered: np.ndarray, left: np.ndarray) -> float:
    """Cycles of the slowest port or link for bits that the array takes and gives, per operand."""
    longest = 0.0
    if not t.limited:
        return longest
    for m in range(len(t.rates)):
        bits = 0.0
        for o in range(len(t.bits)):
            if t.memory[0, o] == m:
                bits += entered[o] + left[o]
        longest = max(longest, bits / t.rates[m])
    for r in range(len(t.links)):
        down = up = 0.0
        for o in range(len(t.bits)):
            if t.role[o] == r:
                down += entered[o]
                up += left[o]
        longest = max(longest, max(down, up) / t.links[r])
    return longest


@compiled
def _box_cycles(
    t: Tables, c: Config, box: Integers, order: Integers, first: bool, final: bool
) -> float:
    """Cycles of a tile of the buffer; ``first``: its sums begin in it, ``final``: they end."""
    busy = float(array_cycles(t, c, box))
    if not t.limited:
        return busy
    count = len(t.bits)
    entered, left = np.zeros(count), np.zeros(count)
    for o in range(count - 1):
        entered[o] = box_moves(t, o, c, box, order) * t.bits[o]
    o = count - 1
    sums, whole = box_moves(t, o, c, box, order), footprint(t.axes, o, box)
    entered[o] = (sums - whole if first else sums) * t.partial[o]
    done = whole if final else 0
    left[o] = (sums - done) * t.partial[o] + done * t.bits[o]
    busy += stalls(t, c, box, order)
    return max(busy, ports(t, entered, left))


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


@compiled
def _streamed(t: Tables, c: Config, box: Integers, order: Integers, into: Floats) -> None:
    """Adds the bits that the innermost level passes on while a box is computed."""
    for o in range(len(t.bits)):
        if t.streams[o]:
            carry(t, 0, o, 0, box_moves(t, o, c, box, order) * t.bits[o], into)


@compiled
def _first_load(t: Tables, c: Config, nest: Nest) -> float:
    """Cycles until the first step has its inputs, from the outermost level inwards."""
    total = 0.0
    for p in range(len(nest.held) - 1, -1, -1):
        bits = np.zeros(len(t.carried))
        for o in range(len(t.bits) - 1):
            tile = c.tile if p == 0 and t.streams[o] else nest.tiles[nest.held[p, o] - 1]
            carry(t, p, o, 0, footprint(t.axes, o, tile) * t.bits[o], bits)
        total += _time(t, bits)
    return total


@compiled
def _shared_sums(t: Tables, nest: Nest) -> float:
    """Cycles for sums that several tiles have: read once more, and written as sums and not as
    results by all but the last, through everything on the way one after the other.
    """
    count, levels = len(t.bits), len(nest.held)
    o = count - 1
    total = 0.0
    # Towards the array (0) innermost boxes count, across each boundary those that are held.
    for p in range(levels + 1):
        tile = nest.tiles[0] if p == 0 else nest.tiles[nest.held[p - 1, o] - 1]
        shared = tiled(t.axes, o, t.bounds, tile) - footprint(t.axes, o, t.bounds)
        if shared == 0:
            continue
        read, written = shared * t.partial[o], shared * (t.partial[o] - t.bits[o])
        if p == 0:
            entered, left = np.zeros(count), np.zeros(count)
            entered[o], left[o] = read, written
            total += ports(t, entered, left)
        else:
            bits = np.zeros(len(t.carried))
            carry(t, p - 1, o, 0, read, bits)
            carry(t, p - 1, o, 1, written, bits)
            total += _time(t, bits)
    return total


@compiled
def total_cycles(t: Tables, c: Config, nest: Nest) -> float:
    """Cycles of all steps of a nest.

    What a tile moves depends on whether it is the first or the last along each loop, and so do its
    neighbours in time: of the steps of a loop the first, one of those between, and the last two
    stand for all.  What is moved for the next tile, and for the last one, has the time of the
    present one: of a step of the innermost loop that moves it, with everything inside.
    """
    n, count = len(t.bounds), len(t.bits)
    boxes, levels = len(nest.tiles), len(nest.held)
    output, pairs, channels = count - 1, levels * count, len(t.carried)
    # The loops with several steps, outermost first: over which boxes, which of them is the same
    # loop further out (-1: none), and what they move (a bit for each operand at each level).
    loops, over = np.empty(boxes * n, dtype=np.int64), np.empty(boxes * n, dtype=np.int64)
    further, movers = np.empty(boxes * n, dtype=np.int64), np.zeros(boxes * n, dtype=np.int64)
    latest, bit_of = np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.int64)
    active = ends = 0
    for j in range(boxes, 0, -1):
        for position in range(n):
            d = nest.orders[j, position]
            if nest.tiles[j - 1, d] >= (t.bounds[d] if j == boxes else nest.tiles[j, d]):
                continue
            loops[active], over[active], further[active] = d, j, latest[d]
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
    length, whole = np.empty(active, dtype=np.int64), np.ones(active, dtype=np.int64)
    index, stands = np.zeros(active, dtype=np.int64), np.ones(active, dtype=np.int64)
    whole_before, stands_before = whole.copy(), stands.copy()
    firsts = np.ones((active + 1, boxes + 1), dtype=np.bool_)
    finals = np.ones((active + 1, boxes + 1), dtype=np.bool_)
    box = nest.tiles.copy()
    # Innermost boxes that end along the same loops have one shape: their cycles by whether sums
    # begin and end.
    cycles_of = np.full(4 << ends, -1.0)
    streams_of = np.zeros((1 << ends, channels))
    # Of the present step of each loop (k + 1; 0: of all): cycles of what is inside it, and bits
    # that have its time.
    spent, moving = np.zeros(active + 1), np.zeros((active + 1, channels))
    # Bits of the tile of sums before the present one, and of the present one.
    stored, leaves = np.zeros(levels), np.zeros(levels)
    waited = np.zeros(channels)
    k, begun = 0, False
    while True:
        for q in range(k, active):
            d, j = loops[q], over[q]
            around = t.bounds[d] if further[q] < 0 else length[further[q]]
            size = nest.tiles[j - 1, d]
            whole[q] = -(-around // size)
            trips = min(whole[q], KINDS)
            end = index[q] == trips - 1
            stands[q] = whole[q] - KINDS + 1 if trips == KINDS and index[q] == 1 else 1
            length[q] = around - (whole[q] - 1) * size if end else size
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
            for pair in range(pairs if changed else 0):
                if not changed >> pair & 1:
                    continue
                p, o = pair // count, pair % count
                b = nest.held[p, o]
                load, store = footprint(t.axes, o, box[b - 1]) * t.bits[o], 0.0
                single = t.copies[p, o] == 1
                if o == output:
                    load = 0.0 if firsts[active, b] else load / t.bits[o] * t.partial[o]
                    store = leaves[p] if single else stored[p]
                    stored[p] = 0.0 if single else leaves[p]
                if single:
                    crossed = np.zeros(channels)
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
            cycles_of[kind] = _box_cycles(t, c, box[0], nest.orders[0], first, final)
            streams_of[shape] = 0.0
            _streamed(t, c, box[0], nest.orders[0], streams_of[shape])
        spent[active] = cycles_of[kind]
        for channel in range(channels):
            moving[active, channel] += streams_of[shape, channel]
        for p in range(levels):
            b = nest.held[p, output]
            width = t.bits[output] if finals[active, b] else t.partial[output]
            leaves[p] = footprint(t.axes, output, box[b - 1]) * width
        k = active - 1
        while k >= 0 and index[k] == min(whole[k], KINDS) - 1:
            index[k] = 0
            k -= 1
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
        moving[q] += stands[q] * moving[q + 1]
    total = _first_load(t, c, nest) + max(spent[0], _time(t, moving[0]))
    for p in range(levels):
        waited[:] = 0.0
        carry(t, p, output, 1, leaves[p], waited)
        total += _time(t, waited)
    return float(total + _shared_sums(t, nest) + c.fill)

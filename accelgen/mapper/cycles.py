"""Cycles of a mapping, exactly: tile by tile, all that differ.  Compiled.

The tiles of the buffer come one after the other.  Where it has two buffers the next tile is loaded
and the last one stored while one is computed: the longer of the two counts, the first load and the
last store in full.  Where it has one everything adds up.  Within a tile the array computes while
its links and the buffer's ports carry what it takes and gives; it stops where units cannot replace
what they use, until the first step has what it needs.  Sums that tiles of the buffer share (of a
transposed convolution whose kernel is larger than its stride) come again while nothing else
happens.
"""

from __future__ import annotations

import numpy as np

from accelgen.mapper.compiled import compiled
from accelgen.mapper.counts import box_moves
from accelgen.mapper.elements import footprint, tiled
from accelgen.mapper.tables import Config, Integers, Tables

__all__ = ["array_cycles", "least_stall", "ports", "stalls", "step_cycles", "total_cycles"]

KINDS = 4
"""Steps of a loop that differ: the first, those between, the last but one, the last."""


@compiled
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


@compiled
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
        bits = footprint(t, o, step) * t.bits[o]
        loads[t.memory[o]] += bits
        carried[t.role[o]] += bits
    longest = 0.0
    for m in range(len(t.rates)):
        longest = max(longest, loads[m] / t.rates[m])
    for r in range(len(t.links)):
        longest = max(longest, carried[r] / t.links[r])
    return max(0.0, longest - step_cycles(t, c, step))


@compiled
def ports(t: Tables, entered: np.ndarray, left: np.ndarray) -> float:
    """Cycles of the slowest port or link for bits that the array takes and gives, per operand."""
    longest = 0.0
    if not t.limited:
        return longest
    for m in range(len(t.rates)):
        bits = 0.0
        for o in range(len(t.bits)):
            if t.memory[o] == m:
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
    sums, whole = box_moves(t, o, c, box, order), footprint(t, o, box)
    entered[o] = (sums - whole if first else sums) * t.partial[o]
    done = whole if final else 0
    left[o] = (sums - done) * t.partial[o] + done * t.bits[o]
    busy += stalls(t, c, box, order)
    return max(busy, ports(t, entered, left))


@compiled
def _streamed(t: Tables, c: Config, box: Integers, order: Integers) -> tuple[float, float]:
    """Bits that the buffer passes on while a box is computed, and those of the first step."""
    bits = first = 0.0
    for o in range(len(t.bits)):
        if t.streams[o]:
            bits += box_moves(t, o, c, box, order) * t.bits[o]
            first += footprint(t, o, np.minimum(box, c.tile)) * t.bits[o]
    return bits, first


@compiled
def total_cycles(
    t: Tables, c: Config, tile: Integers, inner: Integers, outer: Integers
) -> tuple[float, float]:
    """Cycles of all tiles of the buffer in ``outer`` order with the steps of the array in
    ``inner`` order, and those of the outermost memory's traffic alone.

    What a tile moves depends on whether it is the first or the last along each loop, and so do its
    neighbours in time: of the steps of a loop the first, one of those between, and the last two
    stand for all.
    """
    n, count = len(tile), len(t.bits)
    output = count - 1
    loops, whole = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    trips = np.empty(n, dtype=np.int64)
    active = 0
    for position in range(n):
        d = outer[position]
        if tile[d] < t.bounds[d]:
            loops[active] = d
            whole[active] = -(-t.bounds[d] // tile[d])
            trips[active] = min(whole[active], KINDS)
            active += 1
    # Whether an operand's tile changes when loop k advances (those after it start again).
    changes = np.zeros((active + 1, count), dtype=np.bool_)
    for k in range(active - 1, -1, -1):
        for o in range(count):
            changes[k, o] = changes[k + 1, o] or t.relevant[o, loops[k]]
    one = (t.copies[t.memory] == 1) & ~t.streams
    # Tiles that end along the same loops have one shape: its cycles (by whether sums begin and
    # end), what is loaded for it (by the loop that advanced) and the size of its output.
    cycles_of = np.full(4 << active, -1.0)
    loads_of = np.full((1 << active, active + 1, 2), -1.0)
    sums_of, streams_of = np.zeros(1 << active), np.zeros(1 << active)
    # Of the loops up to each: how many steps these stand for, which end, whether sums begin, end.
    times, shapes = np.ones(active + 1, dtype=np.int64), np.zeros(active + 1, dtype=np.int64)
    firsts, finals = np.ones(active + 1, dtype=np.bool_), np.ones(active + 1, dtype=np.bool_)
    index = np.zeros(active, dtype=np.int64)
    box = tile.copy()
    total = traffic = 0.0
    # Of the step before: cycles, how often, bits moved while nothing else happens, size of its
    # sums and whether they are finished, bits that stream; and bits that the one before it stores.
    busy = often = alone = sums = stored = passing = 0.0
    ended = False
    per_bit = 1.0 / t.rate
    k, begun = 0, False
    while True:
        for j in range(k, active):
            end = index[j] == trips[j] - 1
            between = trips[j] == KINDS and index[j] == 1
            times[j + 1] = times[j] * (whole[j] - KINDS + 1 if between else 1)
            shapes[j + 1] = shapes[j] | (end << j)
            moves_sums = t.relevant[output, loops[j]]
            firsts[j + 1] = firsts[j] and (moves_sums or index[j] == 0)
            finals[j + 1] = finals[j] and (moves_sums or end)
        shape, first, final = shapes[active], firsts[active], finals[active]
        kind = 4 * shape + 2 * first + final
        if not t.limited:
            kind = 4 * shape
        if cycles_of[kind] < 0 or loads_of[shape, k, 0] < 0:
            for j in range(active):
                d = loops[j]
                box[d] = (t.bounds[d] - 1) % tile[d] + 1 if shape >> j & 1 else tile[d]
            sums_of[shape] = footprint(t, output, box)
            streams_of[shape] = _streamed(t, c, box, inner)[0]
            loads_of[shape, k] = 0.0
            for o in range(output):
                if not t.streams[o] and (changes[k, o] or not begun):
                    loads_of[shape, k, int(one[o])] += footprint(t, o, box) * t.bits[o]
            if cycles_of[kind] < 0:
                cycles_of[kind] = _box_cycles(t, c, box, inner, first, final)
        load, waits = loads_of[shape, k, 0], loads_of[shape, k, 1]
        if not first and changes[k, output]:
            if one[output]:
                waits += sums_of[shape] * t.partial[output]
            else:
                load += sums_of[shape] * t.partial[output]
        # The step before ends: what it made leaves if this one makes another tile.
        if begun:
            store = 0.0
            if changes[k, output]:
                store = sums * (t.bits[output] if ended else t.partial[output])
            traffic += often * store
            if one[output]:
                alone += store
                store = 0.0
            total += often * (alone * per_bit + max(busy, (load + stored + passing) * per_bit))
            stored = store
        else:
            total += (load + _streamed(t, c, box, inner)[1]) * per_bit
            # The first tile loads everything, others that loop 0 changes may not.
            loads_of[shape, k, 0] = -1.0
        often = float(times[active])
        passing = streams_of[shape]
        traffic += often * (load + waits + passing)
        busy, alone, sums, ended, begun = cycles_of[kind], waits, sums_of[shape], final, True
        k = active - 1
        while k >= 0 and index[k] == trips[k] - 1:
            index[k] = 0
            k -= 1
        if k < 0:
            break
        index[k] += 1
    store = sums * t.bits[output]
    traffic += often * store
    if one[output]:
        alone += store
        store = 0.0
    total += often * (alone * per_bit + max(busy, (stored + passing) * per_bit)) + store * per_bit
    shared = tiled(t, output, t.bounds, tile) - footprint(t, output, t.bounds)
    if shared > 0:
        entered, left = np.zeros(count), np.zeros(count)
        entered[output] = shared * t.partial[output]
        left[output] = shared * (t.partial[output] - t.bits[output])
        between = entered[output] + left[output]
        traffic += between
        total += between * per_bit + ports(t, entered, left)
    return total + c.fill, traffic * per_bit

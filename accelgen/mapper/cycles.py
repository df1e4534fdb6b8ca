"""Cycles of the array within an innermost box.  Compiled.

The array computes while its links and the buffer's ports carry what it takes and gives; it stops
where units cannot replace what they use, until the first step has what it needs.
"""

from __future__ import annotations

import numpy as np

from accelgen.mapper.compiled import lean
from accelgen.mapper.counts import box_moves
from accelgen.mapper.elements import footprint
from accelgen.mapper.tables import Config, Floats, Integers, Tables

__all__ = ["array_cycles", "box_cycles", "least_stall", "ports", "step_cycles"]


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


@lean
def _stalls(t: Tables, c: Config, box: Integers, order: Integers, work: Integers) -> float:
    """Cycles for which the array stops within a box of the buffer.

    It stops when a tile of those that the units cannot replace while they use it changes, and
    computes again as the operands of the first step arrive.
    """
    n = len(box)
    last = -1
    for position in range(n):
        d = order[position]
        if t.stops[d] and box[d] > c.tile[d]:
            last = position
    # A tile changes in every step of these loops, and of others outside the last of them.
    step, whole, ends = work[0], work[1], work[2]
    choices = 0
    for d in range(n):
        step[d], whole[d] = min(box[d], c.tile[d]), 1
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


@lean
def least_stall(t: Tables, c: Config) -> float:
    """No mapping stops the array for fewer cycles in all: every tile is loaded once."""
    if not t.limited or t.moved[len(t.bits)] == 0:
        return 0.0
    often = 1
    for d in range(len(t.bounds)):
        if t.stops[d]:
            often *= t.bounds[d] // c.tile[d]
    return float(often * _stall(t, c, c.tile))


@lean
def _stall(t: Tables, c: Config, step: Integers) -> float:
    """Cycles by which the inputs of a step take longer to arrive than it computes."""
    longest = 0.0
    for m in range(len(t.rates)):
        bits = 0.0
        for o in range(len(t.bits) - 1):
            if t.memory[0, o] == m:
                bits += footprint(t.axes, o, step) * t.bits[o]
        longest = max(longest, bits / t.rates[m])
    for r in range(len(t.links)):
        bits = 0.0
        for o in range(len(t.bits) - 1):
            if t.role[o] == r:
                bits += footprint(t.axes, o, step) * t.bits[o]
        longest = max(longest, bits / t.links[r])
    return float(max(0.0, longest - step_cycles(t, c, step)))


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


@lean
def box_cycles(
    t: Tables,
    c: Config,
    box: Integers,
    order: Integers,
    first: bool,
    final: bool,
    work: Integers,
    moved: Floats,
) -> float:
    """Cycles of an innermost box; ``first``: its sums begin in it, ``final``: they end.

    ``work`` (3 x loops) and ``moved`` (2 x operands) are scratch.
    """
    busy = float(array_cycles(t, c, box))
    if not t.limited:
        return busy
    entered, left = moved[0], moved[1]
    output = len(t.bits) - 1
    for o in range(output):
        entered[o], left[o] = box_moves(t, o, c, box, order) * t.bits[o], 0.0
    o = output
    sums, whole = box_moves(t, o, c, box, order), footprint(t.axes, o, box)
    entered[o] = (sums - whole if first else sums) * t.partial[o]
    done = whole if final else 0
    left[o] = (sums - done) * t.partial[o] + done * t.bits[o]
    if t.moved[output + 1] > 0:
        busy += _stalls(t, c, box, order, work)
    return max(busy, ports(t, entered, left))

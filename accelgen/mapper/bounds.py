"""Values that no mapping is below.  Compiled."""

from __future__ import annotations

import numpy as np

from accelgen.mapper.compiled import compiled
from accelgen.mapper.counts import innermost
from accelgen.mapper.cycles import array_cycles, least_stall, ports
from accelgen.mapper.elements import distinct, footprint, tiled, working
from accelgen.mapper.tables import Config, Floats, Integers, Tables

__all__ = ["Floor", "floor_of", "inside_bound", "node_bound", "value_of", "value_of_parts"]

Floor = Floats
"""Of a configuration, for every mapping: pJ of the array's traffic, cycles of the array, cycles of
its ports; see :func:`floor_of`."""


@compiled
def value_of(energy: float, cycles: float, exponents: Floats) -> float:
    """The objective: ``energy ** exponents[0] * cycles ** exponents[1]``."""
    if exponents[0] == 1.0 and exponents[1] == 1.0:
        return energy * cycles
    return float(energy ** exponents[0] * cycles ** exponents[1])


@compiled
def value_of_parts(t: Tables, energy: float, cycles: float, exponents: Floats) -> float:
    """The objective of energy without leakage and of cycles."""
    return value_of(energy + t.leak * cycles, cycles, exponents)


@compiled
def floor_of(t: Tables, c: Config) -> Floor:
    """What the array takes at least, whatever the buffer does.

    Every tile of an operand enters once.  Of the steps that are whole each (but the first) differs
    from the one before along a loop, and the operands that this loop moves enter anew.
    """
    count, n = len(t.bits), len(t.bounds)
    entered, left = np.zeros(count), np.zeros(count)
    energy = 0.0
    output = count - 1
    for o in range(count):
        elements = tiled(t, o, t.bounds, c.tile)
        units = 1
        for d in range(n):
            if not t.relevant[o, d]:
                units *= working((t.bounds[d] - 1) % c.tile[d] + 1, c.spread[d])
        if o == output:
            left[o] = footprint(t, o, t.bounds) * t.bits[o]
            energy += left[o] * (t.inside[o, 1] + t.units[o, 1] * units)
            continue
        if t.slides[o]:
            elements = footprint(t, o, t.bounds)
        entered[o] = elements * t.bits[o]
        energy += entered[o] * (t.inside[o, 0] + t.units[o, 0] * units)
    steps = 1
    least = np.inf
    for d in range(n):
        steps *= t.bounds[d] // c.tile[d]
        if t.bounds[d] > c.tile[d]:
            least = min(least, _moving(t, c, d))
    if least < np.inf:
        energy = max(energy, (steps - 1) * least)
    busy = array_cycles(t, c, t.bounds) + least_stall(t, c) + c.fill
    return np.array([energy, busy, ports(t, entered, left)])


@compiled
def _moving(t: Tables, c: Config, d: int) -> float:
    """PJ of what enters and leaves the array at least when a whole step differs along loop d."""
    output = len(t.bits) - 1
    energy = 0.0
    for o in range(len(t.bits)):
        if not t.relevant[o, d]:
            continue
        units = 1
        for e in range(len(t.bounds)):
            if not t.relevant[o, e]:
                units *= working(c.tile[e], c.spread[e])
        if o == output:
            elements = float(footprint(t, o, c.tile))
            width = min(t.bits[o], t.partial[o])
            energy += elements * width * (t.inside[o, 1] + t.units[o, 1] * units)
            continue
        elements = float(_entering(t, o, c, d))
        energy += elements * t.bits[o] * (t.inside[o, 0] + t.units[o, 0] * units)
    return energy


@compiled
def _entering(t: Tables, o: int, c: Config, d: int) -> int:
    """Elements of a whole tile that the tile before along loop d had not."""
    size = 1
    for x in range(t.indices[o]):
        i, j = t.axes[o, x, 0], t.axes[o, x, 1]
        if j < 0:
            size *= c.tile[i]
            continue
        u, v = t.axes[o, x, 2], t.axes[o, x, 3]
        a, b = c.tile[i], c.tile[j]
        whole = distinct(a, b, u, v)
        if t.slides[o] and d == i:
            whole = distinct(2 * a, b, u, v) - whole
        elif t.slides[o] and d == j:
            whole = distinct(a, 2 * b, u, v) - whole
        size *= whole
    return size


@compiled
def node_bound(
    t: Tables,
    c: Config,
    floor: Floor,
    tile: Integers,
    least: Integers,
    outers: Integers,
    exponents: Floats,
    into: Floats,
) -> float:
    """The least value of mappings whose buffer tile is between ``least`` and ``tile``, over all
    orders outside; ``into`` (orders x 3) gets for each of them the value, the energy without that
    of the array's traffic, and the cycles.

    Larger tiles never move more; smaller ones are sooner loaded and stored.
    """
    count, n = len(t.bits), len(t.bounds)
    output = count - 1
    bounds = t.bounds
    sums = np.empty(count)
    ends = 0.0
    for o in range(count):
        if t.streams[o]:
            sums[o] = footprint(t, o, bounds) if t.slides[o] else tiled(t, o, bounds, c.tile)
        else:
            sums[o] = tiled(t, o, bounds, tile)
    last = np.ones(n, dtype=np.int64)
    for d in range(n):
        if least[d] == tile[d]:
            last[d] = (bounds[d] - 1) % tile[d] + 1
    for o in range(count):
        if t.streams[o]:
            continue
        if t.copies[t.memory[o]] == 2:
            ends += footprint(t, o, last if o == output else least) * t.bits[o]
    whole = footprint(t, output, bounds) * 1.0
    lowest = np.inf
    for number in range(len(outers)):
        energy = t.spent
        traffic = alone = 0.0
        for o in range(count):
            moved = sums[o]
            if not t.streams[o]:
                moved *= repeats(t, o, tile, outers[number])
            if o == output:
                again = (moved - whole) * t.partial[o]
                done = whole * t.bits[o]
                energy += again * t.outside[o, 0] + (again + done) * t.outside[o, 1]
                bits = 2 * again + done
            else:
                bits = moved * t.bits[o]
                energy += bits * t.outside[o, 0]
            traffic += bits
            if t.copies[t.memory[o]] == 1 and not t.streams[o]:
                alone += bits
        cycles = max(traffic / t.rate, floor[1] + (alone + ends) / t.rate, floor[2])
        into[number, 0] = value_of_parts(t, energy + floor[0], cycles, exponents)
        into[number, 1], into[number, 2] = energy, cycles
        lowest = min(lowest, into[number, 0])
    return lowest


@compiled
def repeats(t: Tables, o: int, tile: Integers, order: Integers) -> float:
    """How often the tiles of an operand come, for loops outside that do not move it."""
    last = innermost(t, o, t.bounds, tile, order)
    times = 1
    for position in range(last):
        d = order[position]
        if not t.relevant[o, d]:
            times *= -(-t.bounds[d] // tile[d])
    return float(times)


@compiled
def inside_bound(t: Tables, c: Config, tile: Integers, order: Integers) -> float:
    """PJ that the array's traffic takes at least for one tile of the buffer and order within.

    A loop counts as one that moves an operand if it does so in the last of the buffer's tiles too.
    """
    n, output = len(t.bounds), len(t.bits) - 1
    energy = 0.0
    for o in range(len(t.bits)):
        last = -1
        for position in range(n):
            d = order[position]
            if t.relevant[o, d] and (t.bounds[d] - 1) % tile[d] + 1 > c.tile[d]:
                last = position
        repeats, units = 1, 1
        for position in range(n):
            d = order[position]
            if not t.relevant[o, d]:
                if position < last:
                    repeats *= -(-t.bounds[d] // c.tile[d])
                units *= working((t.bounds[d] - 1) % c.tile[d] + 1, c.spread[d])
        if o < output:
            whole = t.slides[o]
            elements = footprint(t, o, t.bounds) if whole else tiled(t, o, t.bounds, c.tile)
            each = t.inside[o, 0] + t.units[o, 0] * units
            energy += float(elements) * repeats * t.bits[o] * each
            continue
        elements = footprint(t, o, t.bounds)
        again = float(elements) * (repeats - 1) * t.partial[o]
        energy += again * (t.inside[o, 0] + t.inside[o, 1] + t.units[o, 1] * units)
        energy += float(elements) * t.bits[o] * (t.inside[o, 1] + t.units[o, 1] * units)
    return energy

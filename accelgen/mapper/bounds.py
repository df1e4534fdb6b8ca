"""Values that no mapping is below.  Compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelgen.mapper.compiled import compiled
from accelgen.mapper.counts import active_units, innermost
from accelgen.mapper.cycles import array_cycles, least_stall, ports
from accelgen.mapper.elements import delivered, footprint, slid, tiled, working
from accelgen.mapper.tables import Config, Floats, Integers, Tables

__all__ = ["Floor", "floor_of", "node_bound", "value_of", "value_of_parts"]

FIXED = 5
Floor = Floats
"""Of a configuration, for every mapping: pJ of the array's traffic, cycles of the array, cycles of
its ports; pJ of the outermost memory's traffic, and its bits (see :mod:`accelgen.mapper.relaxed`);
for each operand the elements of all array tiles once; those that units get of them."""


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
def floor_of(t: Tables, c: Config, orders: Integers) -> Floor:
    """What the array takes at least, whatever the buffer does."""
    count = len(t.bits)
    floor = np.zeros(FIXED + 2 * count)
    for o in range(count):
        floor[FIXED + o], floor[FIXED + count + o] = _least_elements(t, o, c)
    floor[0], floor[1], floor[2] = _inside(t, c, floor, t.bounds, c.tile, orders)
    return floor


@compiled
def _inside(
    t: Tables, c: Config, floor: Floor, tile: Integers, least: Integers, orders: Integers
) -> tuple[float, float, float]:
    """PJ of the array's traffic, its cycles and those of its ports, at least, for buffer tiles from
    ``least`` to ``tile``.

    Loops with a single array step in a tile of the buffer run outside it, the others within it:
    together they have one order, and of an operand every tile enters again for each step of a
    loop that does not move it and comes before the last that does.  Of all orders those in which
    loops that move the same operands stand together (``orders``) take least: moving a loop
    further in, next to a later one that moves the same, takes it away from before other
    operands' last and changes nothing for its own.  The last tile of the buffer along a loop may
    have a single step, and then repeats nothing: what it has is left out.
    """
    count = len(t.bits)
    output = count - 1
    entered, left = np.zeros(count), np.zeros(count)
    whole = float(footprint(t, output, t.bounds))
    stall = least_stall(t, c)
    work = float(array_cycles(t, c, t.bounds))
    least_energy = least_busy = least_ports = np.inf
    for number in range(len(orders)):
        energy = 0.0
        for o in range(count):
            once, each = floor[FIXED + o], floor[FIXED + count + o]
            times, units = _times(t, c, t.relevant[o], tile, least, orders[number])
            got = each * units
            if o < output:
                entered[o] = once * times * t.bits[o]
                energy += entered[o] * t.inside[o, 0] + got * t.bits[o] * t.units[o, 0]
                continue
            entered[o] = whole * (times - 1.0) * t.partial[o]
            left[o] = entered[o] + whole * t.bits[o]
            energy += entered[o] * t.inside[o, 0] + left[o] * t.inside[o, 1]
            energy += got * t.partial[o] * t.units[o, 1]
            energy += max(0.0, got - whole) * t.partial[o] * t.units[o, 0]
        busy = work
        if stall > 0:
            busy += stall * _times(t, c, t.stops, tile, least, orders[number])[0]
        least_energy, least_busy = min(least_energy, energy), min(least_busy, busy)
        least_ports = min(least_ports, ports(t, entered, left))
    return least_energy, least_busy + c.fill, least_ports


@compiled
def _times(
    t: Tables,
    c: Config,
    moves: NDArray[np.bool_],
    tile: Integers,
    least: Integers,
    order: Integers,
) -> tuple[float, float]:
    """How often at least the tiles that loops move come in an order of array steps, and to how
    many units, all times added up.
    """
    last, inside = -1, False
    share = 1.0
    for position in range(len(order)):
        d = order[position]
        if moves[d] and t.bounds[d] > c.tile[d]:
            last = position
            if t.bounds[d] > 2 * c.tile[d]:
                share *= 1.0 - c.tile[d] / t.bounds[d]
            inside = inside or least[d] > c.tile[d]
    times = units = first = 1.0
    for position in range(len(order)):
        d = order[position]
        if moves[d]:
            continue
        here = float(working(c.tile[d], c.spread[d]))
        first *= here
        if position < last:
            times *= -(-t.bounds[d] // c.tile[d])
            units *= active_units(c, d, t.bounds[d])
        elif inside:
            # What moves within the buffer's tiles comes again with each of them.
            parts = -(-t.bounds[d] // tile[d])
            times *= parts
            units *= here * (parts - 1) + (1.0 if parts > 1 else here)
        else:
            units *= here
    return max(1.0, times * share), max(first, units * share)


@compiled
def _least_elements(t: Tables, o: int, c: Config) -> tuple[float, float]:
    """Elements of all array tiles of an operand, each once, with the window that shares most, and
    those that units along the loops that move it get.
    """
    least, got = float(tiled(t, o, t.bounds, c.tile)), 0.0
    if t.delivers:
        got = float(delivered(t, o, t.bounds, c.tile, c.spread, -1))
    if t.slides[o]:
        for d in range(len(t.bounds)):
            if t.relevant[o, d] and c.spread[d] == 1:
                least = min(least, float(slid(t, o, t.bounds, c.tile, d)))
                if t.delivers:
                    each = delivered(t, o, t.bounds, c.tile, c.spread, d)
                    got = min(got, float(each))
    return least, got


@compiled
def node_bound(
    t: Tables,
    c: Config,
    floor: Floor,
    tile: Integers,
    least: Integers,
    outers: Integers,
    grouped: Integers,
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
    waits = True
    for o in range(count):
        waits = waits and t.copies[t.memory[o]] == 1 and not t.streams[o]
    inside, busy, longest = _inside(t, c, floor, tile, least, grouped)
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
        if waits:
            alone = max(alone, floor[4])
        cycles = max(max(traffic, floor[4]) / t.rate, busy + (alone + ends) / t.rate, longest)
        energy = max(energy, t.spent + floor[3])
        into[number, 0] = value_of_parts(t, energy + inside, cycles, exponents)
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

"""Values that no mapping is below.  Compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelgen.mapper.compiled import compiled, inlined
from accelgen.mapper.counts import moves_into
from accelgen.mapper.cycles import array_cycles, carry, least_stall, ports
from accelgen.mapper.elements import delivered, footprint, slid, tiled
from accelgen.mapper.tables import Config, Floats, Integers, Nest, Tables, working

__all__ = [
    "FIXED",
    "Around",
    "Floor",
    "around_of",
    "floor_of",
    "node_bound",
    "order_bound",
    "scratch",
    "value_of",
    "value_of_parts",
]

FIXED = 5
Floor = Floats
"""Of a configuration, for every mapping: pJ of the array's traffic, cycles of the array, cycles of
its ports; cycles of all steps of the array, and of a stop; for each operand the elements of all
array tiles once; those that units get of them."""


class Around(NamedTuple):
    """What is known of mappings of which the boxes outside box ``j`` are chosen."""

    j: int
    least_pj: Floats
    """(levels) pJ of what crosses the boundary outside each, for all mappings."""
    least_bits: float
    """Bits of the outermost memory, for all mappings."""
    pj: Floats
    """(levels) pJ of operands held by the chosen boxes."""
    bits: Floats
    """(channels) of the same."""
    ends: float
    alone: float
    """Bits of the outermost memory for the same: of the first loads and last stores, and of what
    moves while nothing else happens."""
    repeats: Floats
    """(m) how often everything that box ``j + 1`` has of an operand comes."""
    ended: Integers
    """(loops) iterations in whole boxes ``j + 1``."""


@inlined
def value_of(energy: float, cycles: float, exponents: Floats) -> float:
    """The objective: ``energy ** exponents[0] * cycles ** exponents[1]``."""
    if exponents[0] == 1.0 and exponents[1] == 1.0:
        return energy * cycles
    return float(energy ** exponents[0] * cycles ** exponents[1])


@inlined
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
    floor[3], floor[4] = array_cycles(t, c, t.bounds) + c.fill, least_stall(t, c)
    floor[0], floor[1], floor[2] = _inside(
        t, c, floor, t.bounds, c.tile, np.ones_like(t.bounds), orders
    )
    return floor


@compiled
def _inside(
    t: Tables,
    c: Config,
    floor: Floor,
    tile: Integers,
    least: Integers,
    parts: Integers,
    orders: Integers,
) -> tuple[float, float, float]:
    """The least pJ of the array's traffic, its cycles and those of its ports, for buffer tiles from
    ``least`` to ``tile``, of which there are ``parts`` along every loop.

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
    limited = count if t.limited else 0
    entered, left = np.zeros(limited), np.zeros(limited)
    whole, done = floor[FIXED + output], floor[FIXED + output] * t.bits[output]
    least_energy = least_busy = least_ports = np.inf
    for number in range(len(orders)):
        energy = 0.0
        for o in range(count):
            once, each = floor[FIXED + o], floor[FIXED + count + o]
            times, units = _times(
                t.relevant[o], t.bounds, c, tile, least, parts, orders[number], False
            )
            got = each * units
            if o < output:
                bits = once * times * t.bits[o]
                energy += bits * t.inside[o, 0] + got * t.bits[o] * t.units[o, 0]
                if t.limited:
                    entered[o] = bits
                continue
            bits = whole * (times - 1.0) * t.partial[o]
            energy += bits * t.inside[o, 0] + (bits + done) * t.inside[o, 1]
            if t.limited:
                entered[o], left[o] = bits, bits + done
            energy += got * t.partial[o] * t.units[o, 1]
            energy += max(0.0, got - whole) * t.partial[o] * t.units[o, 0]
        busy = floor[3]
        if floor[4] > 0:
            again = _times(t.stops, t.bounds, c, tile, least, parts, orders[number], False)[0]
            for d in range(len(tile)):
                # A last step with less to do may not stop.
                several = parts[d] if parts[d] > 1 else c.steps[d]
                if not t.stops[d] and t.bounds[d] % c.tile[d] > 0 and several > 1:
                    again *= 1.0 - 1.0 / several
            busy += floor[4] * max(1.0, again)
        least_energy, least_busy = min(least_energy, energy), min(least_busy, busy)
        least_ports = min(least_ports, ports(t, entered, left) if t.limited else 0.0)
    return least_energy, least_busy, least_ports


@inlined
def _times(
    moves: NDArray[np.bool_],
    bounds: Integers,
    c: Config,
    tile: Integers,
    least: Integers,
    parts: Integers,
    order: Integers,
    within: bool,
) -> tuple[float, float]:
    """How often at least the tiles that loops move come in an order of array steps, and to how
    many units, all times added up.

    ``within``: the order is that of the loops in a tile of the buffer, else that of all steps.
    """
    last, inside = -1, False
    share = 1.0
    for position in range(len(order)):
        d = order[position]
        if not moves[d] or (tile[d] if within else bounds[d]) <= c.tile[d]:
            continue
        last = position
        if within:
            rest = bounds[d] % tile[d]
            if 0 < rest <= c.tile[d]:
                # At most what every other tile has; of a window more than its share of iterations.
                share *= 1.0 - 1.0 / -(-bounds[d] // c.tile[d])
        elif bounds[d] > 2 * c.tile[d]:
            share *= 1.0 - c.tile[d] / bounds[d]
        inside = inside or least[d] > c.tile[d]
    times = units = first = 1.0
    for position in range(len(order)):
        d = order[position]
        if moves[d]:
            continue
        here = float(working(c.tile[d], c.spread[d]))
        first *= here
        if position < last:
            times *= c.steps[d]
            units *= c.working[d]
        elif inside:
            # What moves within the buffer's tiles comes again with each of them.
            times *= parts[d]
            units *= here * (parts[d] - 1) + (1.0 if parts[d] > 1 else here)
        else:
            units *= here
    return max(1.0, times * share), max(first, units * share)


@compiled
def order_bound(
    t: Tables, c: Config, floor: Floor, tile: Integers, parts: Integers, order: Integers
) -> float:
    """The least pJ of the array's traffic for one tile of the buffer and an order within."""
    count = len(t.bits)
    energy = 0.0
    for o in range(count):
        times, units = _times(t.relevant[o], t.bounds, c, tile, tile, parts, order, True)
        elements, got = floor[FIXED + o], floor[FIXED + count + o] * units
        if o < count - 1:
            energy += elements * times * t.bits[o] * t.inside[o, 0]
            energy += got * t.bits[o] * t.units[o, 0]
            continue
        bits = elements * (times - 1.0) * t.partial[o]
        energy += bits * t.inside[o, 0] + (bits + elements * t.bits[o]) * t.inside[o, 1]
        energy += got * t.partial[o] * t.units[o, 1]
        energy += max(0.0, got - elements) * t.partial[o] * t.units[o, 0]
    return energy


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
def scratch(t: Tables, orders: Integers) -> Floats:
    """Room for the results of :func:`node_bound`."""
    return np.empty((len(orders), 3))


@compiled
def around_of(
    t: Tables, c: Config, nest: Nest, j: int, least_pj: Floats, least_bits: float
) -> Around:
    """What the boxes of a nest outside box ``j``, and their orders, take."""
    count, levels, boxes = len(t.bits), len(nest.held), len(nest.tiles)
    output = count - 1
    pj, bits = np.zeros(levels), np.zeros(len(t.carried))
    ends = alone = 0.0
    for p in range(levels):
        for o in range(count):
            h = nest.held[p, o]
            if h <= j or (p == 0 and t.streams[o]):
                continue
            moved = moves_into(t, o, c, nest, h, boxes + 1, False)[0]
            whole = footprint(t, o, t.bounds) if o == output else 0
            down = (moved - whole) * (t.partial[o] if o == output else t.bits[o])
            up = down + whole * t.bits[o] if o == output else 0.0
            pj[p] += down * t.outside[p, o, 0] + up * t.outside[p, o, 1]
            carry(t, p, o, 0, down, bits)
            carry(t, p, o, 1, up, bits)
            if p < levels - 1:
                continue
            if t.copies[p, o] == 1:
                alone += down + up
            else:
                tile = nest.tiles[h - 1]
                last = (t.bounds - 1) % tile + 1
                ends += footprint(t, o, last if o == output else tile) * t.bits[o]
    repeats, ended = np.ones(count), t.bounds.copy()
    if j < boxes:
        around = nest.tiles[j]
        ended = t.bounds // around * around
        parts = -(-t.bounds // nest.tiles[boxes - 1])
        for o in range(count):
            repeats[o] = repeated(t.relevant[o], parts, nest.orders[boxes])
    return Around(j, least_pj, least_bits, pj, bits, ends, alone, repeats, ended)


@compiled
def node_bound(
    t: Tables,
    c: Config,
    floor: Floor,
    nest: Nest,
    a: Around,
    tile: Integers,
    least: Integers,
    outers: Integers,
    grouped: Integers,
    exponents: Floats,
    into: Floats,
    own: Integers,
) -> float:
    """The least value of mappings whose box ``j`` is between ``least`` and ``tile``, over all
    orders of these boxes; ``into`` (orders x 3) gets for each of them the value, the energy without
    that of the array's traffic, and the cycles.  ``own`` (2 x loops) is for its own use; ``own[1]``
    gets the number of boxes along every loop.

    Larger boxes never move more; smaller ones are sooner loaded and stored.  What smaller boxes
    hold moves at least as often as if box ``j`` held it.
    """
    count, n = len(t.bits), len(t.bounds)
    output, levels, j, boxes = count - 1, len(nest.held), a.j, len(nest.tiles)
    bounds, rate = t.bounds, t.carried[0]
    last, parts = own[0], own[1]
    # The last box is what is left.
    for d in range(n):
        parts[d] = -(-bounds[d] // tile[d])
        last[d] = (bounds[d] - 1) % tile[d] + 1 if least[d] == tile[d] else 1
    around = bounds if j == boxes else nest.tiles[j]
    # Of the boxes around, those at the ends of loops may have one box j each.
    sums, inner, passing = np.empty(count), np.empty(count), np.zeros(count)
    ends = a.ends
    waits = True
    for o in range(count):
        streams = t.streams[o]
        if streams:
            passing[o] = footprint(t, o, bounds) if t.slides[o] else tiled(t, o, bounds, c.tile)
        sums[o] = tiled(t, o, bounds, tile)
        inner[o] = sums[o] if j == boxes else tiled(t, o, a.ended, tile)
        h = nest.held[levels - 1, o]
        single = t.copies[levels - 1, o] == 1
        waits = waits and single and not streams
        if h <= j and not single and not (streams and levels == 1):
            if o < output:
                ends += footprint(t, o, least if h == j else c.tile) * t.bits[o]
            elif h == j:
                ends += footprint(t, o, last) * t.bits[o]
    whole = footprint(t, output, bounds) * 1.0
    extra = _unhidden(t, c, tile, least, last) if boxes == 1 else 0.0
    inside, busy, longest = _inside(t, c, floor, tile, least, parts, grouped)
    lowest = np.inf
    pj, bits = np.empty(levels), np.empty(len(t.carried))
    for number in range(len(outers)):
        pj[:] = a.pj
        bits[:] = a.bits
        alone = a.alone
        for o in range(count):
            moved = sums[o]
            if j == boxes:
                moved *= repeated(t.relevant[o], parts, outers[number])
            else:
                again = _again(t, o, bounds, around, tile, outers[number])
                again = max(again, a.repeats[o])
                moved = inner[o] * again + (sums[o] - inner[o]) * a.repeats[o]
            down, up = moved * t.bits[o], 0.0
            if o == output:
                down = (moved - whole) * t.partial[o]
                up = down + whole * t.bits[o]
            for p in range(levels):
                if nest.held[p, o] > j:
                    continue
                if p == 0 and t.streams[o]:
                    carry(t, p, o, 0, passing[o] * t.bits[o], bits)
                    continue
                pj[p] += down * t.outside[p, o, 0] + up * t.outside[p, o, 1]
                carry(t, p, o, 0, down, bits)
                carry(t, p, o, 1, up, bits)
            if (
                nest.held[levels - 1, o] <= j
                and t.copies[levels - 1, o] == 1
                and not (levels == 1 and t.streams[o])
            ):
                alone += down + up
        if waits:
            alone = max(alone, a.least_bits)
        bits[0] = max(bits[0], a.least_bits)
        energy = t.spent
        for p in range(levels):
            energy += max(pj[p], a.least_pj[p])
        moving = bits[0] / rate + extra
        for channel in range(1, len(bits)):
            moving = max(moving, bits[channel] / t.carried[channel])
        cycles = max(moving, busy + (alone + ends) / rate, longest)
        into[number, 0] = value_of_parts(t, energy + inside, cycles, exponents)
        into[number, 1], into[number, 2] = energy, cycles
        lowest = min(lowest, into[number, 0])
    return lowest


@inlined
def _again(
    t: Tables, o: int, bounds: Integers, around: Integers, tile: Integers, order: Integers
) -> float:
    """How often tiles in whole boxes around them come, by the order of the tiles."""
    last = -1
    for position in range(len(order)):
        d = order[position]
        if t.relevant[o, d] and around[d] > tile[d]:
            last = position
    times = 1.0
    if last < 0:
        return times
    for position in range(len(order)):
        d = order[position]
        if not t.relevant[o, d]:
            times *= -(-bounds[d] // (tile[d] if position < last else around[d]))
    return times


@compiled
def _unhidden(t: Tables, c: Config, tile: Integers, least: Integers, last: Integers) -> float:
    """Cycles of the first and the last of several tiles that traffic cannot hide.

    While the first is computed the next one is loaded and nothing is stored, while the ``last`` is
    computed the one before is stored and nothing is loaded.
    """
    output = len(t.bits) - 1
    several = apart = False
    for d in range(len(tile)):
        if least[d] < tile[d]:
            return 0.0
        if tile[d] < t.bounds[d]:
            several = True
            apart = apart or not t.relevant[output, d]
    if not several:
        return 0.0
    loads = 0.0
    for o in range(output + 1):
        if t.streams[o] or t.copies[0, o] == 1:
            return 0.0
        # Sums come back where several tiles make them.
        if o < output or apart:
            loads += footprint(t, o, tile) * t.partial[o]
    stores = footprint(t, output, tile) * t.partial[output]
    begin = array_cycles(t, c, tile) - loads / t.carried[0]
    end = array_cycles(t, c, last) - stores / t.carried[0]
    return float(max(0.0, begin) + max(0.0, end))


@inlined
def repeated(moves: NDArray[np.bool_], parts: Integers, order: Integers) -> float:
    """How often the tiles that loops move come, of which there are ``parts`` along every loop."""
    times = again = 1.0
    for position in range(len(order)):
        d = order[position]
        if parts[d] == 1:
            continue
        if moves[d]:
            times = again
        else:
            again *= parts[d]
    return times

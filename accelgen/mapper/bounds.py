"""Values that no mapping is below.  Compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelgen.mapper.compiled import compiled, lean
from accelgen.mapper.counts import moves_into, scratch_of
from accelgen.mapper.cycles import array_cycles, least_stall, ports
from accelgen.mapper.elements import delivered, footprint, slid, tiled
from accelgen.mapper.outside import products
from accelgen.mapper.tables import Config, Floats, Integers, Nest, Tables, working
from accelgen.mapper.walk import carry

__all__ = [
    "Around",
    "Floor",
    "around_of",
    "floor_of",
    "node_bound",
    "order_bound",
    "value_of",
    "value_of_parts",
    "work_of",
]


class Floor(NamedTuple):
    """Of a configuration of the array, for every mapping."""

    busy: float
    """Cycles of all steps, and to fill the array."""
    stall: float
    """Cycles for which it stops, all its tiles taken once."""
    elements: Floats
    """(m + 1, 3) of an operand: elements of all tiles, each once; those that units along the loops
    that move it get; the share of its tiles that are not at the end of a loop (after the operands:
    of those that stop the units)."""
    products: Floats
    """(3, sets of loops) over the loops of a set: steps; units that work, in all steps; those that
    work in the first step."""


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
    boxes: Floats
    """(sets of loops) number of boxes ``j + 1`` along these loops."""


@lean
def value_of(energy: float, cycles: float, exponents: Floats) -> float:
    """The objective: ``energy ** exponents[0] * cycles ** exponents[1]``."""
    if exponents[0] == 1.0 and exponents[1] == 1.0:
        return energy * cycles
    return float(energy ** exponents[0] * cycles ** exponents[1])


@lean
def value_of_parts(t: Tables, energy: float, cycles: float, exponents: Floats) -> float:
    """The objective of energy without leakage and of cycles."""
    return value_of(energy + t.leak * cycles, cycles, exponents)


@compiled
def floor_of(t: Tables, c: Config) -> Floor:
    """What the array takes at least, whatever the buffers do."""
    n, count = len(t.bounds), len(t.bits)
    elements, sets = np.ones((count + 1, 3)), np.empty((3, 1 << n))
    first = np.empty(n)
    for d in range(n):
        first[d] = working(c.tile[d], c.spread[d])
    products(c.steps.astype(np.float64), sets[0])
    products(c.working, sets[1])
    products(first, sets[2])
    for o in range(count + 1):
        if o < count:
            elements[o, 0], elements[o, 1] = _least_elements(t, o, c)
        for d in range(n):
            if t.moved[o] >> d & 1 and t.bounds[d] > 2 * c.tile[d]:
                elements[o, 2] *= 1.0 - c.tile[d] / t.bounds[d]
    busy = array_cycles(t, c, t.bounds) + c.fill
    return Floor(float(busy), least_stall(t, c), elements, sets)


@lean
def _inside(
    t: Tables,
    c: Config,
    floor: Floor,
    least: Integers,
    parts: Integers,
    table: Integers,
    work: Floats,
) -> tuple[float, float, float]:
    """The least pJ of the array's traffic, its cycles and those of its ports, for boxes of at least
    ``least`` iterations, of which there are ``parts`` along every loop.  ``work`` is scratch.

    Loops with a single array step in a box run outside it, the others within it: together they have
    one order, and of an operand every tile enters again for each step of a loop that does not move
    it and comes before the last that does.  Of all orders those in which loops that move the same
    operands stand together (``table``) take least: moving a loop further in, next to a later one
    that moves the same, takes it away from before other operands' last and changes nothing for its
    own.  The last box along a loop may have a single step, and then repeats nothing: what it has is
    left out.
    """
    n, count = len(parts), len(t.bits)
    output, sets = count - 1, 1 << n
    everything = sets - 1
    of_parts, of_units = work[:sets], work[sets : 2 * sets]
    entered, left = work[2 * sets : 2 * sets + count], work[2 * sets + count : 2 * sets + 2 * count]
    values, again = work[2 * sets + 2 * count :][:n], 1.0
    steps = within = 0
    for d in range(n):
        steps |= int(t.bounds[d] > c.tile[d]) << d
        within |= int(least[d] > c.tile[d]) << d
        values[d] = parts[d]
        # A last step with less to do may not stop.
        several = parts[d] if parts[d] > 1 else c.steps[d]
        if not t.stops[d] and t.bounds[d] % c.tile[d] > 0 and several > 1:
            again *= 1.0 - 1.0 / several
    products(values, of_parts)
    if t.delivers:
        for d in range(n):
            here = float(working(c.tile[d], c.spread[d]))
            values[d] = here * (parts[d] - 1) + (1.0 if parts[d] > 1 else here)
        products(values, of_units)
    whole = floor.elements[output, 0]
    done = whole * t.bits[output]
    least_energy = least_busy = least_ports = np.inf
    for number in range(len(table)):
        energy = 0.0
        for o in range(count):
            moved = t.moved[o]
            outside = table[number, o, steps]
            after = everything & ~moved & ~outside
            # What moves within boxes comes again with each of them.
            comes = of_parts[after] if within & moved else 1.0
            times = max(1.0, floor.products[0, outside] * comes * floor.elements[o, 2])
            got = 0.0
            if t.delivers:
                units = of_units[after] if within & moved else floor.products[2, after]
                units *= floor.products[1, outside] * floor.elements[o, 2]
                units = max(floor.products[2, everything & ~moved], units)
                got = floor.elements[o, 1] * units
            if o < output:
                bits = floor.elements[o, 0] * times * t.bits[o]
                energy += bits * t.inside[o, 0] + got * t.bits[o] * t.units[o, 0]
                entered[o], left[o] = bits, 0.0
                continue
            bits = whole * (times - 1.0) * t.partial[o]
            energy += bits * t.inside[o, 0] + (bits + done) * t.inside[o, 1]
            entered[o], left[o] = bits, bits + done
            energy += got * t.partial[o] * t.units[o, 1]
            energy += max(0.0, got - whole) * t.partial[o] * t.units[o, 0]
        busy = floor.busy
        if floor.stall > 0:
            moved = t.moved[count]
            outside = table[number, count, steps]
            comes = of_parts[everything & ~moved & ~outside] if within & moved else 1.0
            times = floor.products[0, outside] * comes * floor.elements[count, 2]
            busy += floor.stall * max(1.0, max(1.0, times) * again)
        least_energy, least_busy = min(least_energy, energy), min(least_busy, busy)
        least_ports = min(least_ports, ports(t, entered, left) if t.limited else 0.0)
    return least_energy, least_busy, least_ports


@lean
def order_bound(
    t: Tables,
    c: Config,
    floor: Floor,
    tile: Integers,
    parts: Integers,
    table: Integers,
    work: Floats,
    into: Floats,
) -> None:
    """The least pJ of the array's traffic for one innermost box, by the order within it; ``work``
    is scratch.
    """
    n, count = len(tile), len(t.bits)
    output, sets = count - 1, 1 << n
    everything, of_parts, of_units = sets - 1, work[:sets], work[sets : 2 * sets]
    rest = work[2 * sets :]
    share, units_of, parts_of = rest[:n], rest[n : 2 * n], rest[2 * n : 3 * n]
    steps = 0
    for d in range(n):
        steps |= int(tile[d] > c.tile[d]) << d
        share[d], parts_of[d] = 1.0, parts[d]
        if 0 < t.bounds[d] % tile[d] <= c.tile[d]:
            # At most what every other box has; of a window more than its share of iterations.
            share[d] = 1.0 - 1.0 / -(-t.bounds[d] // c.tile[d])
        here = float(working(c.tile[d], c.spread[d]))
        units_of[d] = here * (parts[d] - 1) + (1.0 if parts[d] > 1 else here)
    products(parts_of, of_parts)
    products(units_of, of_units)
    for number in range(len(table)):
        energy = 0.0
        for o in range(count):
            moved, several = t.moved[o], 1.0
            for d in range(n):
                if steps & moved & (1 << d):
                    several *= share[d]
            outside = table[number, o, steps]
            after = everything & ~moved & ~outside
            comes = of_parts[after] if steps & moved else 1.0
            units = of_units[after] if steps & moved else floor.products[2, after]
            times = max(1.0, floor.products[0, outside] * comes * several)
            units = max(
                floor.products[2, everything & ~moved],
                floor.products[1, outside] * units * several,
            )
            elements, got = floor.elements[o, 0], floor.elements[o, 1] * units
            if o < output:
                energy += elements * times * t.bits[o] * t.inside[o, 0]
                energy += got * t.bits[o] * t.units[o, 0]
                continue
            bits = elements * (times - 1.0) * t.partial[o]
            energy += bits * t.inside[o, 0] + (bits + elements * t.bits[o]) * t.inside[o, 1]
            energy += got * t.partial[o] * t.units[o, 1]
            energy += max(0.0, got - elements) * t.partial[o] * t.units[o, 0]
        into[number] = energy


@lean
def _least_elements(t: Tables, o: int, c: Config) -> tuple[float, float]:
    """Elements of all array tiles of an operand, each once, with the window that shares most, and
    those that units along the loops that move it get.
    """
    least, got = float(tiled(t.axes, o, t.bounds, c.tile)), 0.0
    if t.delivers:
        got = float(delivered(t.axes, o, t.bounds, c.tile, c.spread, -1))
    if t.slides[o]:
        for d in range(len(t.bounds)):
            if t.relevant[o, d] and c.spread[d] == 1:
                least = min(least, float(slid(t.axes, o, t.bounds, c.tile, d)))
                if t.delivers:
                    each = delivered(t.axes, o, t.bounds, c.tile, c.spread, d)
                    got = min(got, float(each))
    return least, got


@compiled
def work_of(t: Tables) -> Floats:
    """Scratch for :func:`node_bound` and :func:`order_bound`."""
    n, count = len(t.bounds), len(t.bits)
    return np.empty((2 << n) + 4 * count + 3 * n + len(t.outside) + len(t.carried))


@compiled
def around_of(
    t: Tables, c: Config, nest: Nest, j: int, least_pj: Floats, least_bits: float
) -> Around:
    """What the boxes of a nest outside box ``j``, and their orders, take."""
    count, levels, boxes = len(t.bits), len(nest.held), len(nest.tiles)
    output = count - 1
    pj, bits = np.zeros(levels), np.zeros(len(t.carried))
    ends = alone = 0.0
    scratch = scratch_of(boxes, len(t.bounds))
    for p in range(levels):
        for o in range(count):
            h = nest.held[p, o]
            if h <= j or (p == 0 and t.streams[o]):
                continue
            moved = moves_into(t, o, c, nest, h, boxes + 1, False, scratch)[0]
            whole = footprint(t.axes, o, t.bounds) if o == output else 0
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
                ends += footprint(t.axes, o, last if o == output else tile) * t.bits[o]
    n = len(t.bounds)
    repeats, ended, many = np.ones(count), t.bounds.copy(), np.ones(1 << n)
    if j < boxes:
        around, outermost = nest.tiles[j], nest.tiles[boxes - 1]
        ended = t.bounds // around * around
        products((-(-t.bounds // around)).astype(np.float64), many)
        for o in range(count):
            again = 1.0
            for position in range(n):
                d = nest.orders[boxes, position]
                several = -(-t.bounds[d] // outermost[d])
                if t.relevant[o, d] and several > 1:
                    repeats[o] = again
                elif not t.relevant[o, d]:
                    again *= several
    return Around(j, least_pj, least_bits, pj, bits, ends, alone, repeats, ended, many)


@lean
def node_bound(
    t: Tables,
    c: Config,
    floor: Floor,
    nest: Nest,
    a: Around,
    tile: Integers,
    least: Integers,
    outer: Integers,
    grouped: Integers,
    exponents: Floats,
    into: Floats,
    own: Integers,
    work: Floats,
) -> float:
    """The least value of mappings whose box ``j`` is between ``least`` and ``tile``, over all
    orders of these boxes (``outer``, as a table); ``into`` (orders x 3) gets for each of them the
    value, the energy without that of the array's traffic, and the cycles.  ``own`` (2 x loops) and
    ``work`` are scratch; ``own[1]`` gets the number of boxes along every loop.

    Larger boxes never move more; smaller ones are sooner loaded and stored.  What smaller boxes
    hold moves at least as often as if box ``j`` held it.
    """
    count, n = len(t.bits), len(t.bounds)
    output, levels, j, boxes = count - 1, len(nest.held), a.j, len(nest.tiles)
    bounds, rate, channels = t.bounds, t.carried[0], len(t.carried)
    last, parts = own[0], own[1]
    around = bounds if j == boxes else nest.tiles[j]
    several = 0
    # The last box is what is left.
    for d in range(n):
        parts[d] = -(-bounds[d] // tile[d])
        last[d] = (bounds[d] - 1) % tile[d] + 1 if least[d] == tile[d] else 1
        several |= int(around[d] > tile[d]) << d
    inside, busy, longest = _inside(t, c, floor, least, parts, grouped, work)
    # The products that this leaves in ``work`` are those of ``parts``.
    sets = 1 << n
    everything, of_parts, rest = sets - 1, work[:sets], work[sets:]
    # Of the boxes around, those at the ends of loops may have one box j each.
    sums, inner, passing = rest[:count], rest[count : 2 * count], rest[2 * count : 3 * count]
    pj, bits = rest[3 * count :][:levels], rest[3 * count + levels :][:channels]
    ends = a.ends
    waits = True
    for o in range(count):
        streams = t.streams[o]
        passing[o] = 0.0
        if streams:
            whole = t.slides[o]
            passing[o] = footprint(t.axes, o, bounds) if whole else tiled(t.axes, o, bounds, c.tile)
        sums[o] = tiled(t.axes, o, bounds, tile)
        inner[o] = sums[o] if j == boxes else tiled(t.axes, o, a.ended, tile)
        h = nest.held[levels - 1, o]
        single = t.copies[levels - 1, o] == 1
        waits = waits and single and not streams
        if h <= j and not single and not (streams and levels == 1):
            if o < output:
                ends += footprint(t.axes, o, least if h == j else c.tile) * t.bits[o]
            elif h == j:
                ends += footprint(t.axes, o, last) * t.bits[o]
    finished = footprint(t.axes, output, bounds) * 1.0
    extra = _unhidden(t, c, tile, least, last) if boxes == 1 else 0.0
    lowest = np.inf
    for number in range(len(outer)):
        for p in range(levels):
            pj[p] = a.pj[p]
        for channel in range(channels):
            bits[channel] = a.bits[channel]
        alone = a.alone
        for o in range(count):
            outside = outer[number, o, several]
            again = of_parts[outside]
            if j < boxes:
                if several & t.moved[o]:
                    again *= a.boxes[everything & ~t.moved[o] & ~outside]
                again = max(again, a.repeats[o])
                moved = inner[o] * again + (sums[o] - inner[o]) * a.repeats[o]
            else:
                moved = sums[o] * again
            down, up = moved * t.bits[o], 0.0
            if o == output:
                down = (moved - finished) * t.partial[o]
                up = down + finished * t.bits[o]
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
        for channel in range(1, channels):
            moving = max(moving, bits[channel] / t.carried[channel])
        cycles = max(moving, busy + (alone + ends) / rate, longest)
        into[number, 0] = value_of_parts(t, energy + inside, cycles, exponents)
        into[number, 1], into[number, 2] = energy, cycles
        lowest = min(lowest, into[number, 0])
    return lowest


@lean
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
            loads += footprint(t.axes, o, tile) * t.partial[o]
    stores = footprint(t.axes, output, tile) * t.partial[output]
    begin = array_cycles(t, c, tile) - loads / t.carried[0]
    end = array_cycles(t, c, last) - stores / t.carried[0]
    return float(max(0.0, begin) + max(0.0, end))

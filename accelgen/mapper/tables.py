"""A problem on hardware as arrays, for compiled code."""

from __future__ import annotations

from math import gcd, inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.roles import ROLES
from accelgen.errors import InputError
from accelgen.hardware.model import Hardware, Level
from accelgen.mapper.compiled import compiled, lean
from accelgen.mapper.problem import Problem

__all__ = [
    "Config",
    "Nest",
    "Tables",
    "config_of",
    "levels_of",
    "made_config",
    "tables_of",
    "working",
]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Tables(NamedTuple):
    """A problem with ``n`` loops and ``m`` operands (the last one is the output) on hardware.

    Levels of buffers are counted from the innermost one; a *boundary* is what is between a level
    and the next one out.  Energies are pJ per bit of each operand: ``outside`` of what crosses a
    boundary (down, up), ``inside`` between the innermost level and the array, ``units`` for every
    unit that gets or gives an element.  Rates are bits per cycle.
    """

    bounds: Integers
    """(n) iterations along every loop."""
    relevant: NDArray[np.bool_]
    """(m, n) whether a loop moves an operand."""
    axes: Integers
    """(m, x, 4) of each index of an operand: its loop (-1: no further index), a second one or -1,
    and how many neighbouring values of either the same elements come back after (see
    :func:`.distinct`)."""
    bits: Floats
    """(m) of a finished element."""
    partial: Floats
    """(m) of an unfinished sum."""
    slides: NDArray[np.bool_]
    """(m) whether units keep the window they share with the tile before."""
    streams: NDArray[np.bool_]
    """(m) whether the innermost level fetches every tile that the array takes."""
    outside: Floats
    """(levels, m, 2) energies, see above."""
    inside: Floats
    units: Floats
    """(m, 2)"""
    delivers: bool
    """Whether the last of these are not all 0."""
    spent: float
    """pJ of what no mapping changes: multiplications, and registers read and written for them."""
    leak: float
    """pJ per cycle."""
    memory: Integers
    """(levels, m) number of the memory that holds an operand."""
    room: Floats
    """(levels, memories) bits."""
    copies: Integers
    """(levels, m) buffers that an operand has for its tiles."""
    rates: Floats
    """(memories) of the innermost level, towards the array."""
    role: Integers
    """(m) number of the role of an operand."""
    links: Floats
    """(roles) towards the array, in each direction."""
    limited: bool
    """Whether any of these is finite."""
    channels: Integers
    """(levels, m, 2, 2) what carries an operand across a boundary down and up: a memory and a link,
    each as a number of ``carried``, or -1."""
    carried: Floats
    """(channels) rates; the first one is that of the outermost memory."""
    stops: NDArray[np.bool_]
    """(n) loops that move a tile which the units cannot replace while they use it."""
    moved: Integers
    """(m + 1) the loops that move each operand, and those that stop the units, a bit for each."""
    join: int
    """Cycles for which a unit takes a sum from elsewhere."""


class Nest(NamedTuple):
    """The boxes of iterations around the steps of the array, innermost first, and their order.

    What a box covers is done before the next box of its kind begins.  Every buffer holds of an
    operand its part of one of the boxes.
    """

    tiles: Integers
    """(boxes, n) extents; each is as large as the one before, or larger."""
    orders: Integers
    """(boxes + 1, n) the loops over steps within a box, over boxes within the next ones, ..., over
    the outermost boxes; outermost loop first."""
    held: Integers
    """(levels, m) number of the box, from 1, whose part of an operand a level holds."""


class Config(NamedTuple):
    """What runs at once, and in a unit: (n) arrays, and the cycles to fill the array."""

    spread: Integers
    """Units along every loop."""
    inner: Integers
    """Iterations of a unit along every loop for one tile in its registers."""
    tile: Integers
    """Iterations of the array for that: at most ``spread * inner``."""
    steps: Integers
    """Steps of the array along every loop."""
    working: Floats
    """Units along every loop that work, added up over these."""
    fill: int


def config_of(problem: Problem, spread: Integers, inner: Integers, fill: int) -> Config:
    """A configuration of the array; no more along a loop than it has iterations."""
    return made_config(np.array(problem.bounds, dtype=np.int64), spread, inner, fill)


@compiled
def made_config(bounds: Integers, spread: Integers, inner: Integers, fill: int) -> Config:
    """The same from arrays.  Compiled."""
    tile = np.minimum(bounds, spread * inner)
    steps = -(-bounds // tile)
    at_work = np.empty(len(bounds))
    for d in range(len(bounds)):
        rest = bounds[d] % tile[d]
        at_work[d] = bounds[d] // tile[d] * working(tile[d], spread[d]) + working(rest, spread[d])
    return Config(spread, inner, tile, steps, at_work, fill)


@lean
def working(length: int, units: int) -> int:
    """Units that have something to do when ``length`` iterations are shared by so many, equally."""
    return -(-length // -(-length // units)) if length > 0 else 0


def levels_of(hardware: Hardware) -> tuple[tuple[Level, ...], Level]:
    """The levels of buffers, innermost first, and the outermost level.

    Raises :class:`InputError` for what the mapper does not take.
    """
    *buffers, outer = hardware.levels
    if not buffers:
        raise InputError(
            "no level between the array and the outermost memory",
            where=hardware.name,
            hint="give it a buffer (of one or more memories)",
        )
    if len(outer.memories) != 1 or outer.links:
        raise InputError(
            "several memories, or links",
            where=f"{hardware.name}: {outer.name}",
            hint="the mapper takes one outermost memory with a bandwidth",
        )
    for level in buffers[1:]:
        if any(memory.streams for memory in level.memories):
            raise InputError(
                "streams",
                where=f"{hardware.name}: {level.name}",
                hint="only memories of the innermost level stream",
            )
    return tuple(buffers), outer


def tables_of(problem: Problem, hardware: Hardware) -> Tables:
    """The arrays of a problem on hardware.

    Raises :class:`InputError` when the hardware has no energy for the format, or levels that the
    mapper does not take.
    """
    buffers, outer = levels_of(hardware)
    buffer, registers = buffers[0], hardware.registers
    count, loops = len(problem.operands), len(problem.bounds)
    relevant = np.zeros((count, loops), dtype=np.bool_)
    axes = np.full((count, max(1, *(len(x.axes) for x in problem.operands)), 4), -1, dtype=np.int64)
    outside = np.zeros((len(buffers), count, 2))
    inside, units = np.zeros((count, 2)), np.zeros((count, 2))
    stops = np.zeros(loops, dtype=np.bool_)
    slides = np.zeros(count, dtype=np.bool_)
    per_iteration = hardware.mac_energy(problem.number_format)
    for o, operand in enumerate(problem.operands):
        for x, axis in enumerate(operand.axes):
            axes[o, x] = _index(axis)
            relevant[o, [loop for loop, _ in axis]] = True
        chain = [level.memory(operand.role) for level in buffers]
        for p, (held, above) in enumerate(zip(chain, (*chain[1:], outer.memories[0]), strict=True)):
            outside[p, o] = above.read_pj + held.write_pj, above.write_pj + held.read_pj
        inside[o] = chain[0].read_pj, chain[0].write_pj
        if chain[0].streams:
            # What the array takes comes through the buffer from outside every time.
            inside[o] += outside[0, o]
            outside[0, o] = 0.0
        units[o] = hardware.link_pj
        if registers is not None:
            file = registers.memory(operand.role)
            units[o] += file.write_pj, file.read_pj
            each = file.read_pj + file.write_pj if operand.is_output else file.read_pj
            per_iteration += each * operand.partial_bits
            slides[o] = file.slides and not operand.is_output
            if file.buffers == 1 and not file.slides and not operand.is_output:
                stops |= relevant[o]
    rates = np.array([_rate(memory.bandwidth) for memory in buffer.memories])
    links = np.array([_rate(buffer.links.get(role)) for role in ROLES])
    memory, room, copies = _rooms(problem, buffers)
    channels, carried = _channels(problem, buffers, outer)
    return Tables(
        np.array(problem.bounds, dtype=np.int64),
        relevant,
        axes,
        np.array([x.bits for x in problem.operands], dtype=np.float64),
        np.array([x.partial_bits for x in problem.operands], dtype=np.float64),
        slides,
        np.array([buffer.memory(x.role).streams for x in problem.operands]),
        outside,
        inside,
        units,
        bool(units.any()),
        problem.iterations * per_iteration,
        hardware.leakage_pj_per_cycle,
        memory,
        room,
        copies,
        rates,
        np.array([ROLES.index(x.role) for x in problem.operands]),
        links,
        bool(np.isfinite(rates).any() or np.isfinite(links).any()),
        channels,
        carried,
        stops,
        np.vstack([relevant, stops]) @ (1 << np.arange(loops)),
        hardware.join_cycles,
    )


def _rate(bandwidth: float | None) -> float:
    """Bits per cycle of bytes per cycle."""
    return inf if bandwidth is None else 8.0 * bandwidth


def _rooms(problem: Problem, buffers: tuple[Level, ...]) -> tuple[Integers, Floats, Integers]:
    """Of every level: the memory of each operand, the bits of each memory, buffers per operand."""
    shape = len(buffers), len(problem.operands)
    memory, copies = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    room = np.full((len(buffers), max(len(level.memories) for level in buffers)), inf)
    for p, level in enumerate(buffers):
        for m, held in enumerate(level.memories):
            room[p, m] = inf if held.size is None else 8.0 * held.size
        for o, operand in enumerate(problem.operands):
            held = level.memory(operand.role)
            memory[p, o], copies[p, o] = level.memories.index(held), held.buffers
    return memory, room, copies


def _channels(
    problem: Problem, buffers: tuple[Level, ...], outer: Level
) -> tuple[Integers, Floats]:
    """What carries operands across boundaries: memories, and links in either direction."""
    channels = np.full((len(buffers), len(problem.operands), 2, 2), -1, dtype=np.int64)
    carried: dict[tuple[int, str, int], float] = {
        (len(buffers), outer.memories[0].name, 0): _rate(outer.memories[0].bandwidth)
    }
    for p, level in enumerate((*buffers[1:], outer)):
        for o, operand in enumerate(problem.operands):
            memory = level.memory(operand.role)
            for way in (0, 1):
                named = [((p + 1, memory.name, 0), memory.bandwidth)]
                if operand.role in level.links:
                    named.append(((p + 1, f"link {operand.role}", way), level.links[operand.role]))
                for number, (key, bandwidth) in enumerate(named):
                    carried.setdefault(key, _rate(bandwidth))
                    channels[p, o, way, number] = list(carried).index(key)
    return channels, np.array(list(carried.values()))


def _index(axis: tuple[tuple[int, int], ...]) -> tuple[int, int, int, int]:
    if len(axis) == 1:
        return axis[0][0], -1, 0, 0
    (first, a), (second, b) = axis
    common = gcd(a, b)
    return first, second, abs(b) // common, abs(a) // common

"""A problem on hardware as arrays, for compiled code."""

from __future__ import annotations

from math import gcd, inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.roles import ROLES
from accelgen.errors import InputError
from accelgen.hardware.model import Hardware, Level
from accelgen.mapper.compiled import compiled
from accelgen.mapper.problem import Problem

__all__ = [
    "Config",
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

    Energies are pJ per bit of each operand: ``outside`` between the outermost memory and the
    buffer (down, up), ``inside`` between the buffer and the array, ``units`` for every unit that
    gets or gives an element.  Rates are bits per cycle.
    """

    bounds: Integers
    """(n) iterations along every loop."""
    relevant: NDArray[np.bool_]
    """(m, n) whether a loop moves an operand."""
    axes: Integers
    """(m, x, 4) of each index of an operand: its loop, a second one or -1, and how many
    neighbouring values of either the same elements come back after (see :func:`.distinct`)."""
    indices: Integers
    """(m) number of indices."""
    bits: Floats
    """(m) of a finished element."""
    partial: Floats
    """(m) of an unfinished sum."""
    slides: NDArray[np.bool_]
    """(m) whether units keep the window they share with the tile before."""
    streams: NDArray[np.bool_]
    """(m) whether the buffer fetches every tile that the array takes."""
    outside: Floats
    inside: Floats
    units: Floats
    """(m, 2) energies, see above."""
    delivers: bool
    """Whether the last of these are not all 0."""
    spent: float
    """pJ of what no mapping changes: multiplications, and registers read and written for them."""
    leak: float
    """pJ per cycle."""
    memory: Integers
    """(m) number of the memory of the buffer that holds an operand."""
    room: Floats
    """(memories) bits."""
    copies: Integers
    """(memories) buffers of every tile."""
    rates: Floats
    """(memories) towards the array."""
    role: Integers
    """(m) number of the role of an operand."""
    links: Floats
    """(roles) towards the array, in each direction."""
    limited: bool
    """Whether any of these is finite."""
    rate: float
    """Of the outermost memory."""
    stops: NDArray[np.bool_]
    """(n) loops that move a tile which the units cannot replace while they use it."""
    join: int
    """Cycles for which a unit takes a sum from elsewhere."""


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


@compiled
def working(length: int, units: int) -> int:
    """Units that have something to do when ``length`` iterations are shared by so many, equally."""
    return -(-length // -(-length // units)) if length > 0 else 0


def levels_of(hardware: Hardware) -> tuple[Level, Level]:
    """The buffer and the outermost level; :class:`InputError` for other hierarchies."""
    if len(hardware.levels) != 2:
        raise InputError(
            f"{len(hardware.levels)} levels above the array",
            where=hardware.name,
            hint="the mapper takes a buffer (of one or more memories) and an outermost memory",
        )
    buffer, outer = hardware.levels
    if len(outer.memories) != 1 or outer.links:
        raise InputError(
            "several memories, or links",
            where=f"{hardware.name}: {outer.name}",
            hint="the mapper takes one outermost memory with a bandwidth",
        )
    return buffer, outer


def tables_of(problem: Problem, hardware: Hardware) -> Tables:
    """The arrays of a problem on hardware.

    Raises :class:`InputError` when the hardware has no energy for the format, or not two levels.
    """
    buffer, outer = levels_of(hardware)
    memory, registers = outer.memories[0], hardware.registers
    count, loops = len(problem.operands), len(problem.bounds)
    relevant = np.zeros((count, loops), dtype=np.bool_)
    axes = np.full((count, max(1, *(len(x.axes) for x in problem.operands)), 4), -1, dtype=np.int64)
    outside, inside, units = (np.zeros((count, 2)) for _ in range(3))
    stops = np.zeros(loops, dtype=np.bool_)
    slides = np.zeros(count, dtype=np.bool_)
    per_iteration = hardware.mac_energy(problem.number_format)
    for o, operand in enumerate(problem.operands):
        for x, axis in enumerate(operand.axes):
            axes[o, x] = _index(axis)
            relevant[o, [loop for loop, _ in axis]] = True
        held = buffer.memory(operand.role)
        outside[o] = memory.read_pj + held.write_pj, memory.write_pj + held.read_pj
        inside[o] = held.read_pj, held.write_pj
        if held.streams:
            # What the array takes comes through the buffer from outside every time.
            inside[o] += outside[o]
            outside[o] = 0.0
        units[o] = hardware.link_pj
        if registers is not None:
            file = registers.memory(operand.role)
            units[o] += file.write_pj, file.read_pj
            each = file.read_pj + file.write_pj if operand.is_output else file.read_pj
            per_iteration += each * operand.partial_bits
            slides[o] = file.slides and not operand.is_output
            if file.buffers == 1 and not file.slides and not operand.is_output:
                stops |= relevant[o]
    rates = np.array([inf if x.bandwidth is None else 8.0 * x.bandwidth for x in buffer.memories])
    links = np.array([8.0 * buffer.links.get(role, inf) for role in ROLES])
    return Tables(
        np.array(problem.bounds, dtype=np.int64),
        relevant,
        axes,
        np.array([len(x.axes) for x in problem.operands], dtype=np.int64),
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
        np.array([buffer.memories.index(buffer.memory(x.role)) for x in problem.operands]),
        np.array([inf if x.size is None else 8.0 * x.size for x in buffer.memories]),
        np.array([x.buffers for x in buffer.memories], dtype=np.int64),
        rates,
        np.array([ROLES.index(x.role) for x in problem.operands]),
        links,
        bool(np.isfinite(rates).any() or np.isfinite(links).any()),
        inf if memory.bandwidth is None else 8.0 * memory.bandwidth,
        stops,
        hardware.join_cycles,
    )


def _index(axis: tuple[tuple[int, int], ...]) -> tuple[int, int, int, int]:
    if len(axis) == 1:
        return axis[0][0], -1, 0, 0
    (first, a), (second, b) = axis
    common = gcd(a, b)
    return first, second, abs(b) // common, abs(a) // common

"""What a mapping costs, exactly: cycles by what happens tile by tile, energy by every move."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from functools import cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelgen.hardware import Hardware
from accelgen.mapper.counts import moved
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Operand, Problem
from accelgen.names import FrozenMap

__all__ = ["Cost", "cost"]

_KINDS = 5
"""Steps of a loop that differ: the first two, the last two, and all between."""


@dataclass(frozen=True)
class Cost:
    """Cycles, and picojoule by level (``mac`` for the units).

    ``compute_cycles`` is what the array needs when nothing is waited for; ``traffic_cycles`` what
    the outermost level needs to move everything.
    """

    cycles: float
    compute_cycles: int
    traffic_cycles: float
    energy_pj: MappingOf[str, float]
    utilisation: float

    @property
    def total_pj(self) -> float:
        """Energy of everything."""
        return sum(self.energy_pj.values())

    @property
    def edp(self) -> float:
        """Energy-delay product in pJ x cycles."""
        return self.total_pj * self.cycles


def cost(problem: Problem, hardware: Hardware, mapping: Mapping) -> Cost:
    """The cost of a mapping with as many tiles as ``hardware`` has levels.

    Energy: every element that enters or leaves a level is read on one side and written on the
    other; what enters the array's registers is part of ``mac_pj``.  Cycles: see :func:`_cycles`.
    """
    mapping.check(problem)
    energy = {"mac": problem.iterations * hardware.mac_pj}
    energy |= {level.name: 0.0 for level in hardware.levels}
    for below, level in enumerate(hardware.levels):
        for operand in problem.operands:
            entered, left = moved(problem, mapping, below, operand)
            down = entered * (operand.partial_bits if operand.is_output else operand.bits)
            up = _leaving_bits(problem, operand, left)
            energy[level.name] += down * level.read_pj + up * level.write_pj
            if below:
                inner = hardware.levels[below - 1]
                energy[inner.name] += down * inner.write_pj + up * inner.read_pj
    compute = prod(-(-n // t) for n, t in zip(problem.bounds, mapping.tiles[0], strict=True))
    cycles, traffic = _cycles(problem, hardware, mapping)
    return Cost(
        cycles,
        compute,
        traffic,
        FrozenMap(energy),
        problem.iterations / (hardware.units * cycles),
    )


def _leaving_bits(problem: Problem, operand: Operand, left: int) -> int:
    """Bits that leave: sums are narrow when finished, once for every element."""
    if not operand.is_output:
        return 0
    whole = int(operand.footprint(np.array([problem.bounds], dtype=np.int64))[0])
    return whole * operand.bits + (left - whole) * operand.partial_bits


def _cycles(problem: Problem, hardware: Hardware, mapping: Mapping) -> tuple[float, float]:
    """Total cycles, and those of the outermost level's traffic.

    The tiles of the outermost level come one after the other.  With two buffers the next tile is
    loaded and the last one stored while one is computed: the longer of the two counts, the first
    load and the last store in full.  With one buffer everything adds up.
    """
    outer = hardware.levels[-1]
    inner = hardware.levels[-2] if len(hardware.levels) > 1 else outer
    steps = _Steps(problem, mapping)
    compute = steps.compute(hardware)
    often = steps.often
    if outer.bandwidth is None:
        return float((often * compute).sum()), 0.0
    rate = 8 * outer.bandwidth
    loads, stores = (bits / rate for bits in steps.bits())
    traffic = float((often * (loads + stores)).sum())
    if inner.buffers == 1:
        return float((often * compute).sum()) + traffic, traffic
    moving = np.append(loads[1:], 0.0) + np.append(0.0, stores[:-1])
    return float(loads[0] + (often * np.maximum(compute, moving)).sum() + stores[-1]), traffic


class _Steps:
    """The tiles of the outermost level in order, as arrays with an entry per kind of tile.

    What a tile moves depends on whether it is the first or the last along each loop, and so do its
    neighbours in time: of the steps of a loop the first two, one of those between, and the last two
    stand for all.  ``often`` says how many tiles each entry is.
    """

    def __init__(self, problem: Problem, mapping: Mapping) -> None:
        self.problem, self.mapping = problem, mapping
        self.tile, order = mapping.tiles[-2], mapping.orders[-1]
        whole = [-(-n // t) for n, t in zip(problem.bounds, self.tile, strict=True)]
        trips = [min(n, _KINDS) for n in whole]
        self.order = [d for d in order if trips[d] > 1]
        self.count = prod(trips)
        index = np.indices([trips[d] for d in self.order]).reshape(len(self.order), self.count)
        self.index = dict(zip(self.order, index, strict=True))
        self.often = np.ones(self.count, dtype=np.int64)
        for d in self.order:
            between = self.index[d] == _KINDS // 2
            self.often *= np.where(between, max(1, whole[d] - _KINDS + 1), 1)
        ends = {d: self.index[d] == trips[d] - 1 for d in self.order}
        self.last = {d: (problem.bounds[d] - 1) % self.tile[d] + 1 for d in self.order}
        # Which loops are at their end, as a number: tiles of one number have one shape.
        self.shape = np.zeros(self.count, dtype=np.int64)
        for position, d in enumerate(self.order):
            self.shape += ends[d].astype(np.int64) << position

    def _per_shape(self, shape: int) -> tuple[int, ...]:
        return tuple(
            self.last[d] if d in self.order and shape >> self.order.index(d) & 1 else size
            for d, size in enumerate(self.tile)
        )

    def compute(self, hardware: Hardware) -> NDArray[np.float64]:
        """Cycles of each tile: a step of the array per cycle, or more where a level is slower."""
        output = next(operand for operand in self.problem.operands if operand.is_output)
        first, final = self._first_and_final(output)
        kinds, where = np.unique(4 * self.shape + 2 * first + final, return_inverse=True)
        cycles = []
        for kind in kinds.tolist():
            box = self._per_shape(kind >> 2)
            steps = prod(-(-n // t) for n, t in zip(box, self.mapping.tiles[0], strict=True))
            slowest = self._slowest(hardware, box, bool(kind & 2), bool(kind & 1))
            cycles.append(max(float(steps), slowest))
        return np.array(cycles)[where]

    def _slowest(self, hardware: Hardware, box: tuple[int, ...], first: bool, final: bool) -> float:
        """Cycles that the inner level with the most traffic for its bandwidth needs.

        ``first``: the sums of the tile begin in it; ``final``: they end in it.
        """
        part = Problem(self.problem.loops, box, self.problem.operands)
        tiles = tuple(
            tuple(min(n, t) for n, t in zip(box, tile, strict=True))
            for tile in self.mapping.tiles[:-1]
        )
        mapping = Mapping((*tiles[:-1], box), self.mapping.orders[:-1])
        longest = 0.0
        for below, level in enumerate(hardware.levels[:-1]):
            if level.bandwidth is None:
                continue
            bits = 0
            for operand in part.operands:
                entered, left = moved(part, mapping, below, operand)
                if not operand.is_output:
                    bits += entered * operand.bits
                    continue
                whole = left - entered
                again = entered if first else left
                done = whole if final else 0
                bits += (again + left - done) * operand.partial_bits + done * operand.bits
            longest = max(longest, bits / (8 * level.bandwidth))
        return longest

    def bits(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bits loaded before each tile and stored after it."""
        loads, stores = np.zeros(self.count), np.zeros(self.count)
        for operand in self.problem.operands:
            changed = self._changed(operand)
            sizes = self._by_shape(
                cache(
                    lambda shape, operand=operand: float(
                        operand.footprint(np.array([self._per_shape(shape)], dtype=np.int64))[0]
                    )
                )
            )
            if not operand.is_output:
                loads += np.where(changed, sizes, 0.0) * operand.bits
                continue
            first, final = self._first_and_final(operand)
            loads += np.where(changed & ~first, sizes, 0.0) * operand.partial_bits
            leaving = np.append(changed[1:], np.array([True]))
            stores += np.where(leaving, sizes, 0.0) * np.where(
                final, operand.bits, operand.partial_bits
            )
        return loads, stores

    def _by_shape(self, of: object) -> NDArray[np.float64]:
        assert callable(of)
        shapes, where = np.unique(self.shape, return_inverse=True)
        return np.array([of(int(shape)) for shape in shapes])[where]

    def _changed(self, operand: Operand) -> NDArray[np.bool_]:
        """Whether a tile of the operand is another one than that of the step before."""
        changed = np.zeros(self.count, dtype=np.bool_)
        changed[0] = True
        for d in self.order:
            if d in operand.loops:
                changed[1:] |= self.index[d][1:] != self.index[d][:-1]
        return changed

    def _first_and_final(self, operand: Operand) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether no sum of the tile was made before, and whether none will be made after."""
        first, final = np.ones(self.count, dtype=np.bool_), np.ones(self.count, dtype=np.bool_)
        for d in self.order:
            if d not in operand.loops:
                first &= self.index[d] == 0
                final &= self.index[d] == self.index[d].max()
        return first, final

"""Values that no mapping is below, for many candidates at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelgen.hardware import Hardware
from accelgen.mapper.counts import least_moved
from accelgen.mapper.problem import Operand, Problem, Sizes

__all__ = ["Bounds", "Objective"]

Objective = Literal["latency", "energy", "edp"]

Values = NDArray[np.float64]


class Bounds:
    """Lower bounds of the objective for mappings on a buffer and an outermost memory.

    Traffic is at least that of :func:`accelgen.mapper.counts.least_moved`; cycles are at least
    those of all traffic of either level, and those of all compute with the first load and the last
    store (with a single buffer: the sum of traffic and compute).
    """

    def __init__(self, problem: Problem, hardware: Hardware, objective: Objective) -> None:
        self.problem, self.hardware, self.objective = problem, hardware, objective
        self.extents = np.array(problem.bounds, dtype=np.int64)
        self.whole = {x.name: int(x.footprint(self.extents[None])[0]) for x in problem.operands}
        memory = hardware.levels[-1]
        self.rate = 8 * memory.bandwidth if memory.bandwidth else np.inf

    def floor(self, step: tuple[int, ...]) -> float:
        """For all mappings that run ``step`` iterations at once: everything moves once."""
        tiles = self.extents[None]
        value = self._value(step, self._once(tiles), self._array_once(step, tiles), np.zeros(1))
        return float(value[0])

    def outside(
        self, step: tuple[int, ...], tiles: Sizes, outer: Sequence[int], least: Sizes | None = None
    ) -> Values:
        """For all tiles from ``least`` (``tiles`` when not given) to ``tiles`` along every loop,
        under the order ``outer``, whatever the order within.

        Larger tiles never move more; smaller ones are sooner loaded and stored.
        """
        moved = self._bits([tiles], [outer])
        ends = self._ends(tiles, tiles if least is None else least)
        return self._value(step, moved, self._array_once(step, tiles), ends)

    def whole_order(
        self, step: tuple[int, ...], tiles: Sizes, inner: Sequence[int], outer: Sequence[int]
    ) -> Values:
        """For ``tiles`` under both orders."""
        steps = np.broadcast_to(np.array(step, dtype=np.int64), tiles.shape)
        within = self._bits([steps, tiles], [inner, outer])
        return self._value(step, self._bits([tiles], [outer]), within, self._ends(tiles, tiles))

    def _once(self, tiles: Sizes) -> tuple[Values, Values]:
        """Bits in and out when every element moves once."""
        ones = np.ones(len(tiles))
        down = sum(self.whole[x.name] * x.bits for x in self.problem.operands if not x.is_output)
        up = sum(self.whole[x.name] * x.bits for x in self.problem.operands if x.is_output)
        return down * ones, up * ones

    def _array_once(self, step: tuple[int, ...], tiles: Sizes) -> tuple[Values, Values]:
        """The same for the array, which takes overlapping elements for every one of its steps."""
        down, up = np.zeros(len(tiles)), np.zeros(len(tiles))
        steps = np.array([step], dtype=np.int64)
        for operand in self.problem.operands:
            elements = int(operand.tiled(self.problem.bounds, steps)[0])
            self._add(operand, np.full(len(tiles), elements), down, up)
        return down, up

    def _bits(
        self, levels: Sequence[Sizes], orders: Sequence[Sequence[int]]
    ) -> tuple[Values, Values]:
        """Bits into a level and out of it."""
        down, up = np.zeros(len(levels[0])), np.zeros(len(levels[0]))
        for operand in self.problem.operands:
            self._add(operand, least_moved(self.problem, levels, orders, operand), down, up)
        return down, up

    def _add(self, operand: Operand, elements: Sizes, down: Values, up: Values) -> None:
        if operand.is_output:
            again = (elements - self.whole[operand.name]) * operand.partial_bits
            down += again
            up += again + self.whole[operand.name] * operand.bits
        else:
            down += elements * operand.bits

    def _value(
        self,
        step: tuple[int, ...],
        outside: tuple[Values, Values],
        within: tuple[Values, Values],
        ends: Values,
    ) -> Values:
        buffer, memory = self.hardware.levels
        down, up = outside
        array_down, array_up = within
        energy = (
            self.problem.iterations * self.hardware.mac_pj
            + down * (memory.read_pj + buffer.write_pj)
            + up * (memory.write_pj + buffer.read_pj)
            + array_down * buffer.read_pj
            + array_up * buffer.write_pj
        )
        if self.objective == "energy":
            return np.asarray(energy)
        compute = prod(-(-n // s) for n, s in zip(self.problem.bounds, step, strict=True))
        traffic = (down + up) / self.rate
        together = buffer.buffers == 2
        cycles = np.maximum(traffic, compute + ends) if together else traffic + compute
        if buffer.bandwidth is not None:
            cycles = np.maximum(cycles, (array_down + array_up) / (8 * buffer.bandwidth))
        return np.asarray(cycles if self.objective == "latency" else energy * cycles)

    def _ends(self, tiles: Sizes, least: Sizes) -> Values:
        """Cycles of the first load and of the last store, for tiles from ``least`` to ``tiles``."""
        last = np.where(least == tiles, (self.extents - 1) % tiles + 1, 1)
        cycles = np.zeros(len(tiles))
        for operand in self.problem.operands:
            sizes = operand.footprint(last if operand.is_output else least)
            cycles += sizes * operand.bits / self.rate
        return cycles

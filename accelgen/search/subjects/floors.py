"""What no mapping of a layer is below, at once: to leave designs alone that cannot be good.

Cycles: every unrolling the array allows takes its steps, and the DRAM moves every tensor once.
Energy: every multiplication, every tensor once from or to the DRAM, and with registers their
accesses for every multiplication.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from accelgen.affine.workload import Workload
from accelgen.hardware import Hardware
from accelgen.mapper.mapping import spread_of
from accelgen.mapper.problem import Problem
from accelgen.mapper.space import Constraints, unrollings
from accelgen.networks import Network
from accelgen.simulation import layer_problem

__all__ = ["Work", "floor_of", "works_of"]


@dataclass(frozen=True)
class Work:
    """A distinct layer, and how often it is repeated in the network."""

    workload: Workload
    weights: str | None
    repeats: int

    @property
    def effort(self) -> tuple[int, int]:
        """How long its mapping takes to find, and minus its size: what comes first tells most for
        the least time.
        """
        bounds = self.workload.domain.values()
        return sum(n > 1 for n in bounds), -self.repeats * prod(bounds)


@lru_cache(maxsize=64)
def works_of(network: Network) -> tuple[Work, ...]:
    """The distinct layers of a network with matrices, those of the least effort first."""
    repeats: dict[tuple[Workload, str | None], int] = {}
    for layer in network.matrix_layers:
        key = layer.workload, layer.weights
        repeats[key] = repeats.get(key, 0) + layer.repeats
    works = [Work(workload, weights, count) for (workload, weights), count in repeats.items()]
    return tuple(sorted(works, key=lambda work: work.effort))


def floor_of(work: Work, hardware: Hardware) -> tuple[float, float]:
    """Cycles and pJ that no mapping of all repeats of a layer is below."""
    problem = layer_problem(work.workload, work.weights, hardware)
    steps = min(
        prod(
            -(-n // spread)
            for n, spread in zip(
                problem.bounds, spread_of(chosen, len(problem.bounds)), strict=True
            )
        )
        for _, chosen in unrollings(problem, hardware, Constraints())
    )
    dram = hardware.levels[-1].memories[0]
    bits, energy = 0.0, problem.iterations * hardware.mac_energy(problem.number_format)
    for operand in problem.operands:
        moved = _elements(problem, operand.name) * operand.bits
        bits += moved
        energy += moved * (dram.write_pj if operand.is_output else dram.read_pj)
        if hardware.registers is not None:
            file = hardware.registers.memory(operand.role)
            accesses = problem.iterations * operand.partial_bits
            energy += accesses * (file.read_pj + (file.write_pj if operand.is_output else 0.0))
    cycles = float(steps)
    if dram.bandwidth is not None:
        cycles = max(cycles, bits / (8 * dram.bandwidth))
    energy += cycles * hardware.leakage_pj_per_cycle
    return work.repeats * cycles, work.repeats * energy


def _elements(problem: Problem, name: str) -> int:
    whole = np.array([problem.bounds], dtype=np.int64)
    return next(int(x.footprint(whole)[0]) for x in problem.operands if x.name == name)

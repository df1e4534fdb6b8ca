"""Latency, energy and EDP of a network: every layer on its best mapping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from accelgen.affine.workload import Workload
from accelgen.errors import AccelgenError
from accelgen.hardware import Hardware
from accelgen.mapper.cache import Solved
from accelgen.mapper.cost import Cost
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Problem, problem_of
from accelgen.mapper.search import Certificate, Objective
from accelgen.mapper.space import Constraints
from accelgen.networks import Layer, Network

__all__ = ["LayerResult", "NetworkResult", "layer_problem", "simulate"]

Progress = Callable[[int, int], None]
"""Is told how many of how many distinct layers are solved."""


@dataclass(frozen=True)
class LayerResult:
    """A layer on its best mapping; ``cost`` and ``floor_cycles`` are those of one repeat."""

    layer: Layer
    problem: Problem
    mapping: Mapping
    cost: Cost
    certificate: Certificate
    floor_cycles: float

    @property
    def cycles(self) -> float:
        """Cycles of all repeats."""
        return self.layer.repeats * self.cost.cycles

    @property
    def energy_pj(self) -> float:
        """Energy of all repeats."""
        return self.layer.repeats * self.cost.total_pj

    @property
    def edp(self) -> float:
        """Energy-delay product of all repeats, one after the other, in pJ x cycles."""
        return self.energy_pj * self.cycles

    @property
    def least_cycles(self) -> float:
        """Cycles that no mapping on these units and this outermost memory is below: of the
        multiplications on all units, of everything moved once.
        """
        return self.layer.repeats * self.floor_cycles


@dataclass(frozen=True)
class NetworkResult:
    """The layers of a network one after the other; vector work is counted, not timed."""

    network: Network
    hardware: Hardware
    objective: Objective
    layers: tuple[LayerResult, ...]

    @property
    def cycles(self) -> float:
        """Cycles of all layers."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def energy_pj(self) -> dict[str, float]:
        """Energy by level, ``mac`` first."""
        total: dict[str, float] = {}
        for result in self.layers:
            for level, energy in result.cost.energy_pj.items():
                total[level] = total.get(level, 0.0) + result.layer.repeats * energy
        return total

    @property
    def action_pj(self) -> dict[tuple[str, str], float]:
        """Energy by level and action."""
        total: dict[tuple[str, str], float] = {}
        for result in self.layers:
            for action, energy in result.cost.action_pj.items():
                total[action] = total.get(action, 0.0) + result.layer.repeats * energy
        return total

    @property
    def seconds(self) -> float:
        """Latency."""
        return self.cycles / (self.hardware.clock_mhz * 1e6)

    @property
    def joules(self) -> float:
        """Energy of everything."""
        return sum(self.energy_pj.values()) * 1e-12

    @property
    def watts(self) -> float:
        """Mean power."""
        return self.joules / self.seconds

    @property
    def shares(self) -> dict[str, float]:
        """What units do in all cycles (see :class:`accelgen.mapper.cost.Cost`); the sum is 1.

        ``wait`` is by what is waited for: ``wait for dram``.
        """
        total: dict[str, float] = {}
        for result in self.layers:
            for what, share in result.cost.shares.items():
                name = f"wait for {result.cost.limit}" if what == "wait" else what
                total[name] = total.get(name, 0.0) + share * result.cycles / self.cycles
        return {what: share for what, share in total.items() if share > 0}

    @property
    def edp(self) -> float:
        """Energy-delay product in pJ x cycles."""
        return sum(self.energy_pj.values()) * self.cycles

    @property
    def utilisation(self) -> float:
        """The share of units and cycles that multiply."""
        work = sum(result.layer.repeats * result.problem.iterations for result in self.layers)
        return work / (self.hardware.units * self.cycles)


def simulate(
    network: Network,
    hardware: Hardware,
    objective: Objective = "edp",
    *,
    constraints: Constraints = Constraints(),  # noqa: B008 - frozen
    solved: Solved | None = None,
    progress: Progress | None = None,
) -> NetworkResult:
    """Solve every distinct layer once, and add up.

    Finished outputs have the width of the layer's first input, unfinished sums that of the output
    type, which holds them exactly.  ``constraints`` hold for every layer, ``solved`` keeps what was
    solved for later.  Raises what :func:`accelgen.mapper.search.best_mapping` raises, with the
    layer's name.
    """
    solver = solved or Solved()
    distinct = list(dict.fromkeys((x.workload, x.weights) for x in network.matrix_layers))
    found = {}
    for number, (workload, weights) in enumerate(distinct):
        if progress is not None:
            progress(number, len(distinct))
        try:
            problem = layer_problem(workload, weights)
            optimum = solver.best_mapping(problem, hardware, objective, constraints)
            found[workload, weights] = problem, optimum
        except AccelgenError as error:
            name = next(x.name for x in network.matrix_layers if x.workload == workload)
            error.where = f"{network.name}: {name}: {error.where or hardware.name}"
            raise
    results = []
    for layer in network.matrix_layers:
        problem, optimum = found[layer.workload, layer.weights]
        floor = _floor_cycles(problem, hardware)
        results.append(
            LayerResult(layer, problem, optimum.mapping, optimum.cost, optimum.certificate, floor)
        )
    return NetworkResult(network, hardware, objective, tuple(results))


@lru_cache(maxsize=4096)
def layer_problem(workload: Workload, weights: str | None) -> Problem:
    """The problem of a layer: outputs are as wide as its first input."""
    return problem_of(workload, weights=weights, output_bits=workload.accesses[0].format.bits)


def _floor_cycles(problem: Problem, hardware: Hardware) -> float:
    compute = problem.iterations / hardware.units
    bandwidth = hardware.levels[-1].memories[0].bandwidth
    if bandwidth is None:
        return compute
    whole = np.array([problem.bounds], dtype=np.int64)
    bits = sum(int(x.footprint(whole)[0]) * x.bits for x in problem.operands)
    return max(compute, bits / (8 * bandwidth))

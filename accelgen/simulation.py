"""Latency, energy and EDP of a network: every layer on its best mapping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from accelgen.errors import AccelgenError
from accelgen.hardware import Hardware
from accelgen.mapper.cost import Cost
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Problem, problem_of
from accelgen.mapper.search import Certificate, Objective, best_mapping
from accelgen.networks import Layer, Network

__all__ = ["LayerResult", "NetworkResult", "simulate"]

Progress = Callable[[int, int], None]
"""Is told how many of how many distinct layers are solved."""


@dataclass(frozen=True)
class LayerResult:
    """A layer on its best mapping; ``cost`` is that of one repeat."""

    layer: Layer
    problem: Problem
    mapping: Mapping
    cost: Cost
    certificate: Certificate

    @property
    def cycles(self) -> float:
        """Cycles of all repeats."""
        return self.layer.repeats * self.cost.cycles

    @property
    def energy_pj(self) -> float:
        """Energy of all repeats."""
        return self.layer.repeats * self.cost.total_pj

    @property
    def limit(self) -> str:
        """What the time goes into: ``compute`` where the outermost memory is not slower."""
        return "compute" if self.cost.compute_cycles >= self.cost.traffic_cycles else "memory"


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
        total: Counter[str] = Counter()
        for result in self.layers:
            for level, energy in result.cost.energy_pj.items():
                total[level] += result.layer.repeats * energy  # type: ignore[assignment]
        return dict(total)

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
    progress: Progress | None = None,
) -> NetworkResult:
    """Solve every distinct layer once, and add up.

    Finished outputs have the width of the layer's first input, unfinished sums that of the output
    type, which holds them exactly.  Raises what :func:`accelgen.mapper.search.best_mapping`
    raises, with the layer's name.
    """
    distinct = list(dict.fromkeys(layer.workload for layer in network.matrix_layers))
    solved = {}
    for number, workload in enumerate(distinct):
        if progress is not None:
            progress(number, len(distinct))
        try:
            problem = problem_of(workload, output_bits=workload.accesses[0].format.bits)
            solved[workload] = problem, best_mapping(problem, hardware, objective)
        except AccelgenError as error:
            name = next(x.name for x in network.matrix_layers if x.workload == workload)
            error.where = f"{network.name}: {name}: {error.where or hardware.name}"
            raise
    results = []
    for layer in network.matrix_layers:
        problem, found = solved[layer.workload]
        results.append(LayerResult(layer, problem, found.mapping, found.cost, found.certificate))
    return NetworkResult(network, hardware, objective, tuple(results))

"""A network whose attention runs on attention arrays, and everything else as before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from accelgen.attention.network.compare import (
    AttentionResult,
    Progress,
    attention_pairs,
    compare_attention,
    without_attention,
)
from accelgen.attention.network.cost import AttentionCost
from accelgen.attention.network.planned import Plan
from accelgen.hardware.model import Hardware
from accelgen.mapper.cache import Solved
from accelgen.mapper.search import Objective
from accelgen.mapper.space import Constraints
from accelgen.names import FrozenMap
from accelgen.networks.network import Network
from accelgen.results.layers import detailed
from accelgen.simulation import NetworkResult, simulate

__all__ = ["ComparedResult", "Totals", "simulate_attention"]


@dataclass(frozen=True)
class Totals:
    """Of some layers: cycles, picojoule, bytes of DRAM."""

    cycles: float
    energy_pj: float
    dram_bytes: float

    @property
    def edp(self) -> float:
        """Energy-delay product in pJ x cycles."""
        return self.energy_pj * self.cycles

    def __add__(self, other: Totals) -> Totals:
        """Both, one after the other."""
        return Totals(
            self.cycles + other.cycles,
            self.energy_pj + other.energy_pj,
            self.dram_bytes + other.dram_bytes,
        )


@dataclass(frozen=True)
class ComparedResult:
    """A network with dense attention and with a pattern, on the same attention arrays.

    ``rest`` are the layers that are no attention, on the units of the hardware (``None`` without
    any); what runs at a time is one layer.
    """

    network: Network
    hardware: Hardware
    rest: NetworkResult | None
    attention: AttentionResult

    @property
    def others(self) -> Totals:
        """Of the layers that are no attention."""
        if self.rest is None:
            return Totals(0.0, 0.0, 0.0)
        outermost = self.hardware.levels[-1].name
        moved = sum(detail.moved[outermost] for detail in detailed(self.rest))
        return Totals(self.rest.cycles, sum(self.rest.energy_pj.values()), moved)

    def of_attention(self, *, sparse: bool) -> Totals:
        """Of the attention layers."""
        found = self.attention
        return Totals(
            found.cycles(sparse=sparse),
            found.energy_pj(sparse=sparse),
            found.dram_bytes(sparse=sparse),
        )

    def total(self, *, sparse: bool) -> Totals:
        """Of the whole network."""
        return self.others + self.of_attention(sparse=sparse)

    def limits(self, *, sparse: bool) -> Mapping[str, float]:
        """Cycles of attention by what is waited for."""
        found: dict[str, float] = {}
        for layer in self.attention.layers:
            cost: AttentionCost = layer.sparse if sparse else layer.dense
            for name, cycles in cost.limits.items():
                found[name] = found.get(name, 0.0) + cycles
        return FrozenMap(found)


def simulate_attention(
    network: Network,
    hardware: Hardware,
    plan: Plan,
    objective: Objective = "edp",
    *,
    seed: int = 0,
    constraints: Constraints = Constraints(),  # noqa: B008 - frozen
    solved: Solved | None = None,
    progress: Progress = lambda done, total: None,
    stage: Callable[[str], None] = lambda text: None,
) -> ComparedResult:
    """Attention layers by :func:`accelgen.attention.network.compare.compare_attention`, the others
    by :func:`accelgen.simulation.simulate`.  Raises what these do.

    ``progress`` is told how many of how many layers are done, the distinct ones of the others;
    ``stage`` what of an attention layer is looked at, and at last nothing.
    """
    others = without_attention(network)
    first = len(attention_pairs(network))
    total = first + (len(others.distinct) if others is not None else 0)
    attention = compare_attention(
        network,
        hardware,
        plan,
        seed=seed,
        progress=lambda done, count: progress(done, total),
        stage=stage,
    )
    stage("")
    rest = None
    if others is not None:
        rest = simulate(
            others,
            hardware,
            objective,
            constraints=constraints,
            solved=solved,
            progress=lambda done, count: progress(first + done, first + count),
        )
    return ComparedResult(network, hardware, rest, attention)

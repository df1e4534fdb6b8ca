"""What the pictures of a result show, before anything is drawn.

Layers that are alike (one workload, one mapping) are one entry under the name of the first of them,
with how often they are executed; entries are in the order of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelgen.results.layers import detailed, energy_levels, merged
from accelgen.simulation import LayerResult, NetworkResult

__all__ = [
    "EnergyScene",
    "LatencyScene",
    "RooflinePoint",
    "RooflineScene",
    "energy_scene",
    "latency_scene",
    "roofline_scene",
]

_LABEL = 26
"""Most characters of a layer's name; of longer ones the middle is left out."""


@dataclass(frozen=True)
class EnergyScene:
    """A stacked bar per entry: ``picojoule[entry][level]``, with everything below ``levels``."""

    title: str
    labels: tuple[str, ...]
    levels: tuple[str, ...]
    picojoule: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class LatencyScene:
    """A bar per entry, ``cycles`` long, with a mark at ``least``; ``limits`` give the colour."""

    title: str
    labels: tuple[str, ...]
    cycles: tuple[float, ...]
    least: tuple[float, ...]
    limits: tuple[str, ...]


@dataclass(frozen=True)
class RooflinePoint:
    """An entry at ``intensity`` MACs per byte and ``rate`` MACs per cycle.

    ``share`` is that of its cycles in those of the network.
    """

    label: str
    intensity: float
    rate: float
    limit: str
    share: float


@dataclass(frozen=True)
class RooflineScene:
    """The points under the roofs: ``rate`` MACs per cycle of the ``units``, and of the outermost
    ``memory`` ``bandwidth`` bytes per cycle (``None``: no roof) times the intensity.
    """

    title: str
    memory: str
    units: int
    bandwidth: float | None
    points: tuple[RooflinePoint, ...]
    rate: float

    def roof(self, intensity: float) -> float:
        """Most MACs per cycle at an intensity."""
        slope = float("inf") if self.bandwidth is None else self.bandwidth * intensity
        return min(self.rate, slope)


def energy_scene(found: NetworkResult) -> EnergyScene:
    """Energy of every entry by level; bars add up to ``found.energy_pj``."""
    levels = energy_levels(found)
    groups = merged(found)
    return EnergyScene(
        f"{_title(found)}\n{si(found.joules)}J",
        tuple(map(_label, groups)),
        levels,
        tuple(
            tuple(
                sum(x.layer.repeats * x.cost.energy_pj.get(name, 0.0) for x in group)
                for name in levels
            )
            for group in groups
        ),
    )


def latency_scene(found: NetworkResult) -> LatencyScene:
    """Cycles of every entry, and the least that any mapping could take."""
    groups = merged(found)
    least = sum(x.least_cycles for x in found.layers)
    return LatencyScene(
        f"{_title(found)}\n{found.cycles:.0f} cycles, {si(found.seconds)}s, "
        f"{found.cycles / least:.3g} x the lower bound",
        tuple(map(_label, groups)),
        tuple(sum(x.cycles for x in group) for group in groups),
        tuple(sum(x.least_cycles for x in group) for group in groups),
        tuple(group[0].cost.limit for group in groups),
    )


def roofline_scene(found: NetworkResult) -> RooflineScene:
    """MACs per cycle over MACs per byte of the outermost memory, as mapped."""
    outer = found.hardware.levels[-1]
    moved_by = {x.result.layer.name: x.moved[outer.name] for x in detailed(found)}
    points = []
    for group in merged(found):
        macs = sum(x.layer.macs for x in group)
        cycles = sum(x.cycles for x in group)
        moved = sum(moved_by[x.layer.name] for x in group)
        points.append(
            RooflinePoint(
                _label(group),
                macs / moved,
                macs / cycles,
                group[0].cost.limit,
                cycles / found.cycles,
            )
        )
    return RooflineScene(
        f"{_title(found)}\n{sum(x.layer.macs for x in found.layers) / found.cycles:.4g} "
        f"MACs per cycle on {found.hardware.units} units",
        outer.name,
        found.hardware.units,
        outer.memories[0].bandwidth,
        tuple(points),
        # Of units of widths chosen at run time: at the widths of the fastest layer.
        found.hardware.units * max(x.words.elements / x.words.cycles for x in found.layers),
    )


def si(value: float) -> str:
    """Four figures with a prefix of the unit that follows: ``1.234 m``."""
    for power, prefix in ((0, ""), (-3, "m"), (-6, "u"), (-9, "n")):
        if value >= 10.0**power:
            return f"{value / 10.0**power:.4g} {prefix}"
    return f"{value / 1e-12:.4g} p"


def _title(found: NetworkResult) -> str:
    return f"{found.network.name} on {found.hardware.name}"


def _label(group: Sequence[LayerResult]) -> str:
    name = group[0].layer.name
    if len(name) > _LABEL:
        name = f"{name[: _LABEL // 2 - 1]}\N{HORIZONTAL ELLIPSIS}{name[-_LABEL // 2 :]}"
    times = sum(x.layer.repeats for x in group)
    return f"{name} \N{MULTIPLICATION SIGN}{times}" if times > 1 else name

"""Figures of layers that tables, summaries and pictures share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from accelgen.hardware import Hardware
from accelgen.hardware.model import Level
from accelgen.mapper.cost import cost, moves
from accelgen.names import FrozenMap
from accelgen.simulation import LayerResult, NetworkResult

__all__ = ["SHARES", "Detail", "detailed", "energy_levels", "merged", "network_shares"]

SHARES = ("multiply", "idle", "padding", "sums", "fill", "wait")
"""What units do, as in :class:`accelgen.mapper.cost.Cost`."""

_ROUNDING = 1e-12
"""What rounding leaves is not waiting."""


@dataclass(frozen=True)
class Detail:
    """A layer with what follows from its mapping.

    ``moved`` are bytes that each level exchanges with what is below it, in both directions and in
    all repeats, unfinished sums at their own width.  ``waits`` are parts of the share ``wait`` by
    what is waited for: of the outermost memory the cycles that would be saved if it were infinitely
    fast, of the slowest memory or link of the next level those that would be saved if this level
    were, too, and so on; the rest of the slowest memory or link above the array.
    """

    result: LayerResult
    moved: Mapping[str, float]
    waits: Mapping[str, float]


def detailed(found: NetworkResult) -> tuple[Detail, ...]:
    """The layers in order, each with its detail."""
    details: dict[object, Detail] = {}
    layers = []
    for result in found.layers:
        key = _key(result)
        if key not in details:
            details[key] = Detail(
                result, _moved(result, found.hardware), _waits(result, found.hardware)
            )
        first = details[key]
        scale = result.layer.repeats / first.result.layer.repeats
        moved = {name: scale * count for name, count in first.moved.items()}
        layers.append(Detail(result, moved, first.waits))
    return tuple(layers)


def merged(found: NetworkResult) -> tuple[tuple[LayerResult, ...], ...]:
    """The layers, those alike together: they have one workload, one mapping, one cost."""
    groups: dict[object, list[LayerResult]] = {}
    for result in found.layers:
        groups.setdefault(_key(result), []).append(result)
    return tuple(tuple(group) for group in groups.values())


def energy_levels(found: NetworkResult) -> tuple[str, ...]:
    """Every level that takes energy in any layer: ``mac``, the levels from the units outwards,
    ``leakage``.
    """
    hardware = found.hardware
    named = dict.fromkeys(name for x in found.layers for name in x.cost.energy_pj)
    inside = [hardware.registers.name] if hardware.registers is not None else []
    order = ["mac", *inside, "link", *(level.name for level in hardware.levels), "leakage"]
    return tuple(sorted(named, key=lambda x: order.index(x) if x in order else len(order)))


def network_shares(layers: Sequence[Detail]) -> tuple[dict[str, float], dict[str, float]]:
    """What units do in all cycles of the layers (the sum is 1), and the part of ``wait`` by what
    is waited for.
    """
    cycles = sum(x.result.cycles for x in layers)
    shares, waits = dict.fromkeys(SHARES, 0.0), dict[str, float]()
    for x in layers:
        weight = x.result.cycles / cycles
        for what, share in x.result.cost.shares.items():
            shares[what] += weight * share
        for name, share in x.waits.items():
            waits[name] = waits.get(name, 0.0) + weight * share
    return shares, waits


def _key(result: LayerResult) -> object:
    return result.layer.workload, result.layer.weights


def _moved(result: LayerResult, hardware: Hardware) -> dict[str, float]:
    hardware = result.words.paced(hardware, result.problem.number_format)
    moved = moves(result.problem, hardware, result.mapping)
    whole = np.array([result.problem.bounds], dtype=np.int64)
    found = {}
    for level, below in zip(hardware.levels, moved, strict=True):
        bits = 0
        for operand in result.problem.operands:
            here = below[operand.name]
            if operand.is_output:
                # Every element leaves finished once; other moves are of unfinished sums.
                finished = int(operand.footprint(whole)[0])
                bits += (here.entered + here.left - finished) * operand.partial_bits
                bits += finished * operand.bits
            else:
                bits += here.entered * operand.bits
        found[level.name] = result.layer.repeats * bits / 8
    return found


def _waits(result: LayerResult, hardware: Hardware) -> dict[str, float]:
    here = result.cost
    hardware = result.words.paced(hardware, result.problem.number_format)
    found: dict[str, float] = {}
    left = here.shares["wait"]
    slow, levels = here, hardware.levels
    for k in range(len(levels) - 1, 0, -1):
        levels = (*levels[:k], _fast(levels[k]), *levels[k + 1 :])
        fast = cost(result.problem, replace(hardware, levels=levels), result.mapping)
        fast = fast.slowed(result.words.cycles)
        # The ports of this level are those that have no limit any more.
        ports = {name: n for name, n in slow.port_cycles.items() if fast.port_cycles.get(name) != n}
        share = min(left, (slow.cycles - fast.cycles) / here.cycles)
        if share > _ROUNDING:
            found[max(ports, key=lambda name: ports[name])] = share
            left -= share
        slow = fast
    inner = {name: n for name, n in slow.port_cycles.items() if n > 0}
    if inner and left > _ROUNDING:
        found[max(inner, key=lambda name: inner[name])] = left
    return found


def _fast(level: Level) -> Level:
    """The level with memories and links that are never waited for."""
    memories = tuple(replace(memory, bandwidth=None) for memory in level.memories)
    return replace(level, memories=memories, links=FrozenMap())

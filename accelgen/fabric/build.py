"""From the integer form of a kernel to its fabric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.legality import count_hits
from accelgen.affine.spacetime import IntMatrix, IntVector, SpaceTime, TensorAccess
from accelgen.fabric.access import AccessPattern
from accelgen.fabric.banks import bank
from accelgen.fabric.chain import Chain, choose_chain
from accelgen.fabric.fabric import Fabric, Guard, InputPlan, OutputPlan
from accelgen.fabric.interconnect import Interconnect, connect
from accelgen.fabric.reduction import Reduction, reduce_in_space
from accelgen.fabric.space import Grid
from accelgen.reuse.schedule import Schedule, chain_pads, hold_level, residency

__all__ = ["build_fabric", "without_trivial_loops"]

DEFAULT_BUS_BITS = 64


def build_fabric(kernel: SpaceTime, bus_bits: int | None = None) -> Fabric:
    """Lay out a legal kernel: interconnect, stationarity and chains, schedule, memories.

    ``bus_bits`` is the width of every stream; without one it is 64, or as many bytes as the widest
    element (a block is one) needs.
    Stationary tensors come first because their chains may stretch the schedule, on which the
    depths of all links through time depend.
    """
    kernel = without_trivial_loops(kernel)
    if bus_bits is None:
        widest = max(kernel.result_bits, *(tensor.format.bits for tensor in kernel.inputs))
        bus_bits = max(DEFAULT_BUS_BITS, 8 * -(-widest // 8))
    grid = Grid(kernel.space_extents)
    unstretched = chain_pads(kernel, {})
    offsets = tuple(unstretched.offset(s) for s in grid.points.tolist())
    reduction = reduce_in_space(kernel, grid, offsets)
    held = {t.name: _hold(kernel, t) for t in kernel.tensors}
    fixed = {
        t.name: connect(kernel, t, grid, None) for t in kernel.inputs if held[t.name] is not None
    }
    chains = {
        name: _load_chain(kernel, grid, links, held[name], offsets) for name, links in fixed.items()
    }
    output = kernel.output
    chains[output.name] = _drain_chain(kernel, grid, reduction, held[output.name])
    longest: dict[int, int] = {}
    for name, chain in chains.items():
        level = held[name]
        if chain is not None and level is not None:
            longest[level] = max(longest.get(level, 1), chain.cycles)
    schedule = chain_pads(kernel, longest)
    inputs = tuple(
        _plan_input(
            kernel,
            grid,
            schedule,
            tensor,
            fixed.get(tensor.name) or connect(kernel, tensor, grid, schedule),
            held[tensor.name],
            chains.get(tensor.name),
            bus_bits,
        )
        for tensor in kernel.inputs
    )
    fabric = Fabric(
        kernel,
        schedule,
        offsets,
        inputs,
        _plan_output(kernel, schedule, reduction, held[output.name], chains[output.name], bus_bits),
        _unit_guards(kernel, grid),
        bus_bits,
    )
    fabric.check()
    return fabric


def without_trivial_loops(kernel: SpaceTime) -> SpaceTime:
    """The same kernel without the time loops of a single iteration."""
    keep = [level for level, extent in enumerate(kernel.time_extents) if extent > 1]
    return replace(
        kernel,
        time=tuple(kernel.time[level] for level in keep),
        time_extents=tuple(kernel.time_extents[level] for level in keep),
        time_matrix=tuple(tuple(row[level] for level in keep) for row in kernel.time_matrix),
    )


def _hold(kernel: SpaceTime, tensor: TensorAccess) -> int | None:
    level = hold_level(kernel, tensor)
    return level if level < len(kernel.time) else None


def _pinned(kernel: SpaceTime, tensor: str) -> tuple[bool, int | None]:
    """Whether the description decides the chain of a tensor, and the axis it names."""
    for name, axis in kernel.chains:
        if name == tensor:
            return True, None if axis is None else kernel.space.index(axis)
    return False, None


def _tile_cycles(kernel: SpaceTime, level: int) -> int:
    """Cycles a tile lasts as far as chains care: unbounded when there is only one tile."""
    return residency(kernel, level) if level > 0 else 1 << 62


def _load_chain(
    kernel: SpaceTime,
    grid: Grid,
    links: Interconnect,
    level: int | None,
    offsets: IntVector,
) -> Chain | None:
    decided, axis = _pinned(kernel, links.tensor)
    if level is None or (decided and axis is None):
        return None
    units = links.ported
    return choose_chain(
        units,
        {u: grid.coordinates(u) for u in units},
        dict(enumerate(offsets)),
        skew=kernel.skew,
        residency=_tile_cycles(kernel, level),
        flow="load",
        pinned=axis,
        where=f"chain of {links.tensor}",
    )


def _drain_chain(
    kernel: SpaceTime, grid: Grid, reduction: Reduction, level: int | None
) -> Chain | None:
    decided, axis = _pinned(kernel, kernel.output.name)
    if level is None or (decided and axis is None):
        return None
    groups = reduction.groups
    return choose_chain(
        range(len(groups)),
        {g: grid.coordinates(group.ends[0]) for g, group in enumerate(groups)},
        {g: group.offset for g, group in enumerate(groups)},
        skew=kernel.skew,
        residency=_tile_cycles(kernel, level),
        flow="drain",
        pinned=axis,
        where=f"chain of {kernel.output.name}",
    )


def _plan_input(
    kernel: SpaceTime,
    grid: Grid,
    schedule: Schedule,
    tensor: TensorAccess,
    links: Interconnect,
    level: int | None,
    chain: Chain | None,
    bus_bits: int,
) -> InputPlan:
    places = kernel.along_space(tensor)
    heads = links.ported if chain is None else [run[0] for run in chain.runs]
    slots, slot = _number({u: tuple((places @ grid.points[u]).tolist()) for u in heads}, grid.size)
    pattern = _pattern(kernel, schedule, tensor, level, slots)
    if chain is not None:
        # The farthest member's element enters first, so that the last one enters at the switch.
        flow = places[:, chain.axis] * chain.direction
        pattern = _along_chain(pattern, flow, chain, ahead=chain.length - 1)
        pattern = replace(pattern, start=1 - chain.cycles + min(a[0] for a in chain.arrivals))
    banked = bank(pattern, tensor.shape, tensor.format.bits, bus_bits)
    return InputPlan(tensor, links, level, chain, pattern, banked, slot)


def _plan_output(
    kernel: SpaceTime,
    schedule: Schedule,
    reduction: Reduction,
    level: int | None,
    chain: Chain | None,
    bus_bits: int,
) -> OutputPlan:
    tensor = kernel.output
    groups = reduction.groups
    ports = range(len(groups)) if chain is None else [run[-1] for run in chain.runs]
    slots, slot = _number({g: groups[g].index for g in ports}, len(groups))
    pattern = _pattern(kernel, schedule, tensor, level, slots)
    inner = len(kernel.time) if level is None else level
    finished = schedule.flat([0] * inner + [n - 1 for n in kernel.time_extents[inner:]])
    if chain is None:
        start = finished + max(group.offset for group in groups)
    else:
        flow = kernel.along_space(tensor)[:, chain.axis] * chain.direction
        pattern = _along_chain(pattern, flow, chain, ahead=0)
        start = finished + max(arrivals[-1] for arrivals in chain.arrivals)
    pattern = replace(pattern, start=start)
    # A beat has as many sums as it has results; these may be narrower, or wider.
    sums = tensor.format.bits
    sums_bus = bus_bits // kernel.result_bits * sums or bus_bits
    return OutputPlan(
        tensor,
        reduction,
        level,
        chain,
        pattern,
        bank(pattern, tensor.shape, sums, sums_bus),
        slot,
        not _written_once(kernel, tensor, inner),
        tuple(_slot_guards(pattern, tensor.shape, p) for p in range(len(slots))),
        _run_lengths(chain, slot, len(slots)),
    )


def _run_lengths(chain: Chain | None, slot: IntVector, slots: int) -> IntVector:
    """Per memory slot the number of members of its drain chain (1 without a chain)."""
    lengths = [1] * slots
    for run in chain.runs if chain else ():
        lengths[slot[run[-1]]] = len(run)
    return tuple(lengths)


def _number(index: dict[int, IntVector], size: int) -> tuple[tuple[IntVector, ...], IntVector]:
    """The distinct indices as slots, and each member's slot number (-1: none)."""
    slots = tuple(sorted(set(index.values())))
    number = {value: p for p, value in enumerate(slots)}
    return slots, tuple(number[index[m]] if m in index else -1 for m in range(size))


def _pattern(
    kernel: SpaceTime,
    schedule: Schedule,
    tensor: TensorAccess,
    level: int | None,
    slots: tuple[IntVector, ...],
) -> AccessPattern:
    """One access per iteration of the loops that move the tensor."""
    steps: IntMatrix = tuple(tuple(row[:level]) for row in kernel.along_time(tensor).tolist())
    return AccessPattern(
        tensor.name,
        schedule.extents[:level],
        schedule.strides[:level],
        0,
        steps,
        tuple(kernel.origin(tensor).tolist()),
        slots,
    )


def _along_chain(
    pattern: AccessPattern, flow: NDArray[np.int64], chain: Chain, *, ahead: int
) -> AccessPattern:
    """Append the loop over a chain's members, against the flow.

    It begins ``ahead`` members down the flow from the member that has the slot.
    """
    return replace(
        pattern,
        extents=(*pattern.extents, chain.length),
        strides=(*pattern.strides, chain.spacing),
        steps=tuple((*row, -int(f)) for row, f in zip(pattern.steps, flow, strict=True)),
        origin=tuple(o + ahead * int(f) for o, f in zip(pattern.origin, flow, strict=True)),
    )


def _written_once(kernel: SpaceTime, tensor: TensorAccess, level: int) -> bool:
    """Whether every output element is the sum of exactly one tile of one group.

    Groups have distinct indices: axes that move the index along one line count once per point of
    it.  Where these are no progression the answer is no, which is never wrong, only dearer.
    """
    places = kernel.along_space(tensor)
    columns, extents = [kernel.along_time(tensor)[:, :level]], list(kernel.time_extents[:level])
    origin = kernel.origin(tensor)
    lines: dict[IntVector, set[int]] = {}
    for axis, extent in enumerate(kernel.space_extents):
        step = math.gcd(*places[:, axis].tolist())
        if step:
            line = places[:, axis] // step
            if line[np.flatnonzero(line)[0]] < 0:
                line, step = -line, -step
            before = lines.get(tuple(line.tolist()), {0})
            lines[tuple(line.tolist())] = {x + step * n for x in before for n in range(extent)}
    for direction, points in lines.items():
        low, *rest = sorted(points)
        pitch = math.gcd(*(x - low for x in rest)) or 1
        columns.append(pitch * np.array([direction], dtype=np.int64).T)
        extents.append((max(points) - low) // pitch + 1)
        if extents[-1] != len(points):
            return False
        origin = origin + low * np.array(direction, dtype=np.int64)
    matrix = np.concatenate(columns, axis=1)
    hits = count_hits(matrix, extents, tuple(origin.tolist()), tensor.shape)
    return hits.minimum == hits.maximum == 1


def _unit_guards(kernel: SpaceTime, grid: Grid) -> tuple[tuple[Guard, ...], ...]:
    """Per unit the sides of the iteration box that its points can leave."""
    matrix = np.array(kernel.space_matrix, dtype=np.int64).reshape(len(kernel.loops), -1)
    places = grid.points @ matrix.T
    guards: list[list[Guard]] = [[] for _ in range(grid.size)]
    for d, bound in enumerate(kernel.bounds):
        low, high = _span(kernel.time_matrix[d], kernel.time_extents, kernel.offset[d])
        at: dict[int, Guard | None] = {
            w: _guard(d, w, low, high, bound) for w in set(places[:, d].tolist())
        }
        for unit, w in enumerate(places[:, d].tolist()):
            guard = at[w]
            if guard is not None:
                guards[unit].append(guard)
    return tuple(map(tuple, guards))


def _slot_guards(pattern: AccessPattern, shape: IntVector, slot: int) -> tuple[Guard, ...]:
    guards = []
    for d, bound in enumerate(shape):
        low, high = _span(pattern.steps[d], pattern.extents, pattern.origin[d])
        guard = _guard(d, pattern.slots[slot][d], low, high, bound)
        if guard is not None:
            guards.append(guard)
    return tuple(guards)


def _guard(dimension: int, displacement: int, low: int, high: int, bound: int) -> Guard | None:
    """``0 <= v + displacement < bound`` as a condition on ``v``, given ``low <= v <= high``."""
    lowest = -displacement if low + displacement < 0 else None
    highest = bound - 1 - displacement if high + displacement >= bound else None
    if lowest is None and highest is None:
        return None
    return Guard(dimension, lowest, highest)


def _span(steps: Sequence[int], extents: Iterable[int], origin: int) -> tuple[int, int]:
    reach = [(n - 1) * c for n, c in zip(extents, steps, strict=True)]
    return origin + sum(min(0, r) for r in reach), origin + sum(max(0, r) for r in reach)

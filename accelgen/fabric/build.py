"""From the integer form of a kernel to its fabric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.legality import count_hits
from accelgen.affine.spacetime import IntMatrix, IntVector, SpaceTime, TensorAccess
from accelgen.fabric.access import AccessPattern
from accelgen.fabric.banks import BankedAccess, bank
from accelgen.fabric.chain import Chain
from accelgen.fabric.fabric import Fabric, Guard, InputPlan, OutputPlan
from accelgen.fabric.forms import BankForm, place
from accelgen.fabric.interconnect import at_depths
from accelgen.fabric.space import Grid
from accelgen.fabric.structure import Structure, decide
from accelgen.reuse.schedule import Schedule

__all__ = [
    "RunTime",
    "build_fabric",
    "lay_out",
    "least_bus",
    "sums_bus",
    "without_trivial_loops",
    "written_once",
]

DEFAULT_BUS_BITS = 64


def build_fabric(kernel: SpaceTime, bus_bits: int | None = None) -> Fabric:
    """Lay out a legal kernel: interconnect, stationarity and chains, schedule, memories.

    ``bus_bits`` is the width of every stream; without one it is 64, or as many bytes as the widest
    element (a block is one) needs.
    """
    kernel = without_trivial_loops(kernel)
    return lay_out(kernel, decide(kernel), bus_bits or least_bus(kernel))


def least_bus(kernel: SpaceTime) -> int:
    """The width of the streams where none is asked for."""
    widest = max(kernel.result_bits, *(tensor.format.bits for tensor in kernel.inputs))
    return max(DEFAULT_BUS_BITS, 8 * -(-widest // 8))


def sums_bus(kernel: SpaceTime, bus_bits: int) -> int:
    """Bits of the sums of a beat: as many as it has results, which may be narrower, or wider."""
    return bus_bits // kernel.result_bits * kernel.output.format.bits or bus_bits


@dataclass(frozen=True)
class RunTime:
    """What a design whose bounds are registers is made for, beside its structure.

    ``forms`` are the memories per tensor, ``leaves`` says of each workload loop whether it can
    leave its bounds, ``accumulate`` whether the output memory adds.
    """

    forms: Mapping[str, BankForm]
    leaves: tuple[bool, ...]
    accumulate: bool

    def leaves_of(self, tensor: TensorAccess) -> tuple[bool, ...]:
        """Whether each dimension of a tensor can be left."""
        return tuple(
            any(c and leaves for c, leaves in zip(row, self.leaves, strict=True))
            for row in tensor.matrix
        )


def lay_out(
    kernel: SpaceTime, structure: Structure, bus_bits: int, run_time: RunTime | None = None
) -> Fabric:
    """The fabric of a kernel by choices that are made.

    With ``run_time`` the bounds are those of one problem of many: every index that can leave its
    bounds at some bounds is guarded.
    """
    grid = Grid(kernel.space_extents)
    plans = _Plans(kernel, grid, structure, bus_bits, run_time)
    leaves = run_time.leaves if run_time is not None else (False,) * len(kernel.loops)
    fabric = Fabric(
        kernel,
        plans.schedule,
        tuple(plans.schedule.offset(s) for s in grid.points.tolist()),
        tuple(plans.input(tensor) for tensor in kernel.inputs),
        plans.output(),
        _unit_guards(kernel, grid, leaves),
        bus_bits,
        run_time is not None,
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


class _Plans:
    """The plans of the tensors of one fabric."""

    def __init__(
        self,
        kernel: SpaceTime,
        grid: Grid,
        structure: Structure,
        bus_bits: int,
        run_time: RunTime | None,
    ) -> None:
        self.kernel = kernel
        self.grid = grid
        self.structure = structure
        self.schedule = structure.schedule(kernel)
        self.bus_bits = bus_bits
        self.run_time = run_time

    def input(self, tensor: TensorAccess) -> InputPlan:
        kernel, name = self.kernel, tensor.name
        links, level = self.structure.links[name], self.structure.hold[name]
        chain = self.structure.chains.get(name)
        places = kernel.along_space(tensor)
        heads = links.ported if chain is None else [run[0] for run in chain.runs]
        index = {u: tuple((places @ self.grid.points[u]).tolist()) for u in heads}
        slots, slot = _number(index, self.grid.size)
        pattern = _pattern(kernel, self.schedule, tensor, level, slots)
        if chain is not None:
            # The farthest member's element enters first, so that the last one enters at the switch.
            flow = places[:, chain.axis] * chain.direction
            pattern = _along_chain(pattern, flow, chain, ahead=chain.length - 1)
            start = 1 - chain.cycles + min(arrivals[0] for arrivals in chain.arrivals)
            pattern = replace(pattern, start=start)
        banked = self._banked(tensor, pattern, self.bus_bits)
        if self.run_time is not None:
            links = at_depths(links, self.schedule)
        return InputPlan(tensor, links, level, chain, pattern, banked, slot)

    def output(self) -> OutputPlan:
        kernel, schedule = self.kernel, self.schedule
        tensor, reduction = kernel.output, self.structure.reduction
        level, chain = self.structure.hold[tensor.name], self.structure.chains[tensor.name]
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
        if self.run_time is None:
            accumulate = not written_once(kernel, tensor, inner)
            leaves = (False,) * tensor.rank
        else:
            accumulate = self.run_time.accumulate
            leaves = self.run_time.leaves_of(tensor)
        return OutputPlan(
            tensor,
            reduction,
            level,
            chain,
            pattern,
            self._banked(tensor, pattern, sums_bus(kernel, self.bus_bits)),
            slot,
            accumulate,
            tuple(_slot_guards(pattern, tensor.shape, p, leaves) for p in range(len(slots))),
            _run_lengths(chain, slot, len(slots)),
        )

    def _banked(self, tensor: TensorAccess, pattern: AccessPattern, bus_bits: int) -> BankedAccess:
        if self.run_time is None:
            return bank(pattern, tensor.shape, tensor.format.bits, bus_bits)
        return place(pattern, tensor.shape, self.run_time.forms[tensor.name])


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


def written_once(kernel: SpaceTime, tensor: TensorAccess, level: int) -> bool:
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


def _unit_guards(
    kernel: SpaceTime, grid: Grid, leaves: Sequence[bool]
) -> tuple[tuple[Guard, ...], ...]:
    """Per unit the sides of the iteration box that its points can leave."""
    matrix = np.array(kernel.space_matrix, dtype=np.int64).reshape(len(kernel.loops), -1)
    places = grid.points @ matrix.T
    guards: list[list[Guard]] = [[] for _ in range(grid.size)]
    for d, bound in enumerate(kernel.bounds):
        reach = _Reach.of(kernel.time_matrix[d], kernel.time_extents, kernel.offset[d], leaves[d])
        at: dict[int, Guard | None] = {
            w: _guard(d, w, reach, bound) for w in set(places[:, d].tolist())
        }
        for unit, w in enumerate(places[:, d].tolist()):
            guard = at[w]
            if guard is not None:
                guards[unit].append(guard)
    return tuple(map(tuple, guards))


def _slot_guards(
    pattern: AccessPattern, shape: IntVector, slot: int, leaves: Sequence[bool]
) -> tuple[Guard, ...]:
    guards = []
    for d, bound in enumerate(shape):
        reach = _Reach.of(pattern.steps[d], pattern.extents, pattern.origin[d], leaves[d])
        guard = _guard(d, pattern.slots[slot][d], reach, bound)
        if guard is not None:
            guards.append(guard)
    return tuple(guards)


@dataclass(frozen=True)
class _Reach:
    """The least and largest value of an index; ``falls`` and ``rises`` say that it can leave its
    bounds below, or above, at other bounds than the present ones.
    """

    low: int
    high: int
    falls: bool
    rises: bool

    @classmethod
    def of(cls, steps: Sequence[int], extents: Iterable[int], origin: int, leaves: bool) -> _Reach:
        low, high = _span(steps, extents, origin)
        return cls(low, high, leaves and (origin < 0 or min(steps, default=0) < 0), leaves)


def _guard(dimension: int, displacement: int, reach: _Reach, bound: int) -> Guard | None:
    """``0 <= v + displacement < bound`` as a condition on ``v``, given what ``v`` reaches."""
    falls = reach.falls or reach.low + displacement < 0
    rises = reach.rises or reach.high + displacement >= bound
    if not falls and not rises:
        return None
    return Guard(
        dimension, -displacement if falls else None, bound - 1 - displacement if rises else None
    )


def _span(steps: Sequence[int], extents: Iterable[int], origin: int) -> tuple[int, int]:
    reach = [(n - 1) * c for n, c in zip(extents, steps, strict=True)]
    return origin + sum(min(0, r) for r in reach), origin + sum(max(0, r) for r in reach)

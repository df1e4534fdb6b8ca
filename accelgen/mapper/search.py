"""The best mapping, with the proof: every mapping of the space is covered by a bound.

The space: configurations of the array (:mod:`accelgen.mapper.space`); around each of them boxes of
iterations, one for every level of buffers, that are a whole number of array steps along every loop:
for each number of boxes in the one around it the smallest such (larger ones take more room and move
the same), dividing it where it is not the whole loop; of each operand as many tiles as its memory
has buffers (one where it never changes); any order of the loops over boxes and within them, as the
space says.

Configurations come best bound first (:func:`accelgen.mapper.bounds.floor_of`); of each, tiles are
chosen loop by loop (:func:`accelgen.mapper.branch.branch`).  What is left is evaluated exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Literal

import numpy as np

from accelgen.affine.roles import Role
from accelgen.errors import InfeasibleError, InputError
from accelgen.hardware.model import Dataflow, Hardware
from accelgen.mapper.branch import Space, explore, found_in, sizes_of
from accelgen.mapper.cost import Cost, cost
from accelgen.mapper.exhaustive import evaluate_every
from accelgen.mapper.mapping import Mapping, Unrolling, spread_of
from accelgen.mapper.outside import outside_table
from accelgen.mapper.problem import Problem
from accelgen.mapper.relaxed import least_crossing
from accelgen.mapper.sizes import fits
from accelgen.mapper.space import (
    Constraints,
    Holding,
    fill_of,
    holdings,
    inner_orders,
    orders,
    register_tiles,
    unrollings,
)
from accelgen.mapper.tables import Floats, Integers, Nest, Tables, levels_of, made_config, tables_of
from accelgen.names import FrozenMap, unknown

__all__ = ["Certificate", "Objective", "Optimum", "best_mapping", "exponents_of", "value_of"]

Objective = Literal["latency", "energy", "edp"] | tuple[float, float]
"""What is minimised: ``energy ** a * latency ** b`` for (a, b), neither below 0."""

_NAMED = {"latency": (1e-9, 1.0), "energy": (1.0, 1e-9), "edp": (1.0, 1.0)}
"""Of mappings that take the same time the one with less energy, and the other way round."""


@dataclass(frozen=True)
class Certificate:
    """Why no mapping of the space is better.

    ``covered`` mappings: ``too_large`` do not fit the buffer, ``bounded`` have a bound no better
    than the best value, ``evaluated`` were evaluated.  ``bounds`` were computed for that.
    """

    covered: int
    too_large: int
    bounded: int
    evaluated: int
    bounds: int = 0

    def check(self) -> None:
        """Assert that every mapping is accounted for, once."""
        assert min(self.too_large, self.bounded, self.evaluated) >= 0
        assert self.covered == self.too_large + self.bounded + self.evaluated


@dataclass(frozen=True)
class Optimum:
    """The best mapping, its cost, and the proof."""

    mapping: Mapping
    cost: Cost
    certificate: Certificate


def value_of(found: Cost, objective: Objective) -> float:
    """What is minimised."""
    energy, latency = exponents_of(objective)
    return float(found.total_pj**energy * found.cycles**latency)


def exponents_of(objective: Objective) -> tuple[float, float]:
    """Exponents of energy and latency.  Raises :class:`InputError` for what is no objective."""
    if isinstance(objective, str):
        if objective not in _NAMED:
            raise unknown(objective, "objective", _NAMED)
        return _NAMED[objective]
    if not all(0 <= exponent < inf for exponent in objective):
        raise InputError(f"exponents {objective}", where="objective", hint="use 0 or more")
    return objective


def best_mapping(
    problem: Problem,
    hardware: Hardware,
    objective: Objective = "edp",
    constraints: Constraints = Constraints(),  # noqa: B008 - frozen
    start: Mapping | None = None,
    *,
    exhaustive: bool = False,
) -> Optimum:
    """The mapping of the space (see above) with the least value of the objective.

    ``start`` is one to measure others by, best of a similar problem; the result does not depend on
    it, the time does.  With ``exhaustive`` every mapping is evaluated, and no bound is used.

    Raises:
        InputError: the hardware has no buffers below one outermost memory, no energy for the number
            format, or not what ``constraints`` name.
        InfeasibleError: not even the smallest tiles fit, or nothing is as pinned.
    """
    constraints.check(problem, hardware)
    # Loops of a single iteration change nothing, but everything goes through all loops.
    named = constraints.named
    single = frozenset(
        d for d, n in enumerate(problem.bounds) if n == 1 and problem.loops[d] not in named
    )
    if 0 < len(single) < len(problem.bounds):
        small = start.without(single) if start is not None else None
        found = best_mapping(
            problem.without(single), hardware, objective, constraints, small, exhaustive=exhaustive
        )
        return replace(found, mapping=found.mapping.including(single))
    t = tables_of(problem, hardware)
    exponents = np.array(exponents_of(objective), dtype=np.float64)
    choices, spaces = _spaces(problem, hardware, constraints, t)
    value = inf
    mapping: Mapping | None = None
    if start is not None and _is_in(start, t, choices, spaces):
        # Anything as good is found again; what is clearly worse need not be looked at.
        value = value_of(cost(problem, hardware, start), objective) * (1 + 1e-9)
    counts, covered = np.zeros(3, dtype=np.int64), 0
    for space in spaces:
        boxes = len(space.whole)
        best = np.full(2 + (2 * boxes + 1) * len(problem.bounds), inf)
        best[0] = value
        if exhaustive:
            evaluate_every(t, space, exponents, best, counts)
            covered = int(counts[:2].sum())
        else:
            least = _least_crossing(t, space, exponents)
            covered += int(explore(t, space, *least, exponents, best, counts))
        if best[1] < inf:
            value = best[0]
            mapping = _mapping(problem, choices, space, int(best[1]), found_in(best, space.held))
    if mapping is None:
        raise _does_not_fit(problem, hardware, spaces[0])
    too_large, evaluated, bounds = (int(n) for n in counts)
    certificate = Certificate(
        covered, too_large, covered - too_large - evaluated, evaluated, bounds
    )
    certificate.check()
    return Optimum(mapping, cost(problem, hardware, mapping), certificate)


def _least_crossing(t: Tables, space: Space, exponents: Floats) -> tuple[Floats, float]:
    """PJ of what crosses the boundary of every level, and bits of the outermost memory, that no
    mapping is below.
    """
    output, levels = len(t.bits) - 1, len(space.held)
    least_pj, least_bits = np.zeros(levels), 0.0
    for p, level in enumerate(space.held):
        boxes = {int(box) for o, box in enumerate(level) if p or not t.streams[o]}
        if len(boxes) > 1:
            # Only for levels that hold all operands for the same iterations.
            continue
        pinned = space.pinned[boxes.pop() - 1]
        table = space.outside_table if p == levels - 1 else space.grouped_table
        if exponents[0] > 0:
            inputs = t.bits * t.outside[p, :, 0]
            again = float(t.partial[output] * t.outside[p, output].sum())
            once = float(t.bits[output] * t.outside[p, output, 1])
            least_pj[p] = least_crossing(t, p, table, pinned, inputs, again, once)
        if exponents[1] > 0 and t.carried[0] < inf and p == levels - 1:
            again, once = float(2 * t.partial[output]), float(t.bits[output])
            least_bits = least_crossing(t, p, table, pinned, t.bits, again, once)
    # Where nothing fits there is nothing to bound.
    least_pj[np.isinf(least_pj)] = 0.0
    return least_pj, least_bits if least_bits < inf else 0.0


def _mapping(
    problem: Problem,
    choices: list[tuple[Dataflow, Unrolling]],
    space: Space,
    number: int,
    nest: Nest,
) -> Mapping:
    """A configuration with boxes and orders around it."""
    dataflow, unrolling = choices[number]
    step = np.minimum(np.array(problem.bounds), space.spreads[number] * space.inners[number])
    return Mapping(
        (_box(step), *map(_box, nest.tiles), problem.bounds),
        tuple(map(_box, nest.orders)),
        unrolling,
        _box(space.inners[number]),
        dataflow.name,
        tuple(map(_box, nest.held)),
    )


def _is_in(
    start: Mapping,
    t: Tables,
    choices: list[tuple[Dataflow, Unrolling]],
    spaces: list[Space],
) -> bool:
    """Whether a mapping is one of a space, and fits."""
    tiles, orders = (np.array(x, dtype=np.int64) for x in (start.tiles[1:-1], start.orders))
    held = np.array(start.boxes_held(len(t.bits)), dtype=np.int64)
    nest, outermost = Nest(tiles, orders, held), len(tiles)
    for space in spaces:
        if space.held.tolist() != held.tolist() or start.orders[-1] not in map(_box, space.outside):
            continue
        for number, (dataflow, unrolling) in enumerate(choices):
            if (dataflow.name, unrolling) != (start.dataflow, start.unrolling):
                continue
            if _box(space.inners[number]) != start.inner:
                continue
            kind = space.kinds[number]
            c = made_config(t.bounds, space.spreads[number], space.inners[number], 0)
            around = (*tiles[1:], t.bounds)
            return (
                start.orders[0] in map(_box, space.within[kind, : space.orders[kind]])
                and all(order in map(_box, space.grouped) for order in start.orders[1:-1])
                and all(
                    tiles[j - 1, d] in sizes_of(t, c, space, d, j, around[j - 1][d])
                    for j in range(1, outermost + 1)
                    for d in range(len(t.bounds))
                )
                and fits(t, c, nest, outermost, tiles[-1], tiles[-1])
            )
    return False


def _box(values: Integers) -> tuple[int, ...]:
    return tuple(int(n) for n in values)


def _spaces(
    problem: Problem, hardware: Hardware, constraints: Constraints, t: Tables
) -> tuple[list[tuple[Dataflow, Unrolling]], list[Space]]:
    """The space as arrays, of every holding, and where each configuration is from."""
    choices, spreads, inners, fills, kinds = [], [], [], [], []
    found: dict[Role | None, int] = {}
    within: list[list[tuple[int, ...]]] = []
    for dataflow, unrolling in unrollings(problem, hardware, constraints):
        kind = found.setdefault(dataflow.stationary, len(within))
        if kind == len(within):
            within.append(inner_orders(problem, dataflow, bool(t.slides.any()), constraints.inner))
        if not within[kind]:
            continue
        spread = spread_of(unrolling, len(problem.bounds))
        tiles = register_tiles(problem, hardware, dataflow, spread, constraints)
        choices += [(dataflow, unrolling)] * len(tiles)
        spreads += [spread] * len(tiles)
        inners.append(tiles)
        fills += [fill_of(hardware, unrolling)] * len(tiles)
        kinds += [kind] * len(tiles)
    if not any(within):
        raise InfeasibleError(
            f"this order moves the {' and '.join(str(role) for role in found)} that stay in place",
            where=f"{hardware.name}: inner",
            hint="name the loops that move them first, or pin another dataflow",
        )
    if not spreads:
        raise _unit_does_not_fit(problem, hardware, constraints)
    padded = np.zeros((len(within), max(map(len, within)), len(problem.bounds)), dtype=np.int64)
    for kind, several in enumerate(within):
        if several:
            padded[kind, : len(several)] = several
    outside, grouped = (
        np.array(orders(problem, pinned), dtype=np.int64) for pinned in (constraints.outer, ())
    )
    return choices, [
        Space(
            np.array(spreads, dtype=np.int64),
            np.concatenate(inners),
            np.array(fills, dtype=np.int64),
            np.array(kinds, dtype=np.int64),
            padded,
            np.array([len(several) for several in within], dtype=np.int64),
            outside,
            grouped,
            outside_table(t, outside),
            outside_table(t, grouped),
            np.stack([outside_table(t, several) for several in padded]),
            np.array(holding.held, dtype=np.int64),
            _pinned_sizes(problem, hardware, constraints, holding),
            np.array(holding.whole, dtype=np.int64),
        )
        for holding in holdings(problem, hardware, constraints)
    ]


def _pinned_sizes(
    problem: Problem, hardware: Hardware, constraints: Constraints, holding: Holding
) -> Integers:
    """Sizes of every box along every loop, 0 where they are free; of an uneven buffer those of the
    smaller box.
    """
    pinned = np.zeros((len(holding.whole), len(problem.loops)), dtype=np.int64)
    for k, level in enumerate(hardware.levels[:-1]):
        for loop, size in constraints.levels.get(level.name, FrozenMap()).items():
            pinned[k, problem.loops.index(loop)] = size
    for loop, size in constraints.buffer.items():
        pinned[0, problem.loops.index(loop)] = size
    return pinned


def _unit_does_not_fit(
    problem: Problem, hardware: Hardware, constraints: Constraints
) -> InfeasibleError:
    """Which memory of a unit is too small for even one iteration, and what fills most of it."""
    assert hardware.registers is not None
    needs = []
    for _, unrolling in unrollings(problem, hardware, constraints):
        spread = spread_of(unrolling, len(problem.bounds))
        named = zip(problem.loops, problem.bounds, spread, strict=True)
        tile = np.array([[min(constraints.registers.get(x, 1), -(-n // s)) for x, n, s in named]])
        for memory in hardware.registers.memories:
            held = [x for x in problem.operands if x.role in memory.holds]
            copies = 1 if memory.slides else memory.buffers
            bits = [int(x.footprint(tile)[0]) * x.partial_bits * copies for x in held]
            if memory.size is not None and sum(bits) > 8 * memory.size:
                largest = held[int(np.argmax(bits))]
                needs.append((-(-sum(bits) // 8), memory.name, memory.size, largest.name))
    wanted, name, size, largest_name = min(needs)
    pinned = " as pinned" if constraints.registers else ""
    return InfeasibleError(
        f"the smallest tile of a unit{pinned} needs {wanted} bytes, {name} has {size}; "
        f"most of it is {largest_name}",
        where=f"{hardware.name}: {hardware.registers.name}",
        hint=f"give {name} {wanted} bytes" + (", or pin less" if pinned else ""),
    )


def _does_not_fit(problem: Problem, hardware: Hardware, space: Space) -> InfeasibleError:
    """Which memory is too small for even the smallest tiles, and what fills most of it."""
    buffers, _ = levels_of(hardware)
    bounds = np.array(problem.bounds)
    steps = np.minimum(bounds, space.spreads * space.inners)
    needs, sizes = {}, {}
    for p, level in enumerate(buffers):
        wanted = -(-np.minimum(bounds, np.maximum(space.pinned[p], 1)) // steps)
        sizes[level] = tiles = np.minimum(bounds, wanted * steps)
        for memory in level.memories:
            bits = np.zeros(len(steps), dtype=np.int64)
            for operand in (x for x in problem.operands if x.role in memory.holds):
                if memory.streams:
                    bits += operand.footprint(steps) * operand.bits
                    continue
                loops = sorted(operand.loops)
                changes = (tiles[:, loops] < bounds[loops]).any(axis=1)
                copies = np.where(changes, memory.buffers, 1)
                bits += operand.footprint(tiles) * operand.partial_bits * copies
            needs[level, memory] = bits
    # The configuration that lacks least where it lacks most.
    lacking = np.stack(
        [bits / (8 * m.size) if m.size else 0.0 * bits for (_, m), bits in needs.items()]
    )
    number = int(lacking.max(axis=0).argmin())
    if lacking[:, number].max() <= 1.0:
        return InfeasibleError(
            "no tiles are as pinned: they are no whole parts of one another",
            where=hardware.name,
            hint="pin sizes of which those outside are multiples, or pin less",
        )
    level, memory = list(needs)[int(lacking[:, number].argmax())]
    held = [x for x in problem.operands if x.role in memory.holds]
    tile = sizes[level][[number]]
    largest = max(held, key=lambda x: int(x.footprint(tile)[0]) * x.partial_bits)
    wanted_bytes = -(-int(needs[level, memory][number]) // 8)
    pinned = " as pinned" if space.pinned.any() else ""
    return InfeasibleError(
        f"the smallest tiles{pinned} need {wanted_bytes} bytes, {memory.name} has {memory.size}; "
        f"most of it is {largest.name}",
        where=hardware.name,
        hint=f"give {memory.name} {wanted_bytes} bytes, or "
        + ("pin less" if pinned else "a smaller array"),
    )

"""What a fabric does, cycle by cycle, on names of elements instead of numbers.

A plain reading of the fabric's own documentation, independent of netlist and hardware: time is
the dataflow's, without any pipeline registers.  Every signal is a function of the cycle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from itertools import product

import numpy as np

from accelgen.fabric.access import AccessPattern
from accelgen.fabric.fabric import Fabric, Guard, InputPlan

Index = tuple[int, ...]
Element = Index | None
Token = tuple[int, Index]
"""A product: the unit that makes it and the iteration it makes it in."""
Sum = tuple[Token | None, ...]
"""The products in a sum; ``None`` stands for something undefined."""


def affine(matrix: tuple[Index, ...], x: Index, origin: Index) -> Index:
    return tuple(
        o + sum(a * b for a, b in zip(row, x, strict=True))
        for row, o in zip(matrix, origin, strict=True)
    )


def plus(a: Index, b: Index) -> Index:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def holds(guards: tuple[Guard, ...], values: Index) -> bool:
    return all(
        (g.low is None or values[g.dimension] >= g.low)
        and (g.high is None or values[g.dimension] <= g.high)
        for g in guards
    )


def accesses(pattern: AccessPattern) -> Iterator[tuple[int, Index]]:
    """Every access of a pattern: its cycle and its loop indices."""
    for t in product(*map(range, pattern.extents)):
        yield pattern.start + sum(a * b for a, b in zip(t, pattern.strides, strict=True)), t


class Trace:
    """One problem on a fabric."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        kernel = fabric.kernel
        self.iterations = list(product(*map(range, kernel.time_extents)))
        self._issued = {fabric.schedule.flat(t): t for t in self.iterations}
        assert len(self._issued) == len(self.iterations)
        points = list(product(*map(range, kernel.space_extents)))
        self._inside = {
            (u, t)
            for u, s in enumerate(points)
            for t in self.iterations
            if all(
                0 <= i < n
                for i, n in zip(
                    plus(
                        affine(kernel.time_matrix, t, kernel.offset),
                        affine(kernel.space_matrix, s, (0,) * len(kernel.loops)),
                    ),
                    kernel.bounds,
                    strict=True,
                )
            )
        }
        self.points = points

    def inside(self, unit: int, t: Index) -> bool:
        """Whether the unit's point of iteration ``t`` is in the iteration domain."""
        return (unit, t) in self._inside

    def use(self, unit: int, t: Index) -> int:
        """The cycle in which a unit executes an iteration."""
        return self.fabric.schedule.flat(t) + self.fabric.offsets[unit]

    def needed(self, tensor: int, unit: int, t: Index) -> Index:
        """The element of input ``tensor`` that a unit needs for an iteration."""
        kernel = self.fabric.kernel
        access = kernel.tensors[tensor]
        index = (
            kernel.origin(access)
            + kernel.along_time(access) @ np.array(t, dtype=np.int64)
            + kernel.along_space(access) @ np.array(self.points[unit], dtype=np.int64)
        )
        return tuple(index.tolist())

    def operand(self, plan: InputPlan) -> Callable[[int, int], Element]:
        """The element on the operand wire of a unit in a cycle (``None``: undefined)."""
        links, offsets = plan.interconnect, self.fabric.offsets
        moved = {
            cycle: affine(plan.pattern.steps, t, plan.pattern.origin)
            for cycle, t in accesses(plan.pattern)
        }

        def slot(p: int, cycle: int) -> Element:
            base = moved.get(cycle)
            return None if base is None else plus(base, plan.pattern.slots[p])

        # Per unit of a chain: its slot, the cycles on the way, and the wait for the switch.
        stage: dict[int, tuple[int, int, int]] = {}
        if plan.chain is not None:
            earliest = min(arrivals[0] for arrivals in plan.chain.arrivals)
            for number, (run, arrivals) in enumerate(
                zip(plan.chain.runs, plan.chain.arrivals, strict=True)
            ):
                behind = arrivals[0] - earliest
                hops = plan.chain.hops(number)
                for unit, arrival, hop in zip(run, arrivals, [0, *hops], strict=True):
                    behind += hop
                    stage[unit] = (plan.slot[run[0]], behind, offsets[unit] - arrival)

        def feed(unit: int, cycle: int) -> Element:
            if plan.chain is None:
                return slot(plan.slot[unit], cycle - offsets[unit])
            p, behind, wait = stage[unit]
            return slot(p, cycle - wait - behind)

        def port(unit: int, cycle: int) -> Element:
            if plan.hold is None:
                return slot(plan.slot[unit], cycle - offsets[unit])
            switch = max(
                (
                    c + offsets[unit]
                    for c, t in self._issued.items()
                    if not any(t[plan.hold :]) and c + offsets[unit] <= cycle
                ),
                default=None,
            )
            return None if switch is None else feed(unit, switch)

        @cache
        def operand(unit: int, cycle: int) -> Element:
            head = links.head[unit]
            giver = links.giver[head]
            if giver < 0:
                return port(head, cycle)
            link = links.links[links.link[head]]
            near = operand(giver, cycle - link.depth)
            if not links.port[head]:
                return near
            t = self._issued.get(cycle - offsets[head])
            if t is None:
                return None
            valid = all(
                0 <= x - d < n
                for x, d, n in zip(t, link.dt, self.fabric.kernel.time_extents, strict=True)
            )
            return near if valid else port(head, cycle)

        return operand

    def written(self) -> tuple[dict[Index, Counter[Token | None]], Counter[Index]]:
        """The products in each element of the output memory at the end, and its writes."""
        fabric, plan = self.fabric, self.fabric.output
        groups, offsets = plan.reduction.groups, fabric.offsets

        @cache
        def total(unit: int, cycle: int) -> Sum:
            t = self._issued.get(cycle - offsets[unit])
            own: Sum = (None,)
            if t is not None:
                values = affine(fabric.kernel.time_matrix, t, fabric.kernel.offset)
                own = ((unit, t),) if holds(fabric.guards[unit], values) else ()
            for source in plan.reduction.partials[unit]:
                own += total(source, cycle - (offsets[unit] - offsets[source]))
            return own

        def group_total(g: int, cycle: int) -> Sum:
            result: Sum = ()
            for end in groups[g].ends:
                result += total(end, cycle - (groups[g].offset - offsets[end]))
            return result

        def group_sum(g: int, cycle: int) -> Sum:
            if plan.hold is None:
                return group_total(g, cycle)
            # Back to the iteration that restarted the sum.
            result: Sum = ()
            for c in range(cycle - groups[g].offset, -1, -1):
                t = self._issued.get(c)
                if t is not None:
                    result += group_total(g, c + groups[g].offset)
                    if not any(t[plan.hold :]):
                        return result
            return (*result, None)

        group_sum = lru_cache(maxsize=None)(group_sum)

        def exit_of(g: int, cycle: int) -> Sum:
            if plan.chain is None:
                latest = max(group.offset for group in groups)
                return group_sum(g, cycle - (latest - groups[g].offset))
            latest = max(arrivals[-1] for arrivals in plan.chain.arrivals)
            number = next(k for k, run in enumerate(plan.chain.runs) if run[-1] == g)
            run, arrivals = plan.chain.runs[number], plan.chain.arrivals[number]
            hops = [0, *plan.chain.hops(number)]
            cycle -= latest - arrivals[-1]
            for position in range(len(run) - 1, -1, -1):
                t = self._issued.get(cycle - arrivals[position])
                ends = self.fabric.kernel.time_extents[plan.hold :]
                last = t is not None and t[plan.hold :] == tuple(n - 1 for n in ends)
                if last or position == 0:
                    own = run[position]
                    return group_sum(own, cycle - (arrivals[position] - groups[own].offset))
                cycle -= hops[position]
            raise AssertionError

        memory: dict[Index, Counter[Token | None]] = {}
        writes: Counter[Index] = Counter()
        for cycle, t in accesses(plan.pattern):
            base = affine(plan.pattern.steps, t, plan.pattern.origin)
            for g, p in enumerate(plan.slot):
                if p < 0 or not holds(plan.guards[p], base):
                    continue
                if plan.chain is not None and t[-1] >= plan.runs[p]:
                    continue
                element = plus(base, plan.pattern.slots[p])
                tokens = Counter(exit_of(g, cycle))
                if plan.accumulate:
                    tokens += memory.get(element, Counter())
                memory[element] = tokens
                writes[element] += 1
        return memory, writes

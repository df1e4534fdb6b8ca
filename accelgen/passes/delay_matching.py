"""Delay matching: place pipeline registers so that everything meets in the right cycle.

Every group of nodes has a pipeline position D (cycles after its place in the dataflow); edge
e = (u, v) then carries ``r_e = delay_e + D_v - D_u - latency_u >= 0`` registers.  Paths longer
than the clock period get at least one register: for every pair of nodes it suffices to demand
that of the path with the fewest registers (C. E. Leiserson and J. B. Saxe, "Retiming
synchronous circuitry", Algorithmica 6, 1991).  The latency is the least possible; among those
solutions the linear program finds the one with the fewest register bits, where the edges that
leave a node share one tapped delay line.  All constraints are differences of two variables, so
the optimum is integral; that is checked, never rounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import pulp

from accelgen.errors import InfeasibleError
from accelgen.netlist.graph import Netlist, Node
from accelgen.passes.timing import TOLERANCE, TimingModel, arrivals
from accelgen.technology import Technology

__all__ = [
    "DelayProblem",
    "Pipeline",
    "formulate",
    "greedy",
    "least_latency",
    "match_delays",
    "solve",
    "verify",
]

ORIGIN = "control"
"""The group that issues iterations: its position is 0."""

SINK = "write"
"""The group whose position is the latency of the pipeline."""


@dataclass(frozen=True)
class DelayProblem:
    """The linear program: ``D[v] - D[u] >= least`` for each (u, v, least), D >= 0, and the
    delay lines: ``weight`` bits times the longest of ``D[v] - D[u] + extra``.
    """

    groups: tuple[str, ...]
    differences: tuple[tuple[str, str, int], ...]
    lines: tuple[tuple[str, int, tuple[tuple[str, int], ...]], ...]

    def cost(self, positions: Mapping[str, int]) -> int:
        """Register bits of a solution."""
        return sum(
            weight * max(positions[v] - positions[u] + extra for v, extra in taps)
            for u, weight, taps in self.lines
        )

    def violated(self, positions: Mapping[str, int]) -> tuple[str, str, int] | None:
        """The first constraint a solution breaks."""
        for u, v, least in self.differences:
            if positions[v] - positions[u] < least:
                return u, v, least
        return None


@dataclass(frozen=True)
class Pipeline:
    """A netlist with the registers on its edges.

    ``registers[n][e]`` belongs to input ``e`` of node ``n``; ``latency`` is the position of the
    memory writes; ``bits`` the register bits on edges (delay lines shared per node).
    """

    netlist: Netlist
    positions: tuple[tuple[str, int], ...]
    registers: tuple[tuple[int, ...], ...]
    period: float
    critical: float
    bits: int

    def position(self, group: str) -> int:
        """Pipeline position of a group in cycles."""
        return dict(self.positions)[group]

    @property
    def latency(self) -> int:
        """Cycles from the issue of an iteration to its data at the output memory, beyond the
        delay of the dataflow itself.
        """
        return self.position(SINK)


def match_delays(netlist: Netlist, technology: Technology, period: float | None = None) -> Pipeline:
    """Formulate, solve, verify.

    ``period`` is the target clock in ns; without one it is the technology's default, or the
    shortest this netlist can have when that is longer.  Raises :class:`InfeasibleError` naming
    the loop that does not fit the period and the smallest period that would do.
    """
    model, problem = _posed(netlist, technology, period)
    positions = solve(problem)
    registers = _registers(netlist, positions)
    critical = verify(netlist, registers, model)
    return Pipeline(
        netlist,
        tuple(sorted(positions.items())),
        registers,
        model.period,
        critical + model.overhead,
        problem.cost(positions),
    )


def least_latency(netlist: Netlist, technology: Technology, period: float | None = None) -> int:
    """The latency :func:`match_delays` will reach, without solving the linear program."""
    _, problem = _posed(netlist, technology, period)
    return greedy(problem)[SINK]


def formulate(netlist: Netlist, model: TimingModel) -> DelayProblem:
    """The constraints and delay lines of a netlist under a clock period."""
    nodes = netlist.nodes
    groups = sorted({ORIGIN, *(node.group for node in nodes)})
    least: dict[tuple[str, str], int] = {}
    lines: Counter[tuple[str, int, tuple[tuple[str, int], ...]]] = Counter()
    for number, readers in enumerate(netlist.fanout()):
        source = nodes[number]
        taps: dict[str, int] = {}
        for reader, edge in readers:
            group, extra = nodes[reader].group, edge.delay - source.latency
            key = (source.group, group)
            least[key] = max(least.get(key, -extra), -extra)
            taps[group] = max(taps.get(group, extra), extra)
        if taps:
            lines[source.group, source.format.bits, tuple(sorted(taps.items()))] += 1
    for (u, v), registers in _long_paths(netlist, model).items():
        least[u, v] = max(least.get((u, v), registers), registers)
    return DelayProblem(
        tuple(groups),
        tuple((u, v, need) for (u, v), need in sorted(least.items())),
        tuple((u, bits * count, taps) for (u, bits, taps), count in sorted(lines.items())),
    )


def greedy(problem: DelayProblem) -> dict[str, int]:
    """Everything as early as possible: the least latency, but not the fewest registers."""
    positions = _relax(problem)
    assert positions is not None
    return positions


def solve(problem: DelayProblem) -> dict[str, int]:
    """The positions with the fewest register bits among those of least latency.

    Where several solutions have the fewest, the one in which everything is earliest: the
    solutions of least cost are closed under the minimum, so it is unique, whichever of them
    the solver finds first.
    """
    latency = greedy(problem)[SINK]
    program = pulp.LpProblem("delay_matching", pulp.LpMinimize)
    position = {g: program.add_variable(f"D{k}", lowBound=0) for k, g in enumerate(problem.groups)}
    length = [program.add_variable(f"R{k}", lowBound=0) for k in range(len(problem.lines))]
    bits = pulp.lpSum(
        weight * line for (_, weight, _), line in zip(problem.lines, length, strict=True)
    )
    program += bits
    program += position[ORIGIN] == 0
    program += position[SINK] == latency
    for u, v, least in problem.differences:
        if u != v:
            program += position[v] - position[u] >= least
    for (u, _, taps), line in zip(problem.lines, length, strict=True):
        for v, extra in taps:
            program += line - position[v] + position[u] >= extra
    fewest = problem.cost(_run(program, position))
    program += bits <= fewest
    program.setObjective(pulp.lpSum(position.values()))
    positions = _run(program, position)
    assert problem.cost(positions) == fewest
    return positions


def verify(netlist: Netlist, registers: tuple[tuple[int, ...], ...], model: TimingModel) -> float:
    """Check register counts on their own, without positions; return the longest delay (ns).

    All paths between two nodes must differ by exactly their dataflow delays, and every path
    between registers must fit the period; anything else raises :class:`AssertionError`.
    """
    shift: list[int | None] = [None] * len(netlist.nodes)
    readers = netlist.fanout()
    slot = [{id(edge): k for k, edge in enumerate(node.inputs)} for node in netlist.nodes]
    for root, node in enumerate(netlist.nodes):
        if shift[root] is not None:
            continue
        shift[root] = 0
        stack = [root]
        while stack:
            here = stack.pop()
            base = shift[here]
            assert base is not None
            node = netlist.nodes[here]
            moves = [
                (reader, registers[reader][slot[reader][id(edge)]] - edge.delay + node.latency)
                for reader, edge in readers[here]
            ] + [
                (
                    edge.source,
                    -registers[here][k] + edge.delay - netlist.nodes[edge.source].latency,
                )
                for k, edge in enumerate(node.inputs)
            ]
            for other, step in moves:
                if shift[other] is None:
                    shift[other] = base + step
                    stack.append(other)
                assert shift[other] == base + step, (
                    f"data at {netlist.nodes[other].name} arrive in different cycles"
                )
    assert all(count >= 0 for counts in registers for count in counts), "negative delay"
    worst = arrivals(netlist, registers, model)
    assert worst <= model.budget + TOLERANCE, f"a path takes {worst:.3f} ns"
    return worst


def _posed(
    netlist: Netlist, technology: Technology, period: float | None
) -> tuple[TimingModel, DelayProblem]:
    """The timing model and a problem that is known to have a solution."""
    if period is None:
        period = _shortest_period(netlist, technology, technology.default_period)
    model = TimingModel(technology, period)
    problem = formulate(netlist, model)
    if not _feasible(netlist, model):
        raise _explain(netlist, model, problem)
    return model, problem


def _registers(netlist: Netlist, positions: Mapping[str, int]) -> tuple[tuple[int, ...], ...]:
    nodes = netlist.nodes
    return tuple(
        tuple(
            edge.delay
            + positions[node.group]
            - positions[nodes[edge.source].group]
            - nodes[edge.source].latency
            for edge in node.inputs
        )
        for node in nodes
    )


def _run(program: pulp.LpProblem, position: Mapping[str, pulp.LpVariable]) -> dict[str, int]:
    """Solve; as an integer program should the optimum of the linear one not be integral."""
    for category in (pulp.LpContinuous, pulp.LpInteger):
        for variable in position.values():
            variable.cat = category
        program.solve(pulp.HiGHS(msg=False, threads=1))
        assert program.status == pulp.LpStatusOptimal, pulp.LpStatus[program.status]
        values = {group: float(variable.value()) for group, variable in position.items()}
        if all(abs(value - round(value)) <= 1e-6 for value in values.values()):
            break
    return {group: round(value) for group, value in values.items()}


def _slowest(netlist: Netlist, model: TimingModel) -> tuple[float, Node]:
    """The node that takes longest on its own: through it, or round the loop inside it."""

    def delay(node: Node) -> float:
        inputs = [netlist.nodes[edge.source] for edge in node.inputs]
        return max(model.arriving(node, inputs), model.loop(node), model.leaving(node))

    node = max(netlist.nodes, key=delay)
    return delay(node), node


def _long_paths(netlist: Netlist, model: TimingModel) -> dict[tuple[str, str], int]:
    """For pairs of groups joined by a path longer than the budget: D_v - D_u >= value.

    Works on groups, joined by every distinct edge between their nodes, which covers every
    path of the netlist.
    """
    nodes = netlist.nodes
    vertices = sorted({(n.group, n.latency) for n in nodes})
    number = {vertex: k for k, vertex in enumerate(vertices)}
    arriving = [0.0] * len(vertices)
    leaving = [0.0] * len(vertices)
    edges: dict[tuple[int, int], int] = {}
    for node in nodes:
        v = number[node.group, node.latency]
        sources = [nodes[edge.source] for edge in node.inputs]
        arriving[v] = max(arriving[v], model.arriving(node, sources))
        leaving[v] = max(leaving[v], model.leaving(node))
        for edge, source in zip(node.inputs, sources, strict=True):
            u = number[source.group, source.latency]
            edges[u, v] = min(edges.get((u, v), edge.delay), edge.delay)
    outgoing: list[list[tuple[int, int]]] = [[] for _ in vertices]
    for (u, v), steps in edges.items():
        outgoing[u].append((v, steps))
    needs: dict[tuple[str, str], int] = {}
    for start, (group, latency) in enumerate(vertices):
        first = leaving[start] if latency else arriving[start]
        for end, (weight, delay) in _fewest_registers(
            start, first, outgoing, arriving, [v[1] for v in vertices]
        ).items():
            if delay > model.budget + TOLERANCE:
                # sum(delay_e) - latency + D_v - D_u >= 1
                key = (group, vertices[end][0])
                needs[key] = max(needs.get(key, -(1 << 30)), 1 - weight + latency)
    return needs


def _fewest_registers(
    start: int,
    first: float,
    outgoing: list[list[tuple[int, int]]],
    arriving: list[float],
    latency: list[int],
) -> dict[int, tuple[int, float]]:
    """Per reachable vertex the least dataflow delay of a combinational path from ``start``,
    and the longest propagation delay among the paths that have it.
    """
    best: dict[int, tuple[int, float]] = {}
    longest = first + sum(arriving) + TOLERANCE
    queue: list[tuple[int, int, float]] = [(start, 0, first)]
    while queue:
        here, weight, delay = queue.pop()
        for there, step in outgoing[here]:
            candidate = (weight + step, delay + arriving[there])
            known = best.get(there)
            if known is not None and (known[0], -known[1]) <= (candidate[0], -candidate[1]):
                continue
            # A loop without delay would be walked for ever.
            assert candidate[1] <= longest, "a combinational loop"
            best[there] = candidate
            if latency[there] == 0:
                queue.append((there, *candidate))
    return best


def _relax(problem: DelayProblem) -> dict[str, int] | None:
    """The least non-negative solution (Bellman-Ford); ``None`` when there is none."""
    positions = dict.fromkeys(problem.groups, 0)
    for _ in range(len(problem.groups) + 1):
        changed = False
        for u, v, least in problem.differences:
            if positions[v] < positions[u] + least:
                positions[v] = positions[u] + least
                changed = True
        if not changed:
            return positions if positions[ORIGIN] == 0 else None
    return None


def _explain(netlist: Netlist, model: TimingModel, problem: DelayProblem) -> InfeasibleError:
    """Which primitive or loop does not fit the period, and the least period that would do."""
    delay, node = _slowest(netlist, model)
    if delay > model.budget + TOLERANCE:
        kind = "loop through" if model.loop(node) >= delay - TOLERANCE else "primitive"
        message = (
            f"the {kind} {node.name} ({node.kind}, {node.format.bits} bits) takes "
            f"{delay + model.overhead:.3f} ns, the clock period is {model.period:g} ns"
        )
        remedy = "narrower types"
    else:
        loop = " -> ".join(_loop(problem))
        message = f"the loop {loop} has too few registers for a period of {model.period:g} ns"
        remedy = "a larger skew along its links"
    shortest = _shortest_period(netlist, model.technology, model.period)
    return InfeasibleError(
        message, where="delay matching", hint=f"use a period of {shortest:g} ns or {remedy}"
    )


def _shortest_period(netlist: Netlist, technology: Technology, at_least: float) -> float:
    """The shortest feasible period (to 1 ps, rounded up) that is no less than ``at_least``."""
    high = at_least
    while not _feasible(netlist, TimingModel(technology, high)):
        high *= 1.25
    low = at_least
    while high - low > 0.001:
        middle = (low + high) / 2
        if _feasible(netlist, TimingModel(technology, middle)):
            high = middle
        else:
            low = middle
    return at_least if high == at_least else _round_up(high)


def _feasible(netlist: Netlist, model: TimingModel) -> bool:
    if _slowest(netlist, model)[0] > model.budget + TOLERANCE:
        return False
    return _relax(formulate(netlist, model)) is not None


def _loop(problem: DelayProblem) -> list[str]:
    """The groups on a cycle of constraints that cannot all hold."""
    positions = dict.fromkeys(problem.groups, 0)
    parent: dict[str, str] = {}
    last = problem.groups[0]
    for _ in range(len(problem.groups) + 1):
        for u, v, least in problem.differences:
            if positions[v] < positions[u] + least:
                positions[v] = positions[u] + least
                parent[v] = last = u
    for _ in problem.groups:
        last = parent.get(last, last)
    cycle = [last]
    while parent.get(cycle[-1], last) != last and len(cycle) <= len(problem.groups):
        cycle.append(parent[cycle[-1]])
    return [*reversed(cycle), cycle[-1]]


def _round_up(period: float) -> float:
    """To whole picoseconds."""
    return ceil(period * 1000 - TOLERANCE) / 1000

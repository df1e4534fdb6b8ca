"""The linear program of delay matching: its constraints, its cost, its earliest solution.

Every group of nodes has a pipeline position D (cycles after its place in the dataflow); edge
e = (u, v) then carries ``r_e = delay_e + D_v - D_u - latency_u >= 0`` registers.  Paths longer
than the clock period get at least one register: for every pair of nodes it suffices to demand
that of the path with the fewest registers (C. E. Leiserson and J. B. Saxe, "Retiming
synchronous circuitry", Algorithmica 6, 1991).  All constraints are differences of two variables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from accelgen.netlist.graph import Netlist
from accelgen.passes.timing import TOLERANCE, TimingModel

__all__ = [
    "ORIGIN",
    "SINK",
    "DelayProblem",
    "formulate",
    "greedy",
    "is_causal",
    "relax",
    "tight_loop",
]

ORIGIN = "control"
"""The group that issues iterations: its position is 0."""

WRITES = "write.control"
"""The group of the flags that say what is written."""

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


def formulate(netlist: Netlist, model: TimingModel, *, share: bool = True) -> DelayProblem:
    """The constraints and delay lines of a netlist under a clock period.

    The edges that leave a node are taps of one delay line, or, without ``share``, a line each.
    """
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
            if not share and source.kind != "constant":
                lines[source.group, source.format.bits, ((group, extra),)] += 1
        if share and taps and source.kind != "constant":
            lines[source.group, source.format.bits, tuple(sorted(taps.items()))] += 1
    if netlist.frame is not None and not netlist.frame.settled and WRITES in groups:
        # Where bounds are registers, it is the last iteration of a tile that starts its writes.
        least[ORIGIN, WRITES] = max(least.get((ORIGIN, WRITES), 1), 1)
    for (u, v), registers in _long_paths(netlist, model).items():
        least[u, v] = max(least.get((u, v), registers), registers)
    return DelayProblem(
        tuple(groups),
        tuple((u, v, need) for (u, v), need in sorted(least.items())),
        tuple((u, bits * count, taps) for (u, bits, taps), count in sorted(lines.items())),
    )


def is_causal(netlist: Netlist) -> bool:
    """Whether there are positions for all groups at some period: the latencies of nodes on a loop
    are no more than the dataflow's delays.
    """
    nodes = netlist.nodes
    least: dict[tuple[str, str], int] = {}
    for node in nodes:
        for edge in node.inputs:
            source = nodes[edge.source]
            key = (source.group, node.group)
            least[key] = max(least.get(key, -(1 << 30)), source.latency - edge.delay)
    groups = tuple(sorted({ORIGIN, *(node.group for node in nodes)}))
    differences = tuple((u, v, need) for (u, v), need in sorted(least.items()))
    return relax(DelayProblem(groups, differences, ())) is not None


def greedy(problem: DelayProblem) -> dict[str, int]:
    """Everything as early as possible: the least latency, but not the fewest registers."""
    positions = relax(problem)
    assert positions is not None
    return positions


def relax(problem: DelayProblem) -> dict[str, int] | None:
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


def tight_loop(problem: DelayProblem) -> list[str]:
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

"""Shared links by mixed integer programming.

One binary variable per option, one of them per cluster; resources and sources that some option
takes are continuous, and at least what each dataflow takes of them.  Only options through time
can close a cycle (a link through space always leads to units that run later).  Cycles are cut off
where they appear: of every set of clusters that feeds itself at least one takes a source from
outside (the cuts of Edmonds' polyhedron: J. Edmonds, "Optimum branchings", J. Res. NBS 71B, 1967;
separated lazily as Dantzig, Fulkerson and Johnson do, "Solution of a large-scale
traveling-salesman problem", Oper. Res. 2, 1954).  Each program is a relaxation, so its bound holds
even when time runs out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pulp
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from accelgen.fabric.interconnect import SCALE
from accelgen.fabric.sharing import Ints, Sharing
from accelgen.fabric.sharing_heuristic import heuristic

__all__ = ["Exact", "exact"]


@dataclass(frozen=True, eq=False)
class Exact:
    """The best choice found, and the bound below which there is none (its cost when proven)."""

    choice: list[Ints]
    bound: float
    proven: bool


def exact(
    problem: Sharing,
    seconds: float = 10.0,
    start: list[Ints] | None = None,
    *,
    nodes: int | None = None,
) -> Exact:
    """The cheapest choice.

    ``start``, by default that of the heuristic, is the answer when nothing is cheaper, or when
    the time runs out before the optimum is found.  A limit of ``nodes`` of the search tree, over
    all programs, ends it at the same place on any machine.
    """
    best = heuristic(problem) if start is None else start
    least = problem.cost(best)
    if len(problem.members) == 1:
        return Exact(best, least, proven=True)
    deadline = time.monotonic() + seconds
    model = _Model(problem)
    bound = 0.0
    while (left := deadline - time.monotonic()) > 0 and (nodes is None or model.nodes < nodes):
        finished, lower = model.solve(left, None if nodes is None else nodes - model.nodes)
        bound = max(bound, min(lower, least))
        # Costs are integers.
        if bound > least - 1 + 1e-3:
            return Exact(best, least, proven=True)
        if not finished:
            break
        choice = model.choice()
        cycles = [_cycles(problem, d, chosen) for d, chosen in enumerate(choice)]
        if not any(cycles):
            cost = problem.cost(choice)
            if cost < least:
                best, least = choice, cost
            proven = least - bound < 1
            return Exact(best, least if proven else bound, proven)
        for d, found in enumerate(cycles):
            for cycle in found:
                model.enter(d, cycle)
    return Exact(best, bound, proven=False)


class _Model:
    """The program, with the cuts so far."""

    def __init__(self, problem: Sharing) -> None:
        self.problem = problem
        self.program = program = pulp.LpProblem("sharing", pulp.LpMinimize)
        self.pick: list[list[pulp.LpVariable]] = []
        self.nodes = 0
        level = [program.add_variable(f"R{r}", lowBound=0) for r in range(problem.resources)]
        source = [program.add_variable(f"S{p}", lowBound=0) for p in range(len(problem.weight))]
        # In registers of one bit: the tolerances of the solver are absolute.
        program += pulp.lpSum(level) + pulp.lpSum(
            float(w) / SCALE * s for w, s in zip(problem.weight.tolist(), source, strict=True)
        )
        for d, member in enumerate(problem.members):
            ways = member.candidates
            pick = [
                program.add_variable(f"X{d}_{o}", cat=pulp.LpBinary) for o in range(len(ways.via))
            ]
            self.pick.append(pick)
            into: list[list[pulp.LpVariable]] = [[] for _ in range(ways.clusters)]
            uses: dict[int, list[pulp.LpAffineExpression]] = {}
            for o, (a, b) in enumerate(
                zip(ways.source.tolist(), ways.target.tolist(), strict=True)
            ):
                if a == b:
                    program += pick[o] == 0
                    continue
                into[b - 1].append(pick[o])
                for r, amount in zip(
                    problem.resource[d][o].tolist(), problem.amount[d][o].tolist(), strict=True
                ):
                    if amount:
                        uses.setdefault(r, []).append(amount / SCALE * pick[o])
            for options in into:
                program += pulp.lpSum(options) == 1
            for r, terms in uses.items():
                program += level[r] >= pulp.lpSum(terms)
            matrix = problem.sees[d].tocsc()
            for p in range(matrix.shape[1]):
                options = matrix.indices[matrix.indptr[p] : matrix.indptr[p + 1]].tolist()
                if options:
                    program += source[p] >= pulp.lpSum(pick[o] for o in options)
            for pair in _couples(problem, d):
                self.enter(d, pair)

    def enter(self, d: int, clusters: Ints) -> None:
        """Let one of some clusters of a member have a source outside."""
        ways = self.problem.members[d].candidates
        entering = np.isin(ways.target - 1, clusters) & ~np.isin(ways.source - 1, clusters)
        self.program += pulp.lpSum(self.pick[d][o] for o in np.flatnonzero(entering)) >= 1

    def solve(self, seconds: float, nodes: int | None) -> tuple[bool, float]:
        """Whether the optimum was found, and a bound, scaled as costs are."""
        limits = {} if nodes is None else {"mip_max_nodes": nodes}
        self.program.solve(
            pulp.HiGHS(
                msg=False,
                threads=1,
                timeLimit=seconds,
                mip_rel_gap=0,
                mip_abs_gap=1e-6,
                **limits,
            )
        )
        info = self.program.solverModel.getInfo()
        self.nodes += max(1, int(info.mip_node_count))
        bound = float(info.mip_dual_bound)
        finished = self.program.sol_status == pulp.LpSolutionOptimal
        return finished, bound * SCALE - self.problem.first_sources

    def choice(self) -> list[Ints]:
        """The option of every cluster."""
        chosen = []
        for member, pick in zip(self.problem.members, self.pick, strict=True):
            ways = member.candidates
            on = [o for o, variable in enumerate(pick) if variable.value() > 0.5]
            found = np.full(ways.clusters, -1, dtype=np.int64)
            found[ways.target[on] - 1] = on
            assert len(on) == ways.clusters
            assert (found >= 0).all()
            chosen.append(found)
        return chosen


def _couples(problem: Sharing, d: int) -> list[Ints]:
    """Clusters that could feed each other, two and two."""
    ways = problem.members[d].candidates
    edges = set(zip(ways.source.tolist(), ways.target.tolist(), strict=True))
    return [np.array([a - 1, b - 1]) for a, b in sorted(edges) if a and a < b and (b, a) in edges]


def _cycles(problem: Sharing, d: int, chosen: Ints) -> list[Ints]:
    """The sets of clusters that feed each other in a circle."""
    ways = problem.members[d].candidates
    count = ways.clusters + 1
    edges = (np.ones(len(chosen), dtype=np.int8), (ways.source[chosen], ways.target[chosen]))
    _, label = connected_components(
        coo_array(edges, shape=(count, count)), directed=True, connection="strong"
    )
    sizes = np.bincount(label)
    return [np.flatnonzero(label == k) - 1 for k in np.flatnonzero(sizes > 1)]

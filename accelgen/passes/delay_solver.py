"""The fewest register bits among the solutions of least latency, by linear programming.

The edges that leave a node share one tapped delay line.  All constraints are differences of two
variables, so the optimum is integral; that is checked, never rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulp

from accelgen.passes.delay_problem import ORIGIN, SINK, DelayProblem, greedy

__all__ = ["Solution", "solve"]


@dataclass(frozen=True)
class Solution:
    """Positions by group; how many linear programs were solved for them, and how many of those had
    an optimum that is not integral and were solved again as integer programs.
    """

    positions: Mapping[str, int]
    programs: int = 0
    fallbacks: int = 0


def solve(problem: DelayProblem) -> Solution:
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
    first, fell_back = _run(program, position)
    fewest = problem.cost(first)
    program += bits <= fewest
    program.setObjective(pulp.lpSum(position.values()))
    positions, again = _run(program, position)
    assert problem.cost(positions) == fewest
    return Solution(positions, 2, fell_back + again)


def _run(
    program: pulp.LpProblem, position: Mapping[str, pulp.LpVariable]
) -> tuple[dict[str, int], bool]:
    """Solve; as an integer program, and say so, should the linear one's optimum not be integral."""
    for category in (pulp.LpContinuous, pulp.LpInteger):
        for variable in position.values():
            variable.cat = category
        program.solve(pulp.HiGHS(msg=False, threads=1))
        assert program.status == pulp.LpStatusOptimal, pulp.LpStatus[program.status]
        values = {group: float(variable.value()) for group, variable in position.items()}
        if all(abs(value - round(value)) <= 1e-6 for value in values.values()):
            break
    return {group: round(value) for group, value in values.items()}, category == pulp.LpInteger

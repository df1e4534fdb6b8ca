"""Delay matching: place pipeline registers so that everything meets in the right cycle.

Check, solve, verify: the problem is posed (:mod:`~accelgen.passes.delay_problem`) for a period
that is known to be feasible, solved (:mod:`~accelgen.passes.delay_solver`), and its registers are
checked on their own (:mod:`~accelgen.passes.delay_check`).  The latency is the least possible;
among those solutions the one with the fewest register bits is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, floor

from accelgen.errors import InfeasibleError
from accelgen.netlist.graph import Netlist, Node
from accelgen.passes.delay_check import verify
from accelgen.passes.delay_problem import (
    SINK,
    DelayProblem,
    formulate,
    greedy,
    relax,
    tight_loop,
)
from accelgen.passes.delay_solver import Solution, solve
from accelgen.passes.timing import TOLERANCE, TimingModel
from accelgen.technology import Technology

__all__ = ["Enable", "Pipeline", "alternative", "common_period", "least_latency", "match_delays"]


@dataclass(frozen=True)
class Enable:
    """Register ``stage`` behind ``node`` (from 1 on; 0: the running sum that ``node`` is) takes
    its value when every term is met: a node that is one of the values.
    """

    node: int
    stage: int
    terms: tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Pipeline:
    """A netlist with the registers on its edges.

    ``registers[n][e]`` belongs to input ``e`` of node ``n``; ``latency`` is the position of the
    memory writes; ``bits`` the register bits on edges (delay lines shared per node, unless
    ``shared`` is false: then every edge has its own) as delay matching left them, ``greedy_bits``
    with everything as early as possible; ``solution`` is what they were solved from; registers
    without any of the ``enables`` take a value in every cycle.
    """

    netlist: Netlist
    positions: tuple[tuple[str, int], ...]
    registers: tuple[tuple[int, ...], ...]
    period: float
    critical: float
    bits: int
    greedy_bits: int
    shared: bool = True
    enables: tuple[Enable, ...] = ()
    solution: Solution = field(default=Solution({}), compare=False, repr=False)

    def position(self, group: str) -> int:
        """Pipeline position of a group in cycles."""
        return dict(self.positions)[group]

    @property
    def latency(self) -> int:
        """Cycles from the issue of an iteration to its data at the output memory, beyond the
        delay of the dataflow itself.
        """
        return self.position(SINK)


def match_delays(
    netlist: Netlist,
    technology: Technology,
    period: float | None = None,
    *,
    optimise: bool = True,
    share: bool = True,
) -> Pipeline:
    """Formulate, solve, verify.

    Without ``optimise`` everything is as early as possible; without ``share`` every edge has a
    delay line of its own.

    ``period`` is the target clock in ns; without one it is the technology's default, or the
    shortest this netlist can have when that is longer.  Raises :class:`InfeasibleError` naming
    the loop that does not fit the period and the smallest period that would do.
    """
    model, problem = _posed(netlist, technology, period, share=share)
    solution = solve(problem) if optimise else Solution(greedy(problem))
    positions = solution.positions
    registers = _registers(netlist, positions)
    critical = verify(netlist, registers, model)
    return Pipeline(
        netlist,
        tuple(sorted(positions.items())),
        registers,
        model.period,
        critical + model.overhead,
        problem.cost(positions),
        problem.cost(greedy(problem)),
        share,
        solution=solution,
    )


def alternative(
    pipeline: Pipeline, technology: Technology, *, optimise: bool, share: bool
) -> Pipeline:
    """The pipeline of the same netlist and period with other choices, to compare; not verified."""
    netlist = pipeline.netlist
    problem = formulate(netlist, TimingModel(technology, pipeline.period), share=share)
    positions = solve(problem).positions if optimise else greedy(problem)
    return replace(
        pipeline,
        positions=tuple(sorted(positions.items())),
        registers=_registers(netlist, positions),
        bits=problem.cost(positions),
        shared=share,
    )


def common_period(netlists: Sequence[Netlist], technology: Technology) -> float:
    """The technology's default period, or the shortest that all netlists can have when that is
    longer.
    """
    period = technology.default_period
    for netlist in netlists:
        period = _shortest_period(netlist, technology, period)
    return period


def least_latency(netlist: Netlist, technology: Technology, period: float | None = None) -> int:
    """The latency :func:`match_delays` will reach, without solving the linear program."""
    _, problem = _posed(netlist, technology, period)
    return greedy(problem)[SINK]


def _posed(
    netlist: Netlist, technology: Technology, period: float | None, *, share: bool = True
) -> tuple[TimingModel, DelayProblem]:
    """The timing model and a problem that is known to have a solution."""
    if period is None:
        period = _shortest_period(netlist, technology, technology.default_period)
    model = TimingModel(technology, period)
    problem = formulate(netlist, model, share=share)
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


def _slowest(netlist: Netlist, model: TimingModel) -> tuple[float, Node]:
    """The node that takes longest on its own: through it, or round the loop inside it."""

    def delay(node: Node) -> float:
        inputs = [netlist.nodes[edge.source] for edge in node.inputs]
        return max(model.arriving(node, inputs), model.loop(node), model.leaving(node))

    node = max(netlist.nodes, key=delay)
    return delay(node), node


def _explain(netlist: Netlist, model: TimingModel, problem: DelayProblem) -> InfeasibleError:
    """Which primitive or loop does not fit the period, and the least period that would do."""
    delay, node = _slowest(netlist, model)
    if delay > model.budget + TOLERANCE:
        kind = "loop through" if model.loop(node) >= delay - TOLERANCE else "primitive"
        message = (
            f"the {kind} {node.name} ({node.kind}, {node.format.bits} bits) takes "
            f"{_round_up(delay + model.overhead):.3f} ns, the clock period is {model.period:g} ns"
        )
        remedy = "narrower types"
    else:
        loop = " -> ".join(tight_loop(problem))
        message = f"the loop {loop} has too few registers for a period of {model.period:g} ns"
        remedy = "a larger skew along its links"
    shortest = _shortest_period(netlist, model.technology, model.period)
    return InfeasibleError(
        message, where="delay matching", hint=f"use a period of {shortest:g} ns or {remedy}"
    )


def _shortest_period(netlist: Netlist, technology: Technology, at_least: float) -> float:
    """The shortest feasible period in whole picoseconds, unless ``at_least`` is feasible."""
    if _feasible(netlist, TimingModel(technology, at_least)):
        return at_least
    low = floor(at_least * 1000)
    high = low + 1
    while not _feasible(netlist, TimingModel(technology, high / 1000)):
        low, high = high, ceil(1.25 * high)
    while high - low > 1:
        middle = (low + high) // 2
        if _feasible(netlist, TimingModel(technology, middle / 1000)):
            high = middle
        else:
            low = middle
    return high / 1000


def _feasible(netlist: Netlist, model: TimingModel) -> bool:
    if _slowest(netlist, model)[0] > model.budget + TOLERANCE:
        return False
    return relax(formulate(netlist, model)) is not None


def _round_up(period: float) -> float:
    """To whole picoseconds."""
    return ceil(period * 1000 - TOLERANCE) / 1000

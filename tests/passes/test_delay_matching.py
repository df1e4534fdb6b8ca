"""Law 4: a solution of the linear program passes the verifier, costs no more than the greedy
one, is the best there is, and a register more or less on any edge breaks it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

import networkx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelgen.affine import Description
from accelgen.errors import InfeasibleError
from accelgen.fabric.build import build_fabric
from accelgen.netlist.build import build_netlist
from accelgen.netlist.graph import Netlist
from accelgen.passes.delay_check import verify
from accelgen.passes.delay_matching import Pipeline, least_latency, match_delays
from accelgen.passes.delay_problem import (
    ORIGIN,
    SINK,
    DelayProblem,
    formulate,
    greedy,
    relax,
    tight_loop,
)
from accelgen.passes.delay_solver import solve
from accelgen.passes.order import last_netlist, rewrite
from accelgen.passes.timing import TimingModel
from accelgen.technology import load_technology
from tests.affine.strategies import descriptions
from tests.shipped import SIZES, sized

TECHNOLOGY = load_technology("sg13g2")
Registers = tuple[tuple[int, ...], ...]


def netlist_of(description: Description) -> Netlist:
    return last_netlist(rewrite(build_netlist(build_fabric(description.lower(), 96))))


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    netlist = netlist_of(draw(descriptions()))
    period = draw(st.sampled_from((None, 3.0, 4.5, 9.0)))
    try:
        return match_delays(netlist, TECHNOLOGY, period)
    except InfeasibleError:
        return match_delays(netlist, TECHNOLOGY)


def register_bits(netlist: Netlist, registers: Registers) -> int:
    """What the registers cost: one tapped delay line per node."""
    longest = [0] * len(netlist.nodes)
    for node, counts in zip(netlist.nodes, registers, strict=True):
        for edge, count in zip(node.inputs, counts, strict=True):
            if netlist.nodes[edge.source].kind != "constant":
                longest[edge.source] = max(longest[edge.source], count)
    return sum(n * node.format.bits for n, node in zip(longest, netlist.nodes, strict=True))


def changed(registers: Registers, node: int, edge: int, by: int) -> Registers:
    row = list(registers[node])
    row[edge] += by
    return (*registers[:node], tuple(row), *registers[node + 1 :])


def bridges(netlist: Netlist) -> set[tuple[int, int]]:
    """Edges (node, input) that are the only connection between two parts of the netlist."""
    graph = networkx.MultiGraph()
    graph.add_nodes_from(range(len(netlist.nodes)))
    inputs = [(n, k, e) for n, node in enumerate(netlist.nodes) for k, e in enumerate(node.inputs)]
    graph.add_edges_from((edge.source, n) for n, _, edge in inputs)
    simple = {frozenset(pair) for pair in networkx.bridges(networkx.Graph(graph))}
    return {
        (n, k)
        for n, k, e in inputs
        if frozenset((n, e.source)) in simple and graph.number_of_edges(e.source, n) == 1
    }


@given(pipelines())
@settings(max_examples=80)
def test_a_solution_is_right_and_no_dearer_than_greedy(pipeline: Pipeline) -> None:
    netlist = pipeline.netlist
    model = TimingModel(TECHNOLOGY, pipeline.period)
    worst = verify(netlist, pipeline.registers, model)
    assert pipeline.critical == pytest.approx(worst + model.overhead)
    assert pipeline.critical <= pipeline.period + 1e-6
    # Registers are what the positions say.
    for node, counts in zip(netlist.nodes, pipeline.registers, strict=True):
        for edge, count in zip(node.inputs, counts, strict=True):
            source = netlist.nodes[edge.source]
            moved = pipeline.position(node.group) - pipeline.position(source.group)
            assert count == edge.delay + moved - source.latency >= 0
    problem = formulate(netlist, model)
    positions = dict(pipeline.positions)
    assert problem.violated(positions) is None
    early = greedy(problem)
    assert problem.violated(early) is None
    assert register_bits(netlist, pipeline.registers) == pipeline.bits == problem.cost(positions)
    assert problem.cost(positions) <= problem.cost(early)
    assert positions[ORIGIN] == early[ORIGIN] == 0
    assert positions[SINK] == early[SINK] == pipeline.latency
    assert least_latency(netlist, TECHNOLOGY, pipeline.period) == pipeline.latency


@given(pipelines(), st.data())
@settings(max_examples=60)
def test_a_register_more_or_less_anywhere_is_rejected(
    pipeline: Pipeline, data: st.DataObject
) -> None:
    netlist = pipeline.netlist
    model = TimingModel(TECHNOLOGY, pipeline.period)
    only = bridges(netlist)
    edges = [
        (n, k)
        for n, node in enumerate(netlist.nodes)
        for k in range(len(node.inputs))
        if (n, k) not in only
    ]
    assume(edges)
    picked = data.draw(st.lists(st.sampled_from(edges), max_size=12, unique=True))
    for n, k in picked:
        for by in (-1, 1):
            with pytest.raises(AssertionError, match="different cycles"):
                verify(netlist, changed(pipeline.registers, n, k, by), model)


@pytest.mark.parametrize("name", SIZES)
def test_a_register_more_or_less_in_a_shipped_design_is_rejected(name: str) -> None:
    pipeline = match_delays(netlist_of(sized(name, 1)), TECHNOLOGY)
    model = TimingModel(TECHNOLOGY, pipeline.period)
    only = bridges(pipeline.netlist)
    for n, node in enumerate(pipeline.netlist.nodes):
        for k in range(len(node.inputs)):
            for by in (-1, 1):
                wrong = changed(pipeline.registers, n, k, by)
                if (n, k) not in only:
                    with pytest.raises(AssertionError, match="different cycles"):
                        verify(pipeline.netlist, wrong, model)
                elif wrong[n][k] < 0:
                    with pytest.raises(AssertionError, match="negative delay"):
                        verify(pipeline.netlist, wrong, model)


@given(pipelines())
@settings(max_examples=30)
def test_too_short_a_period_is_rejected(pipeline: Pipeline) -> None:
    model = TimingModel(TECHNOLOGY, pipeline.critical - 0.001)
    with pytest.raises(AssertionError, match="a path takes"):
        verify(pipeline.netlist, pipeline.registers, model)


@st.composite
def problems(draw: st.DrawFn) -> DelayProblem:
    """Small problems of differences and delay lines, of the kind netlists give."""
    names = [ORIGIN, *(f"g{k}" for k in range(draw(st.integers(0, 3)))), SINK]
    order = st.sampled_from(range(len(names)))
    differences = []
    # Every group takes data from an earlier one.
    joined = [(draw(st.integers(0, v - 1)), v) for v in range(1, len(names))]
    more = draw(st.lists(st.tuples(order, order), max_size=6))
    for u, v in dict.fromkeys([*joined, *more]):
        if u < v:
            differences.append((names[u], names[v], draw(st.integers(0, 2))))
        elif u > v:
            # A FIFO of the dataflow lets the data run ahead, never too far.
            differences.append((names[u], names[v], -draw(st.integers(2, 6))))
    pairs = {(u, v): least for u, v, least in differences}
    lines = []
    for name in names:
        taps = tuple((v, -least) for (u, v), least in sorted(pairs.items()) if u == name)
        if taps:
            lines.append((name, draw(st.integers(1, 9)), taps))
    return DelayProblem(tuple(sorted(names)), tuple(differences), tuple(lines))


def solutions(problem: DelayProblem, latency: int, reach: int) -> Iterator[dict[str, int]]:
    others = [g for g in problem.groups if g not in (ORIGIN, SINK)]
    for values in product(range(reach), repeat=len(others)):
        positions = {ORIGIN: 0, SINK: latency, **dict(zip(others, values, strict=True))}
        if problem.violated(positions) is None:
            yield positions


@given(problems())
@settings(max_examples=150)
def test_no_assignment_of_positions_is_better(problem: DelayProblem) -> None:
    reach = 10
    feasible = [t for t in range(reach) if next(solutions(problem, t, reach), None) is not None]
    assume(feasible)
    positions = solve(problem).positions
    assert problem.violated(positions) is None
    assert positions[SINK] == feasible[0], "a smaller latency is possible"
    every = list(solutions(problem, feasible[0], reach))
    best = min(problem.cost(p) for p in every)
    assert problem.cost(positions) == best
    # Among equals everything is as early as it can be.
    for other in every:
        if problem.cost(other) == best:
            assert all(positions[g] <= other[g] for g in problem.groups)


def named_period(error: InfeasibleError) -> float:
    found = re.search(r"use a period of (\d+(?:\.\d+)?) ns", str(error))
    assert found, str(error)
    return float(found[1])


SLOWEST = {
    # A product between two registers limits most arrays ...
    "gemm_os_systolic": r"the primitive product \(multiply, 16 bits\) takes",
    "gemm_k_systolic": r"the primitive product \(multiply, 16 bits\) takes",
    # ... and an accumulating memory, which reads, adds and writes, those that have one.
    "fir": r"the loop through slot0 \(write, 18 bits\) takes",
    "gemm_ws_systolic": r"the loop through slot0 \(write, 18 bits\) takes",
}


@pytest.mark.parametrize("name", SLOWEST)
@pytest.mark.parametrize("technology", ["sg13g2", "asap7"])
def test_an_infeasible_period_names_what_is_slow_and_the_least_that_works(
    name: str, technology: str
) -> None:
    netlist = netlist_of(sized(name, 1))
    library = load_technology(technology)
    with pytest.raises(InfeasibleError, match=SLOWEST[name]) as caught:
        match_delays(netlist, library, 0.05)
    shortest = named_period(caught.value)
    assert match_delays(netlist, library, shortest).critical <= shortest + 1e-9
    with pytest.raises(InfeasibleError) as again:
        match_delays(netlist, library, shortest - 0.001)
    assert named_period(again.value) == shortest
    took = re.search(r"takes (\S+) ns, the clock period is", str(again.value))
    assert took
    assert float(took[1]) == shortest


@given(descriptions())
@settings(max_examples=10)
def test_the_period_named_works_and_a_picosecond_less_does_not(description: Description) -> None:
    netlist = netlist_of(description)
    with pytest.raises(InfeasibleError) as caught:
        match_delays(netlist, TECHNOLOGY, 0.3)
    shortest = named_period(caught.value)
    match_delays(netlist, TECHNOLOGY, shortest)
    with pytest.raises(InfeasibleError):
        match_delays(netlist, TECHNOLOGY, shortest - 0.001)


def test_a_loop_with_too_few_registers_is_named() -> None:
    """``b`` and ``c`` feed each other, and need one register more than there is."""
    problem = DelayProblem(
        ("b", "c", ORIGIN, SINK),
        ((ORIGIN, "b", 0), ("b", "c", 1), ("c", "b", 0), ("c", SINK, 0)),
        (),
    )
    assert relax(problem) is None
    loop = tight_loop(problem)
    assert loop[0] == loop[-1]
    assert set(loop) == {"b", "c"}

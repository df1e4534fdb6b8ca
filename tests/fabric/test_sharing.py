"""Links shared between dataflows: exact, heuristic, and what verifies both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from accelgen.affine import load_description
from accelgen.affine.spacetime import SpaceTime
from accelgen.cosim.sequence import Asked, Phase, run_sequences
from accelgen.fabric import sharing_exact
from accelgen.fabric.interconnect import Interconnect, candidates, connect
from accelgen.fabric.sharing import Choice, Sharing, alone, in_registers
from accelgen.fabric.sharing_exact import exact
from accelgen.fabric.sharing_heuristic import heuristic
from accelgen.fabric.sharing_verify import Wired, verify
from accelgen.fabric.space import Grid
from accelgen.fabric.structure import Structure, decide
from accelgen.fabric.together import Solver, Together, compare, decide_together, pose
from accelgen.passes.order import last_netlist
from accelgen.processor.design import ProcessorDesign, design_processor
from tests.processor.test_laws import fusible
from tests.shipped import SIZES
from tests.tiers import examples

SET = ("gemm_os_systolic", "gemm_ws_systolic", "conv2d_ws_nvdla", "depthwise")
PAIR = ("conv2d_os_shidiannao", "depthwise")
RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

SOLVERS: dict[str, Callable[[Sharing], Choice]] = {
    "alone": alone,
    "heuristic": heuristic,
    "exact": lambda problem: exact(problem).choice,
}


def unbounded(solve: Callable[[Sharing], Choice]) -> Solver:
    return lambda problem: (solve(problem), None)


def kernels(names: tuple[str, ...], size: int) -> list[SpaceTime]:
    found = []
    for name in names:
        description = load_description(name)
        space = dict.fromkeys(description.dataflow.space, size)
        found.append(description.with_overrides(space=space, types={"Y": "int32"}).lower())
    return found


def wired(all_of: list[SpaceTime], structures: Sequence[Structure], operand: int) -> list[Wired]:
    uses = []
    for kernel, structure in zip(all_of, structures, strict=True):
        tensor = kernel.inputs[operand]
        held = structure.hold[tensor.name] is not None
        schedule = None if held else structure.schedule(kernel)
        uses.append(Wired(kernel, tensor, schedule, structure.links[tensor.name]))
    return uses


def trees(problem: Sharing, d: int) -> Iterator[np.ndarray]:
    """Every way in which a dataflow can be fed."""
    ways = problem.members[d].candidates
    into = [np.flatnonzero(ways.target == c + 1) for c in range(ways.clusters)]
    for picked in product(*into):
        chosen = np.array(picked)
        reached = {0}
        for _ in chosen:
            reached |= {c + 1 for c, o in enumerate(picked) if int(ways.source[o]) in reached}
        if len(reached) == ways.clusters + 1:
            yield chosen


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("names", [SET, PAIR], ids=len)
def test_shipped_sets_are_proven_and_never_dearer(names: tuple[str, ...], size: int) -> None:
    for operand in range(2):
        found = compare(pose(kernels(names, size), operand))
        assert found.proven
        assert found.bound == found.exact <= found.heuristic <= found.alone
        assert found.gap == found.heuristic / found.exact - 1


def test_sharing_saves_where_dataflows_have_equivalent_links() -> None:
    found = compare(pose(kernels(PAIR, 4), 0))
    assert found.exact < found.alone


@given(fusible().filter(lambda drawn: len(drawn) > 1))
@settings(
    max_examples=examples(25, 200), deadline=None, suppress_health_check=RELAXED, derandomize=True
)
def test_random_dataflows(drawn: list) -> None:  # type: ignore[type-arg]
    lowered = [description.lower() for description in drawn]
    for operand in range(len(lowered[0].inputs)):
        problem = pose(lowered, operand)
        apart, near = alone(problem), heuristic(problem)
        # From the choice alone: the program must find everything itself.
        found = exact(problem, 60.0, apart)
        assert found.proven
        assert found.bound == problem.cost(found.choice)
        assert problem.cost(found.choice) <= problem.cost(near) <= problem.cost(apart)
        schedules = [decide(kernel).schedule(kernel) for kernel in lowered]
        for choice in (apart, near, found.choice):
            uses = [
                Wired(kernel, kernel.inputs[operand], None if member.held else schedule, links)
                for kernel, schedule, member, links in zip(
                    lowered, schedules, problem.members, problem.interconnects(choice), strict=True
                )
            ]
            assert verify(uses) == problem.cost(choice)


@pytest.mark.parametrize("operand", [0, 1])
@pytest.mark.parametrize(
    "names",
    [
        PAIR,
        ("gemm_os_systolic", "gemm_is_systolic"),
        ("conv2d_os_shidiannao", "gemm_os_systolic"),
        ("conv2d_rs_eyeriss", "conv2d_os_shidiannao"),
        ("conv2d_ws_nvdla", "depthwise"),
    ],
    ids="+".join,
)
def test_as_cheap_as_any_enumerated(names: tuple[str, str], operand: int) -> None:
    problem = pose(kernels(names, 2), operand)
    every = [list(trees(problem, d)) for d in range(2)]
    assert all(every)
    cheapest = min(problem.cost(choice) for choice in product(*every))
    found = exact(problem, start=alone(problem))
    assert found.proven
    assert problem.cost(found.choice) == cheapest


def test_circles_are_cut_off_where_they_appear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the cuts that are there from the start, it takes those that are found."""
    problem = pose(kernels(PAIR, 4), 0)
    least = problem.cost(exact(problem, start=alone(problem)).choice)
    programs = []

    class Counted(sharing_exact._Model):
        def solve(self, seconds: float, nodes: int | None) -> tuple[bool, float]:
            programs.append(seconds)
            return super().solve(seconds, nodes)

    monkeypatch.setattr(sharing_exact, "_couples", lambda problem, d: [])
    monkeypatch.setattr(sharing_exact, "_Model", Counted)
    found = exact(problem, start=alone(problem))
    assert len(programs) > 1
    assert found.proven
    assert problem.cost(found.choice) == least


def test_without_time_the_start_is_the_answer_and_the_bound_holds() -> None:
    problem = pose(kernels(PAIR, 4), 0)
    apart = alone(problem)
    found = exact(problem, 0.0, apart)
    assert not found.proven
    assert found.choice is apart
    assert found.bound <= problem.cost(exact(problem).choice) < problem.cost(apart)


@pytest.mark.parametrize("name", SIZES)
def test_one_dataflow_is_decided_as_ever(name: str) -> None:
    kernel = load_description(name).lower()
    assert decide_together([kernel]) == Together((decide(kernel),))
    for operand, tensor in enumerate(kernel.inputs):
        problem = pose([kernel], operand)
        structure = decide(kernel)
        held = structure.hold[tensor.name] is not None
        schedule = None if held else structure.schedule(kernel)
        grid = Grid(kernel.space_extents)
        ways = candidates(kernel, tensor, grid, schedule)
        tree = ways.tree(ways.hops + ways.port)
        for solve in SOLVERS.values():
            choice = solve(problem)
            assert problem.cost(choice) == int((ways.hops + ways.port)[tree].sum())
            assert problem.interconnects(choice) == [connect(kernel, tensor, grid, schedule)]


@pytest.mark.parametrize("solver", SOLVERS)
def test_structures_are_verified_and_shared(solver: str) -> None:
    lowered = kernels(SET, 4)
    together = decide_together(lowered, unbounded(SOLVERS[solver]))
    structures = together.structures
    assert all(linked.gap is None for linked in together.links)
    apart = [decide(kernel) for kernel in lowered]
    for operand in range(2):
        cost = verify(wired(lowered, structures, operand))
        if solver != "alone":
            assert cost <= verify(wired(lowered, apart, operand))
    for one, other in zip(structures, apart, strict=True):
        assert one.hold == other.hold
        assert one.reduction == other.reduction


def test_what_links_cost_and_by_how_much_they_may_be_too_dear_is_known() -> None:
    lowered = kernels(SET, 4)
    exactly = decide_together(lowered)
    nearly = decide_together(lowered, lambda problem: (heuristic(problem), 1.0))
    assert [(k.operand, k.held) for k in exactly.links] == [(1, True), (0, False), (1, False)]
    for linked, near in zip(exactly.links, nearly.links, strict=True):
        assert (linked.bound, linked.gap) == (linked.cost, 0.0)
        assert near.cost >= linked.cost > in_registers(1.0)
        assert near.gap == pytest.approx(near.cost / in_registers(1.0) - 1)


def test_chains_go_the_same_way_where_that_saves_registers() -> None:
    lowered = kernels(("conv2d_os_shidiannao", "gemm_os_systolic"), 4)
    chains = [decide(kernel).chains["Y"] for kernel in lowered]
    joined = [structure.chains["Y"] for structure in decide_together(lowered).structures]
    ways = [{(c.axis, c.direction) for c in group if c is not None} for group in (chains, joined)]
    assert [len(way) for way in ways] == [2, 1]
    for before, after in zip(chains, joined, strict=True):
        assert before is not None
        assert after is not None
        assert (len(before.runs), before.cycles) == (len(after.runs), after.cycles)


def _put(values: tuple, unit: int, value: object) -> tuple:  # type: ignore[type-arg]
    return (*values[:unit], value, *values[unit + 1 :])


def _tampered(links: Interconnect, kernel: SpaceTime) -> Iterator[tuple[str, Interconnect]]:
    linked = [u for u, link in enumerate(links.link) if link >= 0]
    unit = linked[-1]
    giver = links.giver[unit]
    yield "giver", replace(links, giver=_put(links.giver, unit, (giver + 1) % kernel.units))
    yield "port", replace(links, port=_put(links.port, unit, not links.port[unit]))
    yield "head", replace(links, head=_put(links.head, unit, giver))
    first = links.links[0]
    yield "depth", replace(links, links=(replace(first, depth=first.depth + 1), *links.links[1:]))
    there = tuple(d + 1 for d in first.ds)
    yield "ds", replace(links, links=(replace(first, ds=there), *links.links[1:]))
    root = next(u for u, link in enumerate(links.link) if link < 0)
    yield "no source", replace(links, port=_put(links.port, root, False))


@pytest.mark.parametrize("name", ["gemm_os_systolic", "conv2d_os_shidiannao"])
def test_tampered_links_are_caught(name: str) -> None:
    lowered = kernels((name,), 4)
    (right,) = wired(lowered, [decide(lowered[0])], 0)
    verify([right])
    for what, links in _tampered(right.interconnect, lowered[0]):
        caught = False
        try:
            verify([replace(right, interconnect=links)])
        except AssertionError:
            caught = True
        assert caught, what


def test_a_circle_is_caught() -> None:
    """Two units that give each other what they had before, and never read it."""
    (kernel,) = kernels(("conv2d_os_shidiannao",), 2)
    structure = decide(kernel)
    (right,) = wired([kernel], [structure], 0)
    ways = candidates(kernel, right.tensor, Grid(kernel.space_extents), right.schedule)
    links = {link.ds: link for link in ways.links}
    there, back = links[0, 1], links[0, -1]
    circle = Interconnect(
        right.tensor.name, (there, back), (0, 1, 2, 3), (1, 0, -1, -1), (1, 0, -1, -1), (True,) * 4
    )
    with pytest.raises(AssertionError, match="cycle"):
        verify([replace(right, interconnect=circle)])


def _design(monkeypatch: pytest.MonkeyPatch, solver: Solver, size: int = 4) -> ProcessorDesign:
    monkeypatch.setattr(
        "accelgen.processor.flow.decide_together", partial(decide_together, solver=solver)
    )
    found = [
        load_description(name).with_overrides(space={"i": size, "j": size}, types={"Y": "int32"})
        for name in PAIR
    ]
    return design_processor(found, "shared")


def test_shared_links_are_shared_in_the_netlist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers of FIFOs and multiplexer inputs, counted before the passes change either."""
    found = {}
    for solver in ("alone", "exact"):
        made = _design(monkeypatch, unbounded(SOLVERS[solver]))
        nodes = last_netlist(made.stages[:1]).nodes
        fifos = sum(n.format.bits * int(str(n.parameters[0])) for n in nodes if n.kind == "fifo")
        muxes = sum(n.format.bits * (len(n.inputs) - 2) for n in nodes if n.kind == "choose")
        found[solver] = fifos, muxes
    assert found["exact"][0] < found["alone"][0]
    assert found["exact"][1] < found["alone"][1]


@pytest.mark.rtl
def test_shared_links_compute_the_right_results(tmp_path: Path) -> None:
    found = [
        load_description(name).with_overrides(space={"i": 2, "j": 2}, types={"Y": "int32"})
        for name in ("conv2d_os_shidiannao", "depthwise", "gemm_os_systolic")
    ]
    design = design_processor(found, "shared")
    apart = [decide(flow.fabric.kernel) for flow in design.flows]
    assert [flow.structure.links for flow in design.flows] != [one.links for one in apart]
    path = tmp_path / "shared.v"
    path.write_text(design.verilog(), encoding="utf-8")
    rng = np.random.default_rng(7)
    conv = {"k": 2, "c": 2, "p": 4, "q": 5, "r": 2, "s": 3}
    deep = {"c": 3, "p": 2, "q": 5, "r": 3, "s": 2}
    gemm = {"m": 5, "n": 3, "k": 7}
    asked = [
        Asked.random(design, d, bounds, rng)
        for d, bounds in ((0, conv), (1, deep), (2, gemm), (0, {**conv, "s": 1}), (1, deep))
    ]
    phases = [Phase(asked), Phase(asked[:1]), Phase(asked[1:2]), Phase(asked[::-1])]
    for seen in run_sequences(design, path, phases):
        assert seen.faults == ()

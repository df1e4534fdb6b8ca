"""Hardware that is alike has the same spaces and the same best figures; other hardware differs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.affine import Workload
from accelgen.affine.roles import ROLES
from accelgen.errors import InfeasibleError
from accelgen.hardware import Dataflow, Hardware, Level, Memory, list_hardware, load_hardware
from accelgen.hardware.alike import canonical
from accelgen.mapper import best_mapping, problem_of
from accelgen.mapper.mapping import spread_of
from accelgen.mapper.problem import Problem
from accelgen.mapper.search import Objective
from accelgen.mapper.space import Constraints, fill_of, unrollings
from accelgen.names import FrozenMap
from tests.tiers import examples

EXPRESSIONS = {
    "Y[m,n] += A[m,k] * B[k,n]": "mnk",
    "Y[g,m,n] += A[g,m,k] * B[g,k,n]": "gmnk",
    "Y[k,p,q] += X[c,p + r,q + s] * W[k,c,r,s]": "kcpqrs",
}
LEVELS = (
    Level("sram", (Memory("sram", 700, 3.0, 0.43, 0.57),)),
    Level("dram", (Memory("dram", None, 1.7, 19.3, 21.1),)),
)
REGISTERS = Level("file", (Memory("file", 30, None, 0.013, 0.017, buffers=1),))


@st.composite
def problems(draw: st.DrawFn, most: int, few: int) -> Problem:
    """One with bounds up to ``most``, of convolutions up to ``few``."""
    expression, loops = draw(st.sampled_from(sorted(EXPRESSIONS.items())))
    largest = most if len(loops) < 5 else few
    bounds = {loop: draw(st.integers(1, largest)) for loop in loops}
    return problem_of(Workload(expression, bounds))


@st.composite
def arrays(draw: st.DrawFn, letters: str) -> Hardware:
    """One to three axes, and dataflows of any kind that unroll loops with these roles."""
    array = {axis: draw(st.integers(1, 6)) for axis in "ijl"[: draw(st.integers(1, 3))]}
    flows = []
    for number in range(draw(st.integers(0, 2))):
        several = draw(st.booleans())
        chosen = st.lists(st.sampled_from(letters), max_size=2 if several else 4)
        flows.append(
            Dataflow(
                f"flow{number}",
                FrozenMap({axis: tuple(draw(chosen)) for axis in array}),
                several,
                draw(st.sampled_from((None, *ROLES))),
                draw(st.sampled_from((None, ("c", "r", "k")))),
            )
        )
    return Hardware(
        "drawn",
        FrozenMap(array),
        LEVELS,
        FrozenMap({"any": 0.37}),
        dataflows=tuple(flows),
        registers=draw(st.sampled_from((None, REGISTERS))),
        skewed=tuple(draw(st.lists(st.sampled_from(sorted(array)), max_size=3))),
        unit_leakage_mw=0.019,
    )


def renamed(hardware: Hardware, axes: list[str]) -> Hardware:
    """The same with its axes in this order and under new names, loops of axes the other way."""
    names = {axis: f"{axis}_{place}" for place, axis in enumerate(axes)}
    return replace(
        hardware,
        name="another",
        sources="elsewhere",
        array=FrozenMap({names[axis]: hardware.array[axis] for axis in axes}),
        skewed=tuple(names[axis] for axis in reversed(hardware.skewed)),
        dataflows=tuple(
            replace(
                flow,
                name=f"{flow.name}x",
                unrolls=FrozenMap({names[x]: flow.unrolls[x][::-1] for x in flow.unrolls}),
            )
            for flow in hardware.dataflows
        ),
    )


def space(problem: Problem, hardware: Hardware) -> set[object]:
    """All that cost and tiles of a unit depend on."""
    return {
        (flow.stationary, flow.inner, spread_of(x, len(problem.bounds)), fill_of(hardware, x))
        for flow, x in unrollings(problem, hardware, Constraints())
    }


@given(st.data(), problems(12, 8))
@settings(max_examples=examples(150, 5000), deadline=None)
def test_alike_is_the_same_space(data: st.DataObject, problem: Problem) -> None:
    hardware = data.draw(arrays("".join(sorted({*problem.roles}))))
    other = renamed(hardware, data.draw(st.permutations(list(hardware.array))))
    alike = canonical(hardware) == canonical(other)
    if not any(flow.several for flow in hardware.dataflows):
        assert alike
    for one in [other] * alike + [canonical(hardware)]:
        assert space(problem, one) == space(problem, hardware)
        assert (one.units, one.area_mm2, one.leakage_mw) == (
            hardware.units, hardware.area_mm2, hardware.leakage_mw,
        )  # fmt: skip
    assert canonical(canonical(hardware)) == canonical(hardware)


@given(st.data(), problems(6, 3), st.sampled_from(("latency", "energy", "edp")))
@settings(max_examples=examples(40, 500), deadline=None)
def test_alike_is_the_same_figures(
    data: st.DataObject, problem: Problem, objective: Objective
) -> None:
    hardware = data.draw(arrays("".join(sorted({*problem.roles}))))
    other = renamed(hardware, data.draw(st.permutations(list(hardware.array))))
    if canonical(hardware) != canonical(other):
        other = canonical(hardware)
    try:
        expected = best_mapping(problem, hardware, objective).cost
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            best_mapping(problem, other, objective)
        return
    found = best_mapping(problem, other, objective).cost
    # Of mappings that mirror each other any may be found; their sums are rounded differently.
    assert (found.cycles, found.utilisation) == pytest.approx(
        (expected.cycles, expected.utilisation), rel=1e-12
    )
    assert found.energy_pj == pytest.approx(dict(expected.energy_pj), rel=1e-12)


def array(*extents: int, **changes: object) -> Hardware:
    """Axes i, j, l of so many units; any loop on any of them."""
    named = FrozenMap(dict(zip("ijl", extents, strict=False)))
    hardware = Hardware("h", named, LEVELS, FrozenMap({"any": 0.37}))
    return replace(hardware, **changes)  # type: ignore[arg-type]


def flow(*axes: str, several: bool = False) -> tuple[Dataflow, ...]:
    """A dataflow whose axes i, j, l unroll loops of these letters."""
    loops = {axis: tuple(letters) for axis, letters in zip("ijl", axes, strict=False)}
    return (Dataflow("f", FrozenMap(loops), several),)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (array(4, 8), array(8, 4)),
        (array(4, 8), array(8, 4, name="x", sources="y")),
        (array(2, 4, 8), array(8, 2, 4)),
        (array(4, 8, skewed=("i",)), array(8, 4, skewed=("j",))),
        (array(4, 4, skewed=("i",)), array(4, 4, skewed=("j",))),
        (array(4, 8, skewed=("i", "j")), array(8, 4, skewed=("i", "j"))),
        (array(4, 8, dataflows=flow("k", "pc")), array(8, 4, dataflows=flow("cp", "k"))),
        (array(4, 8, dataflows=flow("kc", "kc")), array(8, 4, dataflows=flow("kc", "ck"))),
        (array(4, 8, dataflows=flow("k", "p", several=True)),
         array(8, 4, dataflows=flow("p", "k", several=True))),
        (array(1, 8, skewed=("i",)), array(8)),
        (array(1, 1), array(1)),
    ],
)  # fmt: skip
def test_these_are_alike(one: Hardware, other: Hardware) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (array(4, 8), array(2, 16)),
        (array(4, 8, skewed=("i",)), array(8, 4, skewed=("i",))),
        (array(4, 8, skewed=("i",)), array(4, 8)),
        (array(4, 8, dataflows=flow("k", "pc")), array(8, 4, dataflows=flow("k", "pc"))),
        # Each dataflow is symmetric, both together are not.
        (array(4, 8, dataflows=flow("k", "p") + flow("p", "c")),
         array(4, 8, dataflows=flow("k", "p") + flow("c", "p"))),
        (array(2, 4, dataflows=flow("k", "k", several=True)),
         array(4, 2, dataflows=flow("k", "k", several=True))),
        (array(4, 8), array(8, 4, fill=1)),
        (array(4, 8), array(8, 4, clock_mhz=500.0)),
    ],
)  # fmt: skip
def test_these_are_not(one: Hardware, other: Hardware) -> None:
    assert canonical(one) != canonical(other)


def test_axes_that_share_a_loop_are_not_interchangeable() -> None:
    """Of 10 iterations 4 units take 3 each, which 2 units share; 2 units take 5, which 3 of 4
    share as well as all 4 would.
    """
    problem = problem_of(Workload("Y[m,n] += A[m,k] * B[k,n]", {"m": 1, "n": 10, "k": 1}))
    found = [
        best_mapping(problem, array(*sizes, dataflows=flow("k", "k", several=True)), "latency")
        for sizes in ((4, 2), (2, 4))
    ]
    assert [spread_of(x.mapping.unrolling, 3)[1] for x in found] == [8, 6]


def test_shipped_hardware_is_all_different() -> None:
    found = [canonical(load_hardware(name)) for name in list_hardware()]
    assert len(set(found)) == len(found)

"""What a mapping is pinned to, and what cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.affine import Workload
from accelgen.errors import InfeasibleError, InputError
from accelgen.hardware import Dataflow, Hardware, Level, Memory
from accelgen.mapper.problem import Problem, problem_of
from accelgen.mapper.search import Objective, best_mapping
from accelgen.mapper.space import Constraints
from accelgen.names import FrozenMap
from tests.mapper.brute import configurations
from tests.mapper.drawn import hardware, problems
from tests.mapper.test_search import OBJECTIVES, check
from tests.tiers import examples


@st.composite
def pinned(draw: st.DrawFn) -> tuple[Problem, Hardware, Constraints]:
    """A case, and pins on some of what a mapping of its space is."""
    problem = draw(problems(4, 48))
    drawn = draw(hardware(problem, most_units=3))
    loops = st.lists(st.sampled_from(problem.loops), unique=True)
    every = list(configurations(problem, drawn, Constraints()))
    buffer = {loop: draw(st.integers(1, 4)) for loop in draw(loops)}
    pins = Constraints(buffer=FrozenMap(buffer), inner=tuple(draw(loops)), outer=tuple(draw(loops)))
    if not every:
        return problem, drawn, pins
    chosen = draw(st.sampled_from(every))
    flow: bool = draw(st.booleans())
    if drawn.dataflows and flow:
        pins = replace(pins, dataflow=chosen.dataflow)
    axes = draw(st.lists(st.sampled_from(sorted(drawn.array)), unique=True))
    unroll = {
        axis: FrozenMap({problem.loops[d]: n for x, d, n in chosen.unrolling if x == axis})
        for axis in axes
    }
    if unroll:
        pins = replace(pins, unroll=FrozenMap(unroll))
    if drawn.registers is not None:
        sizes = dict(zip(problem.loops, chosen.inner, strict=True))
        registers = FrozenMap({loop: sizes[loop] for loop in draw(loops)})
        pins = replace(pins, registers=registers)
    return problem, drawn, pins


@given(pinned(), st.sampled_from(OBJECTIVES))
@settings(max_examples=examples(25, 500))
def test_no_mapping_that_is_as_pinned_is_better(
    case: tuple[Problem, Hardware, Constraints], objective: Objective
) -> None:
    problem, drawn, pins = case
    check(problem, drawn, objective, pins)


GEMM = problem_of(Workload("Y[m,n] += A[m,k] * B[k,n]", {"m": 4, "n": 4, "k": 4}))


def array(size: int = 1000, registers: int | None = None) -> Hardware:
    dram = Memory("dram", None, 1.0, 10, 10)
    flows = (
        Dataflow("ws", FrozenMap({"i": ("k",)}), stationary="weights"),
        Dataflow("os", FrozenMap({"i": ("k", "p")}), stationary="outputs"),
    )
    file = None if registers is None else Level("rf", (Memory("rf", registers, None, 1, 1),))
    return Hardware(
        "toy",
        FrozenMap({"i": 2}),
        (Level("buffer", (Memory("sram", size, None, 1, 1),)), Level("dram", (dram,))),
        FrozenMap({"any": 1.0}),
        dataflows=flows,
        registers=file,
    )


def on(**axes: dict[str, int]) -> FrozenMap[str, FrozenMap[str, int]]:
    return FrozenMap({axis: FrozenMap(loops) for axis, loops in axes.items()})


def test_a_mapping_is_as_pinned() -> None:
    pins = Constraints(
        "os",
        on(i={"m": 2}),
        FrozenMap({"n": 2, "k": 1}),
        FrozenMap({"k": 2, "n": 3}),
        inner=("n", "m", "k"),
        outer=("k", "n", "m"),
    )
    found = best_mapping(GEMM, array(registers=100), "edp", pins).mapping
    assert found.dataflow == "os"
    assert found.unrolling == (("i", 0, 2),)
    assert found.inner[1] == 2
    # In whole steps of the array: 3 of n are 4.
    assert found.tiles[1][1:] == (4, 2)
    assert found.orders == ((1, 0, 2), (2, 1, 0))


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        (Constraints("oss"), "unknown dataflow 'oss'; did you mean 'os'"),
        (Constraints(unroll=on(j={"m": 2})), "unknown axis 'j'; known: i"),
        (Constraints(unroll=on(i={"x": 2})), "unknown loop 'x'; known: m, n, k"),
        (Constraints(unroll=on(i={"m": 0})), "unroll: i: m: 0; use 1 or more"),
        (Constraints(buffer=FrozenMap({"m": 0})), "buffer: m: 0; use 1 or more"),
        (Constraints(registers=FrozenMap({"k": -1})), "registers: k: -1; use 1 or more"),
        (Constraints(inner=("m", "m")), "inner: m is there twice"),
        (Constraints(outer=("y",)), "unknown loop 'y'"),
    ],
)
def test_names_and_sizes_that_are_wrong_are_refused(pins: Constraints, message: str) -> None:
    with pytest.raises(InputError, match=message):
        best_mapping(GEMM, array(), "edp", pins)


@pytest.mark.parametrize(
    ("hardware", "pins", "message"),
    [
        (array(), Constraints(unroll=on(i={"k": 2})), "toy: unroll: i cannot unroll k: 2; use .*n"),
        (array(), Constraints("ws", on(i={"m": 2})), "i cannot unroll m: 2; use nothing or n: 2"),
        (array(), Constraints("ws", inner=("m", "n", "k")), "inner: this order moves the weights"),
        (array(2), Constraints(), "smallest tiles need 9 bytes, sram has 2; most of it is Y"),
        (
            array(30),
            Constraints(buffer=FrozenMap({"m": 4, "n": 4, "k": 4})),
            "tiles as pinned need 68 bytes, sram has 30; most of it is Y; give sram 68 bytes",
        ),
        (array(registers=8), Constraints(), "toy: rf: .* needs 9 bytes, rf has 8; .* is Y; give"),
        (
            array(registers=12),
            Constraints(registers=FrozenMap({"k": 4})),
            "unit as pinned needs 21 bytes, rf has 12; .* or pin less",
        ),
    ],
)
def test_what_binds_is_named(hardware: Hardware, pins: Constraints, message: str) -> None:
    with pytest.raises(InfeasibleError, match=message):
        best_mapping(GEMM, hardware, "edp", pins)


def test_an_order_that_one_dataflow_has_is_taken_from_it() -> None:
    pins = Constraints(inner=("m", "n", "k"))
    assert best_mapping(GEMM, array(), "edp", pins).mapping.dataflow == "os"


def test_what_is_no_objective_is_refused() -> None:
    with pytest.raises(InputError, match="unknown objective 'speed'"):
        best_mapping(GEMM, array(), "speed")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"objective: exponents .*; use 0 or more"):
        best_mapping(GEMM, array(), (-1.0, 1.0))


def test_one_iteration_is_mapped_where_windows_slide() -> None:
    expression = "Y[k,p] += X[c,p + r] * W[k,c,r]"
    problem = problem_of(Workload(expression, dict.fromkeys("kcpr", 1)))
    sliding = Level("rf", (Memory("rf", 100, None, 1, 1, slides=True),))
    found = best_mapping(problem, replace(array(), registers=sliding))
    assert found.cost.compute_cycles == 1

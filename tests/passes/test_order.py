"""The passes as a whole: what they save, and that each works without the others."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accelgen.affine import Description
from accelgen.errors import AccelgenError, InputError
from accelgen.passes import PASSES
from accelgen.passes.delay_matching import Pipeline
from accelgen.passes.metrics import Metrics
from accelgen.passes.order import Record
from accelgen.passes.trees import TREES
from accelgen.pipeline import Design, design, predict
from tests.affine.strategies import block_descriptions, descriptions
from tests.shipped import SIZES, sized
from tests.tiers import examples

NAMES = [step.name for step in PASSES]


@cache
def shipped(name: str) -> Design:
    return design(sized(name, 1))


def record(name: str, step: str) -> Record:
    return next(found for found in shipped(name).passes if found.name == step)


def test_passes_have_names_and_a_line_each() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for step in PASSES:
        assert step.name.replace("_", "").isalpha()
        assert 20 < len(step.summary) <= 80


@pytest.mark.parametrize("name", SIZES)
def test_no_pass_makes_anything_dearer_that_it_is_for(name: str) -> None:
    less = {
        "constants": ("conditions", "mux_inputs", "adders", "lp_bits"),
        "pins": ("mux_inputs",),
        "widths": ("adder_bits", "multiplier_bits", "register_bits"),
        "delay_matching": ("lp_bits", "register_bits"),
        "shared_fanout": ("lp_bits", "register_bits"),
        "broadcast": ("wire", "register_bits"),
    }
    assert [found.name for found in shipped(name).passes] == NAMES
    for found in shipped(name).passes:
        before, after = found.before.to_json(), found.after.to_json()
        for key in less.get(found.name, ()):
            old, new = before[key], after[key]
            # Wide sums may not reach the period at all.
            assert old is None or (new is not None and new <= old), (found.name, key)
        if found.name == "trees":
            assert before["adders"] == after["adders"]


SAVED = [
    ("gemm_os_systolic", "constants", "conditions"),
    ("gemm_k_tree", "trees", "lp_bits"),
    ("matvec", "widths", "adder_bits"),
    ("gemm_os_broadcast", "delay_matching", "register_bits"),
    ("fir", "shared_fanout", "register_bits"),
    ("fir", "broadcast", "wire"),
]


@pytest.mark.parametrize(("name", "step", "figure"), SAVED)
def test_a_pass_saves_what_it_is_for(name: str, step: str, figure: str) -> None:
    found = record(name, step)
    old, new = found.before.to_json()[figure], found.after.to_json()[figure]
    assert old is None or (new is not None and new < old)


def test_gating_gates() -> None:
    gated = record("matvec", "gating").after
    assert gated.gated_bits is not None
    # Nearly all of the registers that are in units.
    assert gated.gated_bits > gated.register_bits // 2


@pytest.mark.parametrize("step", NAMES)
def test_a_pass_that_is_left_out_does_not_run(step: str) -> None:
    for name in ("conv2d_rs_eyeriss", "gemm_k_tree"):
        made = design(sized(name, 1), without=[step])
        assert made.without == (step,)
        assert [found.name for found in made.passes] == [n for n in NAMES if n != step]
        assert predict(sized(name, 1), without=[step]) == made.cycles
        # No cycle is lost by the passes.
        assert shipped(name).cycles.compute_cycles <= made.cycles.compute_cycles


def test_without_any_pass_the_netlist_is_the_one_built() -> None:
    made = design(sized("fir", 1), without=NAMES)
    assert [name for name, _ in made.stages] == ["", "delay_matching"]
    built, pipeline = (value for _, value in made.stages)
    assert isinstance(pipeline, Pipeline)
    assert pipeline.netlist == built
    assert pipeline.solution.programs == 0
    assert not pipeline.shared
    assert pipeline.enables == ()


def test_an_unknown_pass_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="there is no pass 'width'; there are constants, trees"):
        design("fir", without=["width"])
    with pytest.raises(InputError, match="there is no pass"):
        predict("fir", without=["width"])


@given(
    st.one_of(descriptions(), block_descriptions()),
    st.sets(st.sampled_from(NAMES)),
)
@settings(
    max_examples=examples(25, 400), suppress_health_check=[HealthCheck.too_slow], deadline=None
)
def test_any_passes_can_be_left_out(description: Description, without: set[str]) -> None:
    """Every pass is verified as it runs; cycles are predicted without registers placed."""
    made = design(description, without=without)
    assert predict(description, without=without) == made.cycles
    for found in made.passes:
        assert isinstance(found.after, Metrics)
        assert found.name not in without
    last = made.stages[-1][1]
    assert last is made.pipeline


def test_linear_programming_saves_what_was_asked_for() -> None:
    """At least 15 % of greedy's register bits on average over the shipped dataflows, and never
    more than greedy; every program had an integral optimum.
    """
    saved = []
    for name in SIZES:
        pipeline = design(name).pipeline
        assert pipeline.bits <= pipeline.greedy_bits
        saved.append(1 - pipeline.bits / pipeline.greedy_bits)
        assert (pipeline.solution.programs, pipeline.solution.fallbacks) == (2, 0)
    assert sum(saved) / len(saved) >= 0.15


def test_a_failed_check_says_which_pass_to_leave_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(before: object, after: object) -> None:
        raise AssertionError("pe_0 reads another value")

    monkeypatch.setattr(
        "accelgen.passes.order.PASSES",
        tuple(replace(step, verify=wrong) if step is TREES else step for step in PASSES),
    )
    with pytest.raises(AccelgenError) as caught:
        design("fir")
    assert str(caught.value) == (
        "pass trees: the check of this pass failed (pe_0 reads another value): this is a fault of "
        "accelgen; --without trees generates the design without it"
    )
    assert design("fir", without=["trees"]).stages

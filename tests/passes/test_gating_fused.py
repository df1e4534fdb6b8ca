"""Gating where bounds are registers: fused sums are generated, and wrong conclusions are found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.affine import Description, load_description
from accelgen.errors import AccelgenError
from accelgen.passes.gating import GATING
from accelgen.passes.timing import TimingModel
from accelgen.processor.design import ProcessorDesign, design_processor
from tests.tiers import examples

GEMMS = ("gemm_os_systolic", "gemm_ws_systolic", "gemm_is_systolic")


def gemm(name: str, extent: int = 2, skew: tuple[int, int] | None = None) -> Description:
    description = load_description(name).with_overrides(
        space=dict.fromkeys(load_description(name).dataflow.space, extent),
        bounds={"m": 4, "n": 4, "k": 4},
        types={"Y": "int32"},
    )
    if skew is None:
        return description
    axes = dict(zip(description.dataflow.space, skew, strict=False))
    return description.with_overrides(skew=axes)


def test_sums_passed_on_late_are_stopped_by_the_enable() -> None:
    made = design_processor(
        [gemm("gemm_ws_systolic", skew=(2, 0)), gemm("gemm_os_systolic")], "both"
    )
    assert any(node.parameters[:1] == ("chained",) for node in made.pipeline.netlist.nodes)
    assert made.pipeline.enables


@given(
    st.lists(
        st.tuples(st.sampled_from(GEMMS), st.tuples(st.integers(1, 3), st.integers(0, 3))),
        min_size=2,
        max_size=3,
        unique_by=lambda drawn: drawn[0],
    ),
    st.integers(2, 3),
)
@settings(max_examples=examples(25, 400), deadline=None)
def test_fused_gemms_of_any_skew_are_generated(
    drawn: list[tuple[str, tuple[int, int]]], extent: int
) -> None:
    """Every pass is verified as it runs."""
    try:
        made = design_processor([gemm(name, extent, skew) for name, skew in drawn], "drawn")
    except AccelgenError:
        return  # dataflows that are not legal, or sums that would run in a circle
    assert made.pipeline.netlist.nodes


@pytest.fixture(scope="module")
def ungated() -> ProcessorDesign:
    return design_processor([load_description("matvec")], "one", without=["gating", "broadcast"])


def test_nothing_is_concluded_from_bounds_that_are_registers(ungated: ProcessorDesign) -> None:
    pipeline = ungated.pipeline
    frame = pipeline.netlist.frame
    assert frame is not None
    assert not frame.settled
    model = TimingModel(ungated.technology, pipeline.period)
    sound = GATING.run(pipeline)
    GATING.verify(pipeline, sound, model)
    # As if these were the bounds for good: what holds at the largest does not at others.
    fixed = replace(pipeline, netlist=replace(pipeline.netlist, frame=replace(frame, settled=True)))
    wrong = GATING.run(fixed)
    assert len(wrong.enables) > len(sound.enables)
    with pytest.raises(AssertionError, match="misses"):
        GATING.verify(pipeline, replace(wrong, netlist=replace(wrong.netlist, frame=frame)), model)

"""Every unit gets exactly the element it needs, every product reaches exactly one sum.

Checked by tracing names of elements through the fabrics of random and of shipped dataflows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import prod

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelgen.affine import Description
from accelgen.fabric.build import build_fabric
from accelgen.fabric.fabric import Fabric
from tests.affine.strategies import descriptions
from tests.fabric.trace import Index, Token, Trace, affine, holds
from tests.shipped import SIZES, sized


@st.composite
def fabrics(draw: st.DrawFn) -> Fabric:
    kernel = draw(descriptions()).lower()
    assume(prod(kernel.time_extents) * kernel.units <= 4000)
    return build_fabric(kernel, draw(st.sampled_from((64, 96))))


def check_operands(fabric: Fabric) -> None:
    trace = Trace(fabric)
    for number, plan in enumerate(fabric.inputs):
        operand = trace.operand(plan)
        for unit in range(fabric.kernel.units):
            for t in trace.iterations:
                if trace.inside(unit, t):
                    needed = trace.needed(number, unit, t)
                    assert all(0 <= d < n for d, n in zip(needed, plan.tensor.shape, strict=True))
                    assert operand(unit, trace.use(unit, t)) == needed, (plan.tensor.name, unit, t)


def check_sums(fabric: Fabric) -> None:
    trace = Trace(fabric)
    output = len(fabric.kernel.tensors) - 1
    expected: dict[Index, Counter[Token | None]] = {}
    for unit in range(fabric.kernel.units):
        for t in trace.iterations:
            if trace.inside(unit, t):
                element = trace.needed(output, unit, t)
                expected.setdefault(element, Counter())[unit, t] += 1
    written, writes = trace.written()
    shape = fabric.output.tensor.shape
    assert all(0 <= d < n for e in written for d, n in zip(e, shape, strict=True))
    # The memory adds to what it holds only when it must.
    once = len(writes) == prod(shape) and set(writes.values()) == {1}
    assert fabric.output.accumulate == (not once)
    assert {e: tokens for e, tokens in written.items() if tokens} == expected


def check_guards(fabric: Fabric) -> None:
    trace = Trace(fabric)
    for t in trace.iterations:
        values = affine(fabric.kernel.time_matrix, t, fabric.kernel.offset)
        for unit in range(fabric.kernel.units):
            assert holds(fabric.guards[unit], values) == trace.inside(unit, t)


@given(fabrics())
@settings(max_examples=50)
def test_every_unit_gets_the_element_it_needs(fabric: Fabric) -> None:
    check_operands(fabric)


@given(fabrics())
@settings(max_examples=50)
def test_every_product_reaches_its_sum_once(fabric: Fabric) -> None:
    check_sums(fabric)


@given(fabrics())
@settings(max_examples=50)
def test_guards_are_membership_in_the_iteration_box(fabric: Fabric) -> None:
    check_guards(fabric)


@pytest.mark.parametrize("name", SIZES)
def test_the_fabrics_of_shipped_descriptions(name: str) -> None:
    fabric = build_fabric(sized(name, 1).lower())
    check_operands(fabric)
    check_sums(fabric)
    check_guards(fabric)


def short_tiles() -> list[Description]:
    """Tiles too short to hide their chains, which stretch the schedule."""
    return [
        sized("gemm_os_systolic", 0).with_overrides(bounds={"k": 2}, space={"i": 3, "j": 4}),
        sized("gemm_ws_systolic", 0).with_overrides(bounds={"m": 2}, space={"i": 4, "j": 3}),
        sized("gemm_ws_broadcast", 1).with_overrides(bounds={"m": 1}, space={"i": 5, "j": 2}),
        sized("gemm_is_systolic", 1).with_overrides(bounds={"n": 2}, space={"i": 3, "j": 5}),
        sized("conv2d_rs_eyeriss", 1).with_overrides(bounds={"q": 1, "s": 1}),
    ]


@pytest.mark.parametrize("description", short_tiles(), ids=lambda d: d.name)
def test_the_fabrics_of_short_tiles(description: Description) -> None:
    fabric = build_fabric(description.lower())
    check_operands(fabric)
    check_sums(fabric)


def test_a_wrong_depth_is_seen() -> None:
    """The tracer is no rubber stamp: one cycle more on a link, and operands are wrong."""
    fabric = build_fabric(sized("conv2d_os_shidiannao", 0).lower())
    plan = fabric.inputs[0]
    deep = max(range(len(plan.interconnect.links)), key=lambda k: plan.interconnect.links[k].depth)
    for change in (-1, 1):
        links = list(plan.interconnect.links)
        links[deep] = replace(links[deep], depth=links[deep].depth + change)
        broken = replace(plan, interconnect=replace(plan.interconnect, links=tuple(links)))
        with pytest.raises(AssertionError, match="X"):
            check_operands(replace(fabric, inputs=(broken, *fabric.inputs[1:])))

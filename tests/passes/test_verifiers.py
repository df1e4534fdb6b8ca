"""The verifier of every pass rejects what is wrong, in every way in which the pass could be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from accelgen.fabric.build import build_fabric
from accelgen.fabric.fabric import Guard
from accelgen.netlist.build import build_netlist
from accelgen.netlist.graph import Edge, Netlist, Node
from accelgen.passes import PASSES
from accelgen.passes.base import NetlistPass, PipelinePass
from accelgen.passes.delay_matching import Enable, Pipeline, match_delays
from accelgen.passes.metrics import wire_length
from accelgen.passes.order import last_netlist, rewrite
from accelgen.passes.timing import TimingModel
from accelgen.technology import load_technology
from tests.shipped import sized

TECHNOLOGY = load_technology("sg13g2")


def netlist_pass(name: str) -> NetlistPass:
    return next(p for p in PASSES if isinstance(p, NetlistPass) and p.name == name)


def pipeline_pass(name: str) -> PipelinePass:
    return next(p for p in PASSES if isinstance(p, PipelinePass) and p.name == name)


def around(name: str, design: str) -> tuple[Netlist, Netlist]:
    """What a pass is given in a design that does not divide its array, and what it makes of it."""
    stages = rewrite(build_netlist(build_fabric(sized(design, 1).lower())))
    for (_, before), (step, after) in pairwise(stages):
        if step == name:
            assert isinstance(before, Netlist)
            assert isinstance(after, Netlist)
            return before, after
    raise AssertionError(name)


def changed(netlist: Netlist, number: int, **changes: object) -> Netlist:
    node = replace(netlist.nodes[number], **changes)  # type: ignore[arg-type]
    return replace(netlist, nodes=(*netlist.nodes[:number], node, *netlist.nodes[number + 1 :]))


def first(netlist: Netlist, fits: Callable[[Node], bool]) -> int:
    return next(n for n, node in enumerate(netlist.nodes) if fits(node))


def guarded(node: Node) -> bool:
    return node.kind == "flag" and node.parameters[0] == "guard"


def test_constants() -> None:
    verify = netlist_pass("constants").verify
    before, after = around("constants", "gemm_os_systolic")
    verify(before, after)
    gate = first(after, lambda node: node.kind == "gate")
    data, *conditions = after.nodes[gate].inputs
    with pytest.raises(AssertionError, match="is missing"):
        verify(before, changed(after, gate, inputs=(data, *conditions[1:])))
    late = replace(data, delay=data.delay + 1)
    with pytest.raises(AssertionError, match="is missing"):
        verify(before, changed(after, gate, inputs=(late, *conditions)))
    flag = first(after, guarded)
    _, guard = after.nodes[flag].parameters
    assert isinstance(guard, Guard)
    for wrong in (
        replace(guard, high=None),
        replace(guard, high=(guard.high or 0) - 1),
        replace(guard, low=1),
        replace(guard, dimension=guard.dimension + 1),
    ):
        with pytest.raises(AssertionError, match="another condition"):
            verify(before, changed(after, flag, parameters=("guard", wrong)))
    write = first(after, lambda node: node.kind == "write")
    rest = after.nodes[:write] + after.nodes[write + 1 :]
    assert write == len(after.nodes) - 1 or after.nodes[write + 1].kind in ("write", "flag")
    numbers = {n: n - (n > write) for n in range(len(after.nodes))}
    rest = tuple(
        replace(
            node,
            inputs=tuple(Edge(numbers[e.source], e.delay, e.port) for e in node.inputs),
        )
        for node in rest
    )
    with pytest.raises(AssertionError, match="may write"):
        verify(before, replace(after, nodes=rest))


def test_constants_keeps_multiplexers_that_choose() -> None:
    verify = netlist_pass("constants").verify
    before, after = around("constants", "conv2d_os_shidiannao")
    select = first(after, lambda node: node.kind == "select" and node.name.startswith("x"))
    reader, position = next(
        (n, k)
        for n, node in enumerate(after.nodes)
        for k, edge in enumerate(node.inputs)
        if edge.source == select
    )
    inputs = list(after.nodes[reader].inputs)
    inputs[position] = replace(after.nodes[select].inputs[0], port=inputs[position].port)
    with pytest.raises(AssertionError, match="is missing"):
        verify(before, changed(after, reader, inputs=tuple(inputs)))


def test_trees() -> None:
    verify = netlist_pass("trees").verify
    before, after = around("trees", "gemm_k_tree")
    verify(before, after)
    adder = first(after, lambda node: node.kind == "add")
    left, right = after.nodes[adder].inputs
    for wrong in ((left, left), (left, replace(right, delay=1)), (right, right)):
        with pytest.raises(AssertionError, match="another sum"):
            verify(before, changed(after, adder, inputs=wrong))
    verify(before, changed(after, adder, inputs=(right, left)))
    narrow = replace(after.nodes[adder].format, bits=after.nodes[adder].format.bits - 1)
    with pytest.raises(AssertionError):
        verify(before, changed(after, adder, format=narrow))
    accumulate = first(after, lambda node: node.kind == "accumulate")
    with pytest.raises(AssertionError, match="is another"):
        verify(before, changed(after, accumulate, latency=2))


@pytest.mark.parametrize("design", ["gemm_k_tree", "fir", "mttkrp", "gemm_k_systolic"])
def test_widths(design: str) -> None:
    """Of every format that was inferred, one bit less is too few."""
    verify = netlist_pass("widths").verify
    before, after = around("widths", design)
    verify(before, after)
    inferred = [n for n, node in enumerate(after.nodes) if node.format != before.nodes[n].format]
    assert inferred
    for number in inferred:
        format = after.nodes[number].format
        if format.bits > 1:
            with pytest.raises(AssertionError, match="that was cut"):
                verify(before, changed(after, number, format=replace(format, bits=format.bits - 1)))
    number = inferred[0]
    wide = replace(before.nodes[number].format, bits=before.nodes[number].format.bits + 1)
    with pytest.raises(AssertionError, match="wider than it was"):
        verify(before, changed(after, number, format=wide))
    with pytest.raises(AssertionError, match="is another"):
        verify(before, changed(after, number, name="other"))


def pipelines(name: str, design: str) -> tuple[Pipeline, Pipeline, TimingModel]:
    netlist = last_netlist(rewrite(build_netlist(build_fabric(sized(design, 1).lower()))))
    before = match_delays(netlist, TECHNOLOGY)
    return before, pipeline_pass(name).run(before), TimingModel(TECHNOLOGY, before.period)


@pytest.mark.parametrize("design", ["gemm_os_systolic", "gemm_ws_systolic", "fir", "matvec"])
def test_gating(design: str) -> None:
    verify = pipeline_pass("gating").verify
    before, after, model = pipelines("gating", design)
    assert after.enables
    verify(before, after, model)
    for position, enable in enumerate(after.enables):
        for term, (wire, values) in enumerate(enable.terms):

            def with_terms(
                changed: tuple[int, tuple[int, ...]],
                position: int = position,
                enable: Enable = enable,
                term: int = term,
            ) -> Pipeline:
                terms = (*enable.terms[:term], changed, *enable.terms[term + 1 :])
                enables = list(after.enables)
                enables[position] = replace(enable, terms=terms)
                return replace(after, enables=tuple(enables))

            flipped = tuple(1 - value for value in values)
            with pytest.raises(AssertionError, match="misses"):
                verify(before, with_terms((wire, flipped)), model)
            # The condition of the cycle before, or after, is another.
            others = [
                n
                for n, node in enumerate(after.netlist.nodes)
                if node.home == after.netlist.nodes[wire].home
                and node.name.startswith("enable")
                and n not in {w for w, _ in enable.terms}
                and node.inputs[0].source == after.netlist.nodes[wire].inputs[0].source
            ]
            for other in others:
                with pytest.raises(AssertionError, match="misses"):
                    verify(before, with_terms((other, values)), model)


def test_gating_of_a_register_that_always_counts() -> None:
    verify = pipeline_pass("gating").verify
    before, after, model = pipelines("gating", "conv2d_os_shidiannao")
    wire = after.enables[0].terms[0][0]
    home = after.netlist.nodes[wire].home
    drain = next(
        n
        for n, node in enumerate(after.netlist.nodes)
        if node.home == home and node.name == "drain"
    )
    wrong = (*after.enables, Enable(drain, 1, ((wire, (1,)),)))
    longest = max(
        count
        for n, node in enumerate(after.netlist.nodes)
        for edge, count in zip(node.inputs, after.registers[n], strict=True)
        if edge.source == drain
    )
    assert longest >= 1
    with pytest.raises(AssertionError, match="misses"):
        verify(before, replace(after, enables=wrong), model)


def test_broadcast() -> None:
    verify = pipeline_pass("broadcast").verify
    before, after, model = pipelines("broadcast", "gemm_os_systolic")
    relays = [n for n, node in enumerate(after.netlist.nodes) if "_relay" in node.name]
    assert relays
    verify(before, after, model)
    for number in relays:
        for by in (-1, 1):
            counts = list(after.registers)
            counts[number] = (counts[number][0] + by,)
            with pytest.raises(AssertionError):
                verify(before, replace(after, registers=tuple(counts)), model)
    missing = replace(after, netlist=replace(after.netlist, nodes=after.netlist.nodes[:-1]))
    with pytest.raises(AssertionError, match="missing"):
        verify(before, missing, model)
    lengths = [wire_length(p.netlist, p.registers) for p in (before, after)]
    assert lengths[1] < lengths[0]
    # Once is enough.
    assert pipeline_pass("broadcast").run(after).registers == after.registers


def test_broadcast_keeps_a_star_that_is_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    before, _, _ = pipelines("broadcast", "gemm_os_systolic")
    monkeypatch.setattr(
        "accelgen.passes.broadcast.wire_length", lambda netlist, _: len(netlist.nodes)
    )
    assert pipeline_pass("broadcast").run(before) is before

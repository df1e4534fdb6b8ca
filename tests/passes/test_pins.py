"""Pins are dealt in the best way there is, and hardware that was dealt anew does the same."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import pytest
from amaranth.sim import Simulator, SimulatorContext
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.formats import IntFormat
from accelgen.netlist.graph import Builder, Edge, Netlist, port_of
from accelgen.passes.delay_matching import match_delays
from accelgen.passes.metrics import measure
from accelgen.passes.pins import PINS, deal, dealt_inputs
from accelgen.passes.trees import TREES
from accelgen.rtl.unit import Unit, unit_shapes
from accelgen.technology import load_technology

PE = ("pe", 0)
BYTE, WORD = IntFormat(8), IntFormat(20)
Terms = list[list[str]]


def shared(kind: str, terms: Terms) -> Netlist:
    """A product of two pins, or a sum of any number, whose pins take for each dataflow what the
    row of ``terms`` says.
    """
    builder = Builder()
    names = sorted({name for row in terms for name in row})
    sources = {
        name: builder.add("read", name, ("memory", 0), BYTE, group=f"read.{name}", latency=1)
        for name in names
    }
    bits = max(1, (len(terms) - 1).bit_length())
    flag = builder.add(
        "flag", "dataflow", ("control", 0), IntFormat(bits, signed=False), group="control",
        latency=1, parameters=("dataflow",), ways=len(terms),
    )  # fmt: skip
    pins = []
    for number, column in enumerate(zip(*terms, strict=True)):
        if len(set(column)) == 1:
            pins.append(Edge(sources[column[0]], 0, f"p{number}"))
            continue
        inputs = [Edge(sources[name], 0, f"p{number}_v{k}") for k, name in enumerate(column)]
        switch = Edge(flag, 0, "dataflow")
        chosen = builder.add(
            "choose", f"choose{number}", PE, BYTE, [*inputs, switch],
            parameters=tuple(range(len(column))),
        )  # fmt: skip
        pins.append(Edge(chosen, 0, f"c{number}"))
    if kind == "multiply":
        total = builder.add("multiply", "product", PE, WORD, pins)
    else:
        edge, *others = pins
        for number, other in enumerate(others):
            total = builder.add("add", f"add{number}", PE, WORD, [edge, other])
            edge = Edge(total, 0, f"a{number}")
    builder.add(
        "write", "y", ("memory", 0), WORD, [Edge(total, 0, "data")], group="write",
        parameters=(0, 0),
    )  # fmt: skip
    return builder.netlist()


def chooses(netlist: Netlist) -> int:
    return measure(netlist).mux_inputs


def test_a_product_swaps_its_factors() -> None:
    before = shared("multiply", [["a", "b"], ["b", "a"]])
    after = PINS.run(before)
    PINS.verify(before, after)
    assert (chooses(before), chooses(after)) == (4, 0)
    assert all(node.kind != "choose" for node in after.nodes)
    assert measure(after).multiplier_bits == 64


def test_half_of_a_swap_helps_too() -> None:
    before = shared("multiply", [["a", "b"], ["b", "c"]])
    after = PINS.run(before)
    PINS.verify(before, after)
    assert (chooses(before), chooses(after)) == (4, 2)


def test_nothing_to_gain_changes_nothing() -> None:
    before = shared("multiply", [["a", "b"], ["a", "c"]])
    assert PINS.run(before) is before
    without = shared("add", [["a", "b", "c"]])
    assert PINS.run(without) is without


def test_a_sum_deals_its_terms() -> None:
    before = shared("add", [["a", "b", "c", "d"], ["d", "a", "b", "c"], ["b", "e", "d", "a"]])
    after = PINS.run(before)
    PINS.verify(before, after)
    assert (chooses(before), chooses(after)) == (12, 2)
    balanced = TREES.run(after)
    TREES.verify(after, balanced)


def test_the_verifier_sees_a_term_in_the_wrong_dataflow() -> None:
    before = shared("add", [["a", "b", "c"], ["b", "d", "a"]])
    after = PINS.run(before)
    assert chooses(after) < chooses(before)
    number = next(n for n, node in enumerate(after.nodes) if node.kind == "choose")
    node = after.nodes[number]
    swapped = replace(node, parameters=tuple(reversed(node.parameters)))
    with pytest.raises(AssertionError, match="reads another value in dataflow"):
        PINS.verify(
            before,
            replace(after, nodes=(*after.nodes[:number], swapped, *after.nodes[number + 1 :])),
        )
    with pytest.raises(AssertionError, match="more multiplexer inputs"):
        PINS.verify(after, before)


@st.composite
def rows(draw: st.DrawFn) -> list[list[tuple[int, int]]]:
    pins = draw(st.integers(2, 4))
    term = st.tuples(st.integers(0, 5), st.integers(0, 1))
    row = st.lists(term, min_size=pins, max_size=pins)
    return draw(st.lists(row, min_size=2, max_size=3 if pins < 4 else 2))


@given(rows())
@settings(max_examples=200)
def test_no_way_to_deal_needs_fewer_inputs(drawn: list[list[tuple[int, int]]]) -> None:
    dealt = deal(drawn)
    assert [sorted(row) for row in dealt] == [sorted(row) for row in drawn]
    every = product(*(permutations(row) for row in drawn))
    assert dealt_inputs(dealt) == min(dealt_inputs(way) for way in every)


@given(st.lists(st.permutations(range(7)), min_size=2, max_size=2))
@settings(max_examples=20)
def test_many_terms_of_two_dataflows_are_dealt_best(drawn: list[list[int]]) -> None:
    """Beyond what is tried out; all terms are the same ones, so no multiplexer is needed."""
    assert dealt_inputs(deal([[(term, 0) for term in row] for row in drawn])) == 0


def test_three_dataflows_of_many_terms_are_dealt_one_after_the_other() -> None:
    terms = [[(n, 0) for n in row] for row in (range(8), range(7, -1, -1), range(1, 9))]
    dealt = deal(terms)
    assert [sorted(row) for row in dealt] == [sorted(row) for row in terms]
    assert dealt_inputs(dealt) == 2


@pytest.mark.parametrize("kind", ["multiply", "add"])
@pytest.mark.parametrize("remapped", [False, True])
def test_hardware_that_chooses(kind: str, remapped: bool) -> None:
    """Each dataflow's terms come to the sum, or product, with and without the pass."""
    pins = 2 if kind == "multiply" else 4
    table = [["a", "b", "c", "d"], ["d", "a", "e", "b"], ["c", "d", "a", "a"]]
    terms = [row[:pins] for row in table]
    netlist = shared(kind, terms)
    if remapped:
        before, netlist = netlist, PINS.run(netlist)
        assert chooses(netlist) < chooses(before)
    pipeline = match_delays(netlist, load_technology("sg13g2"), 20.0)
    (shape,) = unit_shapes(pipeline, ("pe",)).values()
    unit = Unit(shape)
    # At that period nothing is registered within the unit: what comes in counts at once.
    assert not shape.registered
    ports = {
        port_of(node, k): netlist.nodes[edge.source].name
        for node in netlist.nodes
        if node.home == PE
        for k, edge in enumerate(node.inputs)
        if netlist.nodes[edge.source].home != PE
    }
    values = {"a": -3, "b": 5, "c": -128, "d": 127, "e": 11}

    async def bench(simulator: SimulatorContext) -> None:
        for dataflow, row in enumerate(terms):
            for port, name in ports.items():
                simulator.set(getattr(unit, port), values.get(name, dataflow))
            numbers = [values[name] for name in row]
            expected = numbers[0] * numbers[1] if kind == "multiply" else sum(numbers)
            (out,) = (name for name in unit.signature.members if name.endswith("_out"))
            assert simulator.get(getattr(unit, out)) == expected

    simulator = Simulator(unit)
    simulator.add_testbench(bench)
    simulator.run()

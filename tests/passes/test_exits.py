"""What several dataflows give to one place: one delay line, and a verifier that sees any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.formats import IntFormat
from accelgen.netlist.graph import Builder, Edge, Netlist
from accelgen.passes.exits import EXITS, line_bits

WORD = IntFormat(22)


def leaving(delays: Sequence[int], table: Sequence[int]) -> Netlist:
    """A place of the output memory that takes values of some delays, by the dataflow."""
    builder = Builder()
    chosen = builder.add("flag", "dataflow_chosen", ("control", 0), IntFormat(3, signed=False),
                         latency=1, parameters=("dataflow",))  # fmt: skip
    inputs = [
        Edge(builder.add("wire", "sum", ("pe", k), WORD, group="sum"), delay, f"data_{k}")
        for k, delay in enumerate(delays)
    ]
    data = builder.add("choose", "slot0_data", ("exit", 0), WORD,
                       [*inputs, Edge(chosen, 0, "dataflow")], group="choose.write.data.0",
                       parameters=tuple(table))  # fmt: skip
    builder.add("write", "slot0", ("memory", 0), WORD, [Edge(data, 0, "data")], group="write",
                parameters=(0, 0))  # fmt: skip
    return builder.netlist()


def test_values_wait_behind_the_choice_between_them() -> None:
    before = leaving([7, 7, 0, 5], [2, 0, 1, 3])
    after = EXITS.run(before)
    EXITS.verify(before, after)
    assert line_bits(before.nodes) == 22 * (7 + 7 + 5)
    assert line_bits(after.nodes) == 22 * 7
    # Two values that are as late as each other, then a later one, then one that does not wait.
    assert [len(node.inputs) - 1 for node in after.nodes if node.kind == "choose"] == [2, 2, 2]


def test_one_line_that_waits_longest_stays() -> None:
    before = leaving([4, 0], [0, 1])
    assert EXITS.run(before) is before


@given(st.data())
def test_every_dataflow_gets_what_it_did(data: st.DataObject) -> None:
    delays = data.draw(st.lists(st.integers(0, 6), min_size=2, max_size=5))
    places = st.integers(0, len(delays) - 1)
    before = leaving(delays, data.draw(st.lists(places, min_size=2, max_size=6)))
    after = EXITS.run(before)
    EXITS.verify(before, after)
    assert line_bits(after.nodes) == 22 * max(delays)


def test_the_verifier_sees_another_value_and_an_early_choice() -> None:
    before = leaving([7, 6, 0], [0, 1, 2])
    after = EXITS.run(before)
    number, node = next((n, node) for n, node in enumerate(after.nodes) if "_line" in node.name)

    def changed(**fields: object) -> Netlist:
        nodes = list(after.nodes)
        nodes[number] = replace(node, **fields)  # type: ignore[arg-type]
        return replace(after, nodes=tuple(nodes))

    with pytest.raises(AssertionError, match="reads another value in dataflow"):
        EXITS.verify(before, changed(parameters=tuple(reversed(node.parameters))))
    first, *others = node.inputs
    with pytest.raises(AssertionError, match="reads another value in dataflow"):
        EXITS.verify(before, changed(inputs=(replace(first, delay=first.delay + 1), *others)))
    *values, switch = node.inputs
    with pytest.raises(AssertionError, match="of the problem before"):
        EXITS.verify(before, changed(inputs=(*values, replace(switch, delay=1))))
    with pytest.raises(AssertionError, match="no fewer registers"):
        EXITS.verify(after, before)

"""One register to hold an operand and to pass on others, and a verifier that sees any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from accelgen.affine import load_description
from accelgen.formats import IntFormat
from accelgen.netlist.graph import Builder, Edge, Netlist, Node
from accelgen.passes.holds import HOLDS
from accelgen.processor.design import design_processor

BYTE, BIT = IntFormat(8), IntFormat(1, signed=False)
FIRST = ("first", 1)


def unit(
    conditions: Sequence[object], table: Sequence[int], *, switch: int, passed: int, late: int = 1
) -> Netlist:
    """A unit that holds ``load``, or takes what comes ``passed`` cycles late, and passes it on.

    The switch is ``switch`` cycles late; ``table`` says which dataflow takes what is held (0).
    """
    builder = Builder()
    control = ("control", 0)
    dataflow = builder.add("flag", "dataflow_chosen", control, IntFormat(2, signed=False),
                           latency=1, parameters=("dataflow",), ways=3)  # fmt: skip
    flag = builder.add("flag", "flag0", control, BIT, latency=1, group="control",
                       parameters=("by dataflow", tuple(conditions)))  # fmt: skip
    load = builder.add("wire", "load", ("pe", 0), BYTE, group="load")
    link = builder.add("wire", "link", ("pe", 1), BYTE, group="link")
    inputs = [Edge(load, 0, "b_load"), Edge(flag, switch, "b_switch")]
    held = builder.add("hold", "b_held", ("pe", 0), BYTE, inputs, latency=1)
    chosen = builder.add(
        "choose", "b_operand_b_in", ("pe", 0), BYTE,
        [Edge(held, 0, ""), Edge(link, passed, "b_in"), Edge(dataflow, 0, "dataflow")],
        parameters=tuple(table),
    )  # fmt: skip
    operand = builder.add("wire", "b_operand", ("pe", 0), BYTE, [Edge(chosen, 0, "")])
    builder.add("wire", "next", ("pe", 2), BYTE, [Edge(operand, late, "b_next")], group="write")
    return builder.netlist()


def by_name(netlist: Netlist) -> dict[str, Node]:
    return {node.name: node for node in netlist.nodes}


def test_the_choice_comes_first_and_one_register_behind_it() -> None:
    before = unit([FIRST, None], [0, 1], switch=0, passed=1)
    after = HOLDS.run(before)
    HOLDS.verify(before, after)
    nodes = by_name(after)
    assert len(after.nodes) == len(before.nodes)
    assert after.nodes[nodes["b_held"].inputs[0].source].name == "b_operand_b_in"
    assert after.nodes[nodes["b_operand"].inputs[0].source].name == "b_held"


def test_two_dataflows_of_gemm_share_a_register_of_every_unit() -> None:
    small = [
        load_description(name).with_overrides(
            bounds={"m": 4, "n": 4, "k": 4}, space={"i": 2, "j": 2}, types={"Y": "int32"}
        )
        for name in ("gemm_os_systolic", "gemm_ws_systolic")
    ]
    made, other = (design_processor(small, "two", without=without) for without in ((), ("holds",)))
    # Two units pass what they hold on to the next one.
    assert made.pipeline.bits <= other.pipeline.bits - 2 * 8
    assert made.pipeline.latency <= other.pipeline.latency


def test_a_switch_that_is_late_is_taken_early_where_nothing_is_held() -> None:
    before = unit([FIRST, None, None], [0, 1, 1], switch=3, passed=1)
    after = HOLDS.run(before)
    HOLDS.verify(before, after)
    (held,) = (node for node in after.nodes if node.kind == "hold")
    switch = after.nodes[held.inputs[1].source]
    assert switch.kind == "choose"
    delays = [switch.inputs[int(str(taken))].delay for taken in switch.parameters]
    assert delays == [3, 0, 0]


@pytest.mark.parametrize(
    ("conditions", "late"),
    [([FIRST, FIRST], 1), ([FIRST, None], 0)],
    ids=["both have the flag", "nothing is late behind it"],
)
def test_other_holds_stay(conditions: list[object], late: int) -> None:
    before = unit(conditions, [0, 1], switch=0, passed=1, late=late)
    assert HOLDS.run(before) is before


def test_the_verifier_sees_another_value_and_a_late_switch() -> None:
    before = unit([FIRST, None], [0, 1], switch=3, passed=1)
    after = HOLDS.run(before)

    def changed(name: str, **fields: object) -> Netlist:
        nodes = [replace(node, **fields) if node.name == name else node for node in after.nodes]  # type: ignore[arg-type]
        return replace(after, nodes=tuple(nodes))

    with pytest.raises(AssertionError, match="reads another value in dataflow"):
        HOLDS.verify(before, changed("b_operand_b_in", parameters=(1, 0)))
    switch = by_name(after)["b_held_b_switch"]
    with pytest.raises(AssertionError, match="reads another value in dataflow 0"):
        HOLDS.verify(before, changed("b_held_b_switch", parameters=(1, 1)))
    first, _, dataflow = switch.inputs
    late = (first, replace(first, delay=2), dataflow)
    with pytest.raises(AssertionError, match="b_held opens too late"):
        HOLDS.verify(before, changed("b_held_b_switch", inputs=late))
    with pytest.raises(AssertionError, match=r"'flag0'\) is another"):
        HOLDS.verify(before, changed("flag0", parameters=("by dataflow", (FIRST, FIRST))))

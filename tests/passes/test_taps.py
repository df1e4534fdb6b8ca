"""Shallow FIFOs as taps: the same value at every depth, and a verifier that sees any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from accelgen.affine import load_description
from accelgen.formats import IntFormat
from accelgen.netlist.fuse import fuse
from accelgen.netlist.graph import Builder, Edge, Netlist, Node
from accelgen.passes import match_delays
from accelgen.passes.taps import MOST_DEPTH, TAPS
from accelgen.processor.design import netlists_of
from accelgen.processor.flow import make_flows
from accelgen.technology import load_technology

BYTE = IntFormat(8)


def linked(most: int) -> Netlist:
    """A unit that takes what its neighbour had some cycles ago, and one that takes the last."""
    builder = Builder()
    depth = builder.add("flag", "depth", ("control", 0), IntFormat(3, signed=False), latency=1)
    given = builder.add("wire", "given", ("pe", 0), BYTE, group="given")
    fifo = builder.add(
        "fifo", "fifo", ("pe", 1), BYTE, [Edge(given, 1, "in"), Edge(depth, 0, "depth")],
        latency=1, parameters=(most,),
    )  # fmt: skip
    builder.add("wire", "near", ("pe", 2), BYTE, [Edge(given, 1, "near_in")], group="near")
    builder.add("wire", "far", ("pe", 1), BYTE, [Edge(fifo, 0, "")], group="far")
    return builder.netlist()


@pytest.mark.parametrize("most", range(1, MOST_DEPTH + 1))
def test_a_shallow_fifo_becomes_a_choice_of_taps(most: int) -> None:
    before = linked(most)
    after = TAPS.run(before)
    TAPS.verify(before, after)
    (chosen,) = (node for node in after.nodes if node.kind == "choose")
    *taps, switch = chosen.inputs
    assert [tap.delay for tap in taps] == list(range(1, most + 2))
    assert len({tap.port for tap in taps}) == most + 1
    assert after.nodes[switch.source].name == "depth"
    assert not any(node.kind == "fifo" for node in after.nodes)


def test_a_deep_fifo_stays() -> None:
    before = linked(MOST_DEPTH + 1)
    assert TAPS.run(before) is before


def later(node: Node) -> Node:
    first, *others = node.inputs
    return replace(node, inputs=(replace(first, delay=first.delay + 1), *others))


def shallower(node: Node) -> Node:
    return replace(node, inputs=(*node.inputs[:-2], node.inputs[-1]), parameters=(0,))


def swapped(node: Node) -> Node:
    return replace(node, parameters=tuple(reversed(node.parameters)))


def from_elsewhere(node: Node) -> Node:
    first, *others = node.inputs
    return replace(node, inputs=(replace(first, source=0), *others))


def another_switch(node: Node) -> Node:
    return replace(node, inputs=(*node.inputs[:-1], replace(node.inputs[-1], source=1)))


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (later, "at depth 0"),
        (shallower, "not as deep"),
        (swapped, "at depth 0"),
        (from_elsewhere, "at depth 0"),
        (another_switch, "another depth"),
    ],
)
def test_mistakes_are_found(mistake: Callable[[Node], Node], says: str) -> None:
    before = linked(1)
    after = TAPS.run(before)
    nodes = tuple(mistake(n) if n.kind == "choose" else n for n in after.nodes)
    with pytest.raises(AssertionError, match=says):
        TAPS.verify(before, replace(after, nodes=nodes))


def test_links_of_several_dataflows_share_a_line() -> None:
    names = ("gemm_os_systolic", "depthwise")
    flows = make_flows(
        [
            load_description(name).with_overrides(space={"i": 4, "j": 4}, types={"Y": "int32"})
            for name in names
        ]
    )
    before = fuse(netlists_of(flows))
    assert any(node.kind == "fifo" for node in before.nodes)
    after = TAPS.run(before)
    TAPS.verify(before, after)
    technology = load_technology("sg13g2")
    state = sum(
        # A ring has words to a power of two, their counter, and a register behind it.
        (2 ** int(str(n.parameters[0])).bit_length() + 1) * n.format.bits
        for n in before.nodes
        if n.kind == "fifo"
    )
    bits = [match_delays(netlist, technology).bits for netlist in (before, after)]
    assert bits[1] < bits[0] + state

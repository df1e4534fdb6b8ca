"""Pin remapping: the fewest inputs at the multiplexers in front of shared adders and multipliers.

Where several dataflows share hardware, a ``choose`` in front of a pin takes another source for
each.  Sums and products do not care which pin a term comes in by: so for each dataflow the terms
are dealt to the pins anew, such that as many as possible come in where they did for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations, product
from math import factorial

import numpy as np
from scipy.optimize import linear_sum_assignment

from accelgen.formats import IntFormat
from accelgen.netlist.dataflows import is_by_dataflow
from accelgen.netlist.graph import Edge, Netlist, Node
from accelgen.passes.base import NetlistPass, ordered
from accelgen.passes.pins_check import verify
from accelgen.passes.trees import adder_trees

__all__ = ["PINS", "deal"]

Term = tuple[int, int]
"""Source and delay of what comes in by a pin."""

Pin = tuple[int, int]
"""A node and the number of its input."""

MOST_TRIES = 5000
"""Ways to deal terms up to which all are tried."""


def run(netlist: Netlist) -> Netlist:
    """Deal the terms of every product and of every sum anew."""
    nodes = dict(enumerate(netlist.nodes))
    if not any(is_by_dataflow(netlist.nodes, node) for node in netlist.nodes):
        return netlist
    readers = [len(found) for found in netlist.fanout()]
    jobs = [[(n, 0), (n, 1)] for n, node in nodes.items() if node.kind == "multiply"]
    for root, others, _, _ in adder_trees(netlist):
        inside = {root, *others}
        jobs.append(
            [
                (n, k)
                for n in sorted(inside)
                for k, edge in enumerate(nodes[n].inputs)
                if edge.source not in inside or edge.delay
            ]
        )
    changed = [_deal_pins(nodes, readers, pins) for pins in jobs]
    if not any(changed):
        return netlist
    used = {edge.source for node in nodes.values() for edge in node.inputs}
    kept = {n: node for n, node in nodes.items() if node.kind != "choose" or n in used}
    return replace(netlist, nodes=ordered(kept))


def _deal_pins(nodes: dict[int, Node], readers: Sequence[int], pins: Sequence[Pin]) -> bool:
    """Deal the terms of one sum or product, and change the nodes when that saves inputs."""
    edges = [nodes[n].inputs[k] for n, k in pins]
    # Multiplexers that others read as well, or that are read late, are terms like any other.
    own = [
        edge.source
        for edge in edges
        if is_by_dataflow(nodes, nodes[edge.source])
        and readers[edge.source] == 1
        and not edge.delay
    ]
    switches = {(e.source, e.delay) for e in (nodes[n].inputs[-1] for n in own)}
    if len(switches) != 1:
        return False
    dataflows = len(nodes[own[0]].parameters)
    rows = [[_taken(nodes, edge, own, d) for edge in edges] for d in range(dataflows)]
    dealt = deal(rows)
    columns = [[row[position] for row in dealt] for position in range(len(pins))]
    if dealt_inputs(dealt) >= dealt_inputs(rows) or sum(len(set(c)) > 1 for c in columns) > len(
        own
    ):
        return False
    spare = list(reversed(own))
    switch = nodes[own[0]].inputs[-1]
    for (number, k), column in zip(pins, columns, strict=True):
        terms = list(dict.fromkeys(column))
        name = f"{nodes[number].name}_pin{k}"
        if len(terms) == 1:
            edge = Edge(*terms[0], name)
        else:
            chosen = spare.pop()
            forms = [nodes[source].format for source, _ in terms]
            nodes[chosen] = replace(
                nodes[chosen],
                format=IntFormat.for_range(min(f.min for f in forms), max(f.max for f in forms)),
                inputs=(*(Edge(*t, f"{name}_v{v}") for v, t in enumerate(terms)), switch),
                parameters=tuple(terms.index(term) for term in column),
            )
            edge = Edge(chosen, 0, name)
        inputs = list(nodes[number].inputs)
        inputs[k] = edge
        nodes[number] = replace(nodes[number], inputs=tuple(inputs))
    return True


def _taken(nodes: dict[int, Node], edge: Edge, own: Sequence[int], dataflow: int) -> Term:
    node = nodes[edge.source]
    if edge.source in own:
        position = node.parameters[dataflow]
        assert isinstance(position, int)
        edge = node.inputs[position]
    return edge.source, edge.delay


def dealt_inputs(rows: Sequence[Sequence[Term]]) -> int:
    """Inputs of the multiplexers that ``rows``, the terms by dataflow and pin, need."""
    counts = [len(set(column)) for column in zip(*rows, strict=True)]
    return sum(count for count in counts if count > 1)


def deal(rows: Sequence[Sequence[Term]]) -> list[tuple[Term, ...]]:
    """The terms of every dataflow in the order of pins that needs the fewest multiplexer inputs.

    The best order there is, where at most ``MOST_TRIES`` have to be tried or two dataflows share
    the pins; beyond that dataflow after dataflow, each in the best way given those before.
    """
    pins = len(rows[0])
    if factorial(pins) ** (len(rows) - 1) <= MOST_TRIES:
        ways = product(*([tuple(row) for row in permutations(terms)] for terms in rows[1:]))
        return min(([tuple(rows[0]), *way] for way in ways), key=dealt_inputs)
    dealt = [tuple(rows[0])]
    for terms in rows[1:]:
        there = [set(column) for column in zip(*dealt, strict=True)]
        # A pin without a multiplexer gets one of two inputs, any other one input more.
        cost = np.array(
            [[0 if term in known else 1 + (len(known) == 1) for term in terms] for known in there]
        )
        _, order = linear_sum_assignment(cost)
        dealt.append(tuple(terms[k] for k in order.tolist()))
    return dealt


PINS = NetlistPass(
    "pins", "pin remapping: fewest multiplexer inputs at sums and products that are shared", run,
    verify,
)  # fmt: skip

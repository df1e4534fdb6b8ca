"""Bit-width inference: every value as wide as what it can be, from formats and loop bounds.

The range of a value follows from the ranges of what it is made of, by interval arithmetic.  It
needs no more bits than those who read it use: sums and products are exact modulo two to their
width, so what is cut at the end may be cut before.  Values that belong to the same place of units
that are alike keep one format, so that the units stay one module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from accelgen.formats import IntFormat
from accelgen.netlist.graph import RING, Netlist, Node, data_inputs, terms_of
from accelgen.passes.base import NetlistPass, unit_members
from accelgen.passes.widths_check import verify

__all__ = ["WIDTHS"]

Range = tuple[int, int]


def run(netlist: Netlist) -> Netlist:
    """Narrow the formats of sums, products, and what passes them on."""
    nodes = netlist.nodes
    ranges = _ranges(nodes)
    classes = _classes(nodes)
    whole: list[Range] = [ranges[members[0]] for members in classes]
    for k, members in enumerate(classes):
        whole[k] = (min(ranges[n][0] for n in members), max(ranges[n][1] for n in members))
    of = {number: k for k, members in enumerate(classes) for number in members}
    readers = netlist.fanout()
    fixed = [
        any(
            nodes[n].kind not in RING
            or (nodes[n].kind == "accumulate" and terms_of(nodes[n]) is None)
            or any(_takes_all(nodes[r]) for r, _ in readers[n])
            for n in members
        )
        for members in classes
    ]
    formats = [
        nodes[members[0]].format
        if fixed[k]
        else _narrower(IntFormat.for_range(*whole[k]), nodes[members[0]].format)
        for k, members in enumerate(classes)
    ]
    changed = True
    while changed:
        changed = False
        for k in reversed(range(len(classes))):
            if fixed[k]:
                continue
            used = max((formats[of[r]].bits for n in classes[k] for r, _ in readers[n]), default=0)
            if used and used < formats[k].bits:
                formats[k] = IntFormat(used, signed=formats[k].signed)
                changed = True
    return replace(
        netlist,
        nodes=tuple(
            node if node.format == formats[of[n]] else replace(node, format=formats[of[n]])
            for n, node in enumerate(nodes)
        ),
    )


def _narrower(needed: IntFormat, given: IntFormat) -> IntFormat:
    return given if needed.bits >= given.bits else needed


def _takes_all(reader: Node) -> bool:
    """Whether a reader means the bits of its inputs as they are."""
    return reader.kind not in RING and reader.kind != "write"


def _ranges(nodes: Sequence[Node]) -> list[Range]:
    """Values every node can have, were no format to cut any."""
    ranges: list[Range] = []
    for number, node in enumerate(nodes):
        given = (node.format.min, node.format.max)
        count = data_inputs(node) if node.kind != "multiply" else 2
        sources = [edge.source for edge in node.inputs[:count]]
        if node.kind not in RING or not sources or any(s >= number for s in sources):
            ranges.append((0, 0) if node.kind == "constant" else given)
            continue
        ranges.append(_combined(node, [ranges[s] for s in sources], given))
    return ranges


def _combined(node: Node, taken: Sequence[Range], given: Range) -> Range:
    low, high = min(r[0] for r in taken), max(r[1] for r in taken)
    if node.kind == "multiply":
        corners = [x * y for x in taken[0] for y in taken[1]]
        return min(corners), max(corners)
    if node.kind == "add":
        return taken[0][0] + taken[1][0], taken[0][1] + taken[1][1]
    if node.kind == "gate":
        return min(0, low), max(0, high)
    if node.kind == "accumulate":
        terms = terms_of(node)
        if terms is None:
            return given
        return min(low, low * terms), max(high, high * terms)
    return low, high


def _classes(nodes: Sequence[Node]) -> list[list[int]]:
    """Nodes that share a format: those at the same place of homes with the same parts."""
    members: dict[object, list[int]] = {}
    for home, numbers in unit_members(nodes).items():
        local = {number: k for k, number in enumerate(numbers)}
        outside = home[0] in ("memory", "control") if isinstance(home, tuple) else True
        parts = tuple(
            (
                node.kind, node.name, node.group, node.format, node.parameters,
                tuple(
                    (local.get(e.source, e.port), nodes[e.source].format, e.source in local)
                    for e in node.inputs
                ),
            )
            for node in (nodes[number] for number in numbers)
        )  # fmt: skip
        for number in numbers:
            alike = number if outside else (parts, local[number])
            members.setdefault(alike, []).append(number)
    return sorted(members.values())


WIDTHS = NetlistPass(
    "widths", "bit widths: from formats and loop bounds, by interval arithmetic", run, verify
)

"""What a picture of an array shows, before anything is drawn: units, links, ports, sums."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from accelgen.affine.spacetime import IntVector
from accelgen.fabric.chain import Chain
from accelgen.fabric.fabric import Fabric, InputPlan
from accelgen.fabric.space import Grid

__all__ = ["KINDS", "Arrow", "Kind", "Node", "Panel", "Scene", "Sum", "make_scene"]

Kind = Literal["port", "fallback", "wire", "hop", "fifo", "load", "partial", "tree", "drain"]

KINDS: dict[Kind, tuple[str, str, str]] = {
    "port": ("memory port", "memory port", "memory ports"),
    "fallback": ("port used while the link does not hold", "fallback port", "fallback ports"),
    "wire": ("wire (same cycle)", "wire", "wires"),
    "hop": ("systolic hop (1 cycle)", "systolic hop", "systolic hops"),
    "fifo": ("FIFO (depth in cycles)", "FIFO", "FIFOs"),
    "load": ("load chain", "load hop", "load hops"),
    "partial": ("systolic partial sum", "partial sum", "partial sums"),
    "tree": ("adder tree", "adder tree input", "adder tree inputs"),
    "drain": ("drain chain", "drain hop", "drain hops"),
}
"""Every kind of connection: its name in a legend, and in a count of one and of several."""


@dataclass(frozen=True)
class Node:
    """One end of an arrow: unit ``number``, the adder tree of group ``number``, or memory slot
    ``number`` of the tensor.
    """

    what: Literal["unit", "sum", "memory"]
    number: int


@dataclass(frozen=True)
class Arrow:
    """Data of ``tensor`` that moves from ``source`` to ``target`` in ``delay`` cycles.

    ``label`` is written beside the arrow: the delay where it is not what its kind implies.
    """

    kind: Kind
    tensor: str
    source: Node
    target: Node
    delay: int
    label: str = ""


@dataclass(frozen=True)
class Sum:
    """An adder tree over the units ``ends``; ``held`` when it accumulates over time."""

    number: int
    ends: IntVector
    held: bool


@dataclass(frozen=True)
class Panel:
    """One tensor on the array; ``held`` lists the units that keep it in a register.

    ``note`` says in a few words how long the tensor stays.
    """

    tensor: str
    format: str
    is_output: bool
    note: str
    arrows: tuple[Arrow, ...]
    held: IntVector
    sums: tuple[Sum, ...]

    @property
    def counts(self) -> dict[Kind, int]:
        """How many arrows there are of each kind that occurs, in the order of ``KINDS``."""
        found = Counter(arrow.kind for arrow in self.arrows)
        return {kind: found[kind] for kind in KINDS if found[kind]}


@dataclass(frozen=True)
class Scene:
    """An array of ``extents`` units along ``axes``, one panel per tensor, inputs first."""

    axes: tuple[str, ...]
    extents: IntVector
    panels: tuple[Panel, ...]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of connections that occur, in the order of ``KINDS``."""
        return tuple(k for k in KINDS if any(k in panel.counts for panel in self.panels))


def make_scene(fabric: Fabric) -> Scene:
    """Everything the fabric connects, every link once."""
    kernel = fabric.kernel
    grid = Grid(kernel.space_extents)
    panels = [_input_panel(fabric, plan, grid) for plan in fabric.inputs]
    return Scene(kernel.space, kernel.space_extents, (*panels, _output_panel(fabric)))


def _input_panel(fabric: Fabric, plan: InputPlan, grid: Grid) -> Panel:
    tensor, links = plan.tensor.name, plan.interconnect
    arrows: list[Arrow] = []
    for unit, slot in enumerate(plan.slot):
        if slot >= 0:
            kind: Kind = "fallback" if links.giver[unit] >= 0 else "port"
            arrows.append(Arrow(kind, tensor, Node("memory", slot), Node("unit", unit), 0))
    for unit, giver in enumerate(links.giver):
        if giver >= 0:
            depth = links.links[links.link[unit]].depth
            kind, label = ("hop", "") if depth == 1 else ("fifo", str(depth))
            ends = Node("unit", giver), Node("unit", unit)
            arrows.append(Arrow(kind, tensor, *ends, depth, label))
    arrows.extend(
        Arrow("wire", tensor, Node("unit", a), Node("unit", b), 0)
        for a, b in _wires(links.head, grid)
    )
    units = [Node("unit", unit) for unit in range(grid.size)]
    arrows.extend(_chain_arrows("load", tensor, plan.chain, units))
    held = tuple(links.ported) if plan.hold is not None else ()
    note = _staying(fabric, plan.hold, "streams")
    return Panel(tensor, plan.tensor.type_name, False, note, tuple(arrows), held, ())


def _output_panel(fabric: Fabric) -> Panel:
    plan = fabric.output
    tensor, offsets = plan.tensor.name, fabric.offsets
    groups = plan.reduction.groups
    arrows = [
        _delayed("partial", tensor, source, unit, offsets[unit] - offsets[source])
        for unit, sources in enumerate(plan.reduction.partials)
        for source in sources
    ]
    sums, out = [], []
    for number, group in enumerate(groups):
        if len(group.ends) == 1:
            out.append(Node("unit", group.ends[0]))
            continue
        node = Node("sum", number)
        out.append(node)
        sums.append(Sum(number, group.ends, plan.hold is not None))
        arrows.extend(
            Arrow("tree", tensor, Node("unit", end), node, group.offset - offsets[end])
            for end in group.ends
        )
    arrows.extend(_chain_arrows("drain", tensor, plan.chain, out))
    arrows.extend(
        Arrow("port", tensor, out[number], Node("memory", slot), 0)
        for number, slot in enumerate(plan.slot)
        if slot >= 0
    )
    held = () if plan.hold is None else tuple(n.number for n in out if n.what == "unit")
    note = _staying(fabric, plan.hold, "leaves in every cycle")
    if plan.accumulate:
        note += ", added up in the output buffer"
    return Panel(tensor, plan.tensor.type_name, True, note, tuple(arrows), held, tuple(sums))


def _staying(fabric: Fabric, hold: int | None, otherwise: str) -> str:
    if hold is None:
        return otherwise
    return f"stationary over {', '.join(fabric.kernel.time[hold:])}"


def _chain_arrows(
    kind: Kind, tensor: str, chain: Chain | None, nodes: Sequence[Node]
) -> Iterator[Arrow]:
    """The hops of a shift chain, without the memory ports at its ends."""
    if chain is None:
        return
    for number, run in enumerate(chain.runs):
        for k, delay in enumerate(chain.hops(number)):
            label = str(delay) if delay > 1 else ""
            yield Arrow(kind, tensor, nodes[run[k]], nodes[run[k + 1]], delay, label)


def _delayed(kind: Kind, tensor: str, source: int, target: int, delay: int) -> Arrow:
    label = str(delay) if delay > 1 else ""
    return Arrow(kind, tensor, Node("unit", source), Node("unit", target), delay, label)


def _wires(head: IntVector, grid: Grid) -> Iterator[tuple[int, int]]:
    """A tree of short wires over every set of units that shares an operand, from its head."""
    members: dict[int, list[int]] = defaultdict(list)
    for unit, first in enumerate(head):
        members[first].append(unit)
    for first, cluster in members.items():
        near: dict[int, list[int]] = defaultdict(list)
        points = grid.points[cluster]
        for k in range(1, len(cluster)):
            # The nearest unit numbered before this one; among equals the last, which makes
            # combs of rows rather than zigzags.
            distance = np.abs(points[:k] - points[k]).sum(axis=1)
            other = cluster[k - 1 - int(np.argmin(distance[::-1]))]
            near[other].append(cluster[k])
            near[cluster[k]].append(other)
        yield from _from_root(first, near)


def _from_root(root: int, near: dict[int, list[int]]) -> Iterator[tuple[int, int]]:
    todo, seen = [root], {root}
    while todo:
        here = todo.pop()
        for there in near[here]:
            if there not in seen:
                seen.add(there)
                todo.append(there)
                yield here, there

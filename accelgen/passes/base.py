"""What a pass is: a function from one frozen value to the next, and a check of what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from accelgen.netlist.graph import Edge, Netlist, Node
from accelgen.passes.delay_matching import Pipeline
from accelgen.passes.timing import TimingModel

__all__ = ["DelayOption", "NetlistPass", "Pass", "PipelinePass", "ordered", "place_of"]


@dataclass(frozen=True)
class NetlistPass:
    """A pass before registers are placed.

    ``verify(before, after)`` raises :class:`AssertionError` unless ``after`` computes what
    ``before`` does; it shares no code with ``run``.  Where several dataflows are fused, one that is
    ``alone`` runs on each of them before; such passes come first in the order.
    """

    name: str
    summary: str
    run: Callable[[Netlist], Netlist]
    verify: Callable[[Netlist, Netlist], None]
    alone: bool = False


@dataclass(frozen=True)
class DelayOption:
    """A choice within delay matching, whose result :mod:`~accelgen.passes.delay_check` checks."""

    name: str
    summary: str


@dataclass(frozen=True)
class PipelinePass:
    """A pass over a netlist with its registers; ``verify`` as in :class:`NetlistPass`."""

    name: str
    summary: str
    run: Callable[[Pipeline], Pipeline]
    verify: Callable[[Pipeline, Pipeline, TimingModel], None]


Pass = NetlistPass | DelayOption | PipelinePass


def place_of(node: Node) -> tuple[object, str]:
    """What tells a node apart from all others, whatever its number: names are unique in a home."""
    return node.home, node.name


def ordered(
    nodes: Mapping[int, Node], key: Callable[[int], float | tuple[int, ...]] | None = None
) -> tuple[Node, ...]:
    """Nodes whose edges refer to keys of ``nodes``, numbered afresh: each after those it reads
    (where there is feedback, after those it reads without delay), otherwise as ``key`` (of the old
    number) sorts them.
    """
    number = numbering(nodes, sorted(nodes, key=key or float))
    return tuple(renumbered(nodes[old], number) for old in number)


def numbering(nodes: Mapping[int, Node], olds: Sequence[int]) -> dict[int, int]:
    """A new number for every node, in that order: as :func:`ordered`, with ``olds`` as sorted."""
    number = _sorted(nodes, olds, late=True)
    if len(number) < len(olds):
        number = _sorted(nodes, olds, late=False)
    assert len(number) == len(olds), "a loop without delay"
    return number


def _sorted(nodes: Mapping[int, Node], olds: Sequence[int], *, late: bool) -> dict[int, int]:
    """A new number for every node that is not on a loop, of all edges or of undelayed ones."""
    rank = {old: n for n, old in enumerate(olds)}
    waiting = dict.fromkeys(olds, 0)
    readers: dict[int, list[int]] = {old: [] for old in olds}
    for old in olds:
        for edge in nodes[old].inputs:
            if late or not edge.delay:
                waiting[old] += 1
                readers[edge.source].append(old)
    ready = [rank[old] for old in olds if not waiting[old]]
    heapify(ready)
    number: dict[int, int] = {}
    while ready:
        old = olds[heappop(ready)]
        number[old] = len(number)
        for reader in readers[old]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heappush(ready, rank[reader])
    return number


def renumbered(node: Node, number: Mapping[int, int]) -> Node:
    """The node with its edges from the sources' new numbers."""
    return with_inputs(
        node, [Edge(number[edge.source], edge.delay, edge.port) for edge in node.inputs]
    )


def with_inputs(node: Node, inputs: Iterable[Edge]) -> Node:
    """The node with other inputs; ``dataclasses.replace`` takes ten times as long."""
    return Node(
        node.kind, node.name, node.home, node.group, node.format, node.latency, tuple(inputs),
        node.parameters, node.ways,
    )  # fmt: skip


def unit_members(nodes: Sequence[Node]) -> dict[object, list[int]]:
    """The numbers of the nodes of every home, in order."""
    members: dict[object, list[int]] = {}
    for number, node in enumerate(nodes):
        members.setdefault(node.home, []).append(number)
    return members

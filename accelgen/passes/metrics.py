"""What a netlist costs, before and after its registers are placed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from accelgen.netlist.graph import Edge, Home, Netlist, Node
from accelgen.netlist.ring import Ring

__all__ = ["Metrics", "distance", "location", "measure", "mux_inputs", "nets", "wire_length"]

RELAY = "relay"
"""What groups of relays begin with (see :mod:`accelgen.passes.broadcast`)."""

STATE = frozenset(("hold", "accumulate", "partials", "collect"))
"""Kinds that are registers (memories are counted apart, with their banks; a ``fifo`` has more
than its value).
"""


@dataclass(frozen=True)
class Metrics:
    """Figures of a netlist; ``None`` where there is none: before delay matching, or of a linear
    program that was not solved.

    ``register_bits``: in nodes and on edges, as far as they are placed (before delay matching
    those that the dataflow itself asks for); ``fifo_bits``: of these, beyond the first register of
    links between units; ``mux_inputs``: of multiplexers, those that read FIFOs too; ``adders``,
    ``adder_bits``: adders and running sums; ``multiplier_bits``: products of the widths of the
    factors; ``conditions``: flags and inputs of gates; ``lp_bits``: the objective of delay
    matching, the register bits on edges;
    ``fanout``: the most inputs that one register or node drives; ``wire``: in pitches of units, the
    wires of all nets with units on them; ``gated_bits``: register bits that keep still while idle.
    """

    register_bits: int
    fifo_bits: int
    mux_inputs: int
    adders: int
    adder_bits: int
    multiplier_bits: int
    conditions: int
    fanout: int
    lp_bits: int | None = None
    wire: int | None = None
    gated_bits: int | None = None

    def to_json(self) -> dict[str, int | None]:
        """By name."""
        return asdict(self)


def measure(
    netlist: Netlist,
    registers: Sequence[Sequence[int]] | None = None,
    *,
    shared: bool = True,
    lp_bits: int | None = None,
    gated_bits: int | None = None,
) -> Metrics:
    """The figures of a netlist, with the registers on its edges where they are placed."""
    nodes = netlist.nodes
    asked = [_asked(node) for node in nodes]
    counts = registers or asked
    lines = _lines(nodes, counts, shared=shared)
    state = sum(node.format.bits for node in nodes if node.kind in STATE)
    widths = [(Ring.of(node), node.format.bits) for node in nodes if node.kind == "fifo"]
    rings = sum(ring.register_bits(width) for ring, width in widths)
    links = _lines(nodes, asked, shared=True, far=True)
    # The register behind a ring is the first of its link.
    fifos = sum(max(0, n - 1) * nodes[k].format.bits for k, n in links)
    fifos += rings - sum(width for _, width in widths)
    adders = [node for node in nodes if node.kind in ("add", "accumulate")]
    return Metrics(
        register_bits=state + rings + sum(n * nodes[k].format.bits for k, n in lines),
        fifo_bits=fifos,
        mux_inputs=mux_inputs(nodes),
        adders=len(adders),
        adder_bits=sum(node.format.bits for node in adders),
        multiplier_bits=sum(
            nodes[node.inputs[0].source].format.bits * nodes[node.inputs[1].source].format.bits
            for node in nodes
            if node.kind == "multiply"
        ),
        conditions=sum(
            len(node.inputs) - 1 if node.kind == "gate" else node.kind == "flag" for node in nodes
        ),
        fanout=_fanout(nodes, counts),
        lp_bits=lp_bits,
        wire=wire_length(netlist, registers) if registers is not None else None,
        gated_bits=gated_bits,
    )


def _asked(node: Node) -> list[int]:
    """Registers that the dataflow itself asks for, by input; a FIFO has the first cycle inside."""
    own = node.latency if node.kind == "fifo" else 0
    return [max(0, edge.delay - own) for edge in node.inputs]


def _lines(
    nodes: Sequence[Node],
    counts: Sequence[Sequence[int]],
    *,
    shared: bool,
    far: bool = False,
) -> list[tuple[int, int]]:
    """The delay lines, as source and length; with ``far`` only those between units."""
    every: list[tuple[int, int]] = []
    longest: dict[int, int] = {}
    for node, row in zip(nodes, counts, strict=True):
        for edge, count in zip(node.inputs, row, strict=True):
            source = nodes[edge.source]
            if source.kind == "constant" or (far and source.group.startswith(RELAY)):
                continue
            if far and (source.home[0] != "pe" or node.home[0] != "pe" or node.home == source.home):
                continue
            every.append((edge.source, count))
            longest[edge.source] = max(longest.get(edge.source, 0), count)
    return list(longest.items()) if shared else every


def _fanout(nodes: Sequence[Node], counts: Sequence[Sequence[int]]) -> int:
    """The most readers of a net; the next register of a delay line is one."""
    found = nets(nodes, counts)
    longest: dict[int, int] = {}
    for source, count in found:
        longest[source] = max(longest.get(source, 0), count)
    return max(len(readers) + (longest[s] > count) for (s, count), readers in found.items())


def mux_inputs(nodes: Iterable[Node]) -> int:
    """Inputs of the multiplexers among nodes and in them."""
    return sum(_mux_inputs(node) for node in nodes)


def _mux_inputs(node: Node) -> int:
    if node.kind == "choose":
        return len(node.inputs) - 1
    if node.kind == "fifo":
        return Ring.of(node).mux_inputs
    return 2 if node.kind == "select" else 0


def nets(
    nodes: Sequence[Node], counts: Sequence[Sequence[int]]
) -> Mapping[tuple[int, int], list[tuple[int, Edge]]]:
    """By node and registers behind it, what reads the value there: (reader, edge)."""
    found: dict[tuple[int, int], list[tuple[int, Edge]]] = {}
    for number, (node, row) in enumerate(zip(nodes, counts, strict=True)):
        for edge, count in zip(node.inputs, row, strict=True):
            found.setdefault((edge.source, count), []).append((number, edge))
    return found


def wire_length(netlist: Netlist, registers: Sequence[Sequence[int]]) -> int:
    """Pitches of units of all wires to units from elsewhere: of each net the driver to the nearest
    unit and on from unit to unit, a spanning tree.  What is outside the array sits at its corner.
    """
    frame = netlist.frame
    if frame is None:
        return 0
    total = 0
    for (source, _), readers in nets(netlist.nodes, registers).items():
        driver = netlist.nodes[source].home
        homes = {netlist.nodes[reader].home for reader, _ in readers} - {driver}
        places = {location(home, frame.space) for home in homes if home[0] == "pe"}
        if len(places) == 1:
            total += distance(location(driver, frame.space), *places)
        elif places:
            total += _spanned(location(driver, frame.space), places)
    return total


def location(home: Home, space: Sequence[int]) -> tuple[int, ...]:
    """Where a unit is on the grid; all that is no unit is one step before the first one."""
    kind, number = home
    if kind != "pe":
        return (-1, *(0 for _ in space[1:]))
    place = []
    for extent in reversed(space):
        place.append(number % extent)
        number //= extent
    return tuple(reversed(place))


def distance(a: Sequence[int], b: Sequence[int]) -> int:
    """Manhattan distance."""
    return sum(abs(x - y) for x, y in zip(a, b, strict=True))


def _spanned(start: tuple[int, ...], places: set[tuple[int, ...]]) -> int:
    """Length of a minimum spanning tree (Prim)."""
    points = np.array(sorted(places), dtype=np.int64)
    far = np.abs(points - np.array(start)).sum(axis=1)
    total = 0
    while len(points):
        nearest = int(far.argmin())
        total += int(far[nearest])
        here = points[nearest]
        points = np.delete(points, nearest, axis=0)
        far = np.minimum(np.delete(far, nearest), np.abs(points - here).sum(axis=1))
    return total

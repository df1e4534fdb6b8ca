"""The netlist: primitives with widths and latencies, joined by edges with dataflow delays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from accelgen.affine.spacetime import IntVector
from accelgen.fabric.access import AccessPattern
from accelgen.formats import IntFormat

__all__ = [
    "RING",
    "Builder",
    "Edge",
    "Frame",
    "Home",
    "Kind",
    "Netlist",
    "Node",
    "data_inputs",
    "enable_of",
    "port_of",
    "terms_of",
]

Kind = Literal[
    "flag",  # a control bit or number, registered in the controller
    "read",  # one slot of an input memory
    "address",  # the address generator of a memory
    "write",  # one slot of the output memory
    "constant",  # zero
    "wire",  # names a value
    "select",  # in0 when the flag is set, else in1
    "choose",  # the input that the parameters name for the dataflow, a flag, the last input
    "fifo",  # its first input as it was second input cycles ago; parameter: the most
    "hold",  # a register that takes its input when the flag is set
    "gate",  # its first input, or 0 unless all flags are set
    "multiply",
    "add",
    "accumulate",  # a running sum that restarts when the flag is set; parameter: of how many terms,
    # or see netlist.fuse
    "add_shifted",  # low + (high << parameter)
    "shift_left",  # its first input << the bits low..high (parameters) of the second
    # Block dot products; parameters: the pair of formats, a side of it (0 or 1), a level, bits.
    "block_decode",  # elements as sign, significand and power
    "block_multiply",  # of two such, lane by lane
    "block_align",  # products as integers, negative ones inverted
    "block_add",  # sums of pairs of lanes
    "block_weigh",  # the sum of all lanes times some bits of the scales' significand
    "block_special",  # whether an element is Inf or NaN
    "block_bad",  # whether a scale is bad, or the third input is set
    "scale_significand",  # of a scale; 0 where the scale does not count
    "scale_fold",  # a significand times the factor of a scale's kind of block
    "scale_exponent",  # of a scale
    # Products of integers of a width that the problem chooses; see netlist.compose.
    "compose_select",
    "compose_multiply",
    "compose_add",
    # Floating point; see netlist.floats.
    "float_size",
    "float_zeros",
    "float_normal",
    "float_round",
    "float_limit",
    "float_nan",  # its first input, or NaN when the flag is set
    "float_narrow",  # FP32 to BF16
    "fp_order",
    "fp_distance",
    "fp_align",
    "fp_add",
    "fp_count",
    "fp_normalise",
    "fp_round",
    "fp_select",
    # One of several four-bit formats; see netlist.multi_format.
    "multi_kind",
    "multi_decode",
    "multi_significand",
    "multi_exponent",
    "multi_fold",
    "multi_bad",
    "multi_place",
    # Sums that take turns; parameter: how many.
    "partials",  # registers, one of which takes the first input: that of the index, when enabled
    "pick",  # one of them, by index
    "collect",  # a bit that a flag clears, and that is set once its input has been, when enabled
]
"""What a primitive does; those with a latency (``flag``, ``read``, ``fifo``, ``hold``,
``accumulate``, ``partials``, ``collect``) have registers inside.
"""

RING = frozenset(("multiply", "add", "accumulate", "select", "choose", "wire", "hold", "gate"))
"""Kinds whose low bits depend on nothing but the low bits of what they read, as integers; others
but ``write`` take bits as they are.
"""

Home = tuple[str, int]
"""The unit a node is part of: ``("pe", number)``, ``("sum", group)``, ``("control", 0)``, ..."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The value of node ``source``, ``delay`` cycles of the dataflow late, at input ``port``."""

    source: int
    delay: int
    port: str


@dataclass(frozen=True, slots=True)
class Node:
    """A primitive.  Nodes of one ``group`` share one pipeline position, so that units with the
    same parts are the same Verilog module; ``latency`` counts the registers inside; ``ways``
    is the number of words (read) or of memories (write) a memory port chooses from, of loops an
    address generator steps through, of values an index compared for a flag has.
    """

    kind: Kind
    name: str
    home: Home
    group: str
    format: IntFormat
    latency: int
    inputs: tuple[Edge, ...]
    parameters: tuple[object, ...] = ()
    ways: int = 1


@dataclass(frozen=True)
class Frame:
    """What the nodes of an array stand in: the loop nests that its flags are conditions on, and
    the grid of its units.

    ``issues`` are the iterations, whose indices are those of the iteration domain; ``writes`` the
    accesses to the output memory.  Unless ``settled``, they are those of one dataflow of several at
    its largest bounds, and nothing may be concluded from them.
    """

    issues: AccessPattern
    writes: AccessPattern
    space: IntVector
    settled: bool = True

    def is_gapless(self, level: int) -> bool:
        """Whether an iteration is issued in every cycle of the loops from ``level`` inwards."""
        return self.settled and not any(self.issues.gaps[level:])


@dataclass(frozen=True)
class Netlist:
    """Nodes in topological order of their undelayed edges; edges refer to node numbers.

    The frame is there for arrays, and ``None`` for units that are useful alone.
    """

    nodes: tuple[Node, ...]
    frame: Frame | None = None

    def fanout(self) -> list[list[tuple[int, Edge]]]:
        """For every node the (reader, edge) pairs it drives."""
        readers: list[list[tuple[int, Edge]]] = [[] for _ in self.nodes]
        for number, node in enumerate(self.nodes):
            for edge in node.inputs:
                readers[edge.source].append((number, edge))
        return readers

    def check(self) -> None:
        """Assert that edges exist and run forward unless delayed."""
        for number, node in enumerate(self.nodes):
            for edge in node.inputs:
                assert 0 <= edge.source < len(self.nodes)
                assert edge.delay >= 0
                assert edge.delay or edge.source < number, f"{node.name} reads ahead"


class Builder:
    """Collects the nodes of a netlist, each after those it reads without delay."""

    def __init__(self, frame: Frame | None = None) -> None:
        self._nodes: list[Node] = []
        self._frame = frame

    def add(
        self,
        kind: Kind,
        name: str,
        home: Home,
        format: IntFormat,
        inputs: Sequence[Edge] = (),
        *,
        group: str | None = None,
        latency: int = 0,
        parameters: tuple[object, ...] = (),
        ways: int = 1,
    ) -> int:
        """Append a node and return its number; the group defaults to ``kind.name``."""
        self._nodes.append(
            Node(
                kind,
                name,
                home,
                group if group is not None else f"{home[0]}.{name}",
                format,
                latency,
                tuple(inputs),
                parameters,
                ways,
            )
        )
        return len(self._nodes) - 1

    def __getitem__(self, number: int) -> Node:
        return self._nodes[number]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes so far."""
        return tuple(self._nodes)

    def netlist(self) -> Netlist:
        """The finished, checked netlist."""
        netlist = Netlist(tuple(self._nodes), self._frame)
        netlist.check()
        return netlist


def port_of(node: Node, position: int) -> str:
    """The port by which a unit takes an input of one of its nodes from outside.

    That of the edge; for the flag of a ``choose``, which is called alike for all, one of its own.
    """
    port = node.inputs[position].port
    own = node.kind == "choose" and position == len(node.inputs) - 1
    return f"{port}_{node.name}" if own else port


def enable_of(node: Node) -> Edge | None:
    """What says whether an ``accumulate`` takes its input, where something does."""
    assert node.kind == "accumulate"
    if node.parameters[:1] == ("chained",):
        return node.inputs[2] if node.parameters[2] else None
    return node.inputs[2] if len(node.inputs) > 2 else None


def terms_of(node: Node) -> int | None:
    """How many products or sums an ``accumulate`` adds up at most, where that is known."""
    assert node.kind == "accumulate"
    terms = node.parameters[-1] if node.parameters else None
    assert terms is None or isinstance(terms, int)
    return terms


def data_inputs(node: Node) -> int:
    """How many of its inputs, which come first, are integers that it passes on or adds."""
    return len(node.inputs) - 1 if node.kind == "choose" else _DATA.get(node.kind, 0)


_DATA = {"add": 2, "select": 2, "wire": 1, "hold": 1, "gate": 1, "accumulate": 1, "write": 1}

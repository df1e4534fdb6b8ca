"""From the nodes of an ONNX graph to layers, their edges and their parameters."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING

from accelgen.errors import InputError
from accelgen.names import shorten, within
from accelgen.networks.layer import MAX_LABEL, Layer, VectorWork
from accelgen.networks.network import Network
from accelgen.networks.onnx_node import Node, Shapes, Vector, Work, attributes
from accelgen.networks.onnx_operators import MOVES, OPERATORS, STATIC

if TYPE_CHECKING:
    import onnx

__all__ = ["check_operators", "network_of"]

Roots = frozenset[str]


def network_of(
    graph: onnx.GraphProto, shapes: Shapes, weights: Shapes, name: str, source: str
) -> Network:
    """The network of a graph with these shapes, whose constants have the names of ``weights``.

    Raises :class:`InputError` for what is read before it is made, and for tensors without a shape.
    """
    reader = _Reader(shapes, weights, [value.name for value in graph.input])
    for number, node in enumerate(graph.node):
        reader.read(node, number)
    return Network(name, tuple(reader.layers), tuple(reader.edges), source)


def check_operators(graph: onnx.GraphProto) -> None:
    """Raise :class:`InputError` for unsupported operators, all in one message."""
    counts: dict[str, int] = {}
    for node in graph.node:
        standard = node.domain in ("", "ai.onnx")
        kind = node.op_type if standard else f"{node.domain}.{node.op_type}"
        if kind not in OPERATORS and kind not in MOVES and kind not in STATIC:
            counts[kind] = counts.get(kind, 0) + 1
    if counts:
        listed = [f"{shorten(kind, 40)} ({n})" for kind, n in sorted(counts.items())]
        more = f" and {len(listed) - 24} more" if len(listed) > 24 else ""
        raise InputError(
            f"unsupported operators: {', '.join(listed[:24])}{more}",
            hint="export the model without them, or describe these layers in YAML",
        )


class _Reader:
    """The layers so far, and what is known of every tensor by its name."""

    def __init__(self, shapes: Shapes, weights: Shapes, inputs: list[str]) -> None:
        self.layers: list[Layer | VectorWork] = []
        self.edges: list[tuple[int, int]] = []
        self._shapes = shapes
        # Constant tensors, with the weights they are made of.
        self._roots: dict[str, Roots] = {weight: frozenset([weight]) for weight in weights}
        # Other tensors, with the layers that make them.
        self._made: dict[str, tuple[int, ...]] = {
            value: () for value in inputs if value not in weights
        }
        self._counted: set[str] = set()
        self._names: set[str] = set()

    def read(self, node: onnx.NodeProto, number: int) -> None:
        """Add what ``node`` does, and note what its outputs are."""
        label = self._label(node, number)
        inputs = [value for value in node.input if value]
        for value in inputs:
            if value not in self._roots and value not in self._made:
                raise InputError(f"{shorten(value)} is read but not made before", where=label)
        outputs = [value for value in node.output if value]
        if node.op_type in STATIC or (inputs and all(value in self._roots for value in inputs)):
            roots: Roots = frozenset().union(*(self._roots.get(v, frozenset()) for v in inputs))
            if node.op_type == "Constant":
                roots = frozenset(outputs)
            elif node.op_type in STATIC:
                roots = frozenset()
            self._roots.update(dict.fromkeys(outputs, roots))
            return
        made = self._sources(inputs)
        if node.op_type in OPERATORS:
            with within(label):
                parts = OPERATORS[node.op_type](
                    Node(
                        node.op_type, tuple(node.input), tuple(node.output), attributes(node),
                        self._shapes, frozenset(self._roots),
                    )
                )  # fmt: skip
                for position, part in enumerate(parts):
                    made = self._add(
                        label if len(parts) == 1 else f"{label}.{position}", part, made
                    )
        self._made.update(dict.fromkeys(outputs, made))

    def _add(self, label: str, part: Work, made: tuple[int, ...]) -> tuple[int, ...]:
        """Add one layer that reads the results of the layers ``made``."""
        number = len(self.layers)
        if isinstance(part, Vector):
            further = sum(self._stored(tensor) for tensor in part.parameters)
            self.layers.append(VectorWork(label, part.operation, part.elements, 1, further))
        else:
            tied = part.tensor is not None and not self._count(part.tensor)
            further = self._stored(part.bias) // part.repeats if part.bias else 0
            weights = None if part.tensor is None else "W"
            self.layers.append(
                Layer(label, part.workload, part.repeats, weights, further, tied, part.attention)
            )
        self.edges.extend((before, number) for before in made)
        return (number,)

    def _stored(self, tensor: str) -> int:
        """Elements of a constant, 0 when they have been counted or it is none."""
        if tensor in self._roots and tensor in self._shapes and self._count(tensor):
            return prod(self._shapes[tensor])
        return 0

    def _count(self, tensor: str) -> bool:
        """Mark the weights of a constant as counted; whether they were not yet."""
        roots = self._roots.get(tensor, frozenset())
        new = not roots <= self._counted
        self._counted |= roots
        return new

    def _sources(self, inputs: list[str]) -> tuple[int, ...]:
        return tuple(sorted({n for value in inputs for n in self._made.get(value, ())}))

    def _label(self, node: onnx.NodeProto, number: int) -> str:
        """The node's name in legal characters, or its operator and number when it has none."""
        name = re.sub(r"[^A-Za-z0-9_./-]+", "_", node.name).lstrip(".-")
        base = (name or f"{node.op_type}_{number}")[: MAX_LABEL - 12]
        label = base if base not in self._names else f"{base}_n{number}"
        self._names.add(label)
        return label

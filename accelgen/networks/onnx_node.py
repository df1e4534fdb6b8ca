"""A node of an ONNX graph, and the two kinds of work that it may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelgen.affine.workload import Workload
from accelgen.errors import InputError
from accelgen.names import shorten
from accelgen.networks.attention import AttentionPart

if TYPE_CHECKING:
    import onnx

__all__ = ["Matrix", "Node", "Shape", "Shapes", "Vector", "Work", "attributes"]

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Attributes = Mapping[str, int | float | str | tuple[int, ...]]


@dataclass(frozen=True)
class Matrix:
    """A workload, executed ``repeats`` times; ``tensor`` is the constant that is its ``W``,
    ``attention`` what it is a part of.
    """

    workload: Workload
    repeats: int
    tensor: str | None
    bias: str | None = None
    attention: AttentionPart | None = None


@dataclass(frozen=True)
class Vector:
    """Vector work; ``parameters`` are the names of the constants it reads as such."""

    operation: str
    elements: int
    parameters: tuple[str, ...] = ()


Work = Matrix | Vector


@dataclass(frozen=True)
class Node:
    """A node with the shapes and the names of the constants of its graph."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Attributes
    shapes: Shapes
    constants: frozenset[str]

    def input(self, position: int) -> str | None:
        """The name of an input, ``None`` when it is left out."""
        return (self.inputs[position] or None) if position < len(self.inputs) else None

    def shape(self, name: str | None) -> tuple[int, ...]:
        """The shape of a tensor; :class:`InputError` when it is not known."""
        if name is None:
            raise InputError(f"{self.kind} lacks an input")
        if name not in self.shapes:
            raise InputError(
                f"the shape of {shorten(name)} is not known",
                hint="export the model with fixed shapes, or simplify it first",
            )
        return self.shapes[name]

    @property
    def result(self) -> tuple[int, ...]:
        """The shape of the first output."""
        return self.shape(self.outputs[0] if self.outputs else None)

    def constant(self, name: str | None) -> str | None:
        """``name`` when it is that of a constant."""
        return name if name in self.constants else None

    def integer(self, name: str, otherwise: int) -> int:
        """An attribute that is an integer."""
        value = self.attributes.get(name, otherwise)
        if not isinstance(value, int):
            raise InputError(f"attribute {name} is no integer")
        return value

    def integers(self, name: str, otherwise: tuple[int, ...]) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        value = self.attributes.get(name, otherwise)
        if not isinstance(value, tuple):
            raise InputError(f"attribute {name} is no list of integers")
        return value


def attributes(node: onnx.NodeProto) -> Attributes:
    """The attributes that are numbers, lists of integers or text; others are left out."""
    from onnx import AttributeProto

    found: dict[str, int | float | str | tuple[int, ...]] = {}
    for attribute in node.attribute:
        if attribute.type == AttributeProto.INT:
            found[attribute.name] = attribute.i
        elif attribute.type == AttributeProto.INTS:
            found[attribute.name] = tuple(attribute.ints)
        elif attribute.type == AttributeProto.FLOAT:
            found[attribute.name] = attribute.f
        elif attribute.type == AttributeProto.STRING:
            found[attribute.name] = attribute.s.decode("utf-8", "replace")
    return found

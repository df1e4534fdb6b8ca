"""What a network is made of: layers of matrix work, and work on vectors beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from accelgen.affine.workload import Workload
from accelgen.errors import InputError
from accelgen.names import shorten, unknown, within
from accelgen.networks.attention import AttentionPart

__all__ = ["Layer", "VectorWork", "check_layer_name", "tensor_elements"]

MAX_COUNT = 2**48
MAX_LABEL = 128
_LABEL = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_./-]*")


@dataclass(frozen=True)
class Layer:
    """Matrix work: one affine workload, executed ``repeats`` times with data of its own each time.

    ``weights`` names the input of the workload that holds parameters; ``None`` when no input does
    (the two products of attention).  ``further_parameters`` counts, per repeat, those that the
    workload does not read: a bias, the scale and shift of a normalisation folded into the weights.
    ``tied`` weights belong to another layer, where they are counted.  ``attention`` says that it
    is a part of an attention layer.

    Raises :class:`InputError` for an unknown tensor and counts outside 1 (0 for parameters)
    to 2**48.
    """

    name: str
    workload: Workload
    repeats: int = 1
    weights: str | None = "W"
    further_parameters: int = 0
    tied: bool = False
    attention: AttentionPart | None = None

    def __post_init__(self) -> None:
        check_layer_name(self.name)
        with within(self.name):
            _check_counts(repeats=self.repeats, further_parameters=self.further_parameters)
            inputs = [access.tensor for access in self.workload.assignment.inputs]
            if self.weights is not None and self.weights not in inputs:
                error = unknown(self.weights, "tensor of weights", inputs)
                error.hint = f"{error.hint}, or write none when no tensor holds parameters"
                raise error
            if self.tied and self.weights is None:
                raise InputError("tied, but without weights", hint="name the tensor of weights")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all repeats: the iterations over elements, not over blocks."""
        return self.repeats * prod(self.workload.bounds.values())

    @property
    def parameters(self) -> int:
        """Parameters of all repeats, each of which has its own."""
        stored = 0
        if self.weights is not None and not self.tied:
            stored = tensor_elements(self.workload, self.weights)
        return self.repeats * (stored + self.further_parameters)

    @property
    def activations(self) -> tuple[str, ...]:
        """The inputs of the workload that are no weights."""
        inputs = (access.tensor for access in self.workload.assignment.inputs)
        return tuple(tensor for tensor in inputs if tensor != self.weights)

    def with_formats(
        self,
        *,
        activations: str | None = None,
        weights: str | None = None,
        outputs: str | None = None,
    ) -> Layer:
        """The layer with other element types; ``None`` keeps what it has.

        Raises :class:`InputError` for types that its expression cannot have.
        """
        types = dict(self.workload.types)
        if activations is not None:
            types.update(dict.fromkeys(self.activations, activations))
        if weights is not None and self.weights is not None:
            types[self.weights] = weights
        if outputs is not None:
            types[self.workload.assignment.output.tensor] = outputs
        return self._with_types(types)

    def with_inputs(self, name: str) -> Layer:
        """The layer with all inputs of one type, and of its output what follows from that."""
        inputs = (access.tensor for access in self.workload.assignment.inputs)
        return self._with_types(dict.fromkeys(inputs, name))

    def _with_types(self, types: Mapping[str, str]) -> Layer:
        with within(self.name):
            return replace(self, workload=replace(self.workload, types=types))


@dataclass(frozen=True)
class VectorWork:
    """Work that is no matrix product: activations, sums, pooling, normalisation, softmax.

    ``operation`` says which; ``elements`` counts per repeat: results of element-wise operations,
    inputs of reductions, normalisations and softmax, results times window of pooling, copied
    elements of look-ups and resizing.  ``further_parameters`` is per repeat.
    """

    name: str
    operation: str
    elements: int
    repeats: int = 1
    further_parameters: int = 0

    def __post_init__(self) -> None:
        check_layer_name(self.name)
        with within(self.name):
            if not isinstance(self.operation, str) or not _LABEL.fullmatch(self.operation):
                hint = "use a word such as relu"
                raise InputError(f"{shorten(self.operation)} is no operation", hint=hint)
            _check_counts(
                elements=self.elements,
                repeats=self.repeats,
                further_parameters=self.further_parameters,
            )

    @property
    def operations(self) -> int:
        """Elements of all repeats."""
        return self.repeats * self.elements

    @property
    def parameters(self) -> int:
        """Parameters of all repeats."""
        return self.repeats * self.further_parameters


def check_layer_name(name: object) -> str:
    """Return ``name`` when it is legal for a layer, else raise :class:`InputError`."""
    if not isinstance(name, str) or len(name) > MAX_LABEL or not _LABEL.fullmatch(name):
        raise InputError(
            f"{shorten(name)} is no legal layer name",
            hint=f"use letters, digits and _ . / -, at most {MAX_LABEL}",
        )
    return name


def tensor_elements(workload: Workload, tensor: str) -> int:
    """Elements of a tensor of the expression (blocks count as the elements they hold)."""
    assignment, bounds = workload.assignment, workload.bounds
    for access in (assignment.output, *assignment.inputs):
        if access.tensor == tensor:
            return prod(
                1
                + index.coefficient(None, bounds.__getitem__)
                + sum(
                    max(0, index.coefficient(loop, bounds.__getitem__) * (bounds[loop] - 1))
                    for loop in index.names
                )
                for index in access.indices
            )
    raise unknown(tensor, "tensor", workload.tensors)


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        low = 0 if name == "further_parameters" else 1
        if isinstance(count, bool) or not isinstance(count, int):
            raise InputError(f"{shorten(count)} is no integer", where=name)
        if not low <= count <= MAX_COUNT:
            raise InputError(f"{count} is outside {low}..2**48", where=name)

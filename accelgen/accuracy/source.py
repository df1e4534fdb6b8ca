"""Accuracy, always together with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from accelgen.errors import InputError
from accelgen.names import shorten

__all__ = ["Accuracy", "AccuracyKind", "AccuracySource", "LayerBits"]

AccuracyKind = Literal["measured", "tabular", "predicted", "user"]


@dataclass(frozen=True)
class Accuracy:
    """A share of right answers, 0 .. 1, of which ``kind`` and ``source`` say where it comes from.

    Raises :class:`InputError` for a value out of range and for an unknown kind.
    """

    value: float
    kind: AccuracyKind
    source: str

    def __post_init__(self) -> None:
        if self.kind not in get_args(AccuracyKind):
            hint = f"use one of {', '.join(get_args(AccuracyKind))}"
            raise InputError(f"{shorten(self.kind)} is no kind of accuracy", hint=hint)
        if not 0 <= self.value <= 1:
            hint = "give the share of right answers, not percent"
            raise InputError(f"accuracy {self.value} is outside 0..1", where=self.source, hint=hint)

    def __str__(self) -> str:
        """Percent with kind and source: they are always shown together."""
        return f"{100 * self.value:.2f} % ({self.kind}: {self.source})"


@dataclass(frozen=True)
class LayerBits:
    """Formats of a layer's operands by name: "int8", "int4", "nvfp4" ...; unsigned activations are
    "uint8" and the like.
    """

    weights: str
    activations: str


class AccuracySource(Protocol):
    """What can say how accurate a network of an elastic space is."""

    @property
    def kind(self) -> AccuracyKind:
        """What all its values are."""

    @property
    def source(self) -> str:
        """Where they come from, for a person to read."""

    def accuracy(self, architecture: Mapping[str, int], bits: Mapping[str, LayerBits]) -> Accuracy:
        """The accuracy of ``architecture`` with the formats ``bits`` by name of layer.

        Raises :class:`InputError` when it cannot say.
        """

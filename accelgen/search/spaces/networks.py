"""Architectures of an elastic space and bits per layer, as genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from accelgen.accuracy.source import LayerBits
from accelgen.elastic.space import ElasticSpace
from accelgen.names import FrozenMap
from accelgen.search.spaces.formats import check_formats, narrowest_first
from accelgen.search.vector import Gene, Reader, Vector

__all__ = ["ArchitectureSpace", "BitsSpace"]


@dataclass(frozen=True)
class ArchitectureSpace:
    """The architectures of ``elastic``: a gene per choice, which picks one of its options.

    Every vector is a legal architecture; choices without effect are set to their first option, so
    that vectors that differ in these alone are one architecture.  Where ``known`` has any, there
    are no others: a vector is the nearest of these, by how far options are from each other in the
    order of their choice.
    """

    elastic: ElasticSpace
    known: tuple[FrozenMap[str, int], ...] = ()

    @property
    def genes(self) -> tuple[Gene, ...]:
        """See :class:`accelgen.search.space.Space`."""
        return tuple(
            Gene(choice.name, f"one of {', '.join(map(str, choice.values))}")
            for choice in self.elastic.choices
        )

    @property
    def reference(self) -> FrozenMap[str, int]:
        """The last option of every choice: the network as it is without a search."""
        return self._nearest({x.name: x.values[-1] for x in self.elastic.choices})

    @property
    def starts(self) -> tuple[Vector, ...]:
        """The last option of every choice, the one in the middle, and the first."""
        return tuple(tuple(at for _ in self.elastic.choices) for at in (1.0, 0.5, 0.0))

    def decode(self, vector: Sequence[float]) -> FrozenMap[str, int]:
        """The architecture of a vector."""
        reader = Reader.of(self.genes, vector)
        choices = self.elastic.choices
        return self._nearest({x.name: reader.pick(x.name, x.values) for x in choices})

    def _nearest(self, architecture: Mapping[str, int]) -> FrozenMap[str, int]:
        legal = self.elastic.legal(architecture)
        if not self.known:
            return legal
        far = np.abs(self._places - self._place(legal)).sum(axis=1)
        return self.known[int(far.argmin())]

    @cached_property
    def _places(self) -> NDArray[np.float64]:
        """A row per known architecture."""
        return np.stack([self._place(architecture) for architecture in self.known])

    def _place(self, architecture: Mapping[str, int]) -> NDArray[np.float64]:
        """Of every choice, where the option is between the first (0) and the last (1)."""
        return np.array(
            [
                x.values.index(architecture[x.name]) / max(1, len(x.values) - 1)
                for x in self.elastic.choices
            ]
        )


@dataclass(frozen=True)
class BitsSpace:
    """Formats of weights and activations of every one of ``layers``, from ``weights`` and
    ``activations`` (names of formats, kept with the fewest bits first).

    Raises :class:`accelgen.errors.InputError` where there is nothing to choose from.
    """

    layers: tuple[str, ...]
    weights: tuple[str, ...] = ("int2", "int4", "int8")
    activations: tuple[str, ...] = ("uint2", "uint4", "uint8")

    def __post_init__(self) -> None:
        check_formats(self.weights, self.activations)
        object.__setattr__(self, "weights", narrowest_first(self.weights))
        object.__setattr__(self, "activations", narrowest_first(self.activations))

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """See :class:`accelgen.search.space.Space`."""
        found = []
        for layer in self.layers:
            for what, names in (("weights", self.weights), ("activations", self.activations)):
                if len(names) > 1:
                    found.append(Gene(f"{what}.{layer}", f"format of the {what} of {layer}"))
        return tuple(found)

    @property
    def reference(self) -> FrozenMap[str, LayerBits]:
        """The widest formats in all layers."""
        return FrozenMap(dict.fromkeys(self.layers, self.widest))

    @property
    def widest(self) -> LayerBits:
        """The formats of weights and of activations of most bits."""
        return LayerBits(self.weights[-1], self.activations[-1])

    @property
    def starts(self) -> tuple[Vector, ...]:
        """The same formats in all layers: the widest, those in the middle, the narrowest."""
        return tuple(tuple(at for _ in self.genes) for at in (1.0, 0.5, 0.0))

    def decode(self, vector: Sequence[float]) -> Mapping[str, LayerBits]:
        """The formats of all layers, those too that an architecture lacks."""
        reader = Reader.of(self.genes, vector)
        return FrozenMap(
            {
                layer: LayerBits(
                    reader.pick(f"weights.{layer}", self.weights),
                    reader.pick(f"activations.{layer}", self.activations),
                )
                for layer in self.layers
            }
        )

"""Spaces: named genes and a function from vectors to values; several side by side are one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from accelgen.errors import InputError
from accelgen.names import FrozenMap
from accelgen.search.vector import Gene, Rejected

__all__ = ["Joint", "Space"]

T_co = TypeVar("T_co", covariant=True)


@runtime_checkable
class Space(Protocol[T_co]):
    """What is searched.

    ``decode`` depends on nothing but the vector, and returns a legal value or why there is none.
    """

    @property
    def genes(self) -> tuple[Gene, ...]:
        """The dimensions, in the order of vectors."""

    def decode(self, vector: Sequence[float]) -> T_co | Rejected:
        """The value of a vector of numbers from 0 to 1, one per gene."""


@dataclass(frozen=True)
class Joint:
    """Spaces by name, searched together: their genes one after the other, with the name of their
    space in front.

    A vector becomes the values by the same names, or the reason of the first that rejects it.
    """

    spaces: Mapping[str, Space[Any]]

    def __post_init__(self) -> None:
        if not self.spaces:
            raise InputError("nothing to search", where="spaces", hint="give hardware")
        object.__setattr__(self, "spaces", FrozenMap(self.spaces))

    @property
    def genes(self) -> tuple[Gene, ...]:
        """Those of all spaces, ``<space>.<gene>``."""
        return tuple(
            Gene(f"{name}.{gene.name}", gene.about)
            for name, space in self.spaces.items()
            for gene in space.genes
        )

    def decode(self, vector: Sequence[float]) -> FrozenMap[str, Any] | Rejected:
        """See :class:`Space`."""
        found: dict[str, Any] = {}
        begin = 0
        for name, space in self.spaces.items():
            end = begin + len(space.genes)
            value = space.decode(vector[begin:end])
            if isinstance(value, Rejected):
                return Rejected(f"{name}: {value.reason}")
            found[name] = value
            begin = end
        if begin != len(vector):
            raise InputError(
                f"{len(vector)} numbers for {begin} genes", hint="give one for each gene"
            )
        return FrozenMap(found)

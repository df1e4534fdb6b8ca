"""Spaces: named genes and a function from vectors to values; several side by side are one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, product
from math import lcm
from typing import Any, Protocol, TypeVar, runtime_checkable

from accelgen.errors import InputError
from accelgen.names import FrozenMap
from accelgen.search.vector import Gene, Rejected, Vector, middle_of

__all__ = ["Given", "Joint", "Referenced", "Sizable", "Space", "Started"]

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


@runtime_checkable
class Started(Protocol):
    """A space that knows where a search may begin."""

    @property
    def starts(self) -> tuple[Vector, ...]:
        """Vectors of usual values, that of the reference first, such as the most and the least."""


@runtime_checkable
class Referenced(Protocol):
    """A space that knows what one would take who does not search."""

    @property
    def reference(self) -> Any:  # noqa: ANN401 - a value of the space
        """A value such as decoding gives."""


@runtime_checkable
class Sizable(Protocol):
    """A space of hardware that has connections and sizes."""

    @property
    def sizing(self) -> Space[Any]:
        """The space of sizes alone, with the connections of the reference."""


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
        return _genes(self.spaces)

    @property
    def starts(self) -> tuple[Vector, ...]:
        """Every combination of those of the parts, with the middle of all genes for a part that
        knows none; none where no part does.
        """
        return _combined(product(*_starts(self.spaces)))

    @property
    def opening(self) -> tuple[Vector, ...]:
        """Those of the starts in which the parts take their turns side by side: what is evaluated
        first where the others are only candidates.
        """
        parts = _starts(self.spaces)
        turns = lcm(*map(len, parts))
        return _combined(islice(zip(*map(cycle, parts), strict=True), turns if all(parts) else 0))

    def decode(self, vector: Sequence[float]) -> FrozenMap[str, Any] | Rejected:
        """See :class:`Space`."""
        return _decoded(self.spaces, vector)


@dataclass(frozen=True)
class Given:
    """Some parts of a :class:`Joint`, searched, and the others as in one of ``given``: what a
    phase of a search in phases decides.

    A gene picks the one of ``given``, where there are several; then come those of ``spaces``.
    """

    spaces: Mapping[str, Space[Any]]
    given: tuple[FrozenMap[str, Any], ...]

    def __post_init__(self) -> None:
        if not self.given:
            raise InputError("nothing is given", where="given", hint="give one value at least")
        object.__setattr__(self, "spaces", FrozenMap(self.spaces))

    @property
    def genes(self) -> tuple[Gene, ...]:
        """``given``, and those of the parts."""
        picks = (Gene("given", "what was found before"),) if len(self.given) > 1 else ()
        return (*picks, *_genes(self.spaces))

    @property
    def starts(self) -> tuple[Vector, ...]:
        """All that is given with the first start of the parts, and each other start with one of
        these.
        """
        rest, count = _combined(product(*_starts(self.spaces))), len(self.given)
        if count == 1:
            return rest
        rest = rest or (_neutral(self.spaces.values()),)
        picks = [(k, rest[0]) for k in range(count)]
        picks += [(k * count // len(rest), start) for k, start in enumerate(rest) if k]
        return tuple((middle_of(k, count), *start) for k, start in picks)

    @property
    def opening(self) -> tuple[Vector, ...]:
        """All starts: what is given was evaluated before, and is to be known."""
        return self.starts

    def decode(self, vector: Sequence[float]) -> FrozenMap[str, Any] | Rejected:
        """See :class:`Space`."""
        count = len(self.given)
        if count == 1:
            pick, rest = 0, vector
        else:
            pick, rest = min(int(vector[0] * count), count - 1), vector[1:]
        found = _decoded(self.spaces, rest)
        return found if isinstance(found, Rejected) else FrozenMap({**self.given[pick], **found})


def _genes(spaces: Mapping[str, Space[Any]]) -> tuple[Gene, ...]:
    return tuple(
        Gene(f"{name}.{gene.name}", gene.about)
        for name, space in spaces.items()
        for gene in space.genes
    )


def _starts(spaces: Mapping[str, Space[Any]]) -> list[tuple[Vector, ...]]:
    """Of every part, the middle of all genes for one that knows none; no part has any where none
    knows one.
    """
    known = [space.starts if isinstance(space, Started) else () for space in spaces.values()]
    if not any(known):
        return [()] * len(known)
    return [own or (_neutral((space,)),) for own, space in zip(known, spaces.values(), strict=True)]


def _combined(starts: Iterable[tuple[Vector, ...]]) -> tuple[Vector, ...]:
    return tuple(tuple(x for part in parts for x in part) for parts in starts)


def _neutral(spaces: Iterable[Space[Any]]) -> Vector:
    return (0.5,) * sum(len(space.genes) for space in spaces)


def _decoded(
    spaces: Mapping[str, Space[Any]], vector: Sequence[float]
) -> FrozenMap[str, Any] | Rejected:
    found: dict[str, Any] = {}
    begin = 0
    for name, space in spaces.items():
        end = begin + len(space.genes)
        value = space.decode(vector[begin:end])
        if isinstance(value, Rejected):
            return Rejected(f"{name}: {value.reason}")
        found[name] = value
        begin = end
    if begin != len(vector):
        raise InputError(f"{len(vector)} numbers for {begin} genes", hint="give one for each gene")
    return FrozenMap(found)

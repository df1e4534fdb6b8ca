"""Vectors of the unit cube, their genes by name, and how a number becomes a choice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from accelgen.errors import InputError

__all__ = [
    "SPREAD", "Gene", "Reader", "Rejected", "Vector", "middle_of", "shares_of", "slot_of",
]  # fmt: skip

Vector = tuple[float, ...]
"""A number from 0 to 1 per gene."""

SPREAD = 64.0
"""The most that two shares of one thing differ by, as a factor."""

T = TypeVar("T")
K = TypeVar("K", bound=str)


@dataclass(frozen=True)
class Gene:
    """A dimension of a space: its name, unique within the space, and what it decides."""

    name: str
    about: str


@dataclass(frozen=True)
class Rejected:
    """What a vector without a legal value becomes; ``reason`` is one line."""

    reason: str


@dataclass(frozen=True)
class Reader:
    """The values of genes by name, read as choices.

    Raises :class:`InputError` for a vector of another length, and for numbers outside 0..1.
    """

    values: Mapping[str, float]

    @classmethod
    def of(cls, genes: Sequence[Gene], vector: Sequence[float]) -> Reader:
        """The reader of a vector over ``genes``."""
        if len(vector) != len(genes):
            raise InputError(
                f"{len(vector)} numbers for {len(genes)} genes", hint="give one for each gene"
            )
        for gene, value in zip(genes, vector, strict=True):
            if not 0.0 <= value <= 1.0:
                raise InputError(f"{value}", where=gene.name, hint="use 0 to 1")
        return cls({gene.name: float(x) for gene, x in zip(genes, vector, strict=True)})

    def pick(self, name: str, options: Sequence[T]) -> T:
        """One of the options, each for an equal part of 0..1; the only one needs no gene."""
        if len(options) == 1:
            return options[0]
        return options[min(int(self.values[name] * len(options)), len(options) - 1)]

    def between(self, name: str, low: float, high: float) -> float:
        """From ``low`` at 0 to ``high`` at 1, evenly in the logarithm; ``low`` where that is not
        below ``high``.
        """
        return low if low >= high else low * math.exp(self.values[name] * math.log(high / low))

    def filling(self, name: str, low: float, high: float) -> float:
        """As :meth:`between`, but ``high`` from the middle of 0..1 on: what most designs want."""
        at = min(1.0, 2.0 * self.values[name])
        return low if low >= high else low * math.exp(at * math.log(high / low))

    def ranked(self, prefix: str, names: Sequence[str]) -> tuple[str, ...]:
        """The names by the importances ``prefix.<name>``, the largest first, equal ones in the
        order given.
        """
        return tuple(sorted(names, key=lambda name: -self.values[f"{prefix}.{name}"]))

    def shares(self, prefix: str, names: Sequence[str], spread: float = SPREAD) -> dict[str, float]:
        """Parts of 1 by the weights ``prefix.<name>``; two parts differ by a factor of at most
        ``spread``.
        """
        weights = {name: spread ** self.values[f"{prefix}.{name}"] for name in names}
        total = sum(weights.values())
        return {name: weight / total for name, weight in weights.items()}


def middle_of(number: int, count: int) -> float:
    """The number in the middle of those by which :meth:`Reader.pick` takes option ``number`` of
    ``count``.
    """
    return (number + 0.5) / count


def slot_of(value: T, options: Sequence[T]) -> float:
    """A number by which :meth:`Reader.pick` takes ``value`` out of ``options``.

    Raises :class:`InputError` when it is none of them.
    """
    if value not in options:
        raise InputError(f"{value} is none of {', '.join(map(str, options))}")
    return middle_of(options.index(value), len(options))


def shares_of(prefix: str, amounts: Mapping[K, float]) -> dict[str, float]:
    """Numbers by which :meth:`Reader.shares` gives parts in these proportions, as far as it can."""
    most = max(amounts.values(), default=0.0)
    return {
        f"{prefix}.{name}": max(0.0, 1.0 + math.log(amount / most) / math.log(SPREAD))
        if amount > 0
        else 0.0
        for name, amount in amounts.items()
    }

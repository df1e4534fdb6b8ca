"""Axes of a sweep, and which of their combinations are its points."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from math import prod

from accelgen.errors import InputError
from accelgen.names import shorten, unknown
from accelgen.sweep.fields import Value, kind_of

__all__ = ["MAX_POINTS", "Axis", "combinations", "spaced"]

MAX_POINTS = 1_000_000
"""Most points of a sweep; a grid from which random ones are drawn may have more."""

_RANGE = ("first", "last", "step", "factor")


@dataclass(frozen=True)
class Axis:
    """Fields that change together, and the values they take: one for each field, per step.

    ``Axis(("array.i", "array.j"), ((8, 8), (16, 16)))`` are two square arrays.  Raises
    :class:`InputError` for an axis without values, malformed names and unequal lengths.
    """

    fields: tuple[str, ...]
    values: tuple[tuple[Value, ...], ...]

    def __post_init__(self) -> None:
        for field in self.fields:
            kind_of(field)
        if not self.fields or not self.values:
            raise InputError("no values", where=", ".join(self.fields), hint="give a list")
        for value in self.values:
            if len(value) != len(self.fields):
                raise InputError(
                    f"{len(value)} values for {len(self.fields)} fields",
                    where=", ".join(self.fields),
                    hint="give a value for each field, or one for all",
                )

    def __len__(self) -> int:
        return len(self.values)

    def at(self, number: int) -> dict[str, Value]:
        """The fields at step ``number``."""
        return dict(zip(self.fields, self.values[number], strict=True))


def combinations(
    axes: Sequence[Axis], count: int | None = None, seed: int = 0
) -> list[dict[str, Value]]:
    """All combinations, the last axis fastest; or ``count`` different ones drawn with ``seed``.

    The draw is the same in every version of Python.  Raises :class:`InputError` beyond
    :data:`MAX_POINTS`.
    """
    sizes = [len(axis) for axis in axes]
    whole = prod(sizes)
    wanted = whole if count is None else min(count, whole)
    if wanted > MAX_POINTS:
        raise InputError(
            f"{wanted} points, beyond {MAX_POINTS}", hint="give fewer values, or random: 10000"
        )
    numbers = range(whole) if wanted == whole else _drawn(whole, wanted, seed)
    return [_combination(axes, number) for number in numbers]


def _combination(axes: Sequence[Axis], number: int) -> dict[str, Value]:
    steps = []
    for axis in reversed(axes):
        number, step = divmod(number, len(axis))
        steps.append(step)
    found: dict[str, Value] = {}
    for axis, step in zip(axes, reversed(steps), strict=True):
        found |= axis.at(step)
    return found


def _drawn(whole: int, count: int, seed: int) -> list[int]:
    """Different numbers below ``whole``, by the first steps of a shuffle.

    Python keeps ``random()`` of a seed the same in all versions, and promises that of nothing
    else.
    """
    source = random.Random(seed)
    moved: dict[int, int] = {}
    drawn = []
    for place in range(count):
        # Two draws have enough bits for any grid.
        fraction = int(source.random() * 2**53) << 53 | int(source.random() * 2**53)
        other = place + (fraction * (whole - place) >> 106)
        drawn.append(moved.get(other, other))
        moved[other] = moved.get(place, place)
    return drawn


def spaced(given: Mapping[str, Value]) -> list[Value]:
    """The numbers of ``{first: 8, last: 64, step: 8}``, or with ``factor: 2`` in place of a step.

    ``last`` is included when it is reached.  Integers stay integers (with a factor they are
    rounded); other numbers are text, exact in decimal.  Raises :class:`InputError`.
    """
    for key in given:
        if key not in _RANGE:
            raise unknown(key, "key of a range", _RANGE)
    if {*given} - {"step", "factor"} != {"first", "last"} or len(given) != 3:
        raise InputError("no range", hint="write {first: 8, last: 64, step: 8} or factor: 2")
    first, last = _decimal(given["first"], "first"), _decimal(given["last"], "last")
    by = "step" if "step" in given else "factor"
    change = _decimal(given[by], by)
    if by == "step" and change <= 0:
        raise InputError(f"{change} is no step", where="step", hint="use one above 0")
    if by == "factor" and (change <= 1 or first <= 0):
        raise InputError("does not grow", where="factor", hint="use one above 1, first above 0")
    whole = all(value == int(value) for value in (first, last))
    found: list[Value] = []
    at = first
    while at <= last:
        rounded = Decimal(round(at)) if by == "factor" and whole else at
        number = int(rounded) if rounded == int(rounded) else format(rounded.normalize(), "f")
        if not found or number != found[-1]:
            found.append(number)
        if len(found) > MAX_POINTS:
            raise InputError(f"more than {MAX_POINTS} values", hint=f"use a larger {by}")
        at = at + change if by == "step" else at * change
    if not found:
        raise InputError(f"an empty range: {last} is less than {first}", hint="exchange them")
    return found


def _decimal(value: Value, where: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) > Decimal("1e30"):
        raise InputError(f"{shorten(value)} is no number", where=where, hint="use 8 or 0.5")
    return number

"""Plain values of a search file as what they should be; errors say where they are not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypedDict, cast

from accelgen.affine.yaml_text import Plain, flag
from accelgen.errors import InputError
from accelgen.names import shorten, unknown, within
from accelgen.search.search import Method
from accelgen.sweep.metrics import METRICS, Constraint, metric_name

__all__ = [
    "Values", "check_keys", "constraints_of", "effort_of", "flags_of", "integer_of", "integers_of",
    "list_of", "mapping_of", "names_of", "number_of", "objectives_of",
]  # fmt: skip

Values = Mapping[str, Plain]


def check_keys(values: Values, keys: Sequence[str], what: str = "key") -> None:
    """Raise :class:`InputError` at the first key that is none of ``keys``."""
    for key in values:
        if key not in keys:
            error = unknown(key, what, keys)
            error.where = key
            raise error


def constraints_of(values: Values) -> tuple[Constraint, ...]:
    """The key ``constraints``."""
    found = []
    with within("constraints"):
        for metric, limits in mapping_of(values.get("constraints", {})).items():
            both = limits if isinstance(limits, dict) else {"max": limits}
            for key in both:
                if key not in ("min", "max"):
                    raise unknown(key, "limit", ("min", "max"))
            numbers = {key: number_of(value, metric) for key, value in both.items()}
            low, high = numbers.get("min", -math.inf), numbers.get("max", math.inf)
            found.append(Constraint(metric, low, high))
    return tuple(found)


def objectives_of(
    values: Values, default: Sequence[str], further: Sequence[str]
) -> tuple[str, ...]:
    """The key ``objectives``: metrics of every search, and ``further`` ones of this.

    Raises :class:`InputError` for others, which no design would have a number for.
    """
    known = (*METRICS, *further)
    with within("objectives"):
        names = tuple(
            metric_name(x, further) for x in names_of(values.get("objectives", [*default]))
        )
        for name in names:
            if name not in known:
                raise unknown(name, "metric of this search", known)
    return names


def mapping_of(value: Plain, hint: str = "write key: value") -> dict[str, Plain]:
    """A mapping."""
    if not isinstance(value, dict):
        raise InputError(f"{shorten(value)} is no mapping", hint=hint)
    return value


def list_of(values: Values, key: str) -> list[Plain]:
    """The list of a key, empty by default."""
    value = values.get(key, [])
    if not isinstance(value, list):
        raise InputError(f"{shorten(value)} is no list", where=key, hint=f"write {key}: [...]")
    return value


def names_of(value: Plain) -> list[str]:
    """A list of names."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InputError(f"{shorten(value)} is no list of names", hint="write [name, name]")
    return [str(name) for name in value]


def integers_of(values: Values, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """A list of integers."""
    if key not in values:
        return default
    found = list_of(values, key)
    if not all(isinstance(n, int) for n in found):
        raise InputError(f"{shorten(found)}", where=key, hint=f"write {key}: {list(default)}")
    return tuple(n for n in found if isinstance(n, int))


def flags_of(values: Values, key: str, default: tuple[bool, ...]) -> tuple[bool, ...]:
    """A list of yes and no."""
    if key not in values:
        return default
    return tuple(flag(value, key) for value in list_of(values, key))


def integer_of(values: Values, key: str, default: int) -> int:
    """An integer."""
    value = values.get(key, default)
    if not isinstance(value, int):
        raise InputError(f"{shorten(value)} is no integer", where=key, hint=f"{key}: 1000")
    return value


def number_of(value: Plain | float, where: str) -> float:
    """A finite number."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{shorten(value)} is no number", where=where, hint="use 0.5") from None
    if not math.isfinite(number):
        raise InputError(f"{shorten(value)} is no number", where=where, hint="use 0.5")
    return number


class Effort(TypedDict):
    """How a search is made, and for how long: fields of :class:`accelgen.search.search.Search`."""

    method: Method
    evaluations: int
    population: int | None
    seed: int


def effort_of(values: Values, optimiser: Method) -> Effort:
    """The keys ``optimiser`` (by default the one given), ``evaluations``, ``population`` and
    ``seed``.
    """
    return {
        # What is none of them, Search refuses.
        "method": cast("Method", str(values.get("optimiser", optimiser))),
        "evaluations": integer_of(values, "evaluations", 1000),
        "population": (
            None if values.get("population") is None else integer_of(values, "population", 0)
        ),
        "seed": integer_of(values, "seed", 0),
    }

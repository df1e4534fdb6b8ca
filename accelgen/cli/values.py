"""Values on the command line: ``m=64,n=64``, ``m=16:256:16,k=32|64``, ``A=int4``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from itertools import product
from math import prod

from accelgen.errors import InputError
from accelgen.names import shorten

__all__ = ["MAX_POINTS", "add_seed", "axes", "combinations", "extents", "pairs", "seed", "sweep"]

MAX_POINTS = 100_000
"""Most combinations of a sweep."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,100}")


def seed(text: str) -> int:
    """A seed of random numbers, an integer of 0 or more: a ``type`` of argparse.

    Raises :class:`InputError`.
    """
    number = _integer(text, "--seed", "0")
    if number < 0:
        raise InputError(f"{number} is below 0", where="--seed", hint="use 0 or more")
    return number


def add_seed(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--seed``, of ``what``."""
    parser.add_argument("--seed", type=seed, metavar="N", default=0, help=f"{what} (default 0)")


def pairs(text: str, option: str, example: str) -> dict[str, str]:
    """``a=x,b=y`` as a mapping; :class:`InputError` shows the ``example`` otherwise."""
    hint = f"write {option} {example}"
    found: dict[str, str] = {}
    for entry in text.split(","):
        name, equals, value = (part.strip() for part in entry.partition("="))
        if not (name and equals and value):
            raise InputError(f"{shorten(entry)} is not NAME=VALUE", where=option, hint=hint)
        if name in found:
            raise InputError(f"{shorten(name)} is given twice", where=option, hint=hint)
        found[name] = value
    return found


def extents(text: str, option: str, example: str) -> dict[str, int]:
    """``m=64,n=64`` as integers."""
    return {
        name: _integer(value, option, example)
        for name, value in pairs(text, option, example).items()
    }


def axes(text: str, option: str, example: str) -> dict[str, str | None]:
    """``A=j,Y=none`` as names of axes, ``None`` for ``none``."""
    given = pairs(text, option, example)
    return {name: None if axis == "none" else axis for name, axis in given.items()}


def sweep(text: str, option: str, example: str) -> dict[str, list[range]]:
    """Per name the values of ``a:b``, ``a:b:step`` (``b`` included) and ``x|y|z``."""
    return {
        name: [_range(part, option, example) for part in value.split("|")]
        for name, value in pairs(text, option, example).items()
    }


def combinations(sweeps: dict[str, list[range]], option: str) -> list[dict[str, int]]:
    """Every combination of the values, the last name fastest; at most ``MAX_POINTS``."""
    count = _count(list(sweeps.values()))
    if count > MAX_POINTS:
        raise InputError(
            f"{count} combinations, beyond {MAX_POINTS}", where=option, hint="use a larger step"
        )
    values = [[value for part in parts for value in part] for parts in sweeps.values()]
    return [dict(zip(sweeps, point, strict=True)) for point in product(*values)]


def _count(axes: Sequence[Sequence[range]]) -> int:
    return prod(sum(len(part) for part in parts) for parts in axes)


def _range(text: str, option: str, example: str) -> range:
    first, *rest = (_integer(part, option, example) for part in text.split(":"))
    if not rest:
        return range(first, first + 1)
    last, step, *more = (*rest, 1) if len(rest) == 1 else rest
    if not more and step >= 1 and last < first:
        raise InputError(
            f"{shorten(text)} is an empty range: {last} is less than {first}",
            where=option,
            hint=f"write {last}:{first}:{step}",
        )
    if more or step < 1:
        raise InputError(
            f"{shorten(text)} is no range FIRST:LAST:STEP", where=option, hint="write 16:256:16"
        )
    return range(first, last + 1, step)


def _integer(text: str, option: str, example: str) -> int:
    if not _INTEGER.fullmatch(text.strip()):
        raise InputError(
            f"{shorten(text)} is no integer", where=option, hint=f"write {option} {example}"
        )
    return int(text)

"""Parameters with a few known values, or with a largest one."""

from __future__ import annotations

from collections.abc import Iterable

from accelgen.errors import InputError
from accelgen.names import shorten

__all__ = ["at_most", "chosen"]


def chosen(value: int | str, known: Iterable[int | str], name: str) -> None:
    """Raise :class:`InputError` unless ``value`` is one of ``known``."""
    values = list(known)
    if value not in values:
        raise InputError(
            f"{shorten(value)} is no value of {name}",
            hint=f"use one of {', '.join(map(str, values))}",
        )


def at_most(value: int, limit: int, name: str) -> None:
    """Raise :class:`InputError` when ``value`` is above ``limit``."""
    if value > limit:
        raise InputError(f"{value} is too large for {name}", hint=f"use at most {limit}")

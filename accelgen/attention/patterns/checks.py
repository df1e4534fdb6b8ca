"""Checks of parameters of patterns."""

from __future__ import annotations

from math import isfinite

from accelgen.attention.shape import MAX_TOKENS
from accelgen.errors import InputError
from accelgen.names import shorten

__all__ = ["MAX_BLOCK", "block_size", "flag", "integer", "number"]

MAX_BLOCK = 4096
"""Most tokens along a side of a block."""


def integer(where: str, value: object, low: int, high: int = MAX_TOKENS) -> None:
    """Raise :class:`InputError` unless ``value`` is an integer in ``low..high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{shorten(value)} is no integer in {low}..{high}", where=where)


def block_size(where: str, value: object) -> None:
    """Raise :class:`InputError` unless ``value`` is the side of a block, in tokens."""
    integer(where, value, 1, MAX_BLOCK)


def number(where: str, value: object, low: float, high: float) -> None:
    """Raise :class:`InputError` unless ``value`` is a number in ``low..high``."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not isfinite(value)
        or not low <= value <= high
    ):
        raise InputError(f"{shorten(value)} is no number in {low:g}..{high:g}", where=where)


def flag(where: str, value: object) -> None:
    """Raise :class:`InputError` unless ``value`` is true or false."""
    if not isinstance(value, bool):
        raise InputError(f"{shorten(value)} is neither true nor false", where=where)

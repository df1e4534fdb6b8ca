"""Names a person writes: what is a legal one, and the nearest known one to a wrong one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from accelgen.errors import AccelgenError, InputError

__all__ = ["FrozenMap", "check_name", "nearest", "unknown", "within"]

MAX_NAME = 64
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RESERVED = frozenset({"size", "sum", "none", "null"})

K = TypeVar("K")
V = TypeVar("V", covariant=True)


class FrozenMap(Mapping[K, V]):
    """An immutable, hashable, ordered mapping; equal when the items are equal in order."""

    __slots__ = ("_hash", "_values")

    def __init__(self, values: Mapping[K, V] | Iterable[tuple[K, V]] = ()) -> None:
        self._values = dict(values)
        self._hash: int | None = None

    def __getitem__(self, key: K) -> V:
        """The value of ``key``; :class:`KeyError` when absent."""
        return self._values[key]

    def __iter__(self) -> Iterator[K]:
        """The keys, in order."""
        return iter(self._values)

    def __len__(self) -> int:
        """Number of entries."""
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        """Same items in the same order (a plain mapping is compared by items only)."""
        if isinstance(other, FrozenMap):
            return tuple(self._values.items()) == tuple(other._values.items())
        return self._values == other

    def __hash__(self) -> int:
        """Hash of the items in order, worked out once."""
        if self._hash is None:
            self._hash = hash(tuple(self._values.items()))
        return self._hash

    def __reduce__(self) -> tuple[type[FrozenMap[K, V]], tuple[dict[K, V]]]:
        """Without the hash: another process has another."""
        return FrozenMap, (self._values,)

    def __repr__(self) -> str:
        """Like the dictionary it holds."""
        return repr(self._values)


def check_name(name: object, kind: str) -> str:
    """Return ``name`` when it is a legal identifier, else raise :class:`InputError`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise InputError(
            f"{shorten(name)} is no legal {kind} name",
            hint=f"use a letter, then letters, digits and _, at most {MAX_NAME}",
        )
    if name.lower() in _RESERVED:
        raise InputError(f"{name!r} is a reserved word, no {kind} name", hint="rename it")
    return name


def shorten(value: object, limit: int = 60) -> str:
    """``repr(value)`` on one line of at most ``limit`` characters."""
    text = repr(value[: limit + 1] if isinstance(value, str) else value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def nearest(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """A hint: the known name nearest to ``name``, or ``otherwise``, or the list of known names.

    One that differs in upper and lower case alone is nearest.
    """
    names = list(known)
    text = name[:MAX_NAME]
    lower = {one.lower(): one for one in reversed(names)}
    close = difflib.get_close_matches(text, names, n=1, cutoff=0.5)
    if text.lower() in lower:
        close = [lower[text.lower()]]
    elif not close:
        found = difflib.get_close_matches(text.lower(), lower, n=1, cutoff=0.5)
        close = [lower[one] for one in found]
    if close:
        return f"did you mean {close[0]!r}?"
    if otherwise is not None:
        return otherwise
    return f"known: {', '.join(names[:24])}" if names else "none is known"


def unknown(name: str, kind: str, known: Iterable[str], otherwise: str | None = None) -> InputError:
    """The error for a ``name`` that is not among the ``known`` ones; see :func:`nearest`."""
    return InputError(f"unknown {kind} {shorten(name)}", hint=nearest(name, known, otherwise))


@contextmanager
def within(where: str) -> Iterator[None]:
    """Put ``where`` in front of the location of any error raised inside."""
    try:
        yield
    except AccelgenError as error:
        error.where = f"{where}: {error.where}" if error.where else where
        raise

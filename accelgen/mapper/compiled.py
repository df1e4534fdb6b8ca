"""Functions that are compiled to machine code when first called, and kept compiled on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import numba

from accelgen.cache import cache_root, digest

__all__ = ["SOURCES", "compiled", "lean"]

P = ParamSpec("P")
R = TypeVar("R")


SOURCES = digest(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
"""Changes with every change of the mapper."""

_FOLDER = cache_root() / "numba" / SOURCES
"""Machine code has that of all the functions it calls, and Numba would not notice when one of them
in another file changes: there is a folder for the present sources.
"""


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` over numbers and arrays, compiled; with NUMBA_DISABLE_JIT=1 as it is.

    Integers are 64 bits and wrap around, divisions by zero give infinities as in NumPy.
    """
    return _compiled(function, counts=True)


def lean(function: Callable[P, R]) -> Callable[P, R]:
    """The same for functions that make no arrays themselves.

    They need not count who uses the arrays they get: without Numba's run-time library (``nrt``)
    calls with tuples of many arrays are several times as fast.  A function that does make one fails
    to compile.
    """
    return _compiled(function, counts=False)


def _compiled(function: Callable[P, R], *, counts: bool) -> Callable[P, R]:
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_FOLDER)
    try:
        wrapped = numba.njit(cache=True, error_model="numpy", _nrt=counts)(function)
    finally:
        numba.config.CACHE_DIR = before
    return cast(Callable[P, R], wrapped)

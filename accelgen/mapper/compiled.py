"""Functions that are compiled to machine code when first called, and kept compiled on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

__all__ = ["compiled"]

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` over numbers and arrays, compiled; with NUMBA_DISABLE_JIT=1 as it is.

    Integers are 64 bits and wrap around, divisions by zero give infinities as in NumPy.
    """
    wrapped = numba.njit(cache=True, error_model="numpy")(function)
    return cast(Callable[P, R], wrapped)

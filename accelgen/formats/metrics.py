"""How far an approximation is from its tensor, and a comparison of formats by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log10, nan

import numpy as np

from accelgen.errors import InputError
from accelgen.formats.block import BlockFormat, ElementFormat
from accelgen.formats.floating import FloatFormat, PowerFormat
from accelgen.formats.policy import DEFAULT, Float32s, Policy
from accelgen.formats.registry import get_format
from accelgen.formats.scaled import ScaledFormat
from accelgen.formats.tensor_scaled import UE4M3
from accelgen.names import within

__all__ = ["Comparison", "Errors", "approximate", "compare", "errors", "takes_block"]

_SLICE = 1 << 20
_WIDE = 16
"""Floats of this and more bits hold a tensor as it is; narrower ones and integers need a scale."""


@dataclass(frozen=True)
class Errors:
    """Errors of ``count`` finite elements against a reference.

    ``mse`` is the mean squared error, ``sqnr_db`` the ratio of the reference's mean square to it in
    decibels (infinite without any error), ``max_abs`` the largest error; all are NaN when
    ``count`` is 0.  ``lost`` counts elements that are NaN or infinite in either, which the others
    leave out.
    """

    count: int
    mse: float
    sqnr_db: float
    max_abs: float
    lost: int


@dataclass(frozen=True)
class Comparison:
    """A tensor in one format: bits per element, scales included, and its errors."""

    format: str
    bits_per_element: float
    errors: Errors


def errors(reference: object, approximation: object) -> Errors:
    """Compare two arrays of one shape, in float64."""
    exact, near = np.asarray(reference), np.asarray(approximation)
    if exact.shape != near.shape:
        raise InputError(f"shapes {exact.shape} and {near.shape} differ")
    squares = signal = largest = 0.0
    count = 0
    for start in range(0, exact.size, _SLICE):
        a = exact.reshape(-1)[start : start + _SLICE].astype(np.float64)
        b = near.reshape(-1)[start : start + _SLICE].astype(np.float64)
        good = np.isfinite(a) & np.isfinite(b)
        a, difference = a[good], np.abs(b[good] - a[good])
        count += a.size
        squares += float(difference @ difference)
        signal += float(a @ a)
        largest = max(largest, float(difference.max(initial=0.0)))
    if not count:
        return Errors(0, nan, nan, nan, exact.size)
    ratio = inf if squares == 0 else -inf if signal == 0 else 10 * log10(signal / squares)
    return Errors(count, squares / count, ratio, largest, exact.size - count)


def approximate(
    values: Float32s, name: str, axis: int = -1, block: int | None = None, policy: Policy = DEFAULT
) -> tuple[Float32s, float]:
    """What remains of ``values`` in the format ``name``, and its bits per element.

    Integers and floats of fewer than 16 bits get an FP32 scale per ``block`` along ``axis``, or one
    per tensor; wider floats are used as they are.
    """
    form = _usable(name)
    if isinstance(form, FloatFormat) and form.width >= _WIDE:
        return form.decode(form.encode(values, policy)).astype(np.float32), float(form.width)
    if not isinstance(form, BlockFormat):
        form = ScaledFormat(name, form, block)
    made = form.quantise(values, axis, policy)
    return made.dequantise(), made.bits / max(1, values.size)


def takes_block(name: str) -> bool:
    """Whether ``block`` of :func:`approximate` has a meaning for the format ``name``."""
    form = _usable(name)
    return not isinstance(form, BlockFormat) and form.width < _WIDE


def _usable(name: str) -> ElementFormat | BlockFormat:
    form = get_format(name)
    if isinstance(form, PowerFormat) or form == UE4M3:
        raise InputError(f"{name} is a format of scales", hint="use one of elements or blocks")
    return form


def compare(
    values: Float32s,
    names: Sequence[str],
    axis: int = -1,
    block: int | None = None,
    policy: Policy = DEFAULT,
) -> list[Comparison]:
    """The errors of a tensor in each of the formats, in the order given.

    Raises :class:`InputError` for a tensor without elements, which has no errors.
    """
    if values.size == 0:
        raise InputError("the tensor has no elements", hint="give one with elements to compare")
    found = []
    for name in names:
        with within(name):
            near, bits = approximate(values, name, axis, block, policy)
        found.append(Comparison(name, bits, errors(values, near)))
    return found

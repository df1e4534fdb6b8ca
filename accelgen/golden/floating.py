"""Models of the floating-point units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.formats.floating import FP32, FloatFormat
from accelgen.formats.policy import Codes, code_type

__all__ = ["fixed_to_float", "fp32_add"]


def fp32_add(a: Codes, b: Codes) -> Codes:
    """The codes of the sums of FP32 codes ``a`` and ``b`` (uint32, shapes that broadcast).

    Nearest even, with subnormals, as the processor adds; every NaN is 0x7FC00000.
    """
    with np.errstate(all="ignore"):
        total = np.asarray(a, np.uint32).view(np.float32) + np.asarray(b, np.uint32).view(
            np.float32
        )
    codes = np.asarray(total, np.float32).view(np.uint32)
    return np.where(np.isnan(total), np.uint32(0x7FC00000), codes)


def fixed_to_float(values: NDArray[Any], fraction: int = 0, format: FloatFormat = FP32) -> Codes:
    """The codes of ``values * 2**-fraction``, rounded once to nearest even.

    ``values`` are integers: int64, or Python's in an array of objects when they are wider.
    Beyond the largest value the code is that of Inf; zero is +0.
    """
    numbers = np.asarray(values)
    if numbers.dtype == object:
        found = [_round(int(v), fraction, format) for v in numbers.reshape(-1)]
        return np.array(found, dtype=code_type(format.width)).reshape(numbers.shape)
    signed = numbers.astype(np.int64)
    negative = signed < 0
    # The magnitude of the most negative number is right as an unsigned one.
    magnitude = np.where(negative, -signed, signed).astype(np.uint64)
    length = _bit_length(magnitude)
    # The weight of the last place: of normal values by the leading one, of subnormals fixed.
    exponent = np.maximum(length - 1 - fraction, 1 - format.bias)
    exponent = np.where(magnitude == 0, 1 - format.bias, exponent)
    drop = exponent - format.mantissa_bits + fraction
    right = np.clip(drop, 0, 63).astype(np.uint64)
    left = np.clip(-drop, 0, 63).astype(np.uint64)
    whole = np.where(drop < 64, (magnitude >> right) << left, 0).astype(np.int64)
    rest = np.where(drop < 64, magnitude & ((np.uint64(1) << right) - np.uint64(1)), magnitude)
    half = np.uint64(1) << np.clip(drop - 1, 0, 63).astype(np.uint64)
    above = (drop > 0) & (drop <= 64) & (rest > half)
    tie = (drop > 0) & (drop <= 64) & (rest == half)
    whole += above | (tie & (whole & 1 == 1))
    code = ((exponent - 1 + format.bias) << format.mantissa_bits) + whole
    code = np.minimum(code, format.max_code + 1)
    code = code | (negative.astype(np.int64) << (format.width - 1))
    return np.asarray(code, dtype=code_type(format.width))


def _bit_length(magnitude: NDArray[np.uint64]) -> NDArray[np.int64]:
    length = np.zeros(magnitude.shape, dtype=np.int64)
    rest = magnitude.copy()
    for step in (32, 16, 8, 4, 2, 1):
        large = rest >= np.uint64(1 << step)
        length += np.where(large, step, 0)
        rest = np.where(large, rest >> np.uint64(step), rest)
    return length + (rest > 0)


def _round(value: int, fraction: int, format: FloatFormat) -> int:
    """One number of any size."""
    if value == 0:
        return 0
    magnitude = abs(value)
    exponent = max(magnitude.bit_length() - 1 - fraction, 1 - format.bias)
    drop = exponent - format.mantissa_bits + fraction
    if drop <= 0:
        whole = magnitude << -drop
    else:
        whole, rest = divmod(magnitude, 1 << drop)
        whole += 2 * rest + (whole & 1) > 1 << drop
    code = ((exponent - 1 + format.bias) << format.mantissa_bits) + whole
    return min(code, format.max_code + 1) | (int(value < 0) << (format.width - 1))

"""Model of the bf16 multiply-accumulate unit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.formats.policy import Codes
from accelgen.golden.floating import fp32_add

__all__ = ["bf16_accumulate", "bf16_product"]

_NAN = np.uint32(0x7FC00000)


def bf16_product(a: NDArray[Any], b: NDArray[Any]) -> Codes:
    """FP32 codes of the products of bf16 codes: nearest even, with subnormals; NaN 0x7FC00000."""
    x, y = ((np.asarray(codes, np.uint32) << np.uint32(16)).view(np.float32) for codes in (a, b))
    with np.errstate(all="ignore"):
        product = np.asarray(x * y, np.float32)
    return np.where(np.isnan(product), _NAN, product.view(np.uint32))


def bf16_accumulate(
    a: NDArray[Any], b: NDArray[Any], valid: NDArray[Any], first: NDArray[Any]
) -> Codes:
    """The FP32 codes of the sum after every cycle, from 0 on: one-dimensional arrays."""
    sums = np.zeros(len(a), dtype=np.uint32)
    total: Codes = np.zeros(1, dtype=np.uint32)
    for cycle, code in enumerate(bf16_product(a, b)):
        if valid[cycle]:
            start = np.zeros_like(total) if first[cycle] else total
            total = fp32_add(start, np.array([code]))
        sums[cycle] = total[0]
    return sums

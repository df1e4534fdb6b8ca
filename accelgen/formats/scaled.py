"""Elements under FP32 scales: what int4 and its like need to hold real numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from accelgen.errors import InputError
from accelgen.formats.block import BlockFormat, Encoder, Kernel, block_maxima, integer_encoder
from accelgen.formats.floating import FP32, FloatFormat
from accelgen.formats.policy import Codes, Float32s, Float64s, Policy, code_type

__all__ = ["ScaledFormat"]

_SLICE = 1 << 15
"""Elements of a block that are encoded at a time."""


@dataclass(frozen=True)
class ScaledFormat(BlockFormat):
    """value = element * scale, the FP32 scale being a / M: one per block, or one per tensor.

    a is the largest magnitude of the block and M that of the element; signed integers are
    symmetric (the most negative code is never made), unsigned ones turn negative values into zero.
    """

    def __post_init__(self) -> None:
        if self.element.limits.max <= 0 or self.element.width > 16:
            raise InputError(
                f"{self.element} has no symmetric range or more than 16 bits", where=self.name
            )
        if self.block is not None and self.block < 1:
            raise InputError(f"a block of {self.block} elements", hint="use at least 1")

    @property
    def scale(self) -> FloatFormat:
        """FP32."""
        return FP32

    def decode(self, codes: object, scales: object) -> Float64s:
        """The exact values of ``codes`` under ``scales``."""
        return self.element.decode(codes) * FP32.decode(scales)

    def _kernel(self, policy: Policy, largest: np.float32) -> Kernel:
        maximum = np.float32(self.element.limits.max)
        encode: Encoder
        if isinstance(self.element, FloatFormat):
            encode = self.element.encoder(policy)
        else:
            encode = integer_encoder(self.element, self.element.max, policy)

        def kernel(blocks: Float32s) -> tuple[Codes, Codes]:
            scales: Float32s = np.divide(block_maxima(blocks), maximum, dtype=np.float32)
            divisors = scales + (scales == 0).astype(np.float32)
            codes = np.empty(blocks.shape, dtype=code_type(self.element_bits))
            step = max(1, _SLICE // max(1, blocks.shape[1]))
            for start in range(0, len(blocks), step):
                part = slice(start, start + step)
                codes[part] = encode(blocks[part] / divisors)
            codes[:, scales == 0] = 0
            return codes, scales.view(np.uint32)

        return kernel

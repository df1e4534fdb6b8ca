"""The OCP microscaling formats (MX v1.0): blocks of 32 that share a power of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from accelgen.formats.block import BlockFormat, Kernel, block_maxima, integer_encoder
from accelgen.formats.floating import E8M0, FloatFormat, PowerFormat
from accelgen.formats.policy import Codes, Float32s, Float64s, Policy

__all__ = ["IntegerBlocks", "MicroscalingFormat"]

_LEAST, _GREATEST = -127, 127
"""Exponents of the scale."""


@dataclass(frozen=True)
class MicroscalingFormat(BlockFormat):
    """MX: value = element * 2**(scale - 127); integer elements count in units of 2**-(bits - 2).

    A block of zeros has scale code 0.  Elements saturate, to symmetric limits: -128 is never made.
    With the ``"ceil"`` rule nothing saturates, but for blocks beyond the largest scale's range.
    """

    @property
    def scale(self) -> PowerFormat:
        """E8M0."""
        return E8M0

    @property
    def unit(self) -> float:
        """The value of one step of an integer element; 1 for floating-point elements."""
        return 1.0 if isinstance(self.element, FloatFormat) else 2.0 ** (2 - self.element.width)

    def decode(self, codes: object, scales: object) -> Float64s:
        """The exact values of ``codes`` under ``scales``."""
        return self.element.decode(codes) * (self.unit * E8M0.decode(scales))

    def _kernel(self, policy: Policy, largest: np.float32) -> Kernel:
        if isinstance(self.element, FloatFormat):
            encode = self.element.encoder(policy)
        else:
            encode = integer_encoder(self.element, self.element.max, policy)
        top, top_exponent = np.frexp(np.float32(self.element.limits.max * self.unit))
        factors = np.ldexp(np.float32(1), -np.arange(_LEAST, _GREATEST + 1))
        steps = np.float32(1 / self.unit)

        def kernel(blocks: Float32s) -> tuple[Codes, Codes]:
            significand, exponent = np.frexp(block_maxima(blocks))
            exponent = exponent - top_exponent
            if policy.scale_rule == "ceil":
                exponent += significand > top
            exponent = np.where(significand == 0, _LEAST, np.clip(exponent, _LEAST, _GREATEST))
            scales = (exponent - _LEAST).astype(np.uint8)
            scaled = blocks * factors[scales]
            if steps != 1:
                scaled *= steps
            return encode(scaled), scales

        return kernel


@dataclass(frozen=True)
class IntegerBlocks(MicroscalingFormat):
    """Integers beside a block format: as many together as that has in a block, in units of 1.

    Hardware counts no scale but 2**0.
    """

    @property
    def unit(self) -> float:
        """The value of one step: 1."""
        return 1.0

"""Block formats that choose between floating-point and integer elements, block by block.

IF4, IF3 and IF6 of Adaptive Block-Scaled Data Types (arXiv 2603.28765).  All arithmetic is FP32, in
the order written here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from accelgen.formats.block import Kernel, block_maxima, integer_encoder
from accelgen.formats.integer import IntFormat, SignMagnitudeFormat
from accelgen.formats.policy import Codes, Float32s, Float64s, Policy
from accelgen.formats.tensor_scaled import (
    UE4M3,
    Scaling,
    TensorScaledFormat,
    block_error,
    clear,
)

__all__ = ["INTEGER", "AdaptiveFormat"]

INTEGER = 0x80
"""The bit of a scale that says that the elements of its block are integers."""


INT4 = IntFormat(4, symmetric=True)


@dataclass(frozen=True)
class AdaptiveFormat(TensorScaledFormat):
    """``element``, or ``integer`` times M / ``integer.max``: both reach the same largest value.

    The block's error decides, at equal errors for ``element``.  With ``ties_to_zero``, rounding to
    nearest sends ties of ``element`` toward zero (E2M0 has no mantissa whose last bit could be
    even).
    """

    integer: IntFormat | SignMagnitudeFormat = INT4
    ties_to_zero: bool = False

    @property
    def ratio(self) -> Fraction:
        """The value of the integer 1: M over the largest integer."""
        return Fraction(self.element.limits.max) / self.integer.max

    @property
    def denominator(self) -> int:
        """That of :attr:`ratio`; :meth:`decode` gives whole multiples of its reciprocal."""
        return self.ratio.denominator

    def decode(self, codes: object, scales: object) -> Float64s:
        """The exact values of ``codes`` under ``scales``, times :attr:`denominator`."""
        kinds = np.asarray(scales)
        integer = self.integer.decode(codes) * self.ratio.numerator
        values = np.where(kinds & INTEGER, integer, self.element.decode(codes) * self.denominator)
        return values * UE4M3.decode(kinds & (INTEGER - 1))

    def _blocks(self, policy: Policy, largest: np.float32) -> Kernel:
        float_policy = policy
        if self.ties_to_zero and policy.rounding == "nearest-even":
            float_policy = replace(policy, rounding="nearest-zero")
        encode = self.encoder(float_policy)
        encode_integer = integer_encoder(self.integer, self.integer.max, policy)
        codes = np.arange(1 << self.element_bits)
        values = self.element.decode(codes).astype(np.float32)
        integers = self.integer.decode(codes).astype(np.float32)
        scaling = Scaling.of(self, largest)
        error = block_error(policy.error)
        levels, ratio = np.float32(self.levels), np.float32(float(self.ratio))
        most, maximum = np.float32(self.integer.max), scaling.maximum

        def kernel(blocks: Float32s) -> tuple[Codes, Codes]:
            scales = scaling.scales(block_maxima(blocks))
            value = scaling.table[scales]
            scaled = blocks * scaling.factors(scales)
            codes = clear(encode(scaled), scales)
            back = values.take(codes)
            back *= value
            back *= largest
            back /= levels
            scaled *= most
            scaled /= maximum
            codes_integer = encode_integer(scaled)
            back_integer = integers.take(codes_integer)
            back_integer *= value
            back_integer *= largest
            back_integer *= ratio
            back_integer /= levels
            better = error(back_integer, blocks) < error(back, blocks)
            np.copyto(codes, codes_integer, where=better)
            return codes, np.where(better, scales | INTEGER, scales)

        return kernel

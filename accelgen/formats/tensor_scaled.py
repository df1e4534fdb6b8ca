"""Blocks of 16 with an unsigned E4M3 scale each, under one FP32 scale of the tensor.

NVFP4, its Four Over Six quantiser (arXiv 2512.02010) and NVINT4.  All arithmetic is FP32, in the
order written here; M is the largest element and S the largest scale that is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from accelgen.formats.block import (
    BlockFormat,
    Encoder,
    Kernel,
    block_maxima,
    integer_encoder,
)
from accelgen.formats.floating import FloatFormat
from accelgen.formats.policy import DEFAULT, BlockError, Codes, Float32s, Float64s, Policy

__all__ = ["LEAST", "UE4M3", "FourOverSixFormat", "TensorScaledFormat"]

UE4M3 = FloatFormat(4, 3, "nan", signed=False)
LEAST = np.float32(2.0**-100)
"""A tensor whose largest magnitude is below this becomes zero: the reciprocals of its scales would
leave the range of FP32."""
_ONE = np.float32(1)


@dataclass(frozen=True)
class TensorScaledFormat(BlockFormat):
    """value = element * scale * tensor scale, the tensor scale being A / (M * S).

    A is the tensor's largest magnitude, S is ``largest_scale``.  Integer elements are symmetric
    (see :class:`~accelgen.formats.IntFormat`): code 8 of INT4 is never made and counts as zero.
    Scales are rounded to nearest even whatever the policy; elements of a block whose scale is zero
    are zero.
    """

    largest_scale: int = 448

    @property
    def scale(self) -> FloatFormat:
        """Unsigned E4M3, in the low 7 bits of a byte."""
        return UE4M3

    @property
    def has_tensor_scale(self) -> bool:
        """They have."""
        return True

    @property
    def levels(self) -> float:
        """M * S."""
        return self.element.limits.max * self.largest_scale

    def tensor_scale(self, largest: np.float32) -> np.float32:
        """A / (M * S), zero for a tensor that is treated as zero."""
        if largest < LEAST:
            return np.float32(0)
        return np.float32(largest / np.float32(self.levels))

    def decode(self, codes: object, scales: object) -> Float64s:
        """The exact values of ``codes`` under ``scales``, without the tensor's scale."""
        return self.element.decode(codes) * UE4M3.decode(scales)

    def _kernel(self, policy: Policy, largest: np.float32) -> Kernel:
        if largest < LEAST:
            return _zeros
        return self._blocks(policy, largest)

    def _blocks(self, policy: Policy, largest: np.float32) -> Kernel:
        encode = self.encoder(policy)
        scaling = Scaling.of(self, largest)

        def kernel(blocks: Float32s) -> tuple[Codes, Codes]:
            scales = scaling.scales(block_maxima(blocks))
            return clear(encode(blocks * scaling.factors(scales)), scales), scales

        return kernel

    def encoder(self, policy: Policy) -> Encoder:
        """Encodes elements that are divided by their scales."""
        if isinstance(self.element, FloatFormat):
            return self.element.encoder(policy)
        return integer_encoder(self.element, self.element.max, policy)


@dataclass(frozen=True)
class FourOverSixFormat(TensorScaledFormat):
    """NVFP4 in which each block maps its largest magnitude to 6 or to 4, whichever errs less."""

    largest_scale: int = 256

    def _blocks(self, policy: Policy, largest: np.float32) -> Kernel:
        encode = self.encoder(policy)
        scaling = Scaling.of(self, largest)
        values = self.element.decode(np.arange(1 << self.element_bits)).astype(np.float32)
        error = block_error(policy.error)
        levels = np.float32(self.levels)

        def attempt(blocks: Float32s, scales: Codes) -> tuple[Codes, Float32s]:
            codes = clear(encode(blocks * scaling.factors(scales)), scales)
            back = values.take(codes)
            back *= scaling.table[scales]
            back *= largest
            back /= levels
            return codes, error(back, blocks)

        def kernel(blocks: Float32s) -> tuple[Codes, Codes]:
            unrounded = scaling.unrounded(block_maxima(blocks))
            six = scaling.encode(unrounded)
            four = scaling.encode(unrounded * np.float32(1.5))
            codes, error_six = attempt(blocks, six)
            codes_four, error_four = attempt(blocks, four)
            better = error_four < error_six
            np.copyto(codes, codes_four, where=better)
            return codes, np.where(better, four, six)

        return kernel


@dataclass(frozen=True)
class Scaling:
    """Scales of blocks, and what elements are multiplied by, for one tensor."""

    maximum: np.float32
    enc: np.float32
    dec: np.float32
    table: Float32s
    encode: Encoder

    @classmethod
    def of(cls, form: TensorScaledFormat, largest: np.float32) -> Scaling:
        """For a tensor whose largest magnitude is ``largest``, at least :data:`LEAST`."""
        enc = np.float32(form.levels) / largest
        table = UE4M3.decode(np.arange(128)).astype(np.float32)
        maximum = np.float32(form.element.limits.max)
        return cls(maximum, enc, _ONE / enc, table, UE4M3.encoder(DEFAULT))

    def unrounded(self, maxima: Float32s) -> Float32s:
        """The scales of blocks with these largest magnitudes, before rounding."""
        scales: Float32s = (maxima / self.maximum) * self.enc
        return scales

    def scales(self, maxima: Float32s) -> Codes:
        """The codes of these scales."""
        return self.encode(self.unrounded(maxima))

    def factors(self, scales: Codes) -> Float32s:
        """1 / (dec * scale), zero where the scale is."""
        value = self.table[scales]
        factors = np.zeros_like(value)
        np.divide(_ONE, self.dec * value, out=factors, where=value > 0)
        return factors


def clear(codes: Codes, scales: Codes) -> Codes:
    """The codes, zero (without sign) in blocks whose scale is zero."""
    if not scales.all():
        codes[:, scales == 0] = 0
    return codes


def block_error(kind: BlockError) -> Callable[[Float32s, Float32s], Float32s]:
    """The error of blocks (block x blocks): of two arrays, for every block.

    Sums are FP32 additions in the order of the elements.
    """

    def error(approximation: Float32s, blocks: Float32s) -> Float32s:
        difference = approximation - blocks
        if kind == "mse":
            difference *= difference
        else:
            np.abs(difference, out=difference)
        total: Float32s = difference[0].copy()
        for row in difference[1:]:
            if kind == "abs_max":
                np.maximum(total, row, out=total)
            else:
                total += row
        return total

    return error


def _zeros(blocks: Float32s) -> tuple[Codes, Codes]:
    return np.zeros(blocks.shape, dtype=np.uint8), np.zeros(blocks.shape[1], dtype=np.uint8)

"""Block formats: what is common to all, and the tensors they make.

A block is a run of elements along one axis that share a scale; the last one of a row may be
shorter.  Quantisers work in FP32, on slices of a tensor that stay in the processor's cache, with a
block's elements along the first axis.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.formats.floating import FloatFormat, PowerFormat
from accelgen.formats.integer import IntFormat, SignMagnitudeFormat, round_to_integer
from accelgen.formats.packing import pack_codes, unpack_codes
from accelgen.formats.policy import (
    DEFAULT,
    Bools,
    Codes,
    Float32s,
    Float64s,
    Policy,
    check_codes,
    code_type,
)
from accelgen.names import shorten

__all__ = ["BlockFormat", "ElementFormat", "Encoder", "Kernel", "QuantisedTensor", "ScaleFormat"]

ElementFormat = FloatFormat | IntFormat | SignMagnitudeFormat
ScaleFormat = FloatFormat | PowerFormat
Encoder = Callable[[Float32s], Codes]
Kernel = Callable[[Float32s], tuple[Codes, Codes]]
"""From finite elements (block x blocks) to their codes and the codes of the blocks' scales."""

_CHUNK = 1 << 15
"""Elements that are quantised at a time: 128 KiB of FP32, and some temporaries of that size."""


@dataclass(frozen=True, eq=False)
class QuantisedTensor:
    """A tensor of ``shape`` as codes, in blocks along ``axis`` (0 or more).

    ``codes`` has the shape; ``scales`` too, but along the axis one entry per block (of a format
    with one block per tensor: no axes).  ``tensor_scale`` is 1 where the format has none.  The
    arrays are read-only.  Raises :class:`InputError` when the parts do not fit each other.
    """

    format: BlockFormat
    codes: Codes
    scales: Codes
    tensor_scale: np.float32
    axis: int

    def __post_init__(self) -> None:
        check_codes(self.codes, 1 << self.format.element_bits, f"an element of {self.format}")
        check_codes(self.scales, 1 << self.format.scale_bits, f"a scale of {self.format}")
        expected = self.format.scale_shape(self.shape, self.axis)
        if self.scales.shape != expected:
            raise InputError(
                f"scales of shape {self.scales.shape} for elements of shape {self.shape}",
                where=str(self.format),
                hint=f"give scales of shape {expected}",
            )
        self.codes.flags.writeable = False
        self.scales.flags.writeable = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.codes.shape

    @property
    def bits(self) -> int:
        """Bits of all codes, scales and the tensor's scale."""
        tensor = 32 if self.format.has_tensor_scale else 0
        scales = self.scales.size * self.format.scale_bits
        return self.codes.size * self.format.element_bits + scales + tensor

    def dequantise(self) -> Float32s:
        """The exact values, rounded once to FP32 (nearest-even; beyond its range: Inf)."""
        return self.format.dequantise(self)

    def pack(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The bytes of all elements and of all scales, each row-major and without gaps."""
        return (
            pack_codes(self.codes, self.format.element_bits),
            pack_codes(self.scales, self.format.scale_bits),
        )


@dataclass(frozen=True)
class BlockFormat(ABC):
    """Elements in blocks of ``block`` (``None``: the whole tensor) that share a scale."""

    name: str
    element: ElementFormat
    block: int | None

    @property
    @abstractmethod
    def scale(self) -> ScaleFormat:
        """Format of the scale of a block."""

    @property
    def element_bits(self) -> int:
        """Bits of an element's code."""
        return self.element.width

    @property
    def scale_bits(self) -> int:
        """Bits of a scale as it is stored: whole bytes."""
        return -(-self.scale.width // 8) * 8

    @property
    def scale_nan(self) -> int:
        """The code of the scale that makes a block NaN."""
        assert self.scale.nan_code is not None
        return self.scale.nan_code

    @property
    def has_tensor_scale(self) -> bool:
        """Whether an FP32 scale of the whole tensor multiplies everything."""
        return False

    def tensor_scale(self, largest: np.float32) -> np.float32:
        """The tensor's scale when its largest magnitude is ``largest``."""
        return np.float32(1)

    @abstractmethod
    def _kernel(self, policy: Policy, largest: np.float32) -> Kernel:
        """Quantises blocks of a tensor whose largest magnitude is ``largest``, slice by slice."""

    @abstractmethod
    def decode(self, codes: object, scales: object) -> Float64s:
        """The exact values of ``codes`` under ``scales`` (codes, broadcast against them).

        Without the tensor's scale, and without :attr:`denominator`.
        """

    @property
    def denominator(self) -> int:
        """What :meth:`decode` is a multiple of the reciprocal of; 1 for most formats."""
        return 1

    def scale_shape(self, shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
        """Shape of the scales of a tensor of ``shape`` with blocks along ``axis``."""
        if self.block is None:
            return ()
        return (*shape[:axis], -(-shape[axis] // self.block), *shape[axis + 1 :])

    def quantise(
        self,
        values: object,
        axis: int = -1,
        policy: Policy = DEFAULT,
        *,
        largest: float | None = None,
    ) -> QuantisedTensor:
        """Quantise a tensor of real numbers, of at least one axis, after rounding it to FP32.

        Blocks run along ``axis``.  A block with NaN or an infinity becomes NaN, and does not count
        for the tensor's scale; with ``nan="error"`` it is an :class:`InputError`.  Elements
        saturate whatever ``overflow`` says.  The tensor's scale is that of ``largest``, where the
        largest magnitude to expect is known beforehand; blocks beyond it saturate.
        """
        wide = _real(values)
        axis = _check_axis(axis, wide.ndim)
        blocks = self._split(wide, axis)
        top, bad = _largest(blocks, policy)
        if largest is not None:
            top = np.float32(largest)
        if bad is not None:
            blocks = np.where(bad, np.float32(0), blocks)
        codes = np.empty(blocks.shape, dtype=code_type(self.element_bits))
        scales = np.empty(len(blocks), dtype=code_type(self.scale_bits))
        policy = replace(policy, overflow="saturate")
        # Random numbers begin anew with every tensor.
        anew = policy.rounding == "stochastic"
        scale_of = top if self.has_tensor_scale else np.float32(0)
        kernel = self._kernel(policy, top) if anew else _kernel_of(self, policy, scale_of)
        step = max(1, _CHUNK // max(1, blocks.shape[1]))
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for start in range(0, len(blocks), step):
                part = np.ascontiguousarray(blocks[start : start + step].T)
                found, scales[start : start + step] = kernel(part)
                codes[start : start + step] = found.T
        if bad is not None:
            lost = bad.any(axis=1)
            codes[lost], scales[lost] = 0, self.scale_nan
        return QuantisedTensor(
            self,
            self._join(codes, wide.shape, axis),
            self._join(scales, self.scale_shape(wide.shape, axis), axis),
            self.tensor_scale(top),
            axis,
        )

    def dequantise(self, tensor: QuantisedTensor) -> Float32s:
        """The exact values of a tensor of this format, rounded once to FP32."""
        scales = tensor.scales
        if self.block is not None:
            scales = np.repeat(scales, self.block, axis=tensor.axis)
            inside = [slice(None)] * scales.ndim
            inside[tensor.axis] = slice(tensor.shape[tensor.axis])
            scales = scales[tuple(inside)]
        # Exact in float64 up to the division.  A quotient that is not is periodic in base two with
        # a short period, so that rounding it to float64 first never makes a tie in FP32.
        values = self.decode(tensor.codes, scales) * np.float64(tensor.tensor_scale)
        values /= self.denominator
        with np.errstate(over="ignore", under="ignore"):
            return values.astype(np.float32)

    def unpack(
        self,
        elements: NDArray[np.uint8],
        scales: NDArray[np.uint8],
        shape: tuple[int, ...],
        axis: int = -1,
        tensor_scale: float = 1.0,
    ) -> QuantisedTensor:
        """The tensor of ``shape`` that :meth:`QuantisedTensor.pack` made these bytes of."""
        axis = _check_axis(axis, len(shape))
        among = self.scale_shape(shape, axis)
        codes = unpack_codes(elements, self.element_bits, int(np.prod(shape)))
        found = unpack_codes(scales, self.scale_bits, int(np.prod(among)))
        return QuantisedTensor(
            self, codes.reshape(shape), found.reshape(among), np.float32(tensor_scale), axis
        )

    def _split(self, values: Float32s, axis: int) -> Float32s:
        """The blocks (blocks x block), short ones padded with zeros."""
        if self.block is None:
            return values.reshape(1, -1)
        rows = np.moveaxis(values, axis, -1)
        if tail := -rows.shape[-1] % self.block:
            rows = np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, tail)])
        return rows.reshape(-1, self.block)

    def _join(self, blocks: Codes, shape: tuple[int, ...], axis: int) -> Codes:
        """Codes of blocks (blocks x block), or of their scales, as an array of ``shape``."""
        if self.block is None:
            return blocks.reshape(shape)
        length = shape[axis]
        padded = length if blocks.ndim == 1 else length + -length % self.block
        wide = blocks.reshape(*shape[:axis], *shape[axis + 1 :], padded)
        return np.ascontiguousarray(np.moveaxis(wide[..., :length], -1, axis))

    def __str__(self) -> str:
        """The name it is registered under."""
        return self.name


def integer_encoder(form: IntFormat | SignMagnitudeFormat, limit: int, policy: Policy) -> Encoder:
    """Encodes finite FP32 numbers, clamped to -limit..limit."""
    codes = form.encode(np.arange(-limit, limit + 1))
    generator = policy.generator()

    def encode(values: Float32s) -> Codes:
        inside = np.clip(values, np.float32(-limit), np.float32(limit))
        if policy.rounding == "nearest-even":
            whole = np.rint(inside)
        else:
            wide = round_to_integer(inside.astype(np.float64), policy, generator)
            whole = wide.astype(np.float32)
        return codes.take((whole + np.float32(limit)).astype(np.intp))

    return encode


def block_maxima(blocks: Float32s) -> Float32s:
    """The largest magnitude of every block (block x blocks)."""
    top: Float32s = np.maximum(blocks.max(axis=0, initial=0), -blocks.min(axis=0, initial=0))
    return top


@lru_cache(maxsize=64)
def _kernel_of(form: BlockFormat, policy: Policy, largest: np.float32) -> Kernel:
    """Its tables take longer than small tensors, many of which have the same ``largest``."""
    return form._kernel(policy, largest)


def _real(values: object) -> Float32s:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise TypeError
    except (TypeError, ValueError):
        raise InputError(f"{shorten(values)} are no real numbers") from None
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        return array.astype(np.float32, copy=False)


def _check_axis(axis: int, axes: int) -> int:
    if not axes:
        raise InputError("a tensor without axes has no blocks", hint="give at least one axis")
    if not -axes <= axis < axes:
        raise InputError(
            f"axis {axis} of a tensor with {axes} axes", hint=f"use {-axes}..{axes - 1}"
        )
    return axis % axes


def _largest(blocks: Float32s, policy: Policy) -> tuple[np.float32, Bools | None]:
    """The largest finite magnitude, and where values are not finite (``None``: nowhere)."""
    top = np.maximum(blocks.max(initial=0), -blocks.min(initial=0))
    if np.isfinite(top):
        return np.float32(top), None
    bad = ~np.isfinite(blocks)
    if policy.nan == "error":
        raise InputError(
            f"{int(bad.sum())} values are NaN or infinite", hint="remove them, or use nan='keep'"
        )
    return np.float32(np.abs(blocks).max(initial=0, where=~bad)), bad

"""Codes as dense bytes, from the least significant bit upwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.formats.policy import Codes, check_codes, code_type

__all__ = ["pack_codes", "unpack_codes"]

_CHUNK = 1 << 16
"""Codes that are spread into bits at a time; a multiple of 8, so that chunks end on bytes."""


def pack_codes(codes: object, width: int) -> NDArray[np.uint8]:
    """The bytes of ``codes`` (any shape, row-major), ``width`` bits (1..32) each, without gaps.

    The first code is in the lowest bits of the first byte: of 4-bit codes, those with an even index
    are low nibbles.  Unused high bits of the last byte are zero.
    """
    _check_width(width)
    flat = check_codes(codes, 1 << width, f"{width} bits").reshape(-1)
    if width == 8:
        return flat.astype(np.uint8)
    if width == 4:
        even = np.zeros(flat.size + flat.size % 2, dtype=np.uint8)
        even[: flat.size] = flat
        return np.left_shift(even[1::2], 4, dtype=np.uint8) | even[::2]
    parts = [np.zeros(0, dtype=np.uint8)]
    for start in range(0, flat.size, _CHUNK):
        words = flat[start : start + _CHUNK].astype("<u4").view(np.uint8).reshape(-1, 4)
        bits = np.unpackbits(words, axis=1, bitorder="little")[:, :width]
        parts.append(np.packbits(bits.reshape(-1), bitorder="little"))
    return np.concatenate(parts)


def unpack_codes(packed: NDArray[np.uint8], width: int, count: int) -> Codes:
    """The first ``count`` codes of ``width`` bits in ``packed``, one-dimensional.

    Raises :class:`InputError` unless ``packed`` has exactly the bytes they need.
    """
    _check_width(width)
    needed = -(-count * width // 8)
    if packed.size != needed:
        raise InputError(
            f"{packed.size} bytes for {count} codes of {width} bits", hint=f"give {needed} bytes"
        )
    if width == 4:
        both = np.stack([packed & np.uint8(15), packed >> np.uint8(4)], axis=-1)
        return both.reshape(-1)[:count]
    parts = [np.zeros(0, dtype=code_type(width))]
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        part = packed[start * width // 8 : -(-(start + size) * width // 8)]
        bits = np.unpackbits(part, bitorder="little")[: size * width].reshape(size, width)
        words = np.zeros((size, 32), dtype=np.uint8)
        words[:, :width] = bits
        whole = np.packbits(words, axis=1, bitorder="little").view("<u4").reshape(-1)
        parts.append(whole.astype(code_type(width)))
    return np.concatenate(parts)


def _check_width(width: int) -> None:
    if not 1 <= width <= 32:
        raise InputError(f"a width of {width} bits is outside 1..32")

"""Tensors as beats of a stream, and back.

Elements lie from the least significant bit of a beat upwards, ``bits`` each, never straddling two
beats; what is left over at the top of a beat, and of the last beat, is zero.  Beats are rows of
bytes, least significant first: ``ceil(bus_bits / 8)`` a beat.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelgen.formats import IntFormat

__all__ = ["beat_count", "pack", "unpack"]


def beat_count(elements: int, bits: int, bus_bits: int) -> int:
    """Beats that carry ``elements`` elements of ``bits`` bits."""
    return -(-elements // (bus_bits // bits))


def pack(
    values: NDArray[np.integer], bits: int, bus_bits: int, lanes: int = 1
) -> NDArray[np.uint8]:
    """Beats (beats x bytes) of the integers ``values``, of any shape, in row-major order.

    Values are reduced to their low ``bits`` bits, 1 to 64: two's complement for negative ones.
    ``lanes`` consecutive ones are a word, which lies in one beat.
    """
    per_beat = bus_bits // (bits * lanes) * lanes
    beats = -(-values.size // per_beat)
    padded = np.zeros(beats * per_beat, dtype=np.int64)
    padded[: values.size] = values.reshape(-1)
    octets = padded.astype("<i8").view(np.uint8).reshape(-1, 8)
    planes = np.unpackbits(octets, axis=1, bitorder="little")[:, :bits]
    wide = np.zeros((beats, 8 * -(-bus_bits // 8)), dtype=np.uint8)
    wide[:, : per_beat * bits] = planes.reshape(beats, per_beat * bits)
    return np.packbits(wide, axis=1, bitorder="little")


def unpack(
    beats: NDArray[np.uint8], elements: int, number: IntFormat, bus_bits: int
) -> tuple[NDArray[np.int64], bool]:
    """The first ``elements`` integers in ``beats``, and whether all padding bits are zero.

    ``beats`` (beats x bytes) holds at least that many elements.  Unsigned values of 64 bits come
    back modulo 2**64, as the same bits.
    """
    bits, per_beat = number.bits, bus_bits // number.bits
    planes = np.unpackbits(beats, axis=1, bitorder="little")
    used = planes[:, : per_beat * bits].reshape(-1, bits)
    clean = not planes[:, per_beat * bits :].any() and not used[elements:].any()
    wide = np.zeros((elements, 64), dtype=np.uint8)
    wide[:, :bits] = used[:elements]
    if number.signed:
        wide[:, bits:] = wide[:, bits - 1 : bits]
    values = np.packbits(wide, axis=1, bitorder="little").view("<i8").reshape(elements)
    return values.astype(np.int64), clean

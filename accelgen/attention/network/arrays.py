"""The array that attention of a shape runs on, from hardware."""

from __future__ import annotations

from math import isqrt

from accelgen.attention.accelerator.core import LIST_BITS, Core
from accelgen.attention.accelerator.datapath.elements import decoding_of, stored_bits
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from accelgen.hardware.model import Hardware
from accelgen.names import within

__all__ = ["array_count", "array_rows", "core_for"]

_LEAST = 8
_QUERY_TILES = 4


def array_rows(hardware: Hardware) -> int:
    """Side of an attention array: as given, or the largest power of two up to 64 whose square is
    at most the number of units.
    """
    if hardware.attention.rows is not None:
        return hardware.attention.rows
    side = min(LIST_BITS, isqrt(hardware.units))
    rows = 1 << (side.bit_length() - 1)
    if rows < _LEAST:
        raise InputError(
            f"{hardware.units} units are no array of {_LEAST} x {_LEAST}",
            where=f"{hardware.name}: attention",
            hint="give attention: {rows: 16} in the hardware file",
        )
    return rows


def array_count(hardware: Hardware) -> int:
    """Attention arrays: as given, or as many as there are units for."""
    given = hardware.attention.arrays
    return max(1, hardware.units // array_rows(hardware) ** 2) if given is None else given


def core_for(shape: AttentionShape, hardware: Hardware) -> Core:
    """One array of the hardware, for the sizes of a layer.

    Where the hardware says nothing: as many elements in a beat of keys, of values and of queries
    as the array has rows, or as divide the dimensions (each stream then takes about half as long as
    the array); 16 results in a beat at most; 4 tiles of queries in a row group, fewer for a layer
    with fewer queries, as in decoding.  The rows of a tile are those of all query heads
    that share keys, up to ``rows`` of them, or ``group``.  Raises :class:`InputError` for what
    cannot be built.
    """
    given = hardware.attention
    rows = array_rows(hardware)
    with within(f"{hardware.name}: attention"):
        numerics = Numerics(
            shape.head_dim,
            shape.value_dim,
            rows,
            element_bits=max(4, *map(stored_bits, given.formats)),
            max_keys=max(2, 1 << (shape.keys - 1).bit_length()),
            key_width=decoding_of(given.formats[1]).key_width,
        )
        group = min(given.group or shape.group, shape.group, rows)
        needed = -(-shape.queries // (rows // group))
        q, k, v = (decoding_of(name).code_bits for name in given.formats)
        both = min(rows, _power(shape.head_dim, shape.value_dim)) * min(k, v)
        query = min(rows, _power(shape.head_dim)) * q
        out = min(rows, 16, _power(shape.value_dim))
        return Core(
            numerics,
            formats=given.formats,
            group=group,
            query_tiles=given.query_tiles or min(_QUERY_TILES, needed),
            key_bits=given.key_bits or both,
            query_bits=given.query_bits or query,
            output_bits=given.output_bits or out * numerics.OUTPUT_BITS,
            mask_slots=given.mask_slots,
        )


def _power(*sizes: int) -> int:
    """The largest power of two that divides all sizes."""
    return min(size & -size for size in sizes)

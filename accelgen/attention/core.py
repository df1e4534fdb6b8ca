"""What one attention array is built as: its sizes, formats, buffers and ports."""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.attention.datapath.numerics import Numerics
from accelgen.errors import InputError

__all__ = ["LIST_BITS", "Core"]

LIST_BITS = 64
"""Width of the stream of block lists, and of the requests for keys and values."""


@dataclass(frozen=True)
class Core:
    """A ``rows`` x ``rows`` array with its buffers.

    A *tile* is ``rows`` keys (or values), or ``rows`` rows of queries: ``rows // group`` tokens of
    each of the ``group`` heads that share keys and values, head fastest; rows that are left over
    are zeros.  A *row group* is ``query_tiles`` tiles of queries, against which every tile of
    keys is used before the next one.

    Streams carry whole tiles: packets of ``rows`` vectors of keys or of values, of
    ``query_tiles * rows`` vectors of queries or results.  ``key_bits``, ``query_bits`` and
    ``output_bits`` are the widths of their buses; keys and values have the same.

    Raises :class:`InputError` for sizes that cannot be built.
    """

    numerics: Numerics
    group: int = 1
    query_tiles: int = 1
    key_bits: int = 64
    query_bits: int = 64
    output_bits: int = 64
    list_depth: int = 4
    mask_slots: int = 2

    def __post_init__(self) -> None:
        n = self.numerics
        if n.rows & (n.rows - 1) or not 8 <= n.rows <= LIST_BITS:
            raise InputError(
                f"{n.rows} is no power of two in 8..{LIST_BITS}", where="rows", hint="use 16"
            )
        limits = {
            "group": (1, n.rows),
            "query_tiles": (1, 16),
            "list_depth": (2, 64),
            "mask_slots": (2, 16),
        }
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise InputError(f"{value!r} is no integer in {least}..{most}", where=name)
        for name, per_beat, dim in (
            ("key_bits", self.keys_per_beat, n.head_dim),
            ("key_bits", self.keys_per_beat, n.value_dim),
            ("query_bits", self.queries_per_beat, n.head_dim),
            ("output_bits", self.outputs_per_beat, n.value_dim),
        ):
            if per_beat < 1 or per_beat & (per_beat - 1) or per_beat > n.rows or dim % per_beat:
                raise InputError(
                    f"{getattr(self, name)} bits are {per_beat} elements, which is no power of two"
                    f" up to {n.rows} that divides {dim}",
                    where=name,
                )

    @property
    def tokens(self) -> int:
        """Query tokens of a row group."""
        return self.query_tiles * self.tokens_per_tile

    @property
    def tokens_per_tile(self) -> int:
        """Query tokens of one tile."""
        return self.numerics.rows // self.group

    @property
    def keys_per_beat(self) -> int:
        """Elements of keys, or values, in a beat."""
        return self.key_bits // self.numerics.element_bits

    @property
    def queries_per_beat(self) -> int:
        """Elements of queries in a beat."""
        return self.query_bits // self.numerics.element_bits

    @property
    def outputs_per_beat(self) -> int:
        """Elements of results in a beat."""
        return self.output_bits // self.numerics.OUTPUT_BITS

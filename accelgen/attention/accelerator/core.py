"""What one attention array is built as: its sizes, formats, buffers and ports."""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.attention.accelerator.datapath.elements import Decoding, decoding_of
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.attention.accelerator.datapath.topk import SelectorShape
from accelgen.errors import InputError

__all__ = ["LIST_BITS", "SCALE_BUS", "TENSORS", "Core"]

TENSORS = ("q", "k", "v")
"""Queries, keys and values, in the order of formats."""

SCALE_BUS = 64
"""Width of the streams of scales."""

LIST_BITS = 64
"""Width of the stream of block lists, and of the requests for keys and values."""


@dataclass(frozen=True)
class Core:
    """``arrays`` arrays of ``rows`` x ``rows`` cells, each with its buffers and streams.

    A *tile* is ``rows`` keys (or values), or ``rows`` rows of queries: ``rows // group`` tokens of
    each of the ``group`` heads that share keys and values, head fastest; rows that are left over
    are zeros.  A *row group* is ``query_tiles`` tiles of queries, against which every tile of
    keys is used before the next one.

    Streams carry whole tiles: packets of ``rows`` vectors of keys or of values, of
    ``query_tiles * rows`` vectors of queries or results.  ``key_bits``, ``query_bits`` and
    ``output_bits`` are the widths of their buses; keys and values have the same.  ``formats`` are
    those of queries, keys and values; the scales of block formats are streams of their own, of
    :data:`SCALE_BUS` bits.

    With a ``selector``, row groups may have their blocks selected by scores (see Scheduler); its
    scores are those of the array, and row groups are of one tile.

    Raises :class:`InputError` for sizes that cannot be built.
    """

    numerics: Numerics
    formats: tuple[str, str, str] = ("int8", "int8", "int8")
    group: int = 1
    query_tiles: int = 1
    key_bits: int = 64
    query_bits: int = 64
    output_bits: int = 64
    list_depth: int = 4
    mask_slots: int = 4
    arrays: int = 1
    selector: SelectorShape | None = None

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
            "arrays": (1, 64),
        }
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise InputError(f"{value!r} is no integer in {least}..{most}", where=name)
        if self.selector is not None:
            if self.query_tiles != 1:
                raise InputError(
                    f"{self.query_tiles} tiles of queries with a selector",
                    where="query_tiles",
                    hint="use 1",
                )
            if self.selector.score_bits != n.score_bits:
                raise InputError(
                    f"selects by {self.selector.score_bits} of the {n.score_bits} bits of scores",
                    where="selector",
                    hint=f"use score_bits={n.score_bits}",
                )
        for tensor, dim in zip(TENSORS, (n.head_dim, n.head_dim, n.value_dim), strict=True):
            decoding = self.decoding(tensor)
            if decoding.whole and decoding.code_bits > n.element_bits:
                raise InputError(
                    f"{decoding.name} has more than the {n.element_bits} bits of an element",
                    where=f"formats: {tensor}",
                    hint=f"use element_bits: {decoding.code_bits}",
                )
            if tensor == "k" and n.key_width not in (None, decoding.key_width):
                raise InputError(
                    f"{decoding.name} does not use {n.key_width} bits of an element",
                    where="key_width",
                    hint=f"use key_width={decoding.key_width}",
                )
            if decoding.block and dim % decoding.block:
                raise InputError(
                    f"blocks of {decoding.block} do not divide {dim} dimensions",
                    where=f"formats: {tensor}",
                    hint="use a format without blocks",
                )
        for name, per_beat, dim in (
            ("key_bits", self.keys_per_beat, n.head_dim),
            ("key_bits", self.values_per_beat, n.value_dim),
            ("query_bits", self.queries_per_beat, n.head_dim),
            ("output_bits", self.outputs_per_beat, n.value_dim),
        ):
            if per_beat < 1 or per_beat & (per_beat - 1) or per_beat > n.rows or dim % per_beat:
                raise InputError(
                    f"{getattr(self, name)} bits are {per_beat} elements, which is no power of two"
                    f" up to {n.rows} that divides {dim}",
                    where=name,
                )

    def decoding(self, tensor: str) -> Decoding:
        """How elements of ``q``, ``k`` or ``v`` are decoded."""
        return decoding_of(self.formats[TENSORS.index(tensor)])

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
        """Elements of keys in a beat."""
        return self.key_bits // self.decoding("k").code_bits

    @property
    def values_per_beat(self) -> int:
        """Elements of values in a beat."""
        return self.key_bits // self.decoding("v").code_bits

    @property
    def queries_per_beat(self) -> int:
        """Elements of queries in a beat."""
        return self.query_bits // self.decoding("q").code_bits

    @property
    def outputs_per_beat(self) -> int:
        """Elements of results in a beat."""
        return self.output_bits // self.numerics.OUTPUT_BITS

"""What a description says of the array it runs on, and the core that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from accelgen.attention.accelerator.core import TENSORS, Core
from accelgen.attention.accelerator.datapath.elements import decoding_of, stored_bits
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.attention.accelerator.datapath.topk import (
    LANES,
    MOST_CELLS,
    MOST_SCORES,
    SelectorShape,
)
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from accelgen.names import shorten, unknown

__all__ = ["ArrayOptions", "core_of"]

_LEAST_BUS = 64
_LEAST_KEYS = 4096
_SELECT_TOP = 16
_OF_NUMERICS = ("operand_bits", "score_integer", "score_fraction", "segments", "output_fraction")
_OF_CORE = ("query_tiles", "list_depth", "mask_slots", "arrays")


@dataclass(frozen=True)
class ArrayOptions:
    """The section ``array`` of a description; what is ``None`` follows from the rest.

    Names and ranges are those of :class:`Core` and :class:`Numerics`.  ``key_bits`` is as wide as
    the array needs to be kept busy, at least 64; ``query_bits`` and ``output_bits`` are 64;
    ``element_bits`` is what loses next to nothing of the formats; ``max_keys`` is a power of two
    that holds the keys of the description, at least 4096.  With ``select_blocks`` there is a
    selector of up to ``select_top`` of as many blocks of keys: 16, or all of fewer.

    Raises :class:`InputError` for values that are no integers, and for a selector of one block, of
    none to be selected, or of no given number of blocks.
    """

    rows: int = 16
    arrays: int = 1
    query_tiles: int = 1
    key_bits: int | None = None
    query_bits: int | None = None
    output_bits: int | None = None
    element_bits: int | None = None
    max_keys: int | None = None
    list_depth: int = 4
    mask_slots: int = 4
    operand_bits: int = 18
    score_integer: int = 11
    score_fraction: int = 10
    segments: int = 16
    output_fraction: int = 16
    select_blocks: int = 0
    select_top: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise InputError(
                    f"{shorten(value)} is no natural number",
                    where=field.name,
                    hint="write an integer of 0 or more",
                )
        if self.select_blocks and not 2 <= self.select_blocks <= MOST_SCORES:
            raise InputError(
                f"{self.select_blocks} is no number of blocks to select among",
                where="select_blocks",
                hint=f"use 2..{MOST_SCORES}, or 0 for no selector",
            )
        if self.select_top == 0:
            raise InputError(
                "selects no block",
                where="select_top",
                hint="use 1 or more, or leave out select_blocks and select_top for no selector",
            )
        if self.select_top is not None and not self.select_blocks:
            raise InputError(
                "there is no selector",
                where="select_top",
                hint="say with select_blocks among how many blocks to select, or leave it out",
            )

    @classmethod
    def of(cls, given: Mapping[str, object]) -> ArrayOptions:
        """With these values; :class:`InputError` for a name there is not."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                error = unknown(name, "key", known)
                error.where = name
                raise error
        return cls(**given)  # type: ignore[arg-type]

    @property
    def given(self) -> dict[str, int]:
        """What differs from the defaults."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        defaults = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in values.items() if value != defaults[name]}


def core_of(shape: AttentionShape, formats: Mapping[str, str], options: ArrayOptions) -> Core:
    """The core for a shape, formats of ``q``, ``k`` and ``v``, and options.

    Raises :class:`InputError` for what cannot be built, naming the option.
    """
    chosen = (formats["q"], formats["k"], formats["v"])
    if options.rows >= 1 and shape.group > options.rows:
        raise InputError(
            f"{shape.group} heads share keys, and the array has {options.rows} rows",
            where="rows",
            hint=f"use rows: {1 << (shape.group - 1).bit_length()}",
        )
    widths = {}
    for tensor, name in zip(TENSORS, chosen, strict=True):
        try:
            widths[tensor] = stored_bits(name)
        except InputError as error:
            error.where = f"formats: {tensor}"
            raise
    element_bits = options.element_bits
    if options.max_keys is not None and options.max_keys < shape.keys:
        raise InputError(
            f"{options.max_keys} keys are fewer than the {shape.keys} of the layer",
            where="max_keys",
            hint=f"use {1 << (shape.keys - 1).bit_length()}, or leave it out",
        )
    max_keys = max(_LEAST_KEYS, 1 << (shape.keys - 1).bit_length())
    if element_bits is None:
        # Integers of four bits are the narrowest that there is an array for.
        element_bits = max(4, *widths.values())
    key_width = decoding_of(chosen[1]).key_width
    numerics = Numerics(
        shape.head_dim,
        shape.value_dim,
        options.rows,
        element_bits=element_bits,
        max_keys=max_keys if options.max_keys is None else options.max_keys,
        # Keys that are too wide are refused with the other formats.
        key_width=None if key_width is None else min(key_width, element_bits),
        **{name: getattr(options, name) for name in _OF_NUMERICS},
    )
    bits = {
        tensor: decoding_of(name).code_bits for tensor, name in zip(TENSORS, chosen, strict=True)
    }
    needed = {"key_bits": _keeps_busy(options, max(bits["k"], bits["v"]))}
    elements = {
        "key_bits": ((bits["k"], shape.head_dim), (bits["v"], shape.value_dim)),
        "query_bits": ((bits["q"], shape.head_dim),),
        "output_bits": ((Numerics.OUTPUT_BITS, shape.value_dim),),
    }
    buses = {
        name: _bus(name, options.rows, needed.get(name, 0), of)
        if getattr(options, name) is None
        else getattr(options, name)
        for name, of in elements.items()
    }
    selector = None
    if options.select_blocks:
        wanted = _SELECT_TOP if options.select_top is None else options.select_top
        top = min(wanted, options.select_blocks)
        width = 1 if top <= MOST_CELLS else LANES
        selector = SelectorShape(options.select_blocks, top, numerics.score_bits, width)
    return Core(
        numerics,
        formats=chosen,
        group=shape.group,
        selector=selector,
        **buses,
        **{name: getattr(options, name) for name in _OF_CORE},
    )


def _keeps_busy(options: ArrayOptions, code_bits: int) -> int:
    """Bits per cycle of keys, and of values, that the array takes: a tile of each lasts as long as
    the scores and the outputs of every tile of queries.
    """
    return -(-options.rows * code_bits // (2 * max(1, options.query_tiles)))


def _bus(name: str, rows: int, needed: int, elements: tuple[tuple[int, int], ...]) -> int:
    """The narrowest bus of at least 64 bits and those needed, or the widest there can be.

    ``elements`` are the widths of what it carries, with the lengths of their vectors: a beat is a
    power of two of each, up to ``rows``, that divides the vector.
    """
    widest = rows.bit_length()
    sizes = sorted({bits << k for bits, _ in elements for k in range(widest)})
    fitting = [
        size for size in sizes if all(_fits(size, bits, dim, rows) for bits, dim in elements)
    ]
    enough = [size for size in fitting if size >= max(_LEAST_BUS, needed)]
    if not fitting:
        raise InputError(
            f"no bus carries {' and '.join(str(bits) for bits, _ in elements)} bits at once in"
            " whole powers of two",
            where=name,
            hint="use formats whose widths are powers of two",
        )
    return enough[0] if enough else fitting[-1]


def _fits(size: int, bits: int, dim: int, rows: int) -> bool:
    count = size // bits
    power = count >= 1 and count & (count - 1) == 0
    # A stream has whole octets.
    return size % 8 == 0 and power and count <= rows and dim % count == 0

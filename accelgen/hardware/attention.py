"""The attention arrays of hardware, as its file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accelgen.affine.yaml_text import Plain
from accelgen.errors import InputError
from accelgen.formats import get_format
from accelgen.formats.integer import IntFormat
from accelgen.names import shorten, unknown, within

__all__ = ["DEFAULT_TECHNOLOGY", "AttentionArrays", "attention_from"]

DEFAULT_TECHNOLOGY = "horowitz_45nm"
"""Of the buffers of the array, where the hardware has no technology."""

_SIZES = ("rows", "arrays", "query_tiles", "key_bits", "query_bits", "output_bits", "mask_slots")
_KEYS = (*_SIZES, "formats", "technology")
_MOST = 1 << 16


@dataclass(frozen=True)
class AttentionArrays:
    """``arrays`` arrays of ``rows`` x ``rows`` cells for attention, as
    :class:`accelgen.attention.core.Core` builds them; ``None``: see
    :func:`accelgen.attention.arrays.core_for`.

    ``query_tiles`` tiles of queries use a tile of keys before the next one comes.  ``key_bits``,
    ``query_bits`` and ``output_bits`` are widths of buses.  ``format`` is the integer format of
    queries, keys and values, ``technology`` the energy table of the buffers.
    """

    rows: int | None = None
    arrays: int | None = None
    query_tiles: int | None = None
    key_bits: int | None = None
    query_bits: int | None = None
    output_bits: int | None = None
    mask_slots: int = 4
    format: str = "int8"
    technology: str = DEFAULT_TECHNOLOGY

    def __post_init__(self) -> None:
        for name in _SIZES:
            value = getattr(self, name)
            if value is not None and not 1 <= value <= _MOST:
                raise InputError(f"{value} is outside 1..{_MOST}", where=name)
        with within("formats"):
            if not isinstance(get_format(self.format), IntFormat):
                raise InputError(
                    f"the array computes with integers, not {self.format}", hint="use int8"
                )

    @property
    def element_bits(self) -> int:
        """Bits of an element of queries, keys and values."""
        found = get_format(self.format)
        assert isinstance(found, IntFormat)
        return found.bits


def attention_from(value: Plain, technology: str | None) -> AttentionArrays:
    """The section ``attention`` of a hardware file, ``None`` when there is none.

    Raises :class:`InputError` for unknown keys and values that are not integers.
    """
    given: dict[str, Plain] = {}
    if value is not None:
        if not isinstance(value, dict):
            raise InputError(f"{shorten(value)} is no mapping", hint="rows: 16")
        given = value
    for key in given:
        if key not in _KEYS:
            raise unknown(key, "key", _KEYS)
    sizes: dict[str, int] = {}
    for key in _SIZES:
        if key in given:
            number = given[key]
            if isinstance(number, bool) or not isinstance(number, int):
                raise InputError(f"{shorten(number)} is no integer", where=key, hint="use 16")
            sizes[key] = number
    used = str(given.get("technology", technology or DEFAULT_TECHNOLOGY))
    return AttentionArrays(**sizes, format=_format(given.get("formats", "int8")), technology=used)


def _format(value: Plain) -> str:
    """One format, or one each of q, k and v, which have to be the same."""
    if not isinstance(value, Mapping):
        return str(value)
    for key in value:
        if key not in ("q", "k", "v"):
            error = unknown(key, "tensor", ("q", "k", "v"))
            error.where = "formats"
            raise error
    names = {str(name) for name in value.values()}
    if len(names) != 1:
        raise InputError(
            f"{', '.join(sorted(names)) or 'none'}: queries, keys and values have one width",
            where="formats",
            hint="write formats: int8",
        )
    return names.pop()

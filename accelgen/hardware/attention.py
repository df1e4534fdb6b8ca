"""The attention arrays of hardware, as its file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accelgen.affine.yaml_text import Plain
from accelgen.attention.accelerator.core import TENSORS
from accelgen.attention.accelerator.datapath.elements import decoding_of
from accelgen.errors import InputError
from accelgen.names import shorten, unknown

__all__ = ["DEFAULT_TECHNOLOGY", "AttentionArrays", "attention_from"]

DEFAULT_TECHNOLOGY = "horowitz_45nm"
"""Of the buffers of the array, where the hardware has no technology."""

_SIZES = (
    "rows", "arrays", "group", "query_tiles", "key_bits", "query_bits", "output_bits", "mask_slots"
)  # fmt: skip
_KEYS = (*_SIZES, "formats", "technology")
_MOST = 1 << 16


@dataclass(frozen=True)
class AttentionArrays:
    """``arrays`` arrays of ``rows`` x ``rows`` cells for attention, as
    :class:`accelgen.attention.accelerator.core.Core` builds them; ``None``: see
    :func:`accelgen.attention.network.arrays.core_for`.

    ``group`` query heads that share keys and values are computed together, as the rows of a tile;
    fewer follow their own masks more closely, and load keys and values more often.
    ``query_tiles`` tiles of queries use a tile of keys before the next one comes.  ``key_bits``,
    ``query_bits`` and ``output_bits`` are widths of buses.  ``formats`` are those of queries,
    keys and values, ``technology`` is the energy table of the buffers.
    """

    rows: int | None = None
    arrays: int | None = None
    group: int | None = None
    query_tiles: int | None = None
    key_bits: int | None = None
    query_bits: int | None = None
    output_bits: int | None = None
    mask_slots: int = 4
    formats: tuple[str, str, str] = ("int8", "int8", "int8")
    technology: str = DEFAULT_TECHNOLOGY

    def __post_init__(self) -> None:
        for name in _SIZES:
            value = getattr(self, name)
            if value is not None and not 1 <= value <= _MOST:
                raise InputError(f"{value} is outside 1..{_MOST}", where=name)
        for name in self.formats:
            decoding_of(name)

    def values(self) -> dict[str, Plain]:
        """The keys of a hardware file that say this."""
        given = {name: getattr(self, name) for name in _SIZES}
        said: dict[str, Plain] = {k: v for k, v in given.items() if v is not None}
        alike = len(set(self.formats)) == 1
        formats: Plain = self.formats[0] if alike else dict(zip(TENSORS, self.formats, strict=True))
        return {**said, "formats": formats, "technology": self.technology}

    @property
    def text(self) -> str:
        """The formats, once where all are alike."""
        return ", ".join(dict.fromkeys(self.formats))


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
    return AttentionArrays(**sizes, formats=_formats(given.get("formats", "int8")), technology=used)


def _formats(value: Plain) -> tuple[str, str, str]:
    """One format for all, or one each of q, k and v."""
    if not isinstance(value, Mapping):
        return str(value), str(value), str(value)
    for key in value:
        if key not in TENSORS:
            error = unknown(key, "tensor", TENSORS)
            error.where = "formats"
            raise error
    q, k, v = (str(value.get(tensor, "int8")) for tensor in TENSORS)
    return q, k, v

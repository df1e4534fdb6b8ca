"""Fields of a point by dotted names: of hardware, formats, parameters of the network.

``array.i``, ``clock_mhz``, ``levels.sram.bytes`` and ``registers.weights.bytes`` are fields of
hardware; entries of lists are found by their ``name``, memories of a level also by what they
hold.  ``formats.weights``, ``parameters.batch``, ``network``, ``hardware``, ``minimise`` and
``uneven`` are the others, and ``attention``: a pattern as text, while ``attention.rows`` is a
field of hardware.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

from accelgen.affine.yaml_text import Plain
from accelgen.errors import InputError
from accelgen.names import shorten, unknown

__all__ = ["FORMATS", "Value", "kind_of", "replaced"]

Value = Plain | float
"""What a field may be; fractions are text in a file and numbers in Python."""

FORMATS = ("activations", "weights", "outputs", "fallback")
"""Tensors of a network whose format is a field, as in :meth:`accelgen.networks.Network`."""

_WHOLE = ("network", "hardware", "minimise", "uneven")
_PATTERN = "attention"
_FIXED_KEYS = ("array",)
"""Mappings of hardware that get no further keys."""


def kind_of(field: str) -> str:
    """``network``, ``hardware``, ``minimise``, ``uneven``, ``attention``, ``formats``,
    ``parameters``, ``field``.

    ``field`` is one of the hardware's.  Raises :class:`InputError` for a malformed name.
    """
    first, dot, rest = field.partition(".")
    if field in _WHOLE or field == _PATTERN:
        return field
    if not all(field.split(".")) or (first in _WHOLE and dot):
        raise InputError(f"{shorten(field)} is no field", hint="write array.i or formats.weights")
    if first == "formats" and dot:
        if rest not in FORMATS:
            raise unknown(rest, "tensor of formats", FORMATS)
        return "formats"
    if first == "parameters":
        if not rest or "." in rest:
            raise InputError(f"{shorten(field)} is no field", hint="write parameters.batch")
        return "parameters"
    return "field"


def replaced(values: Mapping[str, Value], field: str, value: Value) -> dict[str, Value]:
    """A copy of the plain values of hardware in which ``field`` is ``value``.

    Parts that are not changed are shared with ``values``.  Keys that are missing are added, for
    :func:`accelgen.hardware.hardware_from` to check; :class:`InputError` with the nearest name
    for an entry that is not there.
    """
    first, *rest = field.split(".")
    return {**values, first: _replaced(values.get(first, {}), rest, value, field, first)}


def _replaced(old: object, path: list[str], value: Value, field: str, parent: str) -> Value:
    if not path:
        return value
    part, *rest = path
    if isinstance(old, list):
        number = _entry(old, part, field)
        return [
            _replaced(item, rest, value, field, part) if n == number else item  # type: ignore[misc]
            for n, item in enumerate(old)
        ]
    if not isinstance(old, Mapping):
        raise InputError(f"{shorten(parent)} has no fields", where=field, hint="shorten the name")
    memories = old.get("memories")
    if part not in old and isinstance(memories, list):
        if rest:
            return {**old, "memories": _replaced(memories, path, value, field, "memories")}
        if part != "links":
            above = field.removesuffix(f".{part}")
            names = [str(x.get("name", "")) for x in memories if _is_mapping(x)]
            raise InputError(
                f"{shorten(parent)} has memories of its own", where=field,
                hint=" or ".join(f"{above}.{name}.{part}" for name in names),
            )  # fmt: skip
    if part not in old and parent in _FIXED_KEYS:
        error = unknown(part, "axis", old)
        error.where = field
        raise error
    return {**old, part: _replaced(old.get(part, {}), rest, value, field, part)}


def _entry(items: list[Plain], part: str, field: str) -> int:
    """The number of the entry with that name, or of the only one that holds such tensors."""
    names = [str(item.get("name", "")) if _is_mapping(item) else "" for item in items]
    holders = [
        n
        for n, item in enumerate(items)
        if _is_mapping(item) and isinstance(held := item.get("holds"), list) and part in held
    ]
    if part in names:
        return names.index(part)
    if len(holders) == 1:
        return holders[0]
    error = unknown(part, "entry", [name for name in names if name])
    error.where = field
    raise error


def _is_mapping(item: Plain) -> TypeGuard[dict[str, Plain]]:
    return isinstance(item, dict)

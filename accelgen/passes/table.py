"""The figures of passes, from records or from the manifest they were stored in, as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accelgen.errors import InputError

__all__ = ["COLUMNS", "pass_rows"]

COLUMNS: dict[str, str] = {
    "register_bits": "register bits",
    "lp_bits": "LP objective",
    "fifo_bits": "FIFO bits",
    "mux_inputs": "mux inputs",
    "adders": "adders",
    "adder_bits": "adder bits",
    "multiplier_bits": "multiplier bits",
    "conditions": "conditions",
    "fanout": "fan-out",
    "wire": "wire",
    "gated_bits": "gated bits",
}
"""Figures in the order in which they are shown, and what they are called."""


def pass_rows(passes: object, where: str) -> list[tuple[str, ...]]:
    """A heading, and a row per pass: each figure, or ``before > after`` where the pass changed it.

    ``passes`` is what ``manifest.json`` holds under that name, in the file ``where``; raises
    :class:`InputError` when it is something else.
    """
    rows = [("pass", *COLUMNS.values())]
    for entry in _list(passes, where):
        before, after = (_mapping(entry.get(side), where) for side in ("before", "after"))
        cells = [_cell(before.get(key), after.get(key)) for key in COLUMNS]
        rows.append((str(entry.get("name")), *cells))
    return rows


def _cell(before: object, after: object) -> str:
    old, new = ("-" if value is None else str(value) for value in (before, after))
    return new if old in (new, "-") else f"{old} > {new}"


def _list(value: object, where: str) -> Sequence[Mapping[str, object]]:
    if not isinstance(value, list):
        raise _wrong(where)
    return [_mapping(entry, where) for entry in value]


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _wrong(where)
    return value


def _wrong(where: str) -> InputError:
    return InputError("has no figures of passes", where=where, hint="generate the design again")

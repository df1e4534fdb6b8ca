"""Gates that say which heads of keys and values must see everything."""

from __future__ import annotations

from math import floor, isfinite

from accelgen.errors import InputError

__all__ = ["Gates", "check_gates", "dense_kv_heads"]

Gates = tuple[tuple[float, ...], ...]
"""A row per layer, a column per head of keys and values."""


def check_gates(where: str, gates: Gates) -> None:
    """Raise :class:`InputError` unless the rows are of one length and finite; no row is allowed."""
    if not isinstance(gates, tuple) or not all(isinstance(row, tuple) for row in gates):
        raise InputError("is no table", where=where, hint="write [[0.9, 0.1], [0.4, 0.6]]")
    if len({len(row) for row in gates}) > 1 or (gates and not gates[0]):
        raise InputError("rows of different length, or none", where=where)
    values = [value for row in gates for value in row]
    if not all(isinstance(v, int | float) and isfinite(v) for v in values):
        raise InputError("not all gates are finite numbers", where=where)


def dense_kv_heads(
    where: str, gates: Gates, sparsity: float, kv_heads: int, layer: int
) -> tuple[bool, ...]:
    """Which KV heads of a layer are dense: the largest ``1 - sparsity`` of all gates, rounded to
    whole heads (a half up); of equal gates the lower layer and head first.

    Raises :class:`InputError` when the table has no such layer or other heads.
    """
    if not 0 <= layer < len(gates):
        raise InputError(f"no layer {layer} among {len(gates)} of the gates", where=where)
    if len(gates[0]) != kv_heads:
        raise InputError(
            f"gates of {len(gates[0])} heads of keys and values, and there are {kv_heads}",
            where=where,
            hint="give a column per head (--kv-heads)",
        )
    values = [value for row in gates for value in row]
    # A share such as 1 - 0.9 must not lose a head to rounding.
    count = floor((1 - sparsity) * len(values) + 0.5 + 1e-9)
    dense = set(sorted(range(len(values)), key=lambda n: (-values[n], n))[:count])
    return tuple(layer * kv_heads + head in dense for head in range(kv_heads))

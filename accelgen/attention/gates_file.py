"""Tables of gates from a description, a .csv or a .npy file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from accelgen.affine.yaml_text import Plain, read_text
from accelgen.attention.patterns.gates import Gates, check_gates
from accelgen.errors import InputError
from accelgen.names import shorten

__all__ = ["MAX_GATES", "parse_gates", "read_gates"]

MAX_GATES = 1 << 20
"""Most bytes of a .npy file."""


def parse_gates(value: Plain) -> Gates:
    """A list of lists of numbers, as YAML has them (``0.5`` is text there)."""
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise InputError("is neither a table nor a file", hint="write [[0.9, 0.1], [0.4, 0.6]]")
    gates = tuple(tuple(_number(x) for x in row) for row in value if isinstance(row, list))
    return _checked(gates, "gates")


def read_gates(path: Path) -> Gates:
    """A row per layer, a column per head of keys and values; no heading in a .csv file.

    Raises :class:`InputError` for other files, unreadable ones, and what is no table of numbers.
    """
    if path.suffix == ".csv":
        lines = [line for line in read_text(path).splitlines() if line.strip()]
        with_commas = [line.split(",") for line in lines]
        try:
            gates = tuple(tuple(_number(x.strip()) for x in row) for row in with_commas)
        except InputError as error:
            error.where = str(path)
            raise
        return _checked(gates, str(path))
    if path.suffix != ".npy":
        raise InputError("is no file of gates", where=str(path), hint="use .csv or .npy")
    try:
        if path.stat().st_size > MAX_GATES:
            raise InputError(f"longer than {MAX_GATES} bytes", where=str(path))
        table = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(error.strerror or "cannot be read", where=str(path)) from error
    except (ValueError, EOFError) as error:
        raise InputError("is no NumPy array", where=str(path)) from error
    if table.ndim != 2 or not np.issubdtype(table.dtype, np.floating):
        raise InputError("is no table of floating-point numbers", where=str(path))
    return _checked(tuple(tuple(map(float, row)) for row in table), str(path))


def _checked(gates: Gates, where: str) -> Gates:
    if not gates:
        raise InputError("is empty", where=where)
    check_gates(where, gates)
    return gates


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | str) else float("nan")
    except (ValueError, OverflowError) as error:
        raise InputError(f"{shorten(value)} is no number") from error

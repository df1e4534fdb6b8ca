"""Tensors of an attention layer from a file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["MAX_ELEMENTS", "load_inputs", "shape_of"]

MAX_ELEMENTS = 1 << 30
"""Most elements of one tensor."""


def load_inputs(path: Path) -> AttentionInputs:
    """The arrays ``q``, ``k`` and ``v`` of an ``.npz`` file, as float64.

    Nothing is executed.  Raises :class:`InputError` for other files, and for arrays that are
    missing, not of three dimensions, or no real numbers.
    """
    where = str(path)
    try:
        file = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(error.strerror or "cannot be read", where=where) from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError("is no .npz file", where=where) from error
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise InputError("is no .npz file", where=where, hint="np.savez(file, q=q, k=k, v=v)")
    found = {}
    with file:
        for name in ("q", "k", "v"):
            if name not in file:
                raise InputError(
                    f"has no array {name}", where=where, hint="np.savez(file, q=q, k=k, v=v)"
                )
            try:
                array = file[name]
            except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
                raise InputError(f"array {name} cannot be read", where=where) from error
            real = np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)
            if array.ndim != 3 or not real or not 0 < array.size <= MAX_ELEMENTS:
                raise InputError(
                    f"{name} is {array.dtype} {array.shape}, not numbers [heads, tokens, dim]",
                    where=where,
                )
            found[name] = array.astype(np.float64)
    return AttentionInputs(found["q"], found["k"], found["v"])


def shape_of(inputs: AttentionInputs, causal: bool) -> AttentionShape:
    """The shape that the tensors have."""
    heads, queries, head_dim = inputs.q.shape
    kv_heads, keys, _ = inputs.k.shape
    shape = AttentionShape(
        queries, keys, heads, kv_heads, head_dim, inputs.v.shape[2], causal=causal
    )
    inputs.check(shape)
    return shape

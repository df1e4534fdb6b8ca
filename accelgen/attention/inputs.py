"""The tensors of an attention layer, for patterns that look at them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["AttentionInputs", "random_inputs"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AttentionInputs:
    """``q`` ``[heads, queries, head_dim]``, ``k`` ``[kv_heads, keys, head_dim]``, ``v``
    ``[kv_heads, keys, value_dim]``; of rotary models after the rotation.

    :meth:`check` raises :class:`InputError` when they are not of a shape.
    """

    q: Floats
    k: Floats
    v: Floats

    def check(self, shape: AttentionShape) -> None:
        """Raise :class:`InputError` unless the tensors are those of ``shape`` and finite."""
        expected = {
            "q": (shape.heads, shape.queries, shape.head_dim),
            "k": (shape.kv_heads, shape.keys, shape.head_dim),
            "v": (shape.kv_heads, shape.keys, shape.value_dim),
        }
        for name, sizes in expected.items():
            tensor: Floats = getattr(self, name)
            if tensor.shape != sizes:
                raise InputError(f"has shape {tensor.shape} instead of {sizes}", where=name)
            if not np.isfinite(tensor).all():
                raise InputError("not all elements are finite", where=name)


def random_inputs(shape: AttentionShape, seed: int = 0) -> AttentionInputs:
    """Normal tensors with the structure that patterns look for: heavy first tokens (sinks), keys
    alike to their neighbours, queries that look for keys near them.

    Deterministic in ``seed``.  No stand-in for activations of a model: give those where you have
    them.
    """
    rng = np.random.default_rng(seed)
    d, n = shape.head_dim, shape.keys
    k = rng.normal(size=(shape.kv_heads, n, d))
    drift = rng.normal(size=(shape.kv_heads, -(-n // 16), d))
    k = 0.6 * k + 0.8 * np.repeat(drift, 16, axis=1)[:, :n]
    sink = rng.normal(size=(shape.kv_heads, 1, d))
    sink /= np.linalg.norm(sink, axis=-1, keepdims=True)
    k[:, : min(4, n)] += 2.0 * sink * np.sqrt(d)
    position = np.minimum(np.arange(shape.queries) + shape.offset, n - 1)
    shared = np.arange(shape.heads) // shape.group
    q = rng.normal(size=(shape.heads, shape.queries, d)) + 0.5 * k[shared][:, position]
    q += 1.5 * sink[shared]
    v = rng.normal(size=(shape.kv_heads, n, shape.value_dim))
    return AttentionInputs(q, k, v)

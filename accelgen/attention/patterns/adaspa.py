"""AdaSpa: the heaviest blocks of a head by their exact probability."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.blocks import kept_mask
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.masks.selection import (
    fixed,
    share_of,
    top_k,
    visible_blocks,
    visible_scores,
)
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import integer, number
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["AdaSpa", "log_sum_exp"]

Floats = NDArray[np.float64]

ROWS = 512
"""Queries whose scores are held at a time, so that memory grows with the keys only."""


def log_sum_exp(shape: AttentionShape, inputs: AttentionInputs) -> Floats:
    """``[heads, queries]``: the logarithm of the sum of ``exp(score)`` over the keys that each
    query sees; what full attention leaves behind, and :class:`AdaSpa` takes as its cache.
    """
    inputs.check(shape)
    result = np.empty((shape.heads, shape.queries))
    for head in range(shape.heads):
        for rows in _chunks(shape.queries, ROWS):
            scores = visible_scores(shape, inputs.q[head], inputs.k[head // shape.group], rows)
            most = scores.max(axis=1)
            result[head, rows] = most + np.log(np.exp(scores - most[:, None]).sum(axis=1))
    return result


@dataclass(frozen=True)
class AdaSpa(Pattern):
    """Every head keeps the ``1 - sparsity`` share (rounded up) of its blocks of ``block`` tokens
    with the largest mass, the sum of ``exp(q k / sqrt(d) - LSE)``.

    ``lse`` is the cache ``[heads, queries]`` of :func:`log_sum_exp`, of an earlier denoising step,
    in which it hardly changes; without it, that of the inputs themselves is computed.  The masks
    too are meant to be kept over steps: call :meth:`masks` only in the steps that search anew.

    The share is of the blocks with a pair (causal shapes have fewer), over all rows of the head.
    So that every query sees something, a row of blocks without a block that its first query sees
    also keeps the heaviest of those, beyond the budget.  Usual: block 64, sparsity .8.

    Source: Xia et al., arXiv:2502.21079.
    """

    name: ClassVar[str] = "adaspa"
    source: ClassVar[str] = "arXiv:2502.21079"
    dynamic: ClassVar[bool] = True

    block: int = 64
    sparsity: float = 0.8
    lse: Floats | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        integer("adaspa: block", self.block, 1)
        number("adaspa: sparsity", self.sparsity, 0, 1)

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """One mask per query head; every layer alike."""
        inputs = self.needed(inputs, shape)
        mass = self.block_mass(shape, inputs)
        seen, _ = visible_blocks(shape, self.block, self.block)
        budget = share_of(1 - self.sparsity, int(np.count_nonzero(seen)))
        serves = seen
        if shape.causal:
            first = np.arange(0, shape.queries, self.block)[:, None] + shape.offset
            serves = seen & (np.arange(0, shape.keys, self.block) <= first)
        result = []
        for head in range(shape.heads):
            units = fixed(mass[head])
            kept = top_k(units.ravel(), budget, seen.ravel()).reshape(seen.shape)
            empty = ~np.any(kept & serves, axis=1, keepdims=True)
            kept |= top_k(units, 1, serves) & empty
            result.append(kept_mask(shape, kept, self.block, self.block))
        return tuple(result)

    def block_mass(self, shape: AttentionShape, inputs: AttentionInputs) -> Floats:
        """``[heads, rows, columns]``: the mass of every block.

        Raises :class:`InputError` when ``lse`` is not of the shape.
        """
        lse = log_sum_exp(shape, inputs) if self.lse is None else self.lse
        if lse.shape != (shape.heads, shape.queries):
            raise InputError(
                f"has shape {lse.shape} instead of {(shape.heads, shape.queries)}",
                where="lse",
                hint="compute it from tensors of the same shape",
            )
        columns = np.arange(0, shape.keys, self.block)
        mass = np.empty((shape.heads, -(-shape.queries // self.block), len(columns)))
        step = max(1, ROWS // self.block) * self.block
        for head in range(shape.heads):
            for rows in _chunks(shape.queries, step):
                scores = visible_scores(shape, inputs.q[head], inputs.k[head // shape.group], rows)
                # A stale cache may be far too small; what overflows is largest all the same.
                with np.errstate(over="ignore"):
                    weight = np.exp(scores - lse[head, rows][:, None])
                weight = np.add.reduceat(weight, columns, axis=1)
                starts = np.arange(0, len(rows), self.block)
                block = rows[starts] // self.block
                mass[head, block] = np.add.reduceat(weight, starts, axis=0)
        return mass


def _chunks(queries: int, step: int) -> Iterator[NDArray[np.int64]]:
    """All queries, ``step`` at a time."""
    for start in range(0, queries, step):
        yield np.arange(start, min(start + step, queries))

"""Window pruning of SparseViT: windows with small activations are skipped."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.mask import HeadMask, VariableMask
from accelgen.attention.masks.selection import top_k
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import integer, number
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

__all__ = ["WindowPruning"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class WindowPruning(Pattern):
    """Tokens attend inside their window; the ``sparsity`` share (rounded down) of the windows with
    the smallest activations is skipped, of equal ones the later.

    Windows are of ``side`` x ``side`` tokens of a ``grid`` of (rows, columns) tokens in row-major
    order, cut at the right and at the bottom; without a grid, tokens come window by window, runs
    of ``side**2``.  The magnitude of a window is the L2 norm of its activations over the square
    root of its number of tokens, so that cut windows compare.  Activations are ``activation``
    ``[tokens, width]``, the input of the layer; without it, the queries of all heads side by side.
    All heads skip the same windows.

    A skipped window is left out of the layer: its rows of the mask are empty, its tokens are not
    computed and pass on unchanged (the residual path), and no other window looks at them.  So
    callers must not run a softmax over these rows.

    ``sparsity`` is one share per layer, the last one for all later layers.  Shapes need as many
    queries as keys; causal ones are cut inside the window.  The method searches the share of every
    layer of a model between 0 and .8; no one value is usual, and the default is .5 everywhere.

    Source: Chen et al., arXiv:2303.17605.
    """

    name: ClassVar[str] = "window_pruning"
    source: ClassVar[str] = "arXiv:2303.17605"
    dynamic: ClassVar[bool] = True

    sparsity: tuple[float, ...] = (0.5,)
    side: int = 7
    grid: tuple[int, int] | None = None
    activation: Floats | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.sparsity, tuple) or not self.sparsity:
            raise InputError(
                f"{self.sparsity!r} is no tuple of shares",
                where="sparsity",
                hint="give one share per layer, or one for all: (0.5,)",
            )
        for share in self.sparsity:
            number("window_pruning: sparsity", share, 0, 1)
        integer("window_pruning: side", self.side, 1)
        if self.grid is not None:
            if not isinstance(self.grid, tuple) or len(self.grid) != 2:
                raise InputError(
                    f"{self.grid!r} is no pair", where="grid", hint="give (rows, columns)"
                )
            for size in self.grid:
                integer("window_pruning: grid", size, 1)

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """The same mask for every query head; ``inputs`` may be missing when there are
        activations.
        """
        if self.activation is None:
            q = self.needed(inputs, shape).q
            activation = q.transpose(1, 0, 2).reshape(shape.queries, -1)
        else:
            activation = self.activation
        label = self._windows(shape)
        if activation.ndim != 2 or len(activation) != shape.queries:
            raise InputError(
                f"has shape {activation.shape}, not one row for each of {shape.queries} tokens",
                where="activation",
                hint="give [tokens, width]",
            )
        kept = self.kept_windows(activation, label, layer)
        order = np.argsort(label, kind="stable")
        sizes = np.bincount(label)
        mask = VariableMask(
            queries=shape.queries,
            keys=shape.keys,
            offset=shape.offset,
            query_order=order,
            key_order=order,
            query_sizes=sizes,
            key_sizes=sizes,
            kept=np.diag(kept),
            causal=shape.causal,
        )
        return (mask,) * shape.heads

    def kept_windows(self, activation: Floats, label: Ints, layer: int) -> Bools:
        """``[windows]``: whether each is computed, given the window ``label`` of every token."""
        # The order of mean squares is the order of magnitudes, without roots.
        energy = np.bincount(label, weights=np.square(activation).sum(axis=1))
        count = len(energy)
        share = self.sparsity[min(layer, len(self.sparsity) - 1)]
        skipped = math.floor(share * count + 1e-9)
        return top_k(energy / np.bincount(label), count - skipped)

    def _windows(self, shape: AttentionShape) -> Ints:
        """``[tokens]``: the window of every token."""
        if shape.queries != shape.keys:
            raise InputError(
                f"windows hold queries and keys of the same tokens, not {shape.queries} queries "
                f"and {shape.keys} keys",
                where=self.name,
                hint="use as many queries as keys",
            )
        if self.grid is None:
            return np.arange(shape.queries) // self.side**2
        rows, columns = self.grid
        if rows * columns != shape.queries:
            raise InputError(
                f"{rows} x {columns} tokens are not the {shape.queries} of the shape",
                where="grid",
                hint="give rows and columns of tokens whose product is the number of queries",
            )
        row, column = np.divmod(np.arange(shape.queries), columns)
        return np.asarray(row // self.side * -(-columns // self.side) + column // self.side)

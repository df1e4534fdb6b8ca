"""Attention of a group of queries over tiles of keys, as the array and its lanes compute it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.datapath.exp2 import negative_exp2
from accelgen.attention.accelerator.datapath.numerics import Numerics

__all__ = ["Rows", "fold_queries", "normalise"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def fold_queries(queries: Ints, scale: int, shift: int, numerics: Numerics) -> Ints:
    """Queries times ``scale / 2**shift``, rounded half up, saturated to ``operand_bits``.

    ``scale`` is unsigned, ``shift`` >= 1: together ``log2(e) / sqrt(d)`` times the scales of
    queries and keys, on the grid of folded queries (see :class:`Numerics`).
    """
    most = (1 << (numerics.operand_bits - 1)) - 1
    folded: Ints = (queries * scale + (1 << (shift - 1))) >> shift
    return folded.clip(-most, most)


@dataclass
class Rows:
    """The state of ``rows`` queries while tiles of keys pass: maximum, and sums of p * v and of p.

    ``seen`` says which rows have seen a key.  It is what the hardware holds, not frozen: an
    accumulator.
    """

    numerics: Numerics
    seen: Bools
    maximum: Ints
    totals: Ints

    @classmethod
    def empty(cls, numerics: Numerics, rows: int) -> Rows:
        """Rows that have seen nothing."""
        return cls(
            numerics,
            np.zeros(rows, dtype=np.bool_),
            np.zeros(rows, dtype=np.int64),
            np.zeros((rows, numerics.value_dim + 1), dtype=np.int64),
        )

    def scores(self, queries: Ints, keys: Ints) -> Ints:
        """``[rows, keys]`` scores of folded queries ``[rows, d]`` and keys ``[keys, d]``."""
        n = self.numerics
        # Exact: sums stay below 2**53.
        products = (queries.astype(np.float64) @ keys.astype(np.float64).T).astype(np.int64)
        return (products + (1 << (n.score_shift - 1))) >> n.score_shift

    def take(self, queries: Ints, keys: Ints, values: Ints, allowed: Bools) -> None:
        """One tile: keys ``[keys, d]``, values ``[keys, value_dim]``, allowed ``[rows, keys]``."""
        n = self.numerics
        scores = self.scores(queries, keys)
        any_key = allowed.any(axis=1)
        highest = np.where(allowed, scores, np.iinfo(np.int64).min >> 1).max(axis=1)
        ceiling = -((-highest) >> n.score_fraction)
        raised = any_key & (~self.seen | (ceiling > self.maximum))
        maximum = np.where(raised, ceiling, self.maximum)
        by = np.where(self.seen, np.minimum(maximum - self.maximum, n.shift_limit), 0)
        below = np.where(allowed, (maximum[:, None] << n.score_fraction) - scores, 0)
        p = np.where(allowed, negative_exp2(below, n), 0)
        with_ones = np.concatenate([values, np.ones((len(values), 1), dtype=np.int64)], axis=1)
        sums = (p.astype(np.float64) @ with_ones.astype(np.float64)).astype(np.int64)
        self.totals = (self.totals >> by[:, None]) + sums
        self.maximum = maximum
        self.seen = self.seen | any_key

    def outputs(self) -> Ints:
        """``[rows, value_dim]`` outputs; 0 of rows that have seen no key."""
        return normalise(self.totals, self.numerics)


def normalise(totals: Ints, numerics: Numerics) -> Ints:
    """Sums of p * v over sums of p (the last column), on the grid ``2**-output_fraction``.

    The sum of p is at least a half (where it is not 0), so both are shifted right until it has
    ``DIVISOR_BITS``; one division per row gives its reciprocal.
    """
    n = numerics
    sums, products = totals[:, -1:], totals[:, :-1]
    width = np.frexp(sums.astype(np.float64))[1].astype(np.int64)  # exact below 2**53
    extra = np.maximum(width - n.probability_fraction, 0)
    divisor = (sums << (n.DIVISOR_BITS - n.probability_fraction)) >> extra
    wide = (1 << (2 * n.DIVISOR_BITS - 1)) // np.maximum(divisor, 1)
    reciprocal = np.minimum(wide, (1 << n.DIVISOR_BITS) - 1)
    shifted = (products << n.GUARD) >> extra
    # O / l = shifted * 2**-GUARD * 2**(DIVISOR_BITS - fraction) / divisor
    scale = n.DIVISOR_BITS + n.probability_fraction - 1 + n.GUARD - n.output_fraction
    result = (shifted * reciprocal + (1 << (scale - 1))) >> scale
    most = (1 << (n.OUTPUT_BITS - 1)) - 1
    return np.where(sums > 0, np.clip(result, -most - 1, most), 0)

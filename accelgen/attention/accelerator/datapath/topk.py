"""What a top-k selector selects, and in how many cycles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from accelgen.errors import InputError

__all__ = [
    "DIGIT_BITS",
    "LANES",
    "MOST_CELLS",
    "MOST_SCORES",
    "SelectorKind",
    "SelectorShape",
    "insertion_cycles",
    "radix_cycles",
    "select_mask",
    "select_top",
    "selector_cycles",
    "threshold_cycles",
]

LANES = 16
"""Scores that a radix selector reads in a cycle: a row of its memory."""
DIGIT_BITS = 4
"""Bits of the threshold that a radix selector finds in a pass."""
MOST_CELLS = 16
"""The largest k of an insertion selector."""

MOST_SCORES = 1 << 16
"""The largest set of a selector."""

SelectorKind = Literal["insertion", "radix"]


@dataclass(frozen=True)
class SelectorShape:
    """What a selector is built for: sets of 1..``max_scores`` signed scores of ``score_bits`` bits,
    ``width_in`` a beat, of which up to ``max_k`` are selected.

    ``max_scores`` is 2..65536, ``max_k`` 1..``max_scores``, ``score_bits`` 2..32, ``width_in`` a
    power of two up to 16; anything else raises :class:`InputError`.
    """

    max_scores: int
    max_k: int
    score_bits: int = 16
    width_in: int = 1

    def __post_init__(self) -> None:
        for what, value, low, high in (
            ("max_scores", self.max_scores, 2, MOST_SCORES),
            ("max_k", self.max_k, 1, self.max_scores),
            ("score_bits", self.score_bits, 2, 32),
        ):
            if not low <= value <= high:
                raise InputError(f"is {value}", where=what, hint=f"use {low}..{high}")
        if self.width_in not in (1, 2, 4, 8, 16):
            raise InputError(f"is {self.width_in}", where="width_in", hint="use 1, 2, 4, 8 or 16")

    @property
    def kind(self) -> SelectorKind:
        """The selector for ``max_k``: cells for each of few, a memory of all scores for many."""
        return "insertion" if self.max_k <= MOST_CELLS else "radix"

    @property
    def digits(self) -> int:
        """Digits of a score, each a pass of a radix selector."""
        return -(-self.score_bits // DIGIT_BITS)

    @property
    def rows(self) -> int:
        """Rows of the memory of a radix selector."""
        return max(2, -(-self.max_scores // LANES))

    def beats(self, n: int) -> int:
        """Beats of ``n`` scores; lanes that the last one has no score for are marked never."""
        if not 1 <= n <= self.max_scores:
            raise InputError(f"{n} scores", hint=f"use 1..{self.max_scores}")
        return -(-n // self.width_in)


def select_mask(
    scores: ArrayLike,
    k: int,
    forced: ArrayLike | None = None,
    never: ArrayLike | None = None,
) -> NDArray[np.bool_]:
    """Which of ``scores`` ``[..., n]`` (integers) are selected: along the last axis the first ``k``
    in the order of forced ones, then higher scores, then lower indices.

    ``forced`` and ``never`` are broadcast to the shape of ``scores``.  What is marked ``never`` is
    not selected even if ``forced``; if no ``k`` others are left, all of them are selected.
    """
    values = np.asarray(scores)
    if values.ndim == 0 or values.dtype.kind not in "iu":
        raise InputError("not an array of integers", where="scores", hint="quantise them first")
    if k < 0:
        raise InputError(f"is {k}", where="k", hint="use 0 or more")
    out = _marks(never, values.shape)
    must = _marks(forced, values.shape) & ~out
    # Forced ones are alike: among them the index decides.
    rank = np.where(must, 0, -values.astype(np.int64))
    order = np.lexsort((rank, ~must, out), axis=-1)  # stable
    mask = np.zeros(values.shape, bool)
    np.put_along_axis(mask, order[..., :k], True, axis=-1)
    return mask & ~out


def select_top(
    scores: ArrayLike,
    k: int,
    forced: ArrayLike | None = None,
    never: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """The selected indices of ``scores`` ``[n]``, ascending (see :func:`select_mask`)."""
    values = np.asarray(scores)
    if values.ndim != 1:
        raise InputError(f"has {values.ndim} axes instead of 1", where="scores")
    return np.flatnonzero(select_mask(values, k, forced, never)).astype(np.int64)


def _marks(marks: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.broadcast_to(np.asarray(False if marks is None else marks, bool), shape)


def insertion_cycles(shape: SelectorShape, n: int, selected: int) -> int:
    """From the first beat that is offered to an insertion selector to the last index that leaves.

    Both cycles counted, nothing pausing, no set before it: a cycle for every lane of every beat,
    and ``max_k`` for the way through the cells; of an empty selection, one for saying so.
    """
    return shape.beats(n) * shape.width_in + (shape.max_k if selected else 1)


def threshold_cycles(shape: SelectorShape, n: int) -> int:
    """From the first beat that is offered to a radix selector until it knows what it selects.

    The first digit is counted as scores come in, the others row by row; every digit is then found
    in ``DIGIT_BITS`` cycles.  With 16 scores a beat of 16 bits: ``4 * (ceil(n / 16) + 4)``.
    """
    rows = -(-n // LANES)
    return shape.beats(n) + (shape.digits - 1) * rows + DIGIT_BITS * shape.digits


def radix_cycles(shape: SelectorShape, n: int, selected: int, last: int | None = None) -> int:
    """From the first beat that is offered to a radix selector to the last index that leaves it.

    Both cycles counted, nothing pausing, no set before it: the threshold, then a cycle for every
    row up to that of the last selected index ``last``, and one for every index.  ``last`` is
    ``n - 1`` if not given, as where a query's own block is forced; that is the most it can be.  Of
    an empty selection, a row and one for saying so.
    """
    top = n - 1 if last is None else last
    drain = top // LANES + 1 + selected if selected else 2
    return threshold_cycles(shape, n) + drain


def selector_cycles(shape: SelectorShape, n: int, selected: int, last: int | None = None) -> int:
    """Cycles of the selector that ``shape`` calls for."""
    if shape.kind == "insertion":
        return insertion_cycles(shape, n, selected)
    return radix_cycles(shape, n, selected, last)

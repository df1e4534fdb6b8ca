"""Small shapes and tensors with many equal scores, and how masks are compared with a rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.shape import AttentionShape

__all__ = ["Case", "cases", "dot", "largest", "reaching", "same", "units"]

Pairs = set[tuple[int, int]]


@dataclass(frozen=True)
class Case:
    shape: AttentionShape
    inputs: AttentionInputs
    q: list[list[list[float]]]
    k: list[list[list[float]]]
    """As nested lists, one per query head."""

    def sees(self, t: int, s: int) -> bool:
        """Whether the cut lets query ``t`` see key ``s``, from the definition."""
        return not self.shape.causal or s <= t + self.shape.keys - self.shape.queries

    def score(self, head: int, t: int, s: int) -> float:
        return dot(self.q[head][t], self.k[head][s]) / math.sqrt(self.shape.head_dim)

    def tokens(self, block: Iterable[int], keys: Iterable[int]) -> Pairs:
        """The pairs of some queries and some keys that the cut leaves."""
        keys = list(keys)
        return {(t, s) for t in block for s in keys if self.sees(t, s)}


def case(shape: AttentionShape, seed: int, most: int | None) -> Case:
    """Integers in ``-most..most``, or normal values without one."""
    rng = np.random.default_rng(seed)

    def tensor(*sizes: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        if most is None:
            return rng.normal(size=sizes)
        return rng.integers(-most, most + 1, size=sizes).astype(np.float64)

    q = tensor(shape.heads, shape.queries, shape.head_dim)
    k = tensor(shape.kv_heads, shape.keys, shape.head_dim)
    v = tensor(shape.kv_heads, shape.keys, shape.value_dim)
    shared = [k[head * shape.kv_heads // shape.heads].tolist() for head in range(shape.heads)]
    return Case(shape, AttentionInputs(q, k, v), q.tolist(), shared)


@st.composite
def cases(
    draw: st.DrawFn,
    kinds: Sequence[str] = ("causal", "tail", "decode", "cross", "self"),
    tokens: int = 20,
    continuous: bool = False,
) -> Case:
    """Of causal shapes, causal ones with earlier keys, decode steps, cross and self attention."""
    kind = draw(st.sampled_from(kinds))
    keys = draw(st.integers(1, tokens))
    queries = keys
    if kind in ("tail", "cross"):
        queries = draw(st.integers(1, keys if kind == "tail" else tokens))
    elif kind == "decode":
        queries = 1
    kv_heads = draw(st.integers(1, 2))
    shape = AttentionShape(
        queries=queries,
        keys=keys,
        heads=kv_heads * draw(st.integers(1, 2)),
        kv_heads=kv_heads,
        head_dim=draw(st.integers(1, 3)),
        value_dim=2,
        causal=kind not in ("cross", "self"),
    )
    most = None if continuous else draw(st.integers(0, 3))
    return case(shape, draw(st.integers(0, 2**32 - 1)), most)


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def units(share: float) -> int:
    """A share as multiples of 2**-32, as shares are compared."""
    return round(share * 2**32)


def largest(scores: Mapping[int, float], count: int) -> list[int]:
    """The indices of the ``count`` largest scores, found one by one; the first of equal ones."""
    left: dict[int, float] = dict(scores)
    result: list[int] = []
    while left and len(result) < count:
        best = min(left)
        for index in sorted(left):
            if left[index] > left[best]:
                best = index
        result.append(best)
        del left[best]
    return result


def reaching(shares: dict[int, float], p: float, forced: Iterable[int] = ()) -> set[int]:
    """The ``forced`` indices, then the largest shares until the sum reaches ``p``; one at least."""
    whole = {index: units(share) for index, share in shares.items()}
    kept = set(forced)
    target = p * sum(whole.values())
    rest = {index: float(unit) for index, unit in whole.items() if index not in kept}
    for index in largest(rest, len(rest)):
        if p < 1 and kept and sum(whole[n] for n in kept) >= target:
            break
        kept.add(index)
    return kept


def same(masks: Sequence[HeadMask], case: Case, expected: Sequence[Pairs]) -> None:
    """Assert that there is one sound mask per head and that they hold the expected pairs."""
    shape = case.shape
    assert len(masks) == shape.heads == len(expected)
    for mask, pairs in zip(masks, expected, strict=True):
        mask.check()
        assert (mask.queries, mask.keys) == (shape.queries, shape.keys)
        dense = mask.dense()
        assert dense.shape == (shape.queries, shape.keys)
        assert mask.nnz == dense.sum()
        found = {(int(t), int(s)) for t, s in zip(*np.nonzero(dense), strict=True)}
        assert found == pairs

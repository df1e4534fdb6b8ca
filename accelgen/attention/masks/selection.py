"""What dynamic patterns select by: scores of blocks and pages, the largest of them, their masks.

Hardware forms the scores as integer dot products and gives ties to the lowest index.  Everything
here keeps integers integers (give ``q`` and ``k`` as integer codes), and the order of equal scores
is the order of indices, so that a hardware selector and these functions choose the same.  Shares
of probability, which are sums of exponentials, are compared as multiples of ``2**-32``
(:func:`fixed`): the order of additions then does not decide between equal ones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.masks.mask import DIAGONAL, FULL, PARTIAL, BlockMask, TokenMask
from accelgen.attention.shape import AttentionShape

__all__ = [
    "block_scores_mean",
    "block_sizes",
    "block_sums",
    "fixed",
    "page_scores",
    "row_map_mask",
    "share_of",
    "token_mask",
    "top_k",
    "top_p",
    "visible_blocks",
    "visible_scores",
]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Numbers = NDArray[Any]
"""Floats, or integers as hardware has them."""

FRACTION = 32
"""Bits behind the point with which shares of probability are compared."""


def share_of(share: float, count: int) -> int:
    """``share`` of ``count`` things, rounded up; 1e-9 below a whole number still is that one."""
    return min(count, max(0, math.ceil(share * count - 1e-9)))


def block_sizes(tokens: int, block: int) -> Ints:
    """Tokens of every block: ``block``, and what is left in the last."""
    starts = np.arange(0, tokens, block)
    return np.minimum(block, tokens - starts)


def block_sums(x: Numbers, block: int) -> Numbers:
    """``[tokens, ...]`` summed by blocks of tokens: ``[blocks, ...]``; integers stay integers."""
    result: Numbers = np.add.reduceat(x, np.arange(0, len(x), block), axis=0)
    return result


def block_scores_mean(q: Numbers, keys: Numbers, block: int) -> Numbers:
    """``[queries, blocks]``: the dot product of ``q`` ``[queries, d]`` with the *sum* of every
    block of ``keys`` ``[n, d]``.

    Hardware has no division: whole blocks have the same order by sums as by means.  A short last
    block counts here as if zeros filled it up; divide by :func:`block_sizes` for the mean over the
    tokens that it has.  Causal patterns never compare it: its queries have it as their own block,
    and no others see it.
    """
    result: Numbers = q @ block_sums(keys, block).T
    return result


def page_scores(q: Numbers, k: Numbers, page: int) -> Numbers:
    """``[queries, pages]``: for ``q`` ``[queries, d]`` and each page of ``page`` keys ``k``
    ``[n, d]``, the bound ``sum_d max(q_d min_d, q_d max_d)`` of its dot products.

    ``min_d`` and ``max_d`` are over the keys of the page; the last one may have fewer.
    """
    starts = np.arange(0, len(k), page)
    low = np.minimum.reduceat(k, starts, axis=0)
    high = np.maximum.reduceat(k, starts, axis=0)
    result: Numbers = np.maximum(q, 0) @ high.T + np.minimum(q, 0) @ low.T
    return result


def fixed(shares: Floats) -> Ints:
    """Non-negative ``shares``, those above ``2**18`` as if they were that, as multiples of
    ``2**-32``.

    So equal sums stay equal in whatever order they were added; and up to 4096 of the results add
    up exactly.
    """
    return np.rint(np.minimum(shares, 2.0**18) * 2.0**FRACTION).astype(np.int64)


def top_k(scores: Numbers, k: int | Ints, allowed: Bools | None = None) -> Bools:
    """True at the ``k`` largest of the ``allowed`` finite ``scores`` ``[..., n]`` of every row;
    at all of them when there are fewer.

    ``k`` may be one number per row ``[...]``.  Equal scores: lowest index first.
    """
    floats = np.issubdtype(scores.dtype, np.floating)
    key = -scores if floats else -scores.astype(np.int64)
    if allowed is not None:
        key = np.where(allowed, key, np.inf if floats else np.iinfo(np.int64).max)
    count = scores.shape[-1]
    wanted = np.broadcast_to(np.asarray(k), scores.shape[:-1])[..., None]
    # Sorting values is far quicker than sorting where they are.
    place = np.clip(wanted - 1, 0, max(count - 1, 0))
    last = np.take_along_axis(np.sort(key, axis=-1), place, axis=-1)
    result = np.asarray((key <= last) & (wanted > 0))
    more = np.count_nonzero(result, axis=-1) > np.minimum(wanted[..., 0], count)
    if more.any():
        # As many as there is room for of those that equal the last one, from the left.
        key, last, wanted = key[more], last[more], wanted[more]
        equal = key == last
        room = wanted - np.count_nonzero(key < last, axis=-1)[..., None]
        result[more] = (key < last) | (equal & (np.cumsum(equal, axis=-1) <= room))
    return result if allowed is None else result & allowed


def top_p(
    shares: Floats, p: float, allowed: Bools | None = None, forced: Bools | None = None
) -> Bools:
    """True at the fewest largest ``shares`` ``[..., n]`` of every row whose sum reaches ``p`` of
    the sum of the row, at least one; equal shares: lowest index first.

    Only ``allowed`` ones count; ``forced`` ones come first, and their shares count.  ``p`` = 1
    keeps all allowed ones.  Shares are compared and added as :func:`fixed`.
    """
    allowed = np.ones(shares.shape, dtype=np.bool_) if allowed is None else allowed
    first = allowed & (False if forced is None else forced)
    if p >= 1:
        return allowed.copy()
    units = np.where(allowed, fixed(shares), 0)
    rank = np.where(first, -1 - units.max(initial=0), -units)
    order = np.argsort(np.where(allowed, rank, 1), axis=-1, kind="stable")
    ordered = np.take_along_axis(units, order, axis=-1)
    before = np.cumsum(ordered, axis=-1) - ordered
    enough = before >= p * units.sum(axis=-1, keepdims=True)
    enough[..., :1] = False
    result = np.zeros(shares.shape, dtype=np.bool_)
    np.put_along_axis(result, order, ~enough, axis=-1)
    return (result | first) & allowed


def visible_blocks(shape: AttentionShape, block_q: int, block_k: int) -> tuple[Bools, Bools]:
    """``(seen, whole)``, each ``[rows, columns]`` of blocks: some pair, and every pair, of the
    block is at or before the query; all of them when the shape is not causal.
    """
    first_q = np.arange(0, shape.queries, block_q)
    first_k = np.arange(0, shape.keys, block_k)
    if not shape.causal:
        every = np.ones((len(first_q), len(first_k)), dtype=np.bool_)
        return every, every
    last_q = np.minimum(first_q + block_q, shape.queries) - 1 + shape.offset
    last_k = np.minimum(first_k + block_k, shape.keys) - 1
    return first_k <= last_q[:, None], last_k <= first_q[:, None] + shape.offset


def row_map_mask(shape: AttentionShape, kept: Bools, block_q: int, block_k: int) -> BlockMask:
    """The mask of ``kept`` ``[queries, columns]``, the blocks of keys that each query sees, cut
    causally if the shape is.

    Blocks whose queries do not all agree are PARTIAL and carry their pairs.
    """
    seen, whole = visible_blocks(shape, block_q, block_k)
    rows, columns = seen.shape
    position = np.arange(shape.queries) + shape.offset
    first_k = np.arange(columns) * block_k
    future = first_k > position[:, None] if shape.causal else np.zeros(kept.shape, dtype=np.bool_)
    kept = kept & ~future
    starts = np.arange(0, shape.queries, block_q)
    some = np.logical_or.reduceat(kept, starts, axis=0)
    # Queries before the block agree with whatever the causal cut leaves them: nothing.
    agree = np.logical_and.reduceat(kept | future, starts, axis=0)
    row, column = np.nonzero(some)
    flag = np.where(agree, np.where(whole, FULL, DIAGONAL), PARTIAL)[row, column]
    at, of = row[flag == PARTIAL], column[flag == PARTIAL]
    padded = np.zeros((rows * block_q, columns), dtype=np.bool_)
    padded[: shape.queries] = kept
    masks = np.repeat(padded.reshape(rows, block_q, columns)[at, :, of, None], block_k, axis=2)
    key = first_k[of, None] + np.arange(block_k)
    masks &= (key < shape.keys)[:, None, :]
    if shape.causal:
        query = at[:, None] * block_q + np.arange(block_q) + shape.offset
        masks &= key[:, None, :] <= query[:, :, None]
    return BlockMask(
        queries=shape.queries,
        keys=shape.keys,
        offset=shape.offset,
        block_q=block_q,
        block_k=block_k,
        row_ptr=np.concatenate([[0], np.cumsum(some.sum(axis=1))]).astype(np.int64),
        col_idx=column.astype(np.int32),
        flag=flag.astype(np.uint8),
        masks=masks,
    )


def token_mask(shape: AttentionShape, row: Ints, column: Ints) -> TokenMask:
    """The mask of the pairs ``(row[n], column[n])``, in the order of rows and then of keys."""
    loads = np.bincount(row, minlength=shape.queries)
    return TokenMask(
        queries=shape.queries,
        keys=shape.keys,
        offset=shape.offset,
        row_ptr=np.concatenate([[0], np.cumsum(loads)]).astype(np.int64),
        col_idx=column.astype(np.int32),
    )


def visible_scores(shape: AttentionShape, q: Floats, k: Floats, rows: Ints) -> Floats:
    """``[len(rows), keys]``: scaled scores ``q_t . k_s / sqrt(head_dim)`` of the queries ``rows``
    of one head, minus infinity after the query when the shape is causal.
    """
    scores = q[rows] @ k.T / math.sqrt(shape.head_dim)
    if shape.causal:
        scores[np.arange(shape.keys) > rows[:, None] + shape.offset] = -np.inf
    return np.asarray(scores)

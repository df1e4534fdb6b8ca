"""What a pattern gives: the pairs of a query and a key that one head computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["DIAGONAL", "FULL", "PARTIAL", "BlockMask", "HeadMask", "TokenMask", "VariableMask"]

FULL, DIAGONAL, PARTIAL = 0, 1, 2
"""Flags of a kept block: every pair, the pairs with key <= query + offset, or those of a mask."""

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class HeadMask(ABC):
    """The pairs that one head computes, of ``queries`` queries and ``keys`` keys.

    ``offset`` is the position of query 0 among the keys (see AttentionShape).
    """

    queries: int
    keys: int
    offset: int = 0

    @property
    @abstractmethod
    def nnz(self) -> int:
        """Pairs that are computed."""

    @property
    @abstractmethod
    def bytes(self) -> int:
        """Bytes of the arrays that describe the mask."""

    @property
    @abstractmethod
    def loads(self) -> Ints:
        """Blocks (tokens, in the token form) kept in every row of blocks (of every query)."""

    @abstractmethod
    def dense(self) -> Bools:
        """``[queries, keys]``, true where a pair is computed; for small sizes."""

    @property
    def density(self) -> float:
        """Pairs that are computed over all pairs of a query and a key."""
        return self.nnz / (self.queries * self.keys)

    def check(self) -> None:
        """Assert what later stages rely on."""
        assert 0 <= self.nnz <= self.queries * self.keys


@dataclass(frozen=True, eq=False, kw_only=True)
class BlockMask(HeadMask):
    """Block CSR: blocks of ``block_q`` queries times ``block_k`` keys, the last ones cut.

    Row ``i`` keeps the blocks ``col_idx[row_ptr[i]:row_ptr[i + 1]]``, ascending, each with a
    ``flag`` (FULL, DIAGONAL, PARTIAL).  ``masks[n]`` is the token mask of the n-th PARTIAL block
    in order, ``[block_q, block_k]``; pairs outside the tensor are false there, and no pairs in
    the other blocks.  FULL of a causal shape means that all its pairs are at or before the query.
    """

    block_q: int
    block_k: int
    row_ptr: Ints
    col_idx: NDArray[np.int32]
    flag: NDArray[np.uint8]
    masks: Bools = field(default_factory=lambda: np.zeros((0, 0, 0), dtype=np.bool_))

    @property
    def rows(self) -> int:
        """Rows of blocks."""
        return -(-self.queries // self.block_q)

    @property
    def columns(self) -> int:
        """Columns of blocks."""
        return -(-self.keys // self.block_k)

    @property
    def loads(self) -> Ints:
        """Blocks kept per row of blocks."""
        return np.diff(self.row_ptr)

    @property
    def row_idx(self) -> Ints:
        """The row of every kept block."""
        return np.repeat(np.arange(self.rows), self.loads)

    @property
    def bytes(self) -> int:
        """As an accelerator reads it: 4 per row and per block, and a bit per pair of a mask."""
        return 4 * (len(self.row_ptr) + len(self.col_idx)) + -(-self.masks.size // 8)

    @property
    def nnz(self) -> int:
        """Pairs that are computed."""
        rows, columns = self.row_idx, self.col_idx.astype(np.int64)
        first_q, first_k = rows * self.block_q, columns * self.block_k
        high = np.minimum(self.block_q, self.queries - first_q)
        wide = np.minimum(self.block_k, self.keys - first_k)
        full = self.flag == FULL
        total = int((high * wide)[full].sum()) + int(np.count_nonzero(self.masks))
        cut = self.flag == DIAGONAL
        if cut.any():
            local = np.arange(self.block_q)
            position = first_q[cut, None] + local + self.offset
            seen = np.clip(position - first_k[cut, None] + 1, 0, wide[cut, None])
            total += int(seen[local[None, :] < high[cut, None]].sum())
        return total

    def dense(self) -> Bools:
        """``[queries, keys]``, true where a pair is computed."""
        bq, bk = self.block_q, self.block_k
        result = np.zeros((self.rows * bq, self.columns * bk), dtype=np.bool_)
        partial = iter(self.masks)
        position = np.arange(self.rows * bq) + self.offset
        for row, column, flag in zip(self.row_idx, self.col_idx, self.flag, strict=True):
            i, j = int(row) * bq, int(column) * bk
            if flag == FULL:
                result[i : i + bq, j : j + bk] = True
            elif flag == DIAGONAL:
                keys = np.arange(j, j + bk)
                result[i : i + bq, j : j + bk] = keys <= position[i : i + bq, None]
            else:
                result[i : i + bq, j : j + bk] = next(partial)
        return result[: self.queries, : self.keys]

    def check(self) -> None:
        """Assert that lists ascend inside the matrix and that every PARTIAL block has a mask."""
        assert len(self.row_ptr) == self.rows + 1
        assert self.row_ptr[0] == 0
        assert self.row_ptr[-1] == len(self.col_idx) == len(self.flag)
        assert (self.loads >= 0).all()
        same = self.row_idx[1:] == self.row_idx[:-1]
        assert (np.diff(self.col_idx)[same] > 0).all()
        assert ((self.col_idx >= 0) & (self.col_idx < self.columns)).all()
        assert np.isin(self.flag, (FULL, DIAGONAL, PARTIAL)).all()
        partial = int(np.count_nonzero(self.flag == PARTIAL))
        assert len(self.masks) == partial
        assert not partial or self.masks.shape[1:] == (self.block_q, self.block_k)
        super().check()


@dataclass(frozen=True, eq=False, kw_only=True)
class TokenMask(HeadMask):
    """Token CSR: query ``t`` sees the keys ``col_idx[row_ptr[t]:row_ptr[t + 1]]``, ascending."""

    row_ptr: Ints
    col_idx: NDArray[np.int32]

    @property
    def nnz(self) -> int:
        """Pairs that are computed."""
        return len(self.col_idx)

    @property
    def loads(self) -> Ints:
        """Keys kept per query."""
        return np.diff(self.row_ptr)

    @property
    def bytes(self) -> int:
        """4 per query and per pair."""
        return 4 * (len(self.row_ptr) + len(self.col_idx))

    def dense(self) -> Bools:
        """``[queries, keys]``, true where a pair is computed."""
        result = np.zeros((self.queries, self.keys), dtype=np.bool_)
        result[np.repeat(np.arange(self.queries), self.loads), self.col_idx] = True
        return result

    def check(self) -> None:
        """Assert that the lists ascend inside the matrix."""
        assert len(self.row_ptr) == self.queries + 1
        assert self.row_ptr[0] == 0
        assert self.row_ptr[-1] == len(self.col_idx)
        rows = np.repeat(np.arange(self.queries), self.loads)
        assert (np.diff(self.col_idx)[rows[1:] == rows[:-1]] > 0).all()
        assert ((self.col_idx >= 0) & (self.col_idx < self.keys)).all()
        super().check()


@dataclass(frozen=True, eq=False, kw_only=True)
class VariableMask(HeadMask):
    """Blocks of variable size: tokens are permuted so that every cluster is contiguous.

    Permuted query ``n`` is query ``query_order[n]``; clusters have ``query_sizes`` tokens; keys
    alike.  ``kept[a, b]`` says whether query cluster ``a`` sees key cluster ``b``.  Keys after the
    query are cut when ``causal``.
    """

    query_order: Ints
    key_order: Ints
    query_sizes: Ints
    key_sizes: Ints
    kept: Bools
    causal: bool = False

    @property
    def nnz(self) -> int:
        """Pairs that are computed."""
        if self.causal:
            return int(np.count_nonzero(self.dense()))
        return int(self.query_sizes @ self.kept @ self.key_sizes)

    @property
    def loads(self) -> Ints:
        """Keys kept per cluster of queries."""
        return np.asarray(self.kept @ self.key_sizes, dtype=np.int64)

    @property
    def bytes(self) -> int:
        """4 per token of both orders and per cluster, a bit per pair of clusters."""
        orders = len(self.query_order) + len(self.key_order)
        return 4 * (orders + sum(self.kept.shape)) + -(-self.kept.size // 8)

    def dense(self) -> Bools:
        """``[queries, keys]``, true where a pair is computed."""
        query = np.empty(self.queries, dtype=np.int64)
        key = np.empty(self.keys, dtype=np.int64)
        query[self.query_order] = np.repeat(np.arange(len(self.query_sizes)), self.query_sizes)
        key[self.key_order] = np.repeat(np.arange(len(self.key_sizes)), self.key_sizes)
        result = self.kept[query[:, None], key[None, :]]
        if self.causal:
            position = np.arange(self.queries)[:, None] + self.offset
            result &= np.arange(self.keys)[None, :] <= position
        return np.asarray(result)

    def check(self) -> None:
        """Assert that orders are permutations and clusters cover all tokens."""
        assert (np.sort(self.query_order) == np.arange(self.queries)).all()
        assert (np.sort(self.key_order) == np.arange(self.keys)).all()
        assert self.query_sizes.sum() == self.queries
        assert self.key_sizes.sum() == self.keys
        assert self.kept.shape == (len(self.query_sizes), len(self.key_sizes))
        super().check()

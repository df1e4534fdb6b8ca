"""Integer lattices: Hermite normal form, integer kernels, integer solutions, short vectors.

Exact arithmetic on Python integers; matrices are lists of rows.  The matrices of affine
dataflows are tiny (at most a dozen columns), so clarity wins over asymptotics.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

__all__ = ["Matrix", "echelon", "kernel", "reduce_basis", "short_vectors", "solve"]

Matrix = list[list[int]]
Vector = list[int]


def echelon(rows: Sequence[Sequence[int]]) -> Matrix:
    """Row-style Hermite normal form of the lattice spanned by ``rows``, zero rows dropped.

    The result spans the same lattice; pivots are positive, move strictly right, and the
    entries above each pivot lie in ``[0, pivot)``.
    """
    matrix = [list(row) for row in rows]
    width = len(matrix[0]) if matrix else 0
    top = 0
    for column in range(width):
        while True:
            live = [r for r in range(top, len(matrix)) if matrix[r][column]]
            if not live:
                break
            best = min(live, key=lambda r: abs(matrix[r][column]))
            matrix[top], matrix[best] = matrix[best], matrix[top]
            if len(live) == 1:
                break
            for r in range(top + 1, len(matrix)):
                _subtract(matrix[r], matrix[top], matrix[r][column] // matrix[top][column])
        if top < len(matrix) and matrix[top][column]:
            if matrix[top][column] < 0:
                matrix[top] = [-x for x in matrix[top]]
            for r in range(top):
                _subtract(matrix[r], matrix[top], matrix[r][column] // matrix[top][column])
            top += 1
    return matrix[:top]


def kernel(rows: Sequence[Sequence[int]], width: int) -> Matrix:
    """A basis (as rows, in echelon form) of ``{x in Z**width : rows @ x == 0}``.

    The kernel of an integer matrix is a saturated lattice, so every integer solution is an
    integer combination of the basis.
    """
    height = len(rows)
    augmented = [
        [rows[r][c] for r in range(height)] + [int(c == k) for k in range(width)]
        for c in range(width)
    ]
    form = echelon(augmented)
    return echelon([row[height:] for row in form if not any(row[:height])])


def solve(rows: Sequence[Sequence[int]], target: Sequence[int], width: int) -> Vector | None:
    """One integer ``x`` with ``rows @ x == target``, or ``None`` when there is none."""
    homogeneous = [[*row, -value] for row, value in zip(rows, target, strict=True)]
    # Put the homogenising coordinate first: the echelon form then has it in one row only.
    swapped = [[row[-1], *row[:-1]] for row in homogeneous]
    for row in kernel(swapped, width + 1):
        if row[0] == 1:
            return row[1:]
    return None


def reduce_basis(basis: Sequence[Sequence[int]]) -> Matrix:
    """Shorten a basis by pairwise (Gauss) reduction; the lattice stays the same.

    For the at most three-dimensional lattices of array axes this reaches vectors short enough
    that all nearest neighbours are combinations with coefficients in {-1, 0, 1}.
    """
    vectors = [list(row) for row in basis]
    changed = True
    while changed:
        changed = False
        vectors.sort(key=_norm)
        for i, small in enumerate(vectors):
            for large in vectors[i + 1 :]:
                ratio = _round_div(_dot(small, large), _dot(small, small))
                if ratio:
                    before = _norm(large)
                    _subtract(large, small, ratio)
                    changed |= _norm(large) < before
    return vectors


def short_vectors(basis: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """The non-zero combinations of the reduced basis with coefficients in {-1, 0, 1}."""
    reduced = reduce_basis(basis)
    for factors in product((0, 1, -1), repeat=len(reduced)):
        if any(factors):
            yield tuple(
                sum(f * row[k] for f, row in zip(factors, reduced, strict=True))
                for k in range(len(reduced[0]))
            )


def _subtract(row: Vector, other: Vector, factor: int) -> None:
    if factor:
        for k, value in enumerate(other):
            row[k] -= factor * value


def _dot(a: Vector, b: Vector) -> int:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _norm(a: Vector) -> int:
    return _dot(a, a)


def _round_div(a: int, b: int) -> int:
    return (2 * a + b) // (2 * b)

"""Integer lattices against enumeration of small boxes."""

from __future__ import annotations

from itertools import product
from math import isqrt

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from accelgen.reuse.lattice import Matrix, echelon, kernel, reduce_basis, short_vectors, solve

ENTRY = st.integers(-4, 4)


@st.composite
def matrices(draw: st.DrawFn, max_rows: int = 4, max_columns: int = 4) -> Matrix:
    columns = draw(st.integers(1, max_columns))
    row = st.lists(ENTRY, min_size=columns, max_size=columns)
    return draw(st.lists(row, min_size=1, max_size=max_rows))


def apply(rows: Matrix, x: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sum(a * b for a, b in zip(row, x, strict=True)) for row in rows)


def rank(rows: Matrix) -> int:
    return int(np.linalg.matrix_rank(np.array(rows, dtype=float))) if rows else 0


def member(form: Matrix, vector: tuple[int, ...]) -> bool:
    """Whether a vector is an integer combination of the rows of an echelon form."""
    rest = list(vector)
    for row in form:
        pivot = next(k for k, x in enumerate(row) if x)
        factor, remainder = divmod(rest[pivot], row[pivot])
        if remainder:
            return False
        rest = [a - factor * b for a, b in zip(rest, row, strict=True)]
    return not any(rest)


@given(matrices())
def test_echelon_form(rows: Matrix) -> None:
    form = echelon(rows)
    pivots = [next(k for k, x in enumerate(row) if x) for row in form]
    assert len(form) == rank(rows)
    assert pivots == sorted(set(pivots))
    for r, (row, pivot) in enumerate(zip(form, pivots, strict=True)):
        assert row[pivot] > 0
        assert all(0 <= above[pivot] < row[pivot] for above in form[:r])
    # The same lattice: every row in the form's, and every row of the form in the rows'.
    assert all(member(form, tuple(row)) for row in rows)
    transposed = [list(column) for column in zip(*rows, strict=True)]
    for row in form:
        factors = solve(transposed, row, len(rows))
        assert factors is not None
        assert apply(transposed, tuple(factors)) == tuple(row)


@given(matrices())
def test_echelon_form_is_unique(rows: Matrix) -> None:
    mixed = [list(row) for row in reversed(rows)]
    if len(mixed) > 1:
        mixed[0] = [a - 3 * b for a, b in zip(mixed[0], mixed[1], strict=True)]
    assert echelon(mixed) == echelon(rows)


@given(matrices(max_columns=3))
def test_kernel_is_all_solutions_in_a_box(rows: Matrix) -> None:
    width = len(rows[0])
    basis = kernel(rows, width)
    assert len(basis) == width - rank(rows)
    for vector in basis:
        assert not any(apply(rows, tuple(vector)))
    for x in product(range(-5, 6), repeat=width):
        assert member(basis, x) == (not any(apply(rows, x)))


def test_kernel_of_no_equation_is_everything() -> None:
    assert kernel([], 3) == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_kernel_finds_strides_beyond_unit_steps() -> None:
    # X[2*q + s]: one step of q is two of s.
    assert kernel([[2, 1]], 2) == [[1, -2]]
    # X[3*p + 5*r]: nothing shorter repeats.
    assert kernel([[3, 5]], 2) == [[5, -3]]


@given(matrices(max_columns=3), st.data())
def test_solve_finds_what_enumeration_finds(rows: Matrix, data: st.DataObject) -> None:
    width = len(rows[0])
    target = tuple(data.draw(st.lists(ENTRY, min_size=len(rows), max_size=len(rows))))
    found = solve(rows, target, width)
    if found is None:
        assert all(apply(rows, x) != target for x in product(range(-6, 7), repeat=width))
    else:
        assert apply(rows, tuple(found)) == target


@given(matrices(max_columns=3))
def test_every_image_is_solved(rows: Matrix) -> None:
    for x in product(range(-2, 3), repeat=len(rows[0])):
        assert solve(rows, apply(rows, x), len(rows[0])) is not None


@given(matrices(max_rows=3, max_columns=3))
def test_reduction_keeps_the_lattice_and_shortens(rows: Matrix) -> None:
    basis = echelon(rows)
    reduced = reduce_basis(basis)
    assert echelon(reduced) == basis
    if basis:
        assert min(sum(x * x for x in v) for v in reduced) <= min(
            sum(x * x for x in v) for v in basis
        )


@given(matrices(max_rows=3, max_columns=3))
def test_the_shortest_vector_is_among_the_short_ones(rows: Matrix) -> None:
    """Against every member of the lattice that is no longer than the shortest one found."""
    basis = echelon(rows)
    assume(basis)
    vectors = list(short_vectors(basis))
    assert all(any(v) and member(basis, v) for v in vectors)
    shortest = min(sum(x * x for x in v) for v in vectors)
    reach = isqrt(shortest - 1)
    shorter = [
        x
        for x in product(range(-reach, reach + 1), repeat=len(basis[0]))
        if 0 < sum(c * c for c in x) < shortest and member(basis, x)
    ]
    assert shorter == []

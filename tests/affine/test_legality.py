from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.affine import Dataflow, Workload, count_hits, lower
from accelgen.errors import InputError


@st.composite
def maps(
    draw: st.DrawFn,
) -> tuple[list[list[int]], list[int], list[int], list[int]]:
    rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    entry = st.sampled_from((0, 0, 0, 1, 1, 2, 3, -1, -2))
    matrix = [[draw(entry) for _ in range(columns)] for _ in range(rows)]
    source = [draw(st.integers(1, 4)) for _ in range(columns)]
    offset = [draw(st.integers(-3, 3)) for _ in range(rows)]
    target = [draw(st.integers(1, 5)) for _ in range(rows)]
    return matrix, source, offset, target


@given(maps())
def test_hits_are_those_of_the_enumeration(
    case: tuple[list[list[int]], list[int], list[int], list[int]],
) -> None:
    matrix, source, offset, target = case
    hits = dict.fromkeys(product(*(range(n) for n in target)), 0)
    for point in product(*(range(n) for n in source)):
        x = tuple((np.array(matrix) @ np.array(point) + np.array(offset)).tolist())
        if x in hits:
            hits[x] += 1
    found = count_hits(np.array(matrix), source, offset, target)
    assert found.minimum == min(hits.values())
    assert found.maximum == max(hits.values())
    assert found.first_missed == min((x for x, n in hits.items() if n == 0), default=None)
    assert found.first_doubled == min((x for x, n in hits.items() if n > 1), default=None)


def test_huge_boxes_of_small_parts_are_cheap() -> None:
    n = 2**20
    hits = count_hits(np.eye(3, dtype=np.int64), [n, n, n], [0, 0, 0], [n, n, n])
    assert (hits.minimum, hits.maximum) == (1, 1)


def test_one_row_of_many_points_is_cheap() -> None:
    n = 2**16
    hits = count_hits(np.array([[1, -1]]), [n, n], [n - 1], [2 * n - 1])
    assert (hits.minimum, hits.maximum, hits.first_doubled) == (1, n, (1,))


def test_a_part_beyond_the_limit_is_an_error() -> None:
    with pytest.raises(InputError, match="couples 268435456 points"):
        count_hits(np.array([[1, 1], [1, -1]]), [2**14, 2**14], [0, 0], [2**15, 2])
    with pytest.raises(InputError, match="couples 134217728 points"):
        count_hits(np.array([[1]]), [2**27], [0], [5])
    with pytest.raises(InputError, match=r"beyond 2\*\*62"):
        count_hits(np.array([[2**60]]), [100], [0], [5])


GEMM = Workload("Y[m,n] += A[m,k] * B[k,n]", {"m": 10, "n": 6, "k": 4})


@pytest.mark.parametrize(
    ("time", "maps", "message"),
    [
        (["m1", "n1", "k"], {"m": "size(i)*m1 + 2*i"}, "m=1, n=0, k=0 is never executed"),
        ([("m1", 2), "n1", "k"], {}, "m=8, n=0, k=0 is never executed"),
        ([("m1", 2), "n1", ("k", 3)], {}, "m=0, n=0, k=3 is never executed"),
        (["m1", "n1", "k"], {"m": "3*m1 + i"}, "m=3, n=0, k=0 is executed more than once"),
        (["m1", "n1", "k", ("t", 2)], {}, "m=0, n=0, k=0 is executed more than once.*uses t"),
        (["m1", "n1", "k"], {"k": "k + 1"}, "m=0, n=0, k=0 is never executed"),
        (["m1", "n1", ("k", 4)], {"k": "k + 1"}, "m=0, n=0, k=0 is never executed"),
        ([("m1", 3), "n1", ("t", 6)], {"k": "t - i"}, "m=3, n=0, k=3 is never executed"),
        # |det| = 2: only every second point of (a, b) without e.
        (
            [("a", 8), ("b", 12), ("e", 2), "n1"],
            {"m": "a + b - 2 + e", "k": "a - b + 2"},
            "more than once",
        ),
    ],
)
def test_illegal_dataflows_name_the_first_iteration(
    time: list[str | tuple[str, int]], maps: dict[str, str], message: str
) -> None:
    dataflow = Dataflow(
        {"i": 4, "j": 4}, time, {"m": "size(i)*m1 + i", "n": "size(j)*n1 + j", **maps}
    )
    with pytest.raises(InputError, match=message):
        lower(GEMM, dataflow)


@pytest.mark.parametrize(
    ("time", "maps", "extents"),
    [
        (["m1", "n1", "k"], {"m": "size(m) - 1 - size(i)*m1 - i"}, (3, 2, 4)),
        (["m1", "n1", ("t", 7)], {"k": "t - i"}, (3, 2, 7)),
        (["m1", ("t", 7), "n1"], {"k": "t - size(i) + 1 + i"}, (3, 7, 2)),
        (["n1", "k", "m1"], {"m": "3*i + m1"}, (2, 4, 3)),
    ],
)
def test_legal_dataflows_of_other_shapes(
    time: list[str | tuple[str, int]], maps: dict[str, str], extents: tuple[int, ...]
) -> None:
    dataflow = Dataflow(
        {"i": 4, "j": 4}, time, {"m": "size(i)*m1 + i", "n": "size(j)*n1 + j", **maps}
    )
    assert lower(GEMM, dataflow).time_extents == extents


def test_a_lattice_of_determinant_two_is_legal_with_its_other_half() -> None:
    workload = Workload("Y[m] += A[m,k]", {"m": 5, "k": 4})
    maps = {"m": "a + b - 2 + e", "k": "a - b + 2"}
    whole = Dataflow({"i": 1}, [("a", 5), ("b", 7), ("e", 2)], maps)
    assert lower(workload, whole).time_matrix == ((1, 1, 1), (1, -1, 0))
    half = Dataflow({"i": 1}, [("a", 5), ("b", 7), ("e", 1)], maps)
    with pytest.raises(InputError, match="m=0, k=1 is never executed"):
        lower(workload, half)

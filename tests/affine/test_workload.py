from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelgen.affine import TensorAccess, Workload, reference
from accelgen.errors import InputError
from tests.affine.strategies import workloads

GEMM = "Y[m,n] += A[m,k] * B[k,n]"
MNK = {"m": 3, "n": 4, "k": 5}


def _at(access: TensorAccess, point: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(
        base + sum(c * x for c, x in zip(row, point, strict=True))
        for row, base in zip(access.matrix, access.offset, strict=True)
    )


def _inputs(workload: Workload, rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    return {
        a.name: rng.integers(a.format.min, a.format.max, a.shape, endpoint=True)
        for a in workload.accesses[:-1]
    }


def _loops(workload: Workload, tensors: dict[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    *inputs, output = workload.accesses
    result = np.zeros(output.shape, dtype=np.int64)
    for point in product(*(range(n) for n in workload.bounds.values())):
        term = 1
        for access in inputs:
            term *= int(tensors[access.name][_at(access, point)])
        result[_at(output, point)] += term
    return result


@given(workloads(max_loops=4, max_bound=4), st.integers(0, 2**32 - 1))
def test_evaluate_is_the_loop_nest(workload: Workload, seed: int) -> None:
    tensors = _inputs(workload, np.random.default_rng(seed))
    np.testing.assert_array_equal(workload.evaluate(tensors), _loops(workload, tensors))


@given(workloads(max_loops=4, max_bound=4))
@settings(max_examples=50)
def test_halving_the_box_changes_nothing(workload: Workload) -> None:
    tensors = _inputs(workload, np.random.default_rng(1))
    whole = workload.evaluate(tensors)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "_CHUNK", 3)
        np.testing.assert_array_equal(workload.evaluate(tensors), whole)


@given(workloads(max_loops=4, max_bound=4))
def test_every_index_is_within_the_shape_and_reaches_its_end(workload: Workload) -> None:
    points = list(product(*(range(n) for n in workload.bounds.values())))
    for access in workload.accesses:
        reached = np.array([_at(access, point) for point in points])
        assert (reached >= 0).all()
        assert tuple(reached.max(axis=0) + 1) == access.shape


@given(workloads(max_loops=4, max_bound=4))
def test_output_range_is_exact(workload: Workload) -> None:
    *inputs, output = workload.accesses
    points = product(*(range(n) for n in workload.bounds.values()))
    hits: dict[tuple[int, ...], int] = {}
    for point in points:
        hits[_at(output, point)] = hits.get(_at(output, point), 0) + 1
    assert workload.terms == max(hits.values())
    corners = [
        np.prod([float(c) for c in corner])
        for corner in product(*((a.format.min, a.format.max) for a in inputs))
    ]
    low, high = workload.output_range
    assert low == min(0, min(corners) * workload.terms)
    assert high == max(0, max(corners) * workload.terms)
    assert output.format.holds(low, high)


def test_sums_beyond_float64_stay_exact() -> None:
    types = {"A": "uint16", "B": "uint16", "C": "uint16"}
    workload = Workload("Y[0] += A[k] * B[k] * C[k]", {"k": 7}, types)
    ones = np.full(7, 65535)
    total = workload.evaluate({"A": ones, "B": ones, "C": ones})
    assert int(total[0]) == 7 * 65535**3
    assert str(workload.output_format) == "uint51"


def test_a_large_product_is_exact_and_quick() -> None:
    workload = Workload(GEMM, {"m": 256, "n": 256, "k": 256})
    tensors = _inputs(workload, np.random.default_rng(0))
    np.testing.assert_array_equal(workload.evaluate(tensors), tensors["A"] @ tensors["B"])


def test_gemm_in_integers() -> None:
    workload = Workload(GEMM, MNK, {"B": "uint4", "A": "int4"})
    a, b, y = workload.accesses
    assert workload.loops == ("m", "n", "k")
    assert (a.matrix, b.matrix) == (((1, 0, 0), (0, 0, 1)), ((0, 0, 1), (0, 1, 0)))
    assert (a.shape, b.shape, y.shape) == ((3, 5), (5, 4), (3, 4))
    assert workload.output_range == (5 * -8 * 15, 5 * 7 * 15)
    assert str(y.format) == "int11"
    assert y.is_output
    assert hash(workload) == hash(Workload(GEMM, MNK, {"A": "int4", "B": "uint4"}))
    assert workload == Workload("Y[m,n]+=A[m,k]*B[k,n]", MNK, {"A": "int4", "B": "uint4"})


@pytest.mark.parametrize(
    ("expression", "bounds", "types", "message"),
    [
        (GEMM, {"m": 3, "n": 4}, {}, "bounds: loop k of the expression has no bound"),
        (GEMM, {**MNK, "q": 2}, {}, "bounds: unknown loop 'q'"),
        (GEMM, {**MNK, "k": 0}, {}, "bounds: k: 0 is outside 1..1048576"),
        (GEMM, {**MNK, "k": -4}, {}, "bounds: k: -4 is outside"),
        (GEMM, {**MNK, "k": 2**20 + 1}, {}, "outside 1..1048576"),
        (GEMM, {**MNK, "k": True}, {}, "True is no integer"),
        (GEMM, dict.fromkeys(MNK, 2**17), {}, r"beyond 2\*\*48"),
        (GEMM, {"m": 2**15, "n": 2, "k": 2**15}, {}, "tensor A of shape .* has more than"),
        (GEMM, MNK, {"AA": "int8"}, "types: unknown tensor 'AA'; did you mean 'A'"),
        (GEMM, MNK, {"A": "int17"}, "types: A: int17 is outside int2..int16"),
        (GEMM, MNK, {"A": "float"}, "unknown format 'float'; use int8, uint8 or a block format"),
        (GEMM, MNK, {"Y": "int17"}, "int17 is too narrow for Y: a sum of 5 products needs int18"),
        (GEMM, MNK, {"Y": "uint40"}, "uint40 is too narrow"),
        ("Y[m] += A[m - 2*r]", {"m": 4, "r": 3}, {}, "index m - 2.r of A is -4 at m=0, r=2"),
        ("Y[size(k)*size(k)*size(k)*size(m)*m] += A[k]", {"m": 1, "k": 2**20}, {}, r"2\*\*31 - 1"),
        ("Y[m] += A[size(q)*m]", {"m": 4}, {}, "unknown loop in size"),
        (
            "Y[m] += A[m,k]*B[k]*C[k]*D[k]",
            {"m": 1, "k": 2},
            dict.fromkeys("ABCD", "int16"),
            None,
        ),
        (
            "Y[m] += A[m,k]*B[k]*C[k]*D[k]",
            {"m": 1, "k": 16},
            dict.fromkeys("ABCD", "int16"),
            "more than 63 bits",
        ),
    ],
)
def test_wrong_workloads_say_what_to_change(
    expression: str, bounds: dict[str, int], types: dict[str, str], message: str | None
) -> None:
    if message is None:
        assert Workload(expression, bounds, types).output_format.bits == 62 + 1
        return
    with pytest.raises(InputError, match=message):
        Workload(expression, bounds, types)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"A": np.zeros((3, 4), dtype=int)}, r"tensor A: shape \(3, 4\), not \(3, 5\)"),
        ({"A": np.full((3, 5), 128)}, "elements in 128..128 are outside int8"),
        ({"A": np.zeros((3, 5))}, "float64 elements"),
        ({"Z": np.zeros((3, 5), dtype=int)}, "unknown input tensor 'Z'"),
    ],
)
def test_wrong_tensors_are_refused(change: dict[str, NDArray[np.int64]], message: str) -> None:
    workload = Workload(GEMM, MNK)
    tensors = _inputs(workload, np.random.default_rng(0))
    with pytest.raises(InputError, match=message):
        workload.evaluate({**tensors, **change})
    with pytest.raises(InputError, match="input tensor B is missing"):
        workload.evaluate({"A": tensors["A"]})

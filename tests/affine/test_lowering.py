from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from accelgen.affine import Dataflow, Description, Workload, lower
from accelgen.errors import InputError
from tests.affine.strategies import descriptions

GEMM = Workload("Y[m,n] += A[m,k] * B[k,n]", {"m": 10, "n": 6, "k": 4})
TILED = {"m": "size(i)*m1 + i", "n": "size(j)*n1 + j"}


def test_gemm_lowers_to_its_matrices() -> None:
    dataflow = Dataflow({"i": 4, "j": 4}, ["m1", "n1", "k"], TILED, "systolic", {"Y": "j"})
    st = lower(GEMM, dataflow, "gemm")
    assert st.name == "gemm"
    assert st.time_extents == (3, 2, 4)
    assert st.time_matrix == ((4, 0, 0), (0, 4, 0), (0, 0, 1))
    assert st.space_matrix == ((1, 0), (0, 1), (0, 0))
    assert (st.skew, st.offset) == ((1, 1), (0, 0, 0))
    assert st.chains == (("Y", "j"),)
    assert [t.name for t in st.tensors] == ["A", "B", "Y"]


@given(descriptions())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_random_tilings_are_legal(description: Description) -> None:
    st = description.lower()
    assert st.bounds == tuple(description.workload.bounds.values())
    assert len(st.time_matrix) == len(st.space_matrix) == len(st.loops)


@pytest.mark.parametrize(
    ("maps", "time", "extents"),
    [
        ({"m": "size(i)*m1 + i"}, ["m1"], (3,)),
        ({"m": "m1 + size(m1)*i"}, [("m1", 3)], (3,)),
        ({"m": "size(i)*size(m2)*m1 + size(i)*m2 + i"}, ["m1", ("m2", 2)], (2, 2)),
        ({"m": "8*m1 + 4*m2 + i"}, ["m1", "m2"], (2, 2)),
        ({"m": "size(m) - 1 - 4*m1 - i"}, ["m1"], (3,)),
        ({"m": "4*m1 + 3 - i"}, ["m1"], (3,)),
        ({"m": "size(i)*size(m1) - 1 - size(i)*m1 - i"}, ["m1"], (3,)),
        ({"m": "4*m1 + i - 4"}, ["m1"], (4,)),
    ],
)
def test_extents_follow_from_bounds_and_map(
    maps: dict[str, str], time: list[str | tuple[str, int]], extents: tuple[int, ...]
) -> None:
    workload = Workload("Y[m] += A[m]", {"m": 10})
    assert lower(workload, Dataflow({"i": 4}, time, maps)).time_extents == extents


def test_an_axis_of_one_unit_decides_no_extent() -> None:
    workload = Workload("Y[m] += A[m]", {"m": 10})
    dataflow = Dataflow({"i": 1}, ["m1"], {"m": "size(i)*m1 + i"})
    assert lower(workload, dataflow).time_extents == (10,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"map": {"m": "size(i)*m1 + i"}}, "map: workload loop n is not mapped"),
        ({"map": {**TILED, "mm": "k"}}, "map: unknown workload loop 'mm'; did you mean 'm'"),
        ({"map": {**TILED, "m": "size(ii)*m1 + i"}}, "size.. 'ii'; did you mean 'i'"),
        (
            {"map": {**TILED, "k": "q - m1"}, "time": ["m1", "n1", "q"]},
            "extent of time loop q does not follow.*{q: 4}",
        ),
        ({"time": ["m1", "n1", "k", "t"]}, "no map uses time loop t"),
        (
            {"map": {**TILED, "k": "size(k)*k"}, "time": ["m1", "n1", ("k", 2**20)]},
            "m=0, n=0, k=1 is never executed",
        ),
        (
            {"map": {**TILED, "k": "2147483647*size(m)*k"}},
            r"map: .* multiplies k by more than 2\*\*31",
        ),
        ({"chain": {"Z": "i"}}, "chain: unknown tensor 'Z'"),
    ],
)
def test_what_does_not_fit_the_workload_is_named(change: dict[str, Any], message: str) -> None:
    words: dict[str, Any] = {"space": {"i": 4, "j": 4}, "time": ["m1", "n1", "k"], "map": TILED}
    with pytest.raises(InputError, match=message):
        lower(GEMM, Dataflow(**{**words, **change}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": {}}, "space: 0 axes"),
        ({"space": {"i": 4, "j": 4, "l": 4, "x": 4}}, "space: 4 axes"),
        ({"space": {"i": 1000, "j": 1000}}, "1000000 units, beyond 16384"),
        ({"space": {"i": 0, "j": 4}}, "space: i: 0 is outside"),
        ({"space": {"i": "4", "j": 4}}, "'4' is no integer"),
        ({"space": {"2i": 4, "j": 4}}, "space: '2i' is no legal axis name"),
        ({"time": ["m1", "n1", "k", "i"]}, "time: i is both a time loop and a space axis"),
        ({"time": ["m1", "n1", "k", "k"]}, "time loop k appears twice"),
        ({"time": []}, r"extent 1, \{t: 1\}"),
        ({"time": "m1"}, "a list of loops expected"),
        ({"time": [f"t{n}" for n in range(13)]}, "13 time loops"),
        ({"time": ["m1", "n1", ("k", -3)]}, "time: k: -3 is outside"),
        ({"map": {"m": "size(i)*mm1 + i"}}, "map: m: unknown time loop or axis 'mm1'.*'m1'"),
        ({"map": {"m": "m1*i"}}, "map: m: .*multiplies two loops"),
        ({"skew": {"q": 1}}, "skew: unknown axis 'q'"),
        ({"skew": {"i": -1025}}, "-1025 is outside -1024..1024"),
        ({"skew": "diagonal"}, "use broadcast or systolic"),
        ({"chain": {"Y": "q"}}, "chain: unknown axis 'q'"),
    ],
)
def test_wrong_dataflows_say_what_to_change(change: dict[str, Any], message: str) -> None:
    words: dict[str, Any] = {"space": {"i": 4, "j": 4}, "time": ["m1", "n1", "k"], "map": TILED}
    with pytest.raises(InputError, match=message):
        Dataflow(**{**words, **change})

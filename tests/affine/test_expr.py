from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.affine.assignment import parse_assignment
from accelgen.affine.expr import Affine, Term, parse_affine
from accelgen.errors import InputError

SIZES = {"i": 3, "j": 5, "m1": 7}
names = st.sampled_from(("m1", "i", "q", "r2"))
terms = st.builds(
    Term,
    st.integers(-50, 50),
    st.lists(st.sampled_from(sorted(SIZES)), max_size=2).map(tuple),
    st.none() | names,
)
affines = st.lists(terms, max_size=6).map(lambda ts: Affine(tuple(ts)))


def _numbers(expression: Affine) -> dict[str | None, int]:
    return {n: expression.coefficient(n, SIZES.__getitem__) for n in (None, *expression.names)}


@given(affines)
def test_print_then_parse_gives_the_same_value(expression: Affine) -> None:
    assert parse_affine(str(expression)) == expression


@given(affines, affines, st.integers(-9, 9))
def test_arithmetic_is_that_of_the_values(x: Affine, y: Affine, c: int) -> None:
    combined = parse_affine(f"{c}*({x}) - ({y})")
    for name in (None, *x.names, *y.names):
        expected = c * x.coefficient(name, SIZES.__getitem__) - y.coefficient(
            name, SIZES.__getitem__
        )
        assert combined.coefficient(name, SIZES.__getitem__) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2*p+r", {None: 0, "p": 2, "r": 1}),
        ("size(i)*m1 + i", {None: 0, "m1": 3, "i": 1}),
        ("3 - q", {None: 3, "q": -1}),
        ("-(q - 3)*2", {None: 6, "q": -2}),
        ("size(i)*size(j)*m1 - size(j)", {None: -5, "m1": 15}),
        ("(size(i) + 1)*m1", {None: 0, "m1": 4}),
        ("--q", {None: 0, "q": 1}),
        ("q - q", {None: 0}),
    ],
)
def test_values(text: str, value: dict[str | None, int]) -> None:
    assert _numbers(parse_affine(text)) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p*q", r"\(p\)\*\(q\) multiplies two loops"),
        ("p/2", "'/' is not affine"),
        ("p%2", "'%' is not affine"),
        ("2p", r"write 2\*p"),
        ("f(p)", "only size"),
        ("size(i,j)", r"size\(i\)\*size\(j\)"),
        ("p +", "the end found"),
        ("(p", r"'\)' expected"),
        ("p)", r"unexpected '\)'"),
        ("", "the end found"),
        ("9999999999", "beyond 2147483647"),
        ("2147483647*2*p", "beyond 2147483647"),
        ("9" * 6000, "beyond 2147483647"),
        ("p" * 100, "at most 64"),
        ("none", "reserved"),
        ("p; import os", "unexpected ';'"),
        ("\u00b2*p", "unexpected|cannot read|expected"),
        ("(" * 60 + "p" + ")" * 60, "nested deeper than 50"),
        ("p+" * 6000 + "p", "beyond 10000"),
        ("+".join(f"p{n}" for n in range(70)), "more than 64 terms"),
        ("*".join(["size(i)"] * 9), "more than 8 size"),
    ],
)
def test_what_is_not_affine_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_affine(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        "Y[m,n] += A[m,k] * B[k,n]",
        "Y[m,n] += sum(k) A[m,k] * B[k,n]",
        "Y[k,p] += X[c,2*p + r - 1] * W[k,c,-r + 3]",
        "Y[0] += A[k]",
        "Y[size(m) - 1 - m] += A[m] * B[m] * C[m] * D[m]",
    ],
)
def test_assignments_round_trip(text: str) -> None:
    value = parse_assignment(text)
    assert parse_assignment(str(value)) == value
    assert re.sub(r"\s", "", str(value)).startswith(re.sub(r"\s", "", text).split("+=")[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Y[m] = A[m]", r"write '\+='"),
        ("Y[m] += A[m] + B[m]", "a sum of products"),
        ("Y[m] += A[m] * A[m]", "tensor A appears twice"),
        ("Y[m] += Y[m]", "tensor Y appears twice"),
        ("Y[m] += A[m] * a[m]", "differ in case only"),
        ("Y += A[m]", r"write a scalar as Y\[0\]"),
        ("Y[] += A[m]", r"write a scalar as Y\[0\]"),
        ("Y[m] += 2*A[m]", "a constant factor"),
        ("Y[m] += A[m]*B[m]*C[m]*D[m]*E[m]", "1 to 4"),
        ("Y[m] += A[m,0,0,0,0,0,0,0,0]", "not 1 to 8"),
        ("Y[m] += sum(m) A[m]", "a loop that the output .* uses"),
        ("Y[m] += sum(k) A[m,k,r]", "loop r is summed but not listed"),
        ("Y[m] += sum(k,r) A[m,k]", "names a loop that no input uses"),
        ("Y[m] += sum(k,k) A[m,k]", "names a loop twice"),
        ("Y[m] += A[m/2]", "'/' is not affine"),
    ],
)
def test_wrong_assignments_say_what_to_change(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_assignment(text)

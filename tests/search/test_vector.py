"""Vectors, spaces of them, and spaces side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.errors import InputError
from accelgen.search import Gene, Joint, Reader, Rejected, Space
from accelgen.search.spaces.array_genes import arranged

UNIT = st.floats(0, 1)


def reader(**values: float) -> Reader:
    return Reader(dict(values))


def test_a_pick_is_fair_and_total() -> None:
    picks = [reader(a=n / 300).pick("a", "xyz") for n in range(301)]
    assert [picks.count(letter) for letter in "xyz"] == [100, 100, 101]
    assert reader().pick("a", "x") == "x"


@given(UNIT, st.floats(0.1, 10), st.floats(1, 100))
def test_sizes_stay_between(x: float, low: float, factor: float) -> None:
    high = low * factor
    for value in (reader(a=x).between("a", low, high), reader(a=x).filling("a", low, high)):
        assert low * (1 - 1e-9) <= value <= high * (1 + 1e-9)
    assert reader(a=1.0).between("a", low, high) == pytest.approx(high)
    assert reader(a=0.5).filling("a", low, high) == pytest.approx(high)


@given(UNIT, UNIT, UNIT)
def test_shares_add_up(a: float, b: float, c: float) -> None:
    values = {"s.a": a, "s.b": b, "s.c": c}
    shares = Reader(values).shares("s", "abc")
    assert sum(shares.values()) == pytest.approx(1)
    assert max(shares.values()) / min(shares.values()) <= 64 * (1 + 1e-9)


def test_the_most_important_come_first() -> None:
    values = Reader({"s.a": 0.2, "s.b": 0.9, "s.c": 0.2})
    assert values.ranked("s", "abc") == ("b", "a", "c")


def test_arrangements_are_all_and_in_order() -> None:
    total = math.perm(4, 2)
    found = [arranged("abcd", 2, (n + 0.5) / total) for n in range(total)]
    assert found == sorted(found)
    assert len(set(found)) == total
    assert arranged("abcd", 2, 1.0) == ("d", "c")


def test_a_wrong_vector_is_said() -> None:
    genes = (Gene("a", "first"), Gene("b", "second"))
    with pytest.raises(InputError, match="1 numbers for 2 genes"):
        Reader.of(genes, (0.5,))
    with pytest.raises(InputError, match=r"b: 1\.5"):
        Reader.of(genes, (0.5, 1.5))


@dataclass(frozen=True)
class Halves:
    genes: tuple[Gene, ...] = (Gene("x", "a number"),)

    def decode(self, vector: Sequence[float]) -> float | Rejected:
        x = Reader.of(self.genes, vector).values["x"]
        return Rejected("too small") if x < 0.5 else x


def test_spaces_side_by_side() -> None:
    space: Space[float] = Halves()
    joint = Joint({"one": space, "two": Halves()})
    assert [gene.name for gene in joint.genes] == ["one.x", "two.x"]
    assert joint.decode((0.6, 0.7)) == {"one": 0.6, "two": 0.7}
    assert joint.decode((0.6, 0.2)) == Rejected("two: too small")
    with pytest.raises(InputError, match="3 numbers for 2 genes"):
        joint.decode((0.6, 0.7, 0.8))
    with pytest.raises(InputError, match="nothing to search"):
        Joint({})

"""Law 5 for memories: enough banks never collide, one fewer always does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise, product
from math import prod

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelgen.affine import Description
from accelgen.errors import InputError
from accelgen.fabric.access import AccessPattern
from accelgen.fabric.banks import bank, choose_moduli, collides
from accelgen.fabric.build import build_fabric
from tests.affine.strategies import descriptions
from tests.fabric.trace import accesses, affine, plus

Index = tuple[int, ...]


@st.composite
def patterns(draw: st.DrawFn) -> AccessPattern:
    """Accesses to a tensor of one to three dimensions, with gaps, of any slots."""
    rank = draw(st.integers(1, 3))
    extents = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
    strides: list[int] = []
    length = 1
    for extent in reversed(extents):
        strides.insert(0, length + draw(st.sampled_from((0, 0, 1, 3))))
        length = strides[0] * (extent - 1) + length
    index = st.tuples(*[st.integers(-3, 4)] * rank)
    slots = draw(st.lists(index, min_size=1, max_size=6, unique=True))
    steps = tuple(
        tuple(draw(st.lists(st.integers(-3, 3), min_size=len(extents), max_size=len(extents))))
        for _ in range(rank)
    )
    return AccessPattern(
        "T", extents, tuple(strides), draw(st.integers(-5, 5)), steps, draw(index), tuple(slots)
    )


def moduli_of(count: int, rank: int) -> Iterator[Index]:
    """Every way to write ``count`` as a product of ``rank`` factors."""
    if rank == 0:
        if count == 1:
            yield ()
        return
    for first in range(1, count + 1):
        if count % first == 0:
            yield from ((first, *rest) for rest in moduli_of(count // first, rank - 1))


def meet(a: Index, b: Index, moduli: Index) -> bool:
    return all((x - y) % m == 0 for x, y, m in zip(a, b, moduli, strict=True))


@given(patterns(), st.data())
@settings(max_examples=120)
def test_collisions(pattern: AccessPattern, data: st.DataObject) -> None:
    rank = len(pattern.origin)
    moduli = data.draw(st.tuples(*[st.integers(1, 5)] * rank))
    pairs = combinations(pattern.slots, 2)
    assert collides(pattern.slots, moduli) == any(meet(a, b, moduli) for a, b in pairs)


@given(patterns())
@settings(max_examples=120)
def test_fewer_banks_collide_whatever_their_shape(pattern: AccessPattern) -> None:
    rank = len(pattern.origin)
    moduli = choose_moduli(pattern)
    assert not any(meet(a, b, moduli) for a, b in combinations(pattern.slots, 2))
    for count in range(1, prod(moduli)):
        for fewer in moduli_of(count, rank):
            assert any(meet(a, b, fewer) for a, b in combinations(pattern.slots, 2))


@given(patterns())
@settings(max_examples=120)
def test_access_patterns(pattern: AccessPattern) -> None:
    pattern.check()
    seen = list(accesses(pattern))
    cycles = [cycle for cycle, _ in seen]
    assert cycles == sorted(set(cycles))
    assert pattern.last == cycles[-1]
    for (before, t), (after, u) in pairwise(seen):
        stepped = next(level for level in range(len(t)) if t[level] != u[level])
        assert after - before == pattern.gaps[stepped] + 1
    for dimension in range(len(pattern.origin)):
        values = [
            pattern.element(t, slot)[dimension]
            for _, t in seen
            for slot in range(len(pattern.slots))
        ]
        assert pattern.range(dimension) == (min(values), max(values))


def check_layout(pattern: AccessPattern, shape: Index, element_bits: int, bus_bits: int) -> None:
    banked = bank(pattern, shape, element_bits, bus_bits)
    banked.check()
    layout = banked.layout
    assert prod(layout.shape) == prod(shape)
    assert banked.extents == pattern.extents
    # Every element is at a place of its own, in the row-major order of the tensor.
    places = set()
    for d in product(*map(range, layout.shape)):
        memory = tuple(x % m for x, m in zip(d, layout.moduli, strict=True))
        address = sum(x // m * s for x, m, s in zip(d, layout.moduli, layout.strides, strict=True))
        assert 0 <= address < layout.depth
        places.add((memory, address))
    assert len(places) == layout.elements
    for _, t in accesses(pattern):
        base = affine(banked.steps, t, banked.origin)
        met = set()
        for slot in range(len(pattern.slots)):
            index = plus(base, banked.slots[slot])
            met.add(tuple(x % m for x, m in zip(index, layout.moduli, strict=True)))
            element = pattern.element(t, slot)
            if all(0 <= x < n for x, n in zip(element, shape, strict=True)):
                assert np.ravel_multi_index(index, layout.shape) == np.ravel_multi_index(
                    element, shape
                )
        assert len(met) == len(pattern.slots), "two slots meet in one memory"
        for v, m, rotates in zip(base, layout.moduli, banked.rotating, strict=True):
            assert rotates or v % m == 0


@given(patterns(), st.data())
@settings(max_examples=120)
def test_banks_keep_every_element_and_every_slot_apart(
    pattern: AccessPattern, data: st.DataObject
) -> None:
    # A tensor about as large as what is accessed, moved so that it begins at zero.
    rank = len(pattern.origin)
    ranges = [pattern.range(j) for j in range(rank)]
    moved = AccessPattern(
        pattern.tensor,
        pattern.extents,
        pattern.strides,
        pattern.start,
        pattern.steps,
        tuple(o - low for o, (low, _) in zip(pattern.origin, ranges, strict=True)),
        pattern.slots,
    )
    shape = tuple(max(1, high - low + 1 + data.draw(st.integers(-1, 1))) for low, high in ranges)
    assume(prod(shape) <= 3000)
    check_layout(moved, shape, *data.draw(st.sampled_from(((8, 64), (8, 16), (3, 16), (16, 16)))))


@given(descriptions())
@settings(max_examples=60)
def test_the_banks_of_random_dataflows(description: Description) -> None:
    fabric = build_fabric(description.lower(), 64)
    uses = [(plan.pattern, plan.tensor) for plan in fabric.inputs]
    for pattern, tensor in (*uses, (fabric.output.pattern, fabric.output.tensor)):
        assume(prod(pattern.extents) * len(pattern.slots) <= 4000)
        assume(prod(tensor.shape) <= 4000)
        check_layout(pattern, tensor.shape, tensor.format.bits, 64)


def test_an_element_wider_than_the_bus_is_refused() -> None:
    pattern = AccessPattern("A", (4,), (1,), 0, ((1,),), (0,), ((0,),))
    with pytest.raises(InputError, match="use a bus of at least 24 bits"):
        bank(pattern, (4,), 20, 16)

"""Exact allocation against every choice there is, and against the front that needs no solver."""

from __future__ import annotations

import math
import random
from itertools import pairwise, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelgen.bits import (
    Allocation,
    BitTable,
    LayerBits,
    LayerOptions,
    Option,
    cheapest,
    front,
    least_sensitive,
    verify,
)
from accelgen.errors import InfeasibleError, InputError
from accelgen.names import FrozenMap

PAIRS = tuple(LayerBits(f"int{w}", f"int{a}") for w in (8, 4, 2) for a in (8, 4, 2))

numbers = st.one_of(
    st.integers(0, 12).map(float), st.floats(0, 1e6, allow_nan=False), st.floats(0, 1e-6)
)


@st.composite
def tables(draw: st.DrawFn) -> BitTable:
    layers = []
    for i in range(draw(st.integers(1, 5))):
        bits = draw(st.lists(st.sampled_from(PAIRS), min_size=1, max_size=4, unique=True))
        options = tuple(Option(one, draw(numbers), draw(numbers)) for one in bits)
        layers.append(LayerOptions(f"layer{i}", options))
    return BitTable(tuple(layers))


def every(table: BitTable) -> list[tuple[float, float]]:
    """Cost and sensitivity of every choice."""
    return [
        (math.fsum(o.cost for o in row), math.fsum(o.sensitivity for o in row))
        for row in product(*(layer.options for layer in table.layers))
    ]


@settings(max_examples=60, deadline=None)
@given(tables(), st.floats(0, 1))
def test_no_choice_is_cheaper(table: BitTable, share: float) -> None:
    choices = every(table)
    lows = [lost for _, lost in choices]
    budget = min(lows) + share * (max(lows) - min(lows))
    assume(budget >= min(lows))
    found = cheapest(table, budget)
    verify(table, found, sensitivity=budget)
    best = min(cost for cost, lost in choices if lost <= budget)
    scale = max(cost for cost, _ in choices) or 1.0
    assert found.cost <= best + 1e-6 * scale


@settings(max_examples=60, deadline=None)
@given(tables(), st.floats(0, 1))
def test_no_choice_is_less_sensitive(table: BitTable, share: float) -> None:
    choices = every(table)
    costs = [cost for cost, _ in choices]
    budget = min(costs) + share * (max(costs) - min(costs))
    assume(budget >= min(costs))
    found = least_sensitive(table, budget)
    verify(table, found, cost=budget)
    best = min(lost for cost, lost in choices if cost <= budget)
    scale = max(lost for _, lost in choices) or 1.0
    assert found.sensitivity <= best + 1e-6 * scale


@settings(max_examples=60, deadline=None)
@given(tables())
def test_the_front_is_that_of_every_choice(table: BitTable) -> None:
    choices = every(table)
    found = [(one.cost, one.sensitivity) for one in front(table)]
    # Sums of a front are rounded in another order than here.
    slack = 1e-12 * (1 + max(max(pair) for pair in choices))
    for cost, lost in choices:
        assert any(c <= cost + slack and s <= lost + slack for c, s in found)
    for one, after in pairwise(found):
        assert one[0] <= after[0] + slack
        assert one[1] >= after[1] - slack


@pytest.mark.parametrize("seed", range(4))
def test_twelve_layers_of_nine_options(seed: int) -> None:
    """More choices (9 ** 12) than can be tried: the front has the optimum of every budget."""
    draw = random.Random(seed)
    layers = []
    for i in range(12):
        work, weak = draw.randint(1, 50), draw.random()
        options = []
        for bits in PAIRS:
            w, a = int(bits.weights[3:]), int(bits.activations[3:])
            options.append(Option(bits, work * w * a, round(weak * (2**-w + 2**-a), 4)))
        layers.append(LayerOptions(f"layer{i}", tuple(options)))
    table = BitTable(tuple(layers))
    whole = front(table)
    assert len(whole) > 50
    for share in (0.1, 0.35, 0.7):
        budget = whole[int(share * len(whole))]
        assert cheapest(table, budget.sensitivity).cost == pytest.approx(budget.cost, rel=1e-9)
        again = least_sensitive(table, budget.cost)
        assert again.sensitivity == pytest.approx(budget.sensitivity, rel=1e-9)


def two_layers() -> BitTable:
    wide, low = LayerBits("int8", "int8"), LayerBits("int4", "int4")
    return BitTable(
        (
            LayerOptions("a", (Option(wide, 10, 0), Option(low, 4, 3))),
            LayerOptions("b", (Option(wide, 20, 0), Option(low, 9, 5))),
        ),
        "energy in pJ",
    )


def test_by_hand() -> None:
    table = two_layers()
    found = cheapest(table, 5)
    assert (found.cost, found.sensitivity) == (19, 5)
    assert found.bits["b"] == LayerBits("int4", "int4")
    assert least_sensitive(table, 24).cost == 24
    assert least_sensitive(table, 23.99).bits["b"] == LayerBits("int4", "int4")


def test_a_budget_that_is_met_to_the_last_bit_only() -> None:
    """0.1 + 0.2 is more than 0.3: the solver's tolerance would take it."""
    wide, low = PAIRS[0], PAIRS[4]
    layers = (
        LayerOptions("a", (Option(wide, 5, 0), Option(low, 1, 0.1))),
        LayerOptions("b", (Option(wide, 5, 0), Option(low, 1, 0.2))),
    )
    found = cheapest(BitTable(layers), 0.3)
    assert found.cost == 6
    assert found.sensitivity <= 0.3
    assert cheapest(BitTable(layers), 0.1 + 0.2).cost == 2


def test_what_cannot_be() -> None:
    table = two_layers()
    with pytest.raises(InfeasibleError, match="13 is the least, beyond the budget of 12"):
        least_sensitive(table, 12)
    with pytest.raises(InputError, match="a budget of nan"):
        cheapest(table, math.nan)
    with pytest.raises(InputError, match="more than 2 allocations at b"):
        front(table, most=2)


def test_verify_finds_wrong_sums_and_budgets() -> None:
    table = two_layers()
    found = cheapest(table, 5)
    with pytest.raises(AssertionError, match="beyond the budget of 4"):
        verify(table, found, sensitivity=4)
    with pytest.raises(AssertionError, match="beyond the budget of 18"):
        verify(table, found, cost=18)
    with pytest.raises(AssertionError, match="the cost is not the sum"):
        verify(table, Allocation(found.bits, found.cost - 1, found.sensitivity))
    with pytest.raises(AssertionError, match="the sensitivity is not the sum"):
        verify(table, Allocation(found.bits, found.cost, 4))
    bits = FrozenMap({**found.bits, "a": LayerBits("int2", "int2")})
    with pytest.raises(InputError, match="int2 weights with int2 activations is not offered"):
        verify(table, Allocation(bits, 1, 1))

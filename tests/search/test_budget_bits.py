"""Bits by a budget: exact allocations, from sensitivities of images for training."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelgen.accuracy.measured import MeasuredDigits
from accelgen.accuracy.source import LayerBits
from accelgen.affine.yaml_text import Plain
from accelgen.bits import least_sensitive
from accelgen.digits.supernet import load_supernet
from accelgen.errors import InputError
from accelgen.realize.point import Point
from accelgen.search import make_search, run
from accelgen.search.spaces.bit_budget import BitBudget, BudgetSpace
from accelgen.search.subjects.digits_bits import allocated, bit_table, sensitivities

SPACE = load_supernet().space
OFFERED = BudgetSpace().reference


def budget(share: float) -> BitBudget:
    return BitBudget(share, OFFERED.weights, OFFERED.activations)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_allocations_are_those_of_the_integer_program(share: float) -> None:
    table = bit_table(SPACE.middle, OFFERED.offered)
    found = table.allocation(allocated(SPACE.middle, budget(share)))
    exact = least_sensitive(table, found.cost)
    assert found.sensitivity == pytest.approx(exact.sensitivity, rel=1e-6)


def test_more_budget_is_less_sensitive() -> None:
    table = bit_table(SPACE.middle, OFFERED.offered)
    found = [table.allocation(allocated(SPACE.middle, budget(k / 8))) for k in range(9)]
    assert [x.cost for x in found] == sorted(x.cost for x in found)
    assert [x.sensitivity for x in found] == sorted((x.sensitivity for x in found), reverse=True)
    least = sum(min(option.cost for option in layer.options) for layer in table.layers)
    assert found[0].cost == least
    assert found[-1].sensitivity == 0
    assert found[-1].bits == SPACE.uniform(SPACE.middle, 8)


def test_costs_are_words_of_composable_multipliers() -> None:
    table = bit_table(SPACE.largest, OFFERED.offered)
    stem = table.layers[0]
    # One input channel: a word holds one element, whatever its width.
    assert {option.cost for option in stem.options} == {8 * 5 * 5 * 8 * 8}
    layer = next(x for x in table.layers if x.name == "entry2")
    assert (
        layer.option(LayerBits("int4", "uint4")).cost * 4
        == layer.option(LayerBits("int8", "uint8")).cost
    )


def test_sensitivities_add_up_by_operand() -> None:
    found = sensitivities(OFFERED.offered)
    for layer in SPACE.layers(SPACE.largest):
        one = {bits: found[layer.name, bits] for bits in OFFERED.offered}
        assert one[LayerBits("int8", "uint8")] == 0
        assert one[LayerBits("int2", "uint8")] > one[LayerBits("int4", "uint8")] > 0
        both = one[LayerBits("int4", "uint8")] + one[LayerBits("int8", "uint4")]
        assert one[LayerBits("int4", "uint4")] == pytest.approx(both)


def test_allocations_are_more_accurate_than_uniform_bits() -> None:
    # At no more products of words than 4 bits everywhere.
    table = bit_table(SPACE.largest, OFFERED.offered)
    uniform = table.allocation(SPACE.uniform(SPACE.largest, 2))
    shares = (k / 64 for k in range(65))
    within = [
        bits
        for bits in (allocated(SPACE.largest, budget(share)) for share in shares)
        if table.allocation(bits).cost <= 1.5 * uniform.cost
    ]
    measured = MeasuredDigits()
    best = measured.accuracy(SPACE.largest, within[-1]).value
    assert best > measured.accuracy(SPACE.largest, uniform.bits).value


def test_a_search_with_a_budget(tmp_path: Path) -> None:
    values: dict[str, Plain] = {
        "name": "budget",
        "network": {"space": "digits"},
        "bits": {"by": "budget", "weights": ["int4", "int8"], "activations": ["uint4", "uint8"]},
        "hardware": {"units": 16, "sizes": [2, 4]},
        "evaluations": 8,
        "population": 4,
    }
    search = make_search(values)
    assert [x.name for x in search.space.genes if x.name.startswith("bits.")] == ["bits.budget"]
    result = run(search, tmp_path / "journal", jobs=1).result
    for step in result.steps:
        assert isinstance(step.design, Point)
        names = [layer.name for layer in SPACE.layers(step.design.architecture)]
        assert list(step.design.bits) == names
        assert {x.weights for x in step.design.bits.values()} <= {"int4", "int8"}
    with pytest.raises(InputError, match="unknown way to bits"):
        make_search({**values, "bits": {"by": "magic"}})

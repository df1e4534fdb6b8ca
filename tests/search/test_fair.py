"""Strategies are compared at the same budget, in published spaces too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accelgen.accuracy.user import UserAccuracy
from accelgen.errors import InputError
from accelgen.names import FrozenMap
from accelgen.search import Design, HardwareSpace, Search, SizingSpace, make_search, resources_of
from accelgen.search.comparison.compare import compare
from accelgen.search.comparison.strategies import STRATEGIES, strategies_of
from accelgen.search.space import Given, Joint
from accelgen.search.spaces.baseline import load_baseline
from accelgen.search.spaces.budget import Budget
from accelgen.search.spaces.networks import ArchitectureSpace
from accelgen.search.spaces.offered_bits import OfferedBits
from accelgen.search.subjects.elastic import ElasticDesign
from accelgen.search.vector import Rejected
from tests.search.test_elastic import quick

HARDWARE = {
    "space": "importance", "baseline": "nvdla_256", "set": {"technology": "sg13g2"},
    "budget": {"units": 64, "area_mm2": 8}, "macs": [["int8", "int4*int8"]],
}  # fmt: skip


def macro(**changes: Any) -> Search:  # noqa: ANN401 - any key's value
    values = {
        "name": "macro",
        "network": {"space": "nas_bench_macro", "image": 8},
        "accuracy": UserAccuracy(lambda architecture, bits: 0.9, "the same for all"),
        "bits": {"weights": ["int8", "int4"], "activations": ["int8"]},
        "hardware": HARDWARE,
        "evaluations": 9,
        "population": 4,
        **changes,
    }
    return make_search(values)


def hardware_of(search: Search) -> HardwareSpace:
    space = search.space.spaces["hardware"]
    assert isinstance(space, HardwareSpace)
    return space


def test_every_step_of_every_strategy_is_within_the_budget(tmp_path: Path) -> None:
    asked = macro()
    budget = hardware_of(asked).budget
    found = compare(asked, tmp_path, (0,), jobs=1, task=quick)
    assert tuple(found.runs) == STRATEGIES
    for runs in found.runs.values():
        assert runs[0].steps
        for step in runs[0].steps:
            assert isinstance(step.design, ElasticDesign)
            assert budget.excess(step.design.hardware.hardware) is None


@pytest.mark.parametrize("name", ["nvdla_256", "eyeriss", "gemmini", "shidiannao", "tpu_edge"])
@pytest.mark.parametrize("part", [1.0, 0.5, 0.25])
def test_the_largest_sizing_is_like_the_baseline(name: str, part: float) -> None:
    baseline = load_baseline(name)
    own = baseline.budget
    assert own.link_bytes is not None
    budget = Budget(int(own.units * part), own.on_chip_bytes, own.link_bytes, own.dram_bytes)
    found = SizingSpace(baseline, budget).largest
    assert isinstance(found, Design)
    used = resources_of(found.hardware)
    assert 0.85 * budget.units <= used.units <= budget.units
    assert used.on_chip_bytes <= budget.on_chip_bytes
    assert found.hardware.dataflows == baseline.hardware.dataflows
    for axis, size in baseline.hardware.array.items():
        grown = len(baseline.hardware.array)
        assert found.hardware.array[axis] == pytest.approx(size * part ** (1 / grown), rel=0.5)


def test_references_within_the_budget_are_the_baseline() -> None:
    space = hardware_of(macro(hardware={**HARDWARE, "budget": {}}))
    assert space.reference.hardware == space.baseline.hardware
    small = hardware_of(macro()).reference
    assert resources_of(small.hardware).units == 64


def test_a_baseline_without_a_size_that_fits() -> None:
    asked = macro(hardware={**HARDWARE, "budget": {"dram_bytes": 1}})
    with pytest.raises(InputError, match="no size of nvdla_256 is within it: dram_bytes"):
        strategies_of(asked)


def legal(space: Joint | Given) -> list[FrozenMap[str, Any]]:
    decoded = [space.decode(start) for start in space.starts]
    return [found for found in decoded if not isinstance(found, Rejected)]


def test_every_strategy_has_starts() -> None:
    asked = macro()
    assert isinstance(asked.space, Joint)
    spaces = asked.space.spaces
    whole = legal(asked.space)
    assert len(whole) == 6
    assert {name: len({repr(found[name]) for found in whole}) for name in spaces} == {
        "hardware": 1, "network": 3, "bits": 2,
    }  # fmt: skip
    # That of the references comes first.
    assert isinstance(spaces["network"], ArchitectureSpace)
    assert isinstance(spaces["bits"], OfferedBits)
    assert whole[0]["network"] == spaces["network"].reference
    assert whole[0]["bits"] == spaces["bits"].reference
    for name, count in (("network", 3), ("bits", 2), ("hardware", 1)):
        assert len(legal(Given({name: spaces[name]}, (FrozenMap(),)))) == count
    # Designs that were found before are all tried again.
    two = Given({"hardware": spaces["hardware"]}, (FrozenMap({"x": 1}), FrozenMap({"x": 2})))
    assert [found["x"] for found in legal(two)] == [1, 2]
    assert len(Joint({"hardware": spaces["hardware"]}).starts) == 1
    sizes = Given({"hardware": hardware_of(asked).sizing}, (FrozenMap(),))
    first, *others = [found["hardware"].hardware for found in legal(sizes)]
    assert first == hardware_of(asked).reference.hardware
    assert others
    assert all(other.units < first.units for other in others)

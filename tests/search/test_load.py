"""Searches from YAML."""

from __future__ import annotations

import pytest

from accelgen.errors import InputError
from accelgen.search import HardwareSpace, list_searches, load_search, parse_search

TEXT = """\
name: mine
networks: [mobilenet_v2]
hardware:
  baseline: nvdla_256
  budget: {units: 128, dram_bytes: 4}
  dimensions: [2, 3]
objectives: [latency, energy]
constraints: {power: 500}
evaluations: 50
"""


@pytest.mark.parametrize("name", list_searches())
def test_shipped_searches_load(name: str) -> None:
    search = load_search(name)
    assert search.name == name
    assert ("measured" if name == "digits" else "resources of") in search.subject.about


def test_a_search_as_text() -> None:
    search = parse_search(TEXT, seed=7)
    space = search.space.spaces["hardware"]
    assert isinstance(space, HardwareSpace)
    assert (space.budget.units, space.budget.dram_bytes) == (128, 4.0)
    # Everything else is that of the baseline.
    assert space.budget.on_chip_bytes == 131072
    assert space.array.dimensions == (2, 3)
    assert search.objectives == ("latency_ms", "energy_uj")
    assert (search.method, search.seed, search.evaluations) == ("nsga2", 7, 50)
    assert [str(x) for x in search.constraints] == ["power_mw <= 500"]
    # No loop of MobileNetV2 is a batch, or a depth.
    assert space.array.roles == ("g", "k", "c", "p", "q", "r", "s")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("networks: [mobilenet_v2]", "networks: [mobilnet]", "search:2: networks: unknown network"),
        ("networks: [mobilenet_v2]", "networks: []", "networks: none"),
        ("baseline: nvdla_256", "baseline: nvdla", "search:4: hardware: baseline: unknown hardw"),
        ("units: 128", "unit: 128", "search:5: hardware: budget: unit: unknown resource"),
        ("units: 128", "units: 0", "hardware: budget: budget: units: 0"),
        ("dimensions: [2, 3]", "dimensions: [4]", r"hardware: dimensions: \[4\]; use numbers from"),
        ("dimensions: [2, 3]", "macs: [int3]", "hardware: macs: unknown kind of unit"),
        ("dimensions: [2, 3]", "dram: [8]", "hardware: dram: 8 bytes per cycle; use more than 0"),
        ("dimensions: [2, 3]", "space: sizes", "hardware: space: unknown space of hardware"),
        ("dimensions: [2, 3]", "space: sizing\n  macs: [int8]", "sizing changes sizes alone"),
        ("dimensions: [2, 3]", "stationary: [sums]", "unknown tensor 'sums'"),
        ("dimensions: [2, 3]", "dimension: [2]", "hardware: dimension: unknown key"),
        ("evaluations: 50", "evaluations: 0", "search:9: evaluations: 0; use 1 to"),
        ("evaluations: 50", "optimiser: cma_es", "optimiser: cma_es minimises one objective"),
        ("evaluations: 50", "optimiser: anneal", "unknown optimiser"),
        (
            "evaluations: 50",
            "bits: {weights: [int4]}",
            "search:9: bits: is for searches of",
        ),
        ("evaluations: 50", "network: {space: digits}", "unknown key of a search with a net"),
        ("evaluations: 50", "minimise: area", "unknown objective of mappings"),
        ("evaluations: 50", "evaluation: 50", "unknown key 'evaluation'; did you mean 'evaluatio"),
        ("[latency, energy]", "[speed]", "unknown metric"),
        ("[latency, energy]", "[energy_typo_uj]", "search:7: objectives: unknown metric"),
        ("[latency, energy]", "[accuracy]", "search:7: objectives: unknown metric"),
        ("power: 500", "power: {most: 5}", "constraints: unknown limit"),
    ],
)
def test_what_is_wrong_is_said_where(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(InputError, match=message):
        parse_search(TEXT.replace(old, new))


def test_an_unknown_search() -> None:
    with pytest.raises(InputError, match="did you mean 'eyeriss_mobilenet_v2'"):
        load_search("eyeriss_mobilenet")

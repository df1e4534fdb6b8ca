"""Joint searches on digits: what they judge, and that a point of theirs is made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from accelgen.accuracy.measured import MeasuredDigits
from accelgen.errors import InputError
from accelgen.realize.point import Point, read_point
from accelgen.realize.program import compile_network, design_kernel, largest_bounds
from accelgen.search import Search, make_search, run


def search(**changes: Any) -> Search:  # noqa: ANN401 - any key's value
    values = {
        "name": "joint",
        "network": {"space": "digits"},
        "hardware": {"units": 16, "sizes": [2, 4]},
        "evaluations": 24,
        "population": 8,
        **changes,
    }
    return make_search(values)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"network": {"space": "ofa_resnet50"}, "hardware": {"space": "kernels"}}, "network"),
        ({"network": {"space": "ofa_resnet50"}}, "accuracy"),
        ({"accuracy": "guessed"}, "accuracy"),
        ({"bits": {"weights": []}}, "bits"),
        ({"bits": {"sums": ["int8"]}}, "bits"),
        ({"hardware": {"space": "importance"}}, "hardware"),
        ({"hardware": {"units": 2, "sizes": [4]}}, "hardware"),
        ({"minimise": "edp"}, "minimise"),
    ],
)
def test_what_is_not_searched_is_refused_by_its_key(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as caught:
        search(**changes)
    assert str(caught.value.where).startswith(where)
    assert caught.value.hint


def test_figures_are_measured_and_those_of_the_hardware(tmp_path: Path) -> None:
    result = run(search(), tmp_path / "out" / "journal", jobs=1).result
    result.write(tmp_path / "out")
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert "measured" in found["about"]
    for number in result.front[:2]:
        point, entry = read_point(tmp_path / "out", number)
        design = result.steps[number].design
        assert isinstance(design, Point)
        assert point == design
        assert entry["accuracy"] == MeasuredDigits().accuracy(point.architecture, point.bits).value
        network = point.network()
        model = design_kernel(point.kernel, largest_bounds([network], point.kernel))
        assert entry["cycles"] == compile_network(network, point.kernel, model).cycles
        assert (tmp_path / "out" / f"kernel_{number}.yaml").is_file()
    with pytest.raises(InputError, match="not on the front"):
        read_point(tmp_path / "out", 10_000)


def test_searches_of_hardware_have_no_point_to_realise(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"front": [{"point": 0}]}))
    with pytest.raises(InputError, match="has no kernel"):
        read_point(tmp_path, 0)

"""The picture of energies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from accelgen.errors import InputError
from accelgen.realize.activity import PARTS
from accelgen.realize.estimate import Estimate, LayerEstimate
from accelgen.realize.picture import draw_energies

ESTIMATE = Estimate(
    tuple(
        LayerEstimate(name, 100, dict.fromkeys(set(PARTS) - {"control"}, 10.0 * number))
        for number, name in enumerate(("stem", "entry2", "classify"), 1)
    ),
    5.0,
    0.1,
    1.0,
)


def drawn(path: Path, activity: Estimate) -> bytes:
    assert draw_energies(ESTIMATE, activity, path, "two parts") == path
    return path.read_bytes()


def test_the_picture_shows_both_energies(tmp_path: Path) -> None:
    layers = tuple(
        replace(layer, energy_pj={**layer.energy_pj, "control": 1.0}) for layer in ESTIMATE.layers
    )
    activity = replace(ESTIMATE, layers=layers)
    first = drawn(tmp_path / "a.svg", activity)
    assert first.startswith(b"<?xml")
    assert drawn(tmp_path / "b.svg", activity) == first
    more = replace(layers[1], energy_pj={**layers[1].energy_pj, "products": 50.0})
    other = replace(activity, layers=(layers[0], more, layers[2]))
    assert drawn(tmp_path / "c.svg", other) != first
    # What is estimated is the hatched one.
    draw_energies(activity, ESTIMATE, tmp_path / "d.svg", "two parts")
    assert (tmp_path / "d.svg").read_bytes() != first


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="txt"):
        draw_energies(ESTIMATE, ESTIMATE, tmp_path / "a.txt")
    assert not (tmp_path / "a.txt").exists()

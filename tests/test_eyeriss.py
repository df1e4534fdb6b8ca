"""AlexNet as it ran on Eyeriss, by the model and on the chip (JSSC 52(1), 2017, table V)."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelgen.hardware import load_hardware
from accelgen.mapper import best_mapping
from benchmarks.eyeriss import PARAMETERS, PUBLISHED, as_on_chip, problem_on, processing

EYERISS = load_hardware("eyeriss")


@pytest.mark.parametrize(
    ("layer", "error"), [("conv1", -1.1), ("conv2", -4.3), ("conv4", 3.1), ("conv5", 10.0)]
)
def test_as_measured(layer: str, error: float) -> None:
    found, chip = as_on_chip(EYERISS, layer), PUBLISHED[layer]
    assert found.active == chip.active
    assert found.buffer_mb == pytest.approx(chip.buffer_mb, rel=0.03)
    assert found.processing_error == pytest.approx(error, abs=0.5)
    assert found.processing_ms <= found.total_ms


def test_third_layer_has_the_traffic_of_the_parameters_of_the_fourth() -> None:
    chip = PUBLISHED["conv3"]
    alike, recalled = (as_on_chip(EYERISS, name) for name in PARAMETERS if name[:5] == "conv3")
    for found in (alike, recalled):
        assert found.active == chip.active
        assert found.processing_ms == pytest.approx(chip.processing_ms, rel=0.02)
    assert alike.buffer_mb == pytest.approx(chip.buffer_mb, rel=0.03)
    assert recalled.buffer_mb > 1.3 * chip.buffer_mb


def test_compute_cycles_are_those_of_the_passes_by_hand() -> None:
    """A pass of CONV4 or CONV5: for 4 images and 13 columns a PE makes 16 x 3 x 3 products and
    takes 16 sums of its neighbours; of 2 groups, 32 sixths of 192 channels, 6 or 4 times 32
    filters.
    """
    a_pass = 4 * 13 * (16 * 3 * 3 + 16)
    for layer, filters in (("conv4", 6), ("conv5", 4)):
        problem = problem_on(EYERISS, layer)
        pins = PARAMETERS[layer].pins(problem, EYERISS)
        found = best_mapping(problem, processing(EYERISS), "latency", pins)
        steady = found.cost.compute_cycles - found.cost.fill_cycles
        assert steady == 2 * 32 * filters * a_pass
        # 32 filters of 6 channels come at 4 words per cycle while the array stands, but for a step.
        stopped = 32 * 6 * 9 / 4 - (16 * 3 * 3 + 16)
        assert found.cost.cycles == pytest.approx(steady + 2 * 32 * filters * stopped, rel=0.001)


def test_sets_are_folded_and_stacked() -> None:
    unroll = {}
    for layer in ("conv1", "conv2", "conv4"):
        pins = PARAMETERS[layer].pins(problem_on(EYERISS, layer), EYERISS)
        assert pins.unroll is not None
        unroll[layer] = {axis: dict(loops) for axis, loops in pins.unroll.items()}
    assert unroll == {
        "conv1": {"y": {"r": 11}, "x": {"p": 7, "k": 2}},
        "conv2": {"y": {"r": 5, "p": 2}, "x": {"p": 14}},
        "conv4": {"y": {"r": 3, "c": 2, "k": 2}, "x": {"p": 13}},
    }


def test_the_page_shows_what_the_model_gives() -> None:
    page = (Path(__file__).parents[1] / "docs" / "eyeriss.md").read_text(encoding="utf-8")
    first = page.split("\n## ")[0].replace("*", "").splitlines()
    shown = [line for line in first if line.startswith("| CONV")]
    assert len(shown) == len(PARAMETERS)
    for name, line in zip(PARAMETERS, shown, strict=True):
        found, chip = as_on_chip(EYERISS, name), PUBLISHED[name[:5]]
        assert line.split("|")[1].lstrip().startswith(name[:5].upper())
        assert [cell.strip() for cell in line.split("|")[2:-1]] == [
            *(f"{found.processing_ms:.2f}", str(chip.processing_ms)),
            *(f"{found.processing_error:+.1f} %", str(found.active), str(chip.active)),
            *(f"{found.buffer_mb}", str(chip.buffer_mb), f"{found.buffer_error:+.1f} %"),
        ]

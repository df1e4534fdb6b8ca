"""Whole inferences on Verilog: small random sub-networks, of plain and composable multipliers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from accelgen.accuracy.source import LayerBits
from accelgen.digits.data import Digits, digits
from accelgen.digits.supernet import load_supernet
from accelgen.names import FrozenMap
from accelgen.quantised.run import image_codes, predictions
from accelgen.realize.kernel import Kernel
from accelgen.realize.point import Point
from accelgen.realize.realize import build, run_images
from accelgen.realize.run import NONE, run_program

pytestmark = pytest.mark.rtl


def point(multiplier: str, **architecture: int) -> Point:
    supernet = load_supernet()
    chosen = supernet.space.legal({**supernet.space.smallest, **architecture})
    layers = [layer.name for layer in supernet.space.layers(chosen)]
    formats = [LayerBits("int8", "uint8"), LayerBits("int4", "uint8"), LayerBits("int2", "uint4")]
    bits = {name: formats[n % 3] for n, name in enumerate(layers)}
    kernel = Kernel((("k", 4), ("q", 2)), ("k", "p", "q", "c", "r", "s"), (False, True), multiplier)
    return Point(kernel, chosen, FrozenMap(bits))


@pytest.mark.parametrize("multiplier", ["plain", "composable"])
def test_images_on_verilog_are_those_of_the_integer_network(
    tmp_path: Path, multiplier: str
) -> None:
    realised = build(point(multiplier, depth1=1), tmp_path / "design")
    some = digits("validation")
    few = Digits(some.images[:3], some.labels[:3])
    found, figures = run_images(realised, few)
    assert found.faults == ()
    network = realised.program.network
    assert np.array_equal(found.predictions, predictions(network, image_codes(network, few.images)))
    assert all(layer.equal for layer in found.layers)
    assert found.cycles == realised.program.cycles == realised.estimate.cycles
    assert figures["same_predictions"] == 3
    assert len(found.layers) == len(network.layers)
    assert found.toggles is not None
    taken = figures["activity"]
    assert isinstance(taken, dict)
    assert [one["name"] for one in taken["layers"]] == [one.name for one in found.layers]
    assert (tmp_path / "design" / "energy.svg").exists()
    assert json.loads((tmp_path / "design" / "realised.json").read_text()) == figures


@pytest.mark.parametrize(
    ("multiplier", "formats"),
    [
        ("nvfp4", ("nvfp4", "nvfp4_4over6")),
        pytest.param("if4", ("if4",), marks=pytest.mark.slow),
        pytest.param("mxfp4", ("mxfp4",), marks=pytest.mark.slow),
    ],
)
def test_block_weights_on_verilog_are_those_of_the_integer_network(
    tmp_path: Path, multiplier: str, formats: tuple[str, ...]
) -> None:
    plain = point("plain", depth1=1)
    bits = {
        name: LayerBits(formats[n % len(formats)], ("uint8", "uint4")[n % 2])
        for n, name in enumerate(plain.bits)
    }
    kernel = replace(plain.kernel, multiplier=multiplier, bus_bits=256)
    realised = build(Point(kernel, plain.architecture, FrozenMap(bits)), tmp_path / "design")
    some = digits("validation")
    found, figures = run_images(realised, Digits(some.images[:2], some.labels[:2]))
    assert found.faults == ()
    assert figures["same_predictions"] == 2
    assert found.cycles == realised.program.cycles == realised.estimate.cycles
    with np.load(tmp_path / "design" / "program.npz") as stored:
        assert stored["stem.scales"].shape == (4, 1, 3, 3)
        assert stored["stem.weights"].shape == (4, 1, 3, 3, kernel.lanes)


def test_a_wrong_weight_is_found(tmp_path: Path) -> None:
    realised = build(point("plain"), tmp_path / "design")
    first, *rest = realised.program.steps
    wrong = replace(first, weights=-first.weights)
    program = replace(realised.program, steps=(wrong, *rest))
    network = program.network
    codes = image_codes(network, digits("validation").images[:1])
    found = run_program(program, tmp_path / "design" / "realised.v", codes)
    assert any("two models differ" in fault for fault in found.faults)
    assert found.toggles is None


@pytest.mark.parametrize(
    ("old", "new", "layers"),
    [
        # Answers alone can be below zero: theirs are turned round.
        (r"y <= (_\w+);", r"y <= low[16] ? ~\1 : \1;", 1),
        # All layers.
        (r"\$signed\(sum\) \+ \$signed\(bias\)", r"$signed(sum) - $signed(bias)", 2),
    ],
)
def test_predictions_are_those_of_the_verilog(
    tmp_path: Path, old: str, new: str, layers: int
) -> None:
    realised = build(point("plain", depth1=1), tmp_path / "design")
    verilog = tmp_path / "design" / "realised.v"
    before, begin, rest = verilog.read_text().partition("module realised_requantise(")
    unit, end, after = rest.partition("endmodule")
    altered, count = re.subn(old, new, unit)
    assert count == 1
    verilog.write_text(before + begin + altered + end + after)
    some = digits("validation")
    # Of a run before, when nothing was wrong.
    (tmp_path / "design" / "energy.svg").write_text("old")
    found, figures = run_images(realised, Digits(some.images[:3], some.labels[:3]))
    assert figures["activity"] is None
    assert not (tmp_path / "design" / "energy.svg").exists()
    wrong = {fault.split(": ")[1] for fault in found.faults if fault.startswith("image 0: ")}
    assert "classify" in wrong
    assert (len(wrong) == 1) == (layers == 1)
    right, of_integers = int(str(figures["right"])), int(str(figures["right_in_integers"]))
    assert right < of_integers
    assert int(str(figures["same_predictions"])) < 3
    if layers > 1:
        # What came of a layer is not what the next was given: nothing is known of the answer.
        assert found.predictions.tolist() == [NONE] * 3
    else:
        assert NONE not in found.predictions

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import cast

import matplotlib
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from accelgen.affine import load_description
from accelgen.content import content_path
from accelgen.errors import InputError
from accelgen.fabric.build import build_fabric
from accelgen.pipeline import Design, design
from accelgen.show import What, draw
from accelgen.show.array import ArrayPanel
from accelgen.show.plane import Plane
from accelgen.show.scene import make_scene
from accelgen.show.style import COLOURS, text_width, wrap


@pytest.fixture(scope="module")
def gemm() -> Design:
    description = load_description(content_path("dataflows", "gemm_os_systolic"))
    return design(
        description.with_overrides(space={"i": 3, "j": 2}, bounds={"m": 5, "n": 4, "k": 4})
    )


@pytest.mark.parametrize(
    ("what", "suffix"),
    [
        ("both", ".svg"),
        ("both", ".png"),
        *(
            pytest.param(what, suffix, marks=pytest.mark.slow)
            for what in ("array", "spacetime")
            for suffix in (".svg", ".png")
        ),
    ],
)
def test_the_same_design_gives_the_same_bytes(
    gemm: Design, tmp_path: Path, what: What, suffix: str
) -> None:
    first = draw(gemm, tmp_path / f"a{suffix}", what=what)
    with matplotlib.rc_context({"font.size": 20.0, "svg.hashsalt": "other", "axes.grid": True}):
        second = draw(gemm, tmp_path / "deeper" / f"b{suffix}", what=what)
    assert first == tmp_path / f"a{suffix}"
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a{suffix}", "deeper"]


def test_the_parts_differ_and_both_is_the_largest(gemm: Design, tmp_path: Path) -> None:
    heights = {}
    parts: tuple[What, ...] = ("array", "spacetime", "both")
    for what in parts:
        path = draw(gemm, tmp_path / f"{what}.svg", what=what)
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        heights[what] = float(root.attrib["height"].removesuffix("pt"))
        assert "<dc:date>" not in path.read_text(encoding="utf-8")
    assert heights["both"] > max(heights["array"], heights["spacetime"])
    assert len(set(heights.values())) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("picture.pdf", r"a picture is \.svg or \.png, not \.pdf; name it picture\.svg or"),
        ("picture", r"not without suffix; name it picture\.svg or picture\.png"),
    ],
)
def test_other_suffixes_are_refused(gemm: Design, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw(gemm, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_unknown_parts_are_refused(gemm: Design, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="use array, spacetime or both"):
        draw(gemm, tmp_path / "a.svg", what=cast(What, "everything"))


def test_places_that_cannot_be_written_are_refused(gemm: Design, tmp_path: Path) -> None:
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        draw(gemm, tmp_path / "folder.svg")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match="cannot be written"):
        draw(gemm, tmp_path / "file" / "a.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.svg"]


def strokes(name: str, tensor: int, space: dict[str, int]) -> Counter[str]:
    """How many strokes of each colour one panel has."""
    description = load_description(content_path("dataflows", name)).with_overrides(space=space)
    scene = make_scene(build_fabric(description.lower()))
    axes = Figure().add_subplot()
    ArrayPanel(axes, Plane.of(scene), scene, scene.panels[tensor]).draw()
    drawn = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    return Counter(to_hex(patch.get_edgecolor()) for patch in drawn)


def test_every_link_of_a_small_array_is_drawn() -> None:
    assert strokes("gemm_os_systolic", 0, {"i": 3, "j": 4}) == {
        COLOURS["port"]: 3,
        COLOURS["hop"]: 9,
    }
    assert strokes("conv2d_os_shidiannao", 0, {"i": 4, "j": 4}) == {
        COLOURS["port"]: 1,
        COLOURS["fallback"]: 15,
        COLOURS["hop"]: 12,
        COLOURS["fifo"]: 3,
    }
    # Each row has a port of its own, and a wire from one unit to the other.
    assert strokes("gemm_outer_product", 0, {"i": 2, "j": 2}) == {
        COLOURS["port"]: 2,
        COLOURS["wire"]: 2,
    }


def test_large_arrays_are_drawn_in_excerpts() -> None:
    # Of 64 rows and columns six each, and one line into each ellipsis and out of it.
    drawn = strokes("gemm_os_systolic", 0, {"i": 64, "j": 64})
    assert drawn == {COLOURS["port"]: 6, COLOURS["hop"]: 6 * 6}


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("gemm_3d", {"i": 2, "j": 3, "l": 7}),
        ("gemm_k_tree", {"j": 3, "l": 5}),
        pytest.param("gemm_ws_broadcast", {"i": 9, "j": 2}, marks=pytest.mark.slow),
        pytest.param("conv2d_dilated", {"i": 2, "j": 4}, marks=pytest.mark.slow),
        ("conv2d_rs_eyeriss", {"i": 3, "j": 4}),
        ("fir", {"i": 20}),
        pytest.param("fir", {"i": 1}, marks=pytest.mark.slow),
        pytest.param("mttkrp", {"u": 2, "v": 2}, marks=pytest.mark.slow),
    ],
)
def test_every_shape_is_drawn(tmp_path: Path, name: str, space: dict[str, int]) -> None:
    description = load_description(content_path("dataflows", name)).with_overrides(space=space)
    path = draw(design(description), tmp_path / "a.svg")
    assert ET.fromstring(path.read_text(encoding="utf-8")).tag.endswith("svg")


def test_text_is_wrapped_at_its_measured_width() -> None:
    one = text_width("wires and ports", 7)
    assert text_width("wires and ports", 14) == pytest.approx(2 * one, rel=0.02)
    parts = ["wires", "ports", "hops"]
    assert wrap(parts, " · ", 10, 7) == ["wires · ports · hops"]
    assert wrap(parts, " · ", 0.1, 7) == parts

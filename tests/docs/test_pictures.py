"""README's picture is the one that ``docs/pictures/make.py`` draws now."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from accelgen.pipeline import design
from tests.docs.blocks import ROOT

SCRIPT = runpy.run_path(str(ROOT / "docs" / "pictures" / "make.py"))


def content(picture: Path) -> tuple[list[str], int]:
    """The texts of an SVG, and its number of shapes: the same whatever fonts drew it."""
    text = picture.read_text(encoding="utf-8")
    return re.findall(r"<!-- (.*?) -->", text), len(re.findall(r"<(?:path|use) ", text))


def test_the_picture_is_up_to_date(tmp_path: Path) -> None:
    made = design(SCRIPT["example"]())
    cycles = made.cycles.compute_cycles, made.cycles.total_cycles
    SCRIPT["draw_overview"](made, cycles, tmp_path / "gemm.svg")
    texts, shapes = content(tmp_path / "gemm.svg")
    assert content(SCRIPT["PICTURE"]) == (texts, shapes)
    assert texts.count(str(made.cycles.compute_cycles)) == 2
    assert "compute_cycles" in texts

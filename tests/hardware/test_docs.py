"""docs/hardware.md: its example is hardware, its tables have every key and every shipped file."""

from __future__ import annotations

import re
from pathlib import Path

from accelgen.affine.roles import LOOP_ROLES, ROLES
from accelgen.hardware import list_hardware, load, parse_hardware

PAGE = (Path(__file__).parents[2] / "docs" / "hardware.md").read_text(encoding="utf-8")


def section(title: str) -> set[str]:
    """The words in backquotes in first columns of a section's table."""
    text = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    return {word for row in rows for word in re.findall(r"`(\w+)`", row)}


def test_the_example_is_hardware() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    hardware = parse_hardware(example)
    assert len(hardware.dataflows) == 2
    assert hardware.area_mm2 is None  # Horowitz has no area of a unit


def test_every_key_is_explained_and_no_other() -> None:
    assert section("Keys of hardware") == set(load.HARDWARE_KEYS)
    assert section("Keys of a memory") == set(load.MEMORY_KEYS)
    assert section("Keys of a level") | set(load.MEMORY_KEYS) == set(load.LEVEL_KEYS)
    assert section("Keys of a dataflow") == set(load.DATAFLOW_KEYS)
    assert section("Roles") == set(LOOP_ROLES)
    assert all(f"`{role}`" in PAGE for role in ROLES)


def test_every_shipped_file_is_listed() -> None:
    assert section("Shipped") == set(list_hardware())

"""The README's table of shipped dataflows says what the model and the simulation say."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest

from tests.docs.blocks import ROOT


def shipped() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shipped", ROOT / "docs" / "shipped.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows() -> dict[str, str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return {match[1]: match[0] for match in re.finditer(r"^\| \[`(\w+)`\].*$", text, re.MULTILINE)}


def test_the_table_has_every_shipped_dataflow() -> None:
    assert list(rows()) == shipped().names()


@pytest.mark.parametrize("name", shipped().names())
def test_the_table_has_the_predicted_cycles(name: str) -> None:
    # Both columns are equal in the table; that they are in simulation is tested elsewhere.
    assert rows()[name] == shipped().row(name)


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("name", shipped().names())
def test_the_table_has_the_measured_cycles(name: str) -> None:
    table = shipped()
    assert rows()[name] == table.row(name, table.simulate(name))

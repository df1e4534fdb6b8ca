"""The page of costs has the figures that were measured."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from tests.docs.blocks import ROOT


def costs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mac_costs", ROOT / "docs" / "mac_costs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_results() -> None:
    module = costs()
    found = module.results()
    page = (ROOT / "docs" / "mac-costs.md").read_text(encoding="utf-8")
    for table in (module.one_stage(found), module.pipelined(found)):
        assert len(table) > 4
        assert "\n".join(table) in page


def test_if4_is_compared_with_what_was_measured() -> None:
    page = (ROOT / "docs" / "mac-costs.md").read_text(encoding="utf-8")
    marks = {mark["name"]: mark["measured"] for mark in costs().results()["marks"]}
    for library, title in (("sg13g2", "SG13G2"), ("asap7", "ASAP7")):
        percent = [marks[f"{library}: {what} of if4 over nvfp4"] for what in ("area", "delay")]
        assert f"| here, {title} | {percent[0]:+.1f} % | {percent[1]:+.1f} % |" in page

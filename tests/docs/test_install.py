"""``pip install .`` is enough: what it installs has everything with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from accelgen.content import list_content
from tests.docs.blocks import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package alone, installed from a wheel; its dependencies are those of this Python."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--target", str(folder), str(ROOT)],
        check=True,
    )  # fmt: skip
    return folder


def run(installed: Path, folder: Path, *words: str) -> str:
    """What Python prints when it finds the installed package first."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(installed)}, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_descriptions_technologies_and_benches_are_in_the_package(installed: Path) -> None:
    content = installed / "accelgen" / "_content"
    for kind in ("dataflows", "mapping", "sim"):
        for file in list_content(kind):
            assert (content / kind / file).read_bytes() == (ROOT / kind / file).read_bytes()


def test_the_parts_of_c_drivers_are_in_the_package(installed: Path) -> None:
    parts = sorted((ROOT / "accelgen" / "processor").glob("*.c"))
    assert parts
    for part in parts:
        copy = installed / part.relative_to(ROOT)
        assert copy.read_bytes() == part.read_bytes()


@pytest.mark.rtl
def test_commands_use_the_installed_package(installed: Path, tmp_path: Path) -> None:
    code = "import accelgen; print(accelgen.__file__)"
    assert Path(run(installed, tmp_path, "-c", code)).is_relative_to(installed)
    listed = run(installed, tmp_path, "-m", "accelgen", "list", "--json")
    assert listed.count('"name"') == len(list_content("dataflows"))
    small = ["--bounds", "m=3,k=4", "--space", "i=2,j=2", "-o", "out"]
    run(installed, tmp_path, "-m", "accelgen", "generate", "matvec", *small)
    assert "PASS" in run(installed, tmp_path, "-m", "accelgen", "verify", "out")

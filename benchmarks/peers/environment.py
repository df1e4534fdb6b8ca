"""Virtual environments of the peers, one each, and questions to scripts that run in them."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.record import progress

__all__ = ["add_option", "ask", "environment"]

_HERE = Path(__file__).resolve().parent
_THREADS = (
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)


def add_option(parser: argparse.ArgumentParser, peer: str) -> None:
    """The option ``--venv``, by default ``.peers/PEER`` below the checkout."""
    parser.add_argument(
        "--venv",
        type=Path,
        default=_HERE.parents[1] / ".peers" / peer,
        help="virtual environment of the peer, made when it does not exist",
    )


def environment(peer: str, folder: Path) -> Path:
    """The Python of ``folder``, where everything in ``PEER.txt`` is installed (once)."""
    python = folder / "bin" / "python"
    pins = _HERE / f"{peer}.txt"
    stamp = folder / "pins.txt"
    if stamp.exists() and stamp.read_bytes() == pins.read_bytes():
        return python
    progress(f"installing {pins.name} in {folder}")
    if not python.exists():
        venv.create(folder, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(pins)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    stamp.write_bytes(pins.read_bytes())
    return python


def ask(python: Path, script: str, question: Mapping[str, object]) -> tuple[Any, float]:
    """The answer of a script of this folder, JSON on its stdin and stdout, and its CPU seconds.

    It runs on one thread, with whatever else it prints on stderr.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [python, _HERE / script],
        input=json.dumps(question),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **dict.fromkeys(_THREADS, "1")},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), seconds

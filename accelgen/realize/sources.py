"""The code that kernels, their cycles and their estimates come from."""

from __future__ import annotations

from pathlib import Path

from accelgen.cache import digest

__all__ = ["SOURCES"]

_PACKAGE = Path(__file__).parent.parent
_PARTS = (
    "affine", "cycles", "emit", "energy", "fabric", "formats", "netlist", "passes", "pipeline",
    "processor", "quantised", "realize", "reuse", "rtl",
)  # fmt: skip

SOURCES = digest(
    path.read_bytes()
    for part in _PARTS
    for path in sorted((*_PACKAGE.glob(f"{part}.py"), *_PACKAGE.glob(f"{part}/**/*.py")))
)
"""Changes with every change of what a point of a joint search takes."""

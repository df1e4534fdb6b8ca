"""The reference designs beside this file: write them again, or check that they are up to date.

``python rtl_out/regenerate.py`` writes them; with ``--check`` it writes nothing and exits with 1,
naming the files, when one would change.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from accelgen.affine import Description, load_description
from accelgen.pipeline import generate

HERE = Path(__file__).parent


def references() -> dict[str, Description]:
    """Small designs that together use links, chains, trees, guards and accumulating memory."""
    return {
        "reference_gemm_os": load_description("gemm_os_systolic").with_overrides(
            bounds={"m": 8, "n": 8, "k": 8}, space={"i": 4, "j": 4}
        ),
        "reference_gemm_ws": load_description("gemm_ws_systolic").with_overrides(
            bounds={"m": 6, "n": 5, "k": 7}, space={"i": 3, "j": 2}, types={"B": "int4"}
        ),
        "reference_conv_rs": load_description("conv2d_rs_eyeriss").with_overrides(
            bounds={"k": 2, "c": 2, "p": 4, "q": 4, "r": 3, "s": 3}, space={"i": 3, "j": 2}
        ),
    }


Files = dict[str, dict[str, bytes]]
"""Per design the bytes of its files."""


def generated() -> Files:
    """What accelgen generates now."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, description in references().items():
            generate(description, Path(scratch) / name)
        return read(Path(scratch))


def outdated(folder: Path, fresh: Files) -> list[str]:
    """The files below ``folder`` that are not what was generated."""
    kept = read(folder)
    return [
        f"{name}/{file}"
        for name, files in fresh.items()
        for file in sorted(files.keys() | kept[name].keys())
        if files.get(file) != kept[name].get(file)
    ]


def read(folder: Path) -> Files:
    """The reference designs below ``folder``."""
    return {
        name: {path.name: path.read_bytes() for path in (folder / name).glob("*")}
        for name in references()
    }


def main() -> int:
    """Write or check; the exit code."""
    parser = argparse.ArgumentParser(description="Write the reference designs again.")
    parser.add_argument("--check", action="store_true", help="write nothing, name what differs")
    if parser.parse_args().check:
        changed = outdated(HERE, generated())
        for file in changed:
            print(f"rtl_out/{file} is not what accelgen generates now", file=sys.stderr)
        return 1 if changed else 0
    for name, description in references().items():
        generate(description, HERE / name)
        print(HERE.name + "/" + name)
    return 0


if __name__ == "__main__":
    sys.exit(main())

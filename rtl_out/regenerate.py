"""The reference designs beside this file: write them again, or check that they are up to date.

``python rtl_out/regenerate.py`` writes them; with ``--check`` it writes nothing and exits with 1,
naming the files, when one would change.
"""

from __future__ import annotations

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


def outdated(folder: Path) -> list[str]:
    """The files below ``folder`` that generating the reference designs now would change."""
    changed = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, description in references().items():
            generate(description, Path(scratch) / name)
            fresh = {path.name: path.read_bytes() for path in (Path(scratch) / name).iterdir()}
            kept = {path.name: path.read_bytes() for path in (folder / name).glob("*")}
            changed += [
                f"{name}/{file}"
                for file in sorted(fresh.keys() | kept.keys())
                if fresh.get(file) != kept.get(file)
            ]
    return changed


def main(arguments: list[str]) -> int:
    """Write or check; the exit code."""
    if arguments == ["--check"]:
        changed = outdated(HERE)
        for file in changed:
            print(f"rtl_out/{file} is not what accelgen generates now", file=sys.stderr)
        return 1 if changed else 0
    for name, description in references().items():
        generate(description, HERE / name)
        print(HERE.name + "/" + name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

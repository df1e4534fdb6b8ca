"""What the passes count is what synthesis finds: flip-flops of the array, and their enables."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import pytest

from accelgen.emit import to_verilog
from accelgen.passes.order import last_pipeline
from accelgen.pipeline import Design, design
from tests.shipped import sized

pytestmark = pytest.mark.rtl

SCRIPT = """
import sys
from pyosys import libyosys
made = libyosys.Design()
for line in sys.stdin.read().splitlines():
    libyosys.run_pass(line, made)
"""


def flip_flops(made: Design, folder: Path, *more: str) -> Counter[str]:
    """Cells of the flattened array, by kind."""
    name = made.description.name
    (folder / f"{name}.v").write_text(to_verilog(made), encoding="utf-8")
    lines = [
        f"read_verilog {name}.v", f"hierarchy -top {name}_array", "proc", "flatten",
        "opt -full", "simplemap", "opt_clean", *more, "tee -o cells.txt stat",
    ]  # fmt: skip
    subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input="\n".join(lines), text=True, cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    text = (folder / "cells.txt").read_text()
    return Counter({kind: int(n) for n, kind in re.findall(r"(\d+)\s+(\S*(?:DFF|icg)\S*)", text)})


def registers(made: Design) -> tuple[int, int]:
    """Register bits of the array, and how many of them have an enable, as the passes count."""
    figures = made.passes[-1].after
    assert figures.gated_bits is not None
    nodes = made.pipeline.netlist.nodes
    outside = sum(
        count * nodes[edge.source].format.bits
        for n, node in enumerate(nodes)
        for edge, count in zip(node.inputs, made.pipeline.registers[n], strict=True)
        if node.kind == "write" and edge.port != "data"
    )
    held = sum(node.format.bits for node in nodes if node.kind == "hold")
    return figures.register_bits - outside, figures.gated_bits + held


@pytest.mark.parametrize("name", ["matvec", "gemm_ws_systolic", "fir"])
@pytest.mark.parametrize("without", [(), ("gating",), ("gating", "broadcast")])
def test_synthesis_finds_the_registers(name: str, without: Collection[str], tmp_path: Path) -> None:
    made = design(sized(name, 0), without=without)
    found = flip_flops(made, tmp_path)
    bits, enabled = registers(made)
    # Registers towards the memory are not shared with those within units, and synthesis merges
    # conditions that are the same by two ways: a few bits, either way.
    assert abs(found.total() - bits) <= 2
    assert abs(sum(n for kind, n in found.items() if "DFFE" in kind) - enabled) <= 2
    assert last_pipeline(made.stages) is made.pipeline


def test_lines_that_are_not_shared_are_kept_apart(tmp_path: Path) -> None:
    """Synthesis does not merge them again."""
    shared, apart = design("fir"), design("fir", without=["shared_fanout"])
    more = (
        flip_flops(apart, tmp_path).total()
        - flip_flops(design("fir", without=["gating"]), tmp_path).total()
    )
    assert more == apart.pipeline.bits - shared.pipeline.bits > 0


def test_enables_become_gated_clocks(tmp_path: Path) -> None:
    """With Yosys' pass, every register that has an enable is behind a clock gate."""
    made = design(sized("matvec", 0))
    found = flip_flops(made, tmp_path, "clockgate -pos icg ce:clk:gclk")
    assert sum(n for kind, n in found.items() if "icg" in kind) > 0
    assert not any("DFFE" in kind for kind in found)

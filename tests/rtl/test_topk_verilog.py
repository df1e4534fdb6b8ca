"""The Verilog of the top-k selectors passes lint and Yosys' structural check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from accelgen.attention.accelerator.datapath.topk import SelectorShape
from accelgen.content import content_path
from accelgen.cosim.toolchain import find_toolchain
from accelgen.rtl.attention.insertion import InsertionSelector
from accelgen.rtl.attention.radix import RadixSelector
from accelgen.rtl.library import UnitLibrary

_CHECK = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.argv[1:]:
    libyosys.run_pass(line, design)
"""


@pytest.mark.parametrize(
    "shape",
    [
        SelectorShape(1024, 16),
        SelectorShape(50, 3, 8, 4),
        SelectorShape(20, 1, 5),
        SelectorShape(1024, 64, 16, 16),
        SelectorShape(70, 33, 10, 1),
        SelectorShape(40, 20, 4, 8),
    ],
    ids=lambda s: f"{s.max_k}of{s.max_scores}_{s.score_bits}b_{s.width_in}",
)
def test_verilog_is_clean(shape: SelectorShape, tmp_path: Path) -> None:
    top = "selector"
    library = UnitLibrary(prefix=top)
    few = shape.kind == "insertion"
    library.add(InsertionSelector(shape) if few else RadixSelector(shape, library), "")
    text = library.verilog()
    assert "initial" not in text
    source = tmp_path / "selector.v"
    source.write_text(text, encoding="utf-8")
    tools = find_toolchain()
    command = [str(tools.verilator), "--lint-only", "-Wall", "--no-timing", "--top-module", top,
               str(content_path("sim", "lint.vlt")), str(source)]  # fmt: skip
    done = subprocess.run(
        command, env=tools.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    passes = [f"read_verilog {source}", f"hierarchy -check -top {top}", "proc", "check -assert"]
    subprocess.run([sys.executable, "-c", _CHECK, *passes], capture_output=True, check=True)

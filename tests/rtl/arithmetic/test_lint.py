"""The Verilog of every unit passes lint and Yosys' structural check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from accelgen.content import content_path
from accelgen.cosim.toolchain import find_toolchain
from accelgen.formats import block_format as form
from accelgen.formats.floating import BF16
from accelgen.formats.integer import IntFormat
from accelgen.golden import element_of
from accelgen.rtl.arithmetic import (
    Bf16MultiplyAccumulate,
    BitSerialDot,
    BlockDot,
    ComposableMac,
    ElementDot,
    FixedToFloat,
    Fp32Adder,
    IntegerDot,
    MultiFormatDot,
    MultiFormatProduct,
    MultiFormatScale,
    MultiplyAccumulate,
    ScaleProduct,
)
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.library import UnitLibrary

IF4 = element_of(form("if4"))  # type: ignore[arg-type]
UNITS = {
    "adder": Fp32Adder(3),
    "to_float": FixedToFloat(48, 20, BF16, 2),
    "mac": MultiplyAccumulate(IntFormat(8), IntFormat(8), IntFormat(32), 1),
    "composable": ComposableMac(32, 2),
    "serial": BitSerialDot(8, 8, 32, 1),
    "products": ElementDot(IF4, IF4, 16),
    "scales": ScaleProduct((7, 6), (1, 1)),
    "block": BlockDot(form("if4"), form("nvfp4")),
    "multi_format": MultiFormatDot(),
    "multi_format_product": MultiFormatProduct(),
    "multi_format_scale": MultiFormatScale(),
    "integer_dot": IntegerDot(IntFormat(8), IntFormat(8)),
    "bf16": Bf16MultiplyAccumulate(),
}

_CHECK = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.argv[1:]:
    libyosys.run_pass(line, design)
"""


@pytest.mark.parametrize("name", UNITS)
def test_verilog_is_clean(name: str, tmp_path: Path) -> None:
    unit: ArithmeticUnit = UNITS[name]
    top = f"unit_{name}"
    library = UnitLibrary(prefix=top)
    library.add(unit, "")
    source = tmp_path / "unit.v"
    source.write_text(library.verilog(), encoding="utf-8")
    tools = find_toolchain()
    command = [str(tools.verilator), "--lint-only", "-Wall", "--no-timing", "--top-module", top,
               str(content_path("sim", "lint.vlt")), str(source)]  # fmt: skip
    done = subprocess.run(
        command, env=tools.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    passes = [f"read_verilog {source}", f"hierarchy -check -top {top}", "proc", "check -assert"]
    subprocess.run([sys.executable, "-c", _CHECK, *passes], capture_output=True, check=True)


def test_latencies() -> None:
    latencies = {name: unit.latency for name, unit in UNITS.items()}
    assert latencies == {
        "adder": 3,
        "to_float": 2,
        "mac": 2,
        "composable": 3,
        "serial": 2,
        "products": 0,
        "scales": 0,
        "block": 5,
        "multi_format": 5,
        "multi_format_product": 0,
        "multi_format_scale": 0,
        "integer_dot": 1,
        "bf16": 1,
    }

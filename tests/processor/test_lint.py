"""The Verilog of designs whose bounds are registers passes lint and Yosys' structural check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from accelgen.affine import load_description
from accelgen.affine.multi import MULTI_TYPE
from accelgen.cosim.lint import lint, yosys_check
from accelgen.processor.generate import generate_processor

pytestmark = pytest.mark.rtl

WIDE = {"Y": "int32"}


@pytest.mark.parametrize(
    ("names", "types", "options", "without"),
    [
        (["gemm_os_systolic"], WIDE, {}, []),
        (
            ["gemm_os_systolic", "gemm_ws_systolic", "conv2d_ws_nvdla", "depthwise"],
            WIDE,
            {},
            [],
        ),
        # With FIFOs, and packets that are added on the way out.
        (["gemm_os_systolic", "depthwise"], WIDE, {"accumulate_in": True}, ["taps"]),
        (["gemm_os_systolic", "conv2d_os_shidiannao"], WIDE, {"output_stage": 8}, []),
        (["depthwise"], WIDE, {"output_stage": 16, "period": 3.2}, []),
        (
            ["gemm_os_systolic", "gemm_ws_systolic"],
            {"A": MULTI_TYPE, "B": MULTI_TYPE, "Y": "fp32"},
            {},
            [],
        ),
    ],
    ids=["programmable", "fused", "fifos", "staged", "logits", "formats"],
)
def test_designs_are_clean(
    names: Sequence[str],
    types: Mapping[str, str],
    options: Mapping[str, Any],
    without: Sequence[str],
    tmp_path: Path,
) -> None:
    descriptions = [
        load_description(name).with_overrides(space={"i": 2, "j": 2}, types=types) for name in names
    ]
    generate_processor(descriptions, tmp_path, name="clean", without=without, **options)
    assert lint(tmp_path).problems == ()
    assert yosys_check(tmp_path).problems == ()
    only_one_hot(tmp_path / "clean.v")


def only_one_hot(verilog: Path) -> None:
    """Cases that overlap are waived for one-hot multiplexers: there must be no others."""
    text = verilog.read_text(encoding="utf-8")
    found = re.findall(r"(\S+ \*\)\n +)?casez \(s\)(.*?)default:", text, re.DOTALL)
    assert found
    assert len(found) == text.count("casez")
    for attribute, cases in found:
        assert attribute.split() == ["parallel_case", "*)"]
        patterns = re.findall(r"'b([01?]+):", cases)
        assert patterns == [
            "?" * (len(patterns) - 1 - n) + "1" + "?" * n for n in range(len(patterns))
        ]

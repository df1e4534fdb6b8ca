"""Designs whose bounds are registers over numbers of several formats, by simulation: results and
cycles of every format, and that a fault in a format is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

from accelgen.affine import Description, load_description
from accelgen.affine.multi import MULTI_TYPE
from accelgen.cosim.sequence import Asked, Phase, Seen, run_sequences
from accelgen.cosim.verify_processor import verify_processor
from accelgen.processor.design import ProcessorModel
from accelgen.processor.generate import generate_processor
from accelgen.processor.manifest import read_model
from tests.processor.test_formats import GEMMS, small

pytestmark = pytest.mark.rtl

BOUNDS = {"m": 4, "n": 4, "k": 33}


def convolution(type_name: str, output: str) -> Description:
    return load_description("conv2d_ws_nvdla").with_overrides(
        space={"i": 2, "j": 2},
        bounds={"k": 4, "c": 20, "p": 3, "q": 3, "r": 2, "s": 2},
        types={"X": type_name, "W": type_name, "Y": output},
    )


def phase_of(design: ProcessorModel, *formats: dict[str, str], pause_out: float = 0.0) -> Phase:
    """A problem in each of some formats, all with the same values."""
    asked = [
        Asked.random(design, 0, BOUNDS, np.random.default_rng(7), chosen) for chosen in formats
    ]
    return Phase(asked, pause_out=pause_out)


def simulated(design: ProcessorModel, folder: Path, phases: Sequence[Phase]) -> list[Seen]:
    return run_sequences(design, folder / f"{design.name}.v", phases)


@pytest.mark.parametrize("type_name", ["int8/4/2", "nvfp4", MULTI_TYPE])
def test_fused_dataflows_keep_results_and_cycles(type_name: str, tmp_path: Path) -> None:
    output = "int32" if "int8" in type_name else "fp32"
    # A shift chain, skews along both axes, and sums that are passed on or kept.
    fused = [*(small(name, type_name, y=output) for name in GEMMS), convolution(type_name, output)]
    generate_processor(fused, tmp_path / "fused", name="fused")
    report = verify_processor(tmp_path / "fused", problems=4)
    assert report.faults == ()
    names = [phase.name for phase in report.phases]
    if type_name != "nvfp4":
        assert f"{GEMMS[0]}, every format" in names
        assert any(name.startswith("no such") and name.endswith("_format") for name in names) == (
            type_name != MULTI_TYPE
        )
    if type_name == MULTI_TYPE:
        assert "no such format" in names
        assert "bad numbers on s_axis_in1_scale mxfp4" in names


@pytest.mark.parametrize("types", [("if4", "nvfp4", "fp16"), ("mxfp8_e5m2", "mxint8", "bf16")])
def test_pairs_of_block_formats_keep_results_and_cycles(
    types: tuple[str, str, str], tmp_path: Path
) -> None:
    # The dataflow whose sums are passed on comes first.
    fused = [small(name, *types) for name in ("gemm_ws_systolic", "gemm_os_broadcast")]
    generate_processor(fused, tmp_path / "pair", name="pair")
    assert verify_processor(tmp_path / "pair", problems=3).faults == ()


def test_parts_of_a_reduction_have_widths_of_their_own(tmp_path: Path) -> None:
    found = [small(name, "int8/4/2", "uint8/4/2", "int32") for name in GEMMS]
    generate_processor(found, tmp_path / "adding", name="adding", accumulate_in=True)
    report = verify_processor(tmp_path / "adding", problems=4)
    assert report.faults == ()
    names = [phase.name for phase in report.phases]
    for name in GEMMS:
        assert {f"{name}, accumulating", f"{name}, split along k", f"{name}, every format"} <= set(
            names
        )
    # One result through all widths, with dataflows in turn.
    design, rng = read_model(tmp_path / "adding"), np.random.default_rng(5)
    parts: list[Asked] = []
    for k, (a, b) in enumerate(product(*(choice.names for choice in design.choices))):
        part = Asked.random(design, k % 2, BOUNDS, rng, {"a_format": a, "b_format": b})
        inputs = {"A": part.inputs["A"], "B": part.inputs["B"]}
        before = parts[-1].output if parts else None
        formats = {"a_format": a, "b_format": b}
        parts.append(Asked.of(design, k % 2, BOUNDS, inputs, before, formats))
    (seen,) = simulated(design, tmp_path / "adding", [Phase(parts, pause_in=0.2, pause_out=0.2)])
    assert seen.faults == ()
    alone = [Asked.of(design, 0, BOUNDS, part.inputs, None, widths(part)).output for part in parts]
    assert (parts[-1].output == sum(alone)).all()


def widths(asked: Asked) -> dict[str, str]:
    setting = asked.problem.setting
    names = {"a_format": "int", "b_format": "uint"}
    return {name: f"{kind}{2 << setting[name]}" for name, kind in names.items()}


def test_a_wrong_width_in_a_register_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    design = generate_processor([small(GEMMS[0], "int8/4/2")], folder, name="one")
    formats = {"a_format": "int4", "b_format": "int2"}
    (asked,) = phase_of(design, formats).results
    faulty = []
    for register in formats:
        setting = {**asked.problem.setting, register: 2}
        faulty.append(replace(asked, problem=replace(asked.problem, setting=setting)))
    seen = simulated(design, folder, [Phase([asked]), *(Phase([wrong]) for wrong in faulty)])
    assert seen[0].faults == ()
    for wrong in seen[1:]:
        assert any("instead of" in fault for fault in wrong.faults)
        # The cycles are the same at all widths.
        assert not any("busy" in fault or "cycles" in fault for fault in wrong.faults)


def test_results_in_turn_keep_their_format_while_the_output_waits(tmp_path: Path) -> None:
    folder = tmp_path / "several"
    design = generate_processor([small(GEMMS[0], MULTI_TYPE)], folder, name="several")
    formats = [{"format": name} for name in design.choices[0].names]
    # Every format behind every other: results wait in both pages and on their way out.
    order = [f for a in formats for b in formats if a != b for f in (a, b)]
    assert all(pair in list(pairwise(order)) for pair in pairwise(formats))
    phase = phase_of(design, *order, pause_out=0.9)
    (seen,) = simulated(design, folder, [phase])
    assert seen.faults == ()
    assert len(set(seen.busy)) == 1
    results = {str(asked.output.tolist()) for asked in phase.results}
    assert len(results) == len(formats)

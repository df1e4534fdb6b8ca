"""Designs whose bounds are registers over numbers of several formats, without simulation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accelgen.affine import Description, load_description
from accelgen.affine.multi import MULTI_TYPE
from accelgen.cli import main
from accelgen.errors import InputError
from accelgen.netlist.build import build_netlist
from accelgen.netlist.fuse import fuse
from accelgen.processor.design import ProcessorDesign, ProcessorModel, design_processor
from accelgen.processor.flow import make_flows
from accelgen.processor.generate import generate_processor
from accelgen.processor.manifest import read_model

GEMMS = ("gemm_os_systolic", "gemm_ws_systolic")
BLOCKS = ("nvfp4", "if4", "mxfp4", MULTI_TYPE)


def small(name: str, a: str = "int8", b: str = "", y: str = "") -> Description:
    types = {"A": a, "B": b or a, **({"Y": y} if y else {})}
    bounds = {"m": 5, "n": 4, "k": 40}
    return load_description(name).with_overrides(space={"i": 2, "j": 2}, bounds=bounds, types=types)


@pytest.fixture(scope="module")
def composed() -> ProcessorDesign:
    found = [small(name, "int8/4/2", "uint8/4/2", "int32") for name in GEMMS]
    return design_processor(found, "composed")


@pytest.fixture(scope="module")
def multi() -> ProcessorDesign:
    return design_processor([small(name, MULTI_TYPE) for name in GEMMS], "multi")


def register(design: ProcessorModel, name: str) -> tuple[int, int]:
    return next((r.offset, r.most) for r in design.registers if r.name == name)


def test_widths_of_composable_integers_are_registers(composed: ProcessorDesign) -> None:
    assert register(composed, "a_format") == (0x44, 2)
    assert register(composed, "b_format") == (0x48, 2)
    bounds = {"m": 3, "n": 2, "k": 7}
    plain = composed.problem(0, bounds)
    assert (plain.setting["a_format"], plain.setting["b_format"]) == (2, 2)
    narrow = composed.problem(0, bounds, {"a_format": "int2", "b_format": "uint4"})
    differ = {k: n for k, n in narrow.setting.items() if plain.setting[k] != n}
    assert differ == {"a_format": 0, "b_format": 1}
    assert narrow.cycles == plain.cycles


def test_one_register_chooses_among_four_bit_formats(multi: ProcessorDesign) -> None:
    assert register(multi, "format") == (0x44, 3)
    names = multi.choices[0].names
    settings = [multi.problem(1, {}, {"format": name}).setting["format"] for name in names]
    assert settings == [0, 1, 2, 3]
    assert multi.problem(1, {}).setting["format"] == names.index("nvfp4")


def test_what_is_no_format_is_refused(composed: ProcessorDesign, multi: ProcessorDesign) -> None:
    with pytest.raises(InputError, match="unknown format of a_format 'uint4'"):
        composed.problem(0, {}, {"a_format": "uint4"})
    with pytest.raises(InputError, match="unknown format register 'y_format'"):
        composed.problem(0, {}, {"y_format": "int4"})
    with pytest.raises(InputError, match="'mxfp6'"):
        multi.problem(0, {}, {"format": "mxfp6"})
    plain = design_processor([small(GEMMS[0])], "plain")
    with pytest.raises(InputError, match="the design has no register a_format"):
        plain.problem(0, {}, {"a_format": "int4"})


def test_other_designs_have_nothing_of_it() -> None:
    plain = design_processor([small(name, "int8", y="int32") for name in GEMMS], "plain")
    text = plain.verilog()
    for word in ("format", "mode", "tuser", "bad_number", "round"):
        assert word not in text
    assert [r.name for r in plain.registers][:2] == ["dataflow", "last0"]
    assert "tuser" not in design_processor([small(GEMMS[0], "int8/4/2")], "composed").verilog()


@pytest.mark.parametrize("type_name", ["int8/4/2", MULTI_TYPE])
def test_dataflows_of_any_skew_see_one_format(type_name: str) -> None:
    output = "int32" if "int8" in type_name else "fp32"
    flows = make_flows([small(name, type_name, y=output) for name in (*GEMMS, "gemm_os_broadcast")])
    netlist = fuse([build_netlist(flow.fabric) for flow in flows])
    nodes = netlist.nodes
    modes = [number for number, node in enumerate(nodes) if node.name.endswith("_mode")]
    assert len(modes) == (2 if "int8" in type_name else 1)
    for node in nodes:
        assert node.kind != "choose" or not {edge.source for edge in node.inputs} & set(modes)
        assert all(edge.delay == 0 for edge in node.inputs if edge.source in modes)
    assert sum(node.kind == ("compose_multiply" if "int8" in type_name else "block_multiply")
               for node in nodes) == 4  # fmt: skip


def test_accumulators_find_their_enable_whichever_dataflow_comes_first() -> None:
    names = ("gemm_ws_systolic", "gemm_os_broadcast")
    for order in (names, names[::-1]):
        flows = make_flows([small(name, y="int32") for name in order])
        netlists = [
            build_netlist(flow.fabric, passed=flow.fabric.output.hold is None) for flow in flows
        ]
        sums = [node for node in fuse(netlists).nodes if node.parameters[:1] == ("chained",)]
        assert sums
        for node in sums:
            ports = [edge.port for edge in node.inputs]
            assert ports[:3] == ["total_in", "first", "issue"]
            assert "passed_on" in ports[-2]


@pytest.mark.parametrize("type_name", BLOCKS)
def test_bounds_are_in_elements_and_loops_in_blocks(type_name: str) -> None:
    design = design_processor([small(name, type_name) for name in GEMMS], "blocks")
    block = 32 if type_name == "mxfp4" else 16
    (k,) = (n for n, name in enumerate(design.flows[0].fabric.kernel.time) if name.startswith("k"))
    for bound in (1, 16, 17, 32, 33, 40):
        problem = design.problem(0, {"k": bound})
        assert problem.setting[f"last{k}"] == -(-bound // block) - 1
        assert problem.fabric.output.tensor.format == design.flows[1].fabric.output.tensor.format
    with pytest.raises(InputError, match="k = 41, the design reaches 40"):
        design.problem(0, {"k": 41})


@pytest.mark.parametrize("type_name", ["int8/4/2", "nvfp4", MULTI_TYPE])
def test_a_model_is_read_back_from_its_manifest(type_name: str, tmp_path: Path) -> None:
    convolution = load_description("conv2d_ws_nvdla").with_overrides(
        space={"i": 2, "j": 2}, bounds={"k": 4, "c": 20, "p": 3, "q": 3},
        types={"X": type_name, "W": type_name, "Y": "int32" if "int8" in type_name else "fp32"},
    )  # fmt: skip
    gemm = small(GEMMS[1], type_name, y="int32" if "int8" in type_name else "fp32")
    made = generate_processor([convolution, gemm], tmp_path / "two", name="two")
    model = read_model(tmp_path / "two")
    assert model.registers == made.registers
    assert model.choices == made.choices
    for dataflow in range(2):
        assert model.problem(dataflow, {}).setting == made.problem(dataflow, {}).setting
        assert model.problem(dataflow, {}).cycles == made.problem(dataflow, {}).cycles
    manifest = json.loads((tmp_path / "two" / "manifest.json").read_text(encoding="utf-8"))
    prefixes = [stream["prefix"] for stream in manifest["streams"]]
    if "int8" in type_name:
        assert prefixes == ["s_axis_in0", "s_axis_in1", "m_axis_out"]
        assert all("user_bits" not in stream for stream in manifest["streams"])
        assert list(manifest["formats"]) == ["in0_format", "in1_format"]
    else:
        assert prefixes[:2] == ["s_axis_in0", "s_axis_in0_scale"]
        assert [stream["kind"] for stream in manifest["streams"][:2]] == ["elements", "scales"]
        assert manifest["streams"][0]["lanes"] == 16
        assert manifest["ports"]["bad_number"] == "bad_number"
        assert ("formats" in manifest) == (type_name == MULTI_TYPE)


def test_the_command_line_says_what_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gemm, both = ["gemm_os_systolic"], [*GEMMS, "--space", "i=2,j=2"]
    several = f"A={MULTI_TYPE},B={MULTI_TYPE}"
    for arguments, message in (
        ([*gemm, "--types", several], "add --programmable, or use one of these formats"),
        ([*gemm, "--programmable", "--types", f"A={MULTI_TYPE}"], f"use nvfp4, or {MULTI_TYPE}"),
        ([*gemm, "--programmable", "--types", f"{several},Y=bf16"], "use fp32"),
        ([*gemm, "--programmable", "--accumulate-in", "--types", several], "leave it out"),
        (["depthwise", *both, "--types", "A=nvfp4,B=nvfp4,Y=fp32"], "sums of integers cannot be"),
        ([*both, "--types", "A=int8/4/2,B=int8"], "int8/4/2 for both"),
    ):
        assert main(["generate", *arguments, "-o", str(tmp_path / "out")]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
    with pytest.raises(InputError, match="give all dataflows the same types"):
        make_flows([small(GEMMS[0], "nvfp4"), small(GEMMS[1], "if4")])
    with pytest.raises(InputError, match="give all dataflows the same types"):
        make_flows([small(GEMMS[0], "nvfp4", y="bf16"), small(GEMMS[1], "nvfp4")])
    with pytest.raises(InputError, match="give all dataflows the same types"):
        make_flows(
            [small(GEMMS[0], "int8/4/2", y="int32"), small(GEMMS[1], "uint8/4/2", y="int32")]
        )

"""Designs whose bounds are registers, without simulation: memories, registers, fusion, errors."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import accelgen
from accelgen.affine import Description, load_description, parse_description
from accelgen.affine.varying import varying
from accelgen.cli import main
from accelgen.cosim.model import Model
from accelgen.cosim.sequence import Seen, run_sequences
from accelgen.cosim.verify import trace_format
from accelgen.cosim.verify_processor import make_sequences, verify_processor
from accelgen.errors import InputError
from accelgen.fabric.layout import Layout
from accelgen.netlist.build import build_netlist
from accelgen.netlist.fuse import fuse
from accelgen.passes.order import last_netlist
from accelgen.processor.design import ProcessorDesign, design_processor
from accelgen.processor.flow import make_flows, retarget
from accelgen.processor.generate import generate_processor
from accelgen.processor.manifest import read_model
from accelgen.processor.numbers import numbers_of
from accelgen.processor.registers import levels_of, quantities_of
from accelgen.processor.suite import load_suite
from tests.shipped import SIZES

SET = ("gemm_os_systolic", "gemm_ws_systolic", "conv2d_ws_nvdla", "depthwise")


def small(name: str) -> Description:
    return load_description(name).with_overrides(space={"i": 4, "j": 4}, types={"Y": "int32"})


@pytest.fixture(scope="module")
def fused() -> ProcessorDesign:
    return design_processor([small(name) for name in SET], "fused")


def location(layout: Layout, index: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    memory = tuple(i % m for i, m in zip(index, layout.moduli, strict=True))
    places = zip(index, layout.moduli, layout.strides, strict=True)
    return memory, sum(i // m * stride for i, m, stride in places)


@pytest.mark.parametrize("name", sorted(SIZES))
def test_tensors_of_any_shape_have_places_of_their_own(name: str) -> None:
    rng = np.random.default_rng(len(name))
    (flow,) = make_flows([load_description(name)])
    largest = flow.description.workload.bounds
    for _ in range(3):
        bounds = {
            loop: int(rng.integers(1, min(n, 6), endpoint=True)) for loop, n in largest.items()
        }
        try:
            fabric = retarget(flow, bounds)
        except InputError:
            continue
        for plan in fabric.plans:
            layout = plan.banked.layout
            places = [location(layout, i) for i in product(*map(range, layout.shape))]
            assert len(set(places)) == layout.elements
            assert max(address for _, address in places) < layout.depth
            assert layout.words is not None
            assert layout.depth <= layout.words
            assert plan.banked.layout.moduli == flow.run_time.forms[plan.tensor.name].moduli


@pytest.mark.parametrize("name", sorted(SIZES))
def test_what_does_not_vary_does_not(name: str) -> None:
    rng = np.random.default_rng(len(name))
    (flow,) = make_flows([load_description(name)])
    levels = levels_of([flow])
    largest = numbers_of(flow, flow.fabric, levels)
    quantities = {q.name: q for q in quantities_of([flow])}
    for _ in range(5):
        bounds = {
            loop: int(rng.integers(1, n, endpoint=True))
            for loop, n in flow.description.workload.bounds.items()
        }
        try:
            numbers = numbers_of(flow, retarget(flow, bounds), levels)
        except InputError:
            continue
        assert list(numbers) == list(largest)
        for key, number in numbers.items():
            if not number.varies:
                assert number.value == largest[key].value, key
            assert 0 <= quantities[key].coded(number.value) < 1 << quantities[key].bits


def test_a_dataflow_fused_with_itself_needs_no_multiplexers() -> None:
    for name in SET:
        netlist = build_netlist(make_flows([small(name)])[0].fabric)
        twice = fuse([netlist, netlist])
        alone, both = (Counter(n.kind for n in nodes) for nodes in (netlist.nodes, twice.nodes))
        assert both["choose"] == 0
        assert {k: n for k, n in both.items() if k != "flag"} == {
            k: n for k, n in alone.items() if k != "flag"
        }


def test_dataflows_share_units_and_adders(fused: ProcessorDesign) -> None:
    kinds = Counter(node.kind for node in fused.pipeline.netlist.nodes)
    assert kinds["multiply"] == 16
    homes = [n.home for n in fused.pipeline.netlist.nodes if n.kind == "accumulate"]
    assert len(homes) == len(set(homes)) == 16
    alone = [design_processor([small(name)], name) for name in SET]
    assert kinds["hold"] <= max(
        sum(n.kind == "hold" for n in made.pipeline.netlist.nodes) for made in alone
    )


def test_values_that_go_round_in_another_dataflow_keep_their_widths() -> None:
    # Sums drain one way in one dataflow and the other way in the other.
    made = design_processor([small("conv2d_rs_eyeriss"), small("conv2d_os_shidiannao")], "round")
    nodes = last_netlist(made.stages[:1]).nodes
    assert all(node.format.bits == 32 for node in nodes if node.kind == "write")
    assert any(edge.source > number for number, node in enumerate(nodes) for edge in node.inputs)


def test_registers_have_offsets_and_ranges(fused: ProcessorDesign) -> None:
    offsets = [register.offset for register in fused.registers]
    assert offsets == list(range(0x40, 0x40 + 4 * len(offsets), 4))
    assert fused.registers[0].name == "dataflow"
    assert fused.registers[0].most == 3
    for number, flow in enumerate(fused.flows):
        setting = fused.problem(number, flow.description.workload.bounds).setting
        assert set(setting) == {register.name for register in fused.registers}
        for register in fused.registers:
            assert 0 <= setting[register.name] <= register.most


def test_problems_that_cannot_run_are_refused(fused: ProcessorDesign) -> None:
    with pytest.raises(InputError, match="m = 65, the design reaches 64"):
        fused.problem("gemm_os_systolic", {"m": 65})
    with pytest.raises(InputError, match="unknown dataflow"):
        fused.problem("gemm_os", {})
    few = design_processor([small("gemm_os_systolic")], "few", words={"A": 20})
    assert few.problem(0, {"m": 8, "k": 8}).cycles.compute_cycles > 0
    with pytest.raises(InputError, match=r"A takes .* words in each memory, there are 20"):
        few.problem(0, {})


def test_dataflows_that_do_not_fit_together_are_refused() -> None:
    wide = load_description("gemm_os_systolic")
    with pytest.raises(InputError, match="an array of 16 x 16 units is none of 4 x 4"):
        make_flows([small("gemm_ws_systolic"), wide])
    with pytest.raises(InputError, match="its types are"):
        make_flows(
            [small("gemm_ws_systolic"), small("depthwise").with_overrides(types={"X": "int4"})]
        )
    gemm = load_description("gemm_os_systolic")
    maps = {"m": "size(m1)*i + m1", "n": "size(j)*n1 + j"}
    stretched = replace(gemm, dataflow=replace(gemm.dataflow, map=maps))
    with pytest.raises(InputError, match="how far i moves m depends on the bounds"):
        varying(stretched)


@pytest.mark.parametrize(
    ("expression", "index", "instead"),
    [
        ("Y[m] += A[size(k)*m + k] * B[k]", r"size\(k\)\*m \+ k of A", r"A\[m,k\]"),
        ("Y[size(m) - 1 - m] += A[m,k] * B[k]", r"size\(m\) - 1 - m of Y", r"Y\[m\]"),
        ("Y[m] += A[m,k] * B[size(k)]", r"size\(k\) of B", r"B\[0\]"),
    ],
)
def test_an_index_that_depends_on_the_bounds_is_refused(
    expression: str, index: str, instead: str
) -> None:
    flat = parse_description(f"""
expression: {expression}
bounds: {{m: 6, k: 8}}
space: {{i: 2}}
time: [m, k1]
map: {{k: size(i)*k1 + i}}
""")
    message = rf"expression: index {index} depends on the bounds; .* own, as {instead}, or generate"
    with pytest.raises(InputError, match=message):
        make_flows([flat])


def test_words_are_those_of_a_memory_of_the_design() -> None:
    gemm, depthwise = small("gemm_os_systolic"), small("depthwise")
    for descriptions, words, message in (
        ([gemm], {"Q": 8}, "words: unknown tensor 'Q'; known: A, B, Y"),
        ([gemm], {"A": 1}, r"words: A = 1 is outside 2\.\."),
        ([gemm], {"A": 8, "Y": -3}, r"words: Y = -3 is outside 2\.\."),
        ([gemm], {"A": 10**30}, r"words: A = 10* is outside 2\.\."),
        ([gemm, depthwise], {"Q": 8}, "words: unknown tensor 'Q'; known: in0, in1, out"),
        (
            [gemm, small("gemm_ws_systolic"), depthwise],
            {"A": 8},
            "'A'; A of gemm_os_systolic is in0 here, A of gemm_ws_systolic is in0 here$",
        ),
    ):
        with pytest.raises(InputError, match=message):
            make_flows(descriptions, words=words)


def test_dataflows_of_one_name_are_refused() -> None:
    gemm = small("gemm_os_systolic")
    other = replace(small("depthwise"), name="gemm_os_systolic")
    for descriptions in ([gemm, gemm], [gemm, other]):
        with pytest.raises(InputError, match="gemm_os_systolic: dataflows 0 and 1 have the same n"):
            make_flows(descriptions)


def test_a_model_is_read_back_from_its_manifest(tmp_path: Path) -> None:
    made = generate_processor(
        [small("gemm_os_systolic"), small("depthwise")], tmp_path / "two", name="two"
    )
    with pytest.raises(InputError, match="is that of a design whose bounds are registers"):
        accelgen.verify(tmp_path / "two")
    model = read_model(tmp_path / "two")
    assert model.registers == made.registers
    bounds = {"m": 5, "n": 9, "k": 3}
    assert model.problem(0, bounds).setting == made.problem(0, bounds).setting
    assert model.problem(0, bounds).cycles == made.problem(0, bounds).cycles
    again = generate_processor(
        [small("gemm_os_systolic"), small("depthwise")], tmp_path / "again", name="two"
    )
    assert again.verilog() == (tmp_path / "two" / "two.v").read_text(encoding="utf-8")


def test_the_command_line_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "out")
    gemm = "gemm_os_systolic"
    for arguments, message in (
        ([gemm, "--words", "A=4"], "add --programmable"),
        ([gemm, "depthwise", "--space", "u=4"], "unknown axis"),
        ([gemm, "depthwise", "--skew", "systolic"], "which of 2 dataflows it is meant for; write"),
        ([gemm, "--programmable", "--chain", "Q=i"], "unknown tensor 'Q'"),
        ([gemm, "--programmable", "--words", "Q=8"], "unknown tensor 'Q'"),
        ([gemm, gemm], "dataflows 0 and 1 have the same name"),
        ([gemm, "--programmable", "--period", "-1"], "period: -1.0 ns is no clock period"),
        ([gemm, "--programmable", "--bus", "0"], "bus: 0 bits are no whole number of bytes"),
    ):
        assert main(["generate", *arguments, "-o", folder]) == 2
        assert message in capsys.readouterr().err


def test_one_dataflow_takes_every_option(tmp_path: Path) -> None:
    options = ["--space", "i=2,j=2", "--skew", "broadcast", "--chain", "Y=none", "--bounds", "k=5"]
    folder = tmp_path / "one"
    assert (
        main(["generate", "gemm_os_systolic", "--programmable", *options, "-o", str(folder)]) == 0
    )
    (flow,) = read_model(folder).flows
    assert flow.description == load_description("gemm_os_systolic").with_overrides(
        space={"i": 2, "j": 2}, skew="broadcast", chain={"Y": None}, bounds={"k": 5}
    )


def test_a_design_is_made_from_names_and_descriptions(tmp_path: Path) -> None:
    gemm = small("gemm_os_systolic")
    made = accelgen.generate_processor(["depthwise"], tmp_path / "one", name="one")
    assert made.flows[0].description == load_description("depthwise")
    accelgen.generate_processor([gemm], tmp_path / "one", name="one")
    assert read_model(tmp_path / "one").flows[0].description == gemm
    with pytest.raises(InputError, match="a design has one dataflow at least"):
        accelgen.generate_processor([], tmp_path / "empty", name="empty")


def test_a_file_lists_dataflows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "set.yaml"
    file.write_text(
        "name: pair\ndataflows: [gemm_os_systolic, depthwise]\nspace: {i: 2, j: 2}\n"
        "bounds: {m: 4, n: 4, k: 4}\ntypes: {Y: int32}\n",
        encoding="utf-8",
    )
    folder = tmp_path / "out"
    assert main(["generate", str(file), "-o", str(folder)]) == 0
    assert "pair: 2 dataflows on 2 x 2 units" in capsys.readouterr().out
    assert read_model(folder).problem("depthwise", {"c": 3}).dataflow == 1
    # How links were chosen, up to 64 units.
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert {links["gap"] for links in manifest["links"]} == {0.0}
    assert {links["operand"] for links in manifest["links"]} == {0, 1}
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert f"operand 0, streamed: {manifest['links'][0]['cost']:g}, proven" in report


def test_building_and_simulating_are_measured_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_processor([small("gemm_os_systolic")], tmp_path / "one", name="one")
    built = Model(tmp_path, "one", cached=False, seconds=1e6)
    verifying = "accelgen.cosim.verify_processor"
    monkeypatch.setattr(f"{verifying}.build_bench", lambda *_, **__: built)
    monkeypatch.setattr(
        f"{verifying}.simulate_sequences",
        lambda design, model, phases, **_: [Seen((), (), None) for _ in phases],
    )
    report = verify_processor(tmp_path / "one")
    assert report.build_seconds == 1e6
    assert 0 < report.simulate_seconds < 1e6


@pytest.mark.rtl
def test_waves_are_written_beside_the_design(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "one"
    generate_processor([small("gemm_os_systolic").with_overrides(bounds={"m": 4, "n": 4, "k": 4})],
                       folder, name="one")  # fmt: skip
    assert main(["verify", str(folder), "--problems", "2", "--waves"]) == 0
    (waves,) = folder.glob("waves.*")
    assert f"waves: {waves}" in capsys.readouterr().out
    assert waves.suffix == f".{trace_format()}"
    if waves.suffix == ".vcd":
        text = waves.read_text(encoding="utf-8")
        assert "s_axil_awvalid" in text
        assert "m_axis_y_tdata" in text


@pytest.mark.rtl
@pytest.mark.parametrize(
    ("right", "wrong", "found"),
    [
        # A cancel that one loader does not hear of; a packet cut short that its walker goes on in.
        (r"\.cancel\(cancel\)", ".cancel(1'h0)", {"cancelled"}),
        (
            r"assign restart = early \| cancel",
            "assign restart = cancel",
            {"early and late tlast on s_axis_a"},
        ),
        # A start before registers were written.
        (r"assign whole = missing == \d+'h\w+", "assign whole = 1'h1", {"nothing described"}),
    ],
)
def test_faults_in_what_is_refused_and_dropped_are_found(
    right: str, wrong: str, found: set[str], tmp_path: Path
) -> None:
    gemm = small("gemm_os_systolic").with_overrides(bounds={"m": 8, "n": 8, "k": 12})
    generate_processor([gemm], tmp_path / "one", name="one")
    model = read_model(tmp_path / "one")
    phases = make_sequences(model, np.random.default_rng(3), 2)
    names = {phase.name for phase in phases}
    assert {"rows of nothing", "gemm_os_systolic, extremes", "after a cancel"} <= names
    text = (tmp_path / "one" / "one.v").read_text(encoding="utf-8")
    spoilt = re.sub(right, wrong, text, count=1)
    assert spoilt != text
    broken = tmp_path / "one.v"
    broken.write_text(spoilt, encoding="utf-8")
    chosen = [phase for phase in phases if phase.name in found]
    assert len(chosen) == len(found)
    for phase, seen in zip(chosen, run_sequences(model, broken, chosen), strict=True):
        assert seen.faults, phase.name


@pytest.mark.parametrize("command", ["cycles", "show", "generate"])
def test_a_file_of_several_dataflows_is_no_description(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "set.yaml"
    file.write_text("name: pair\ndataflows: [gemm_os_systolic, depthwise]\n", encoding="utf-8")
    # Only alone is it what generate takes.
    more = ["depthwise"] if command == "generate" else []
    assert main([command, *more, str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{file}:2: lists the dataflows of one design" in line
    assert "name one of 'gemm_os_systolic', 'depthwise'; or" in line
    assert "accelgen generate" in line


@pytest.mark.parametrize("key", ["bounds: {m: true}", "space: {i: 2.0}", "words: [4]"])
def test_numbers_of_a_file_are_whole(key: str, tmp_path: Path) -> None:
    file = tmp_path / "set.yaml"
    file.write_text(f"dataflows: [gemm_os_systolic]\n{key}\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"{key.split(':')[0]}: a mapping to integers expected"):
        load_suite(str(file))

"""Searches of published elastic spaces: architecture, formats and hardware together."""

from __future__ import annotations

import json
import pickle
import random
import sys
import types
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from accelgen.accuracy.measured import MeasuredDigits
from accelgen.accuracy.source import Accuracy, LayerBits
from accelgen.accuracy.tabular import load_table
from accelgen.accuracy.user import UserAccuracy, load_function
from accelgen.cli import main
from accelgen.elastic.nas_bench_macro import NasBenchMacro
from accelgen.elastic.registry import elastic_space
from accelgen.errors import InputError
from accelgen.hardware import load_hardware
from accelgen.networks import load_network
from accelgen.search import Rejected, Search, SearchResult, make_search, parse_search, run
from accelgen.search.spaces.networks import ArchitectureSpace
from accelgen.search.spaces.offered_bits import OfferedBits, layers_of
from accelgen.search.subject import Candidate
from accelgen.search.subjects.elastic import ElasticDesign
from accelgen.search.subjects.elastic_trial import ElasticTrial, evaluate_elastic
from accelgen.simulation import simulate
from accelgen.store import Json
from accelgen.sweep.metrics import Constraint
from tests.accuracy import pth
from tests.accuracy.test_predicted import weights

MODULE = '''\
def more_is_better(architecture, bits):
    """A stand-in: says a figure, and nothing of any network."""
    low = sum(one.weights != "int8" for one in bits.values())
    return 0.5 + 0.02 * sum(architecture.values()) - 0.001 * low
'''
HARDWARE = {"baseline": "nvdla_256", "budget": {"units": 16, "on_chip_bytes": 16384}}
MEASURED = {
    "baseline": "nvdla_256", "set": {"technology": "sg13g2"}, "macs": [["int8", "nvfp4"]],
}  # fmt: skip
"""A technology with energies of all kinds of units."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_accuracy.py").write_text(MODULE)
    return tmp_path


def search(folder: Path, **changes: Any) -> Search:  # noqa: ANN401 - any key's value
    values = {
        "name": "tiny",
        "network": {"space": "nas_bench_macro", "image": 8},
        "accuracy": {"function": "own_accuracy:more_is_better"},
        "hardware": HARDWARE,
        "evaluations": 6,
        "population": 3,
        **changes,
    }
    return make_search(values, folder)


def table(path: Path, architectures: list[tuple[int, ...]]) -> None:
    lines = [",".join([*(f"block{n}" for n in range(1, 9)), "accuracy"])]
    lines += [f"{','.join(map(str, one))},{0.5 + sum(one) / 100:.2f}" for one in architectures]
    path.write_text("\n".join(lines) + "\n")


def quick(trial: ElasticTrial) -> dict[str, Json]:
    """The accuracy of a trial, and figures that follow from its formats."""
    judge = trial.judge
    found = judge.accuracy(trial.architecture, trial.bits) if hasattr(judge, "accuracy") else judge
    entry: dict[str, Json] = {
        "cycles": 1000.0 + len(trial.bits),
        "energy_pj": {"mac": 10.0 + sum(one.weights == "int8" for one in trial.bits.values())},
        "utilisation": 0.5,
    }
    return {
        "accuracy": found.value, "clock_mhz": 1000.0, "area_mm2": None, "seconds": 0.0,
        "networks": {trial.mapped.networks[0].name: entry},
    }  # fmt: skip


def rows(result: SearchResult) -> list[tuple[object, ...]]:
    return [(step.trial, step.vector, tuple(step.figures.items())) for step in result.steps]


def draws(found: Search, count: int, seed: int = 1) -> list[Candidate | Rejected]:
    draw = random.Random(seed)
    return [
        found.candidate(n, tuple(draw.random() for _ in found.space.genes)) for n in range(count)
    ]


def designs(found: Search, count: int) -> list[ElasticDesign]:
    drawn = [x.design for x in draws(found, count) if isinstance(x, Candidate)]
    assert all(isinstance(x, ElasticDesign) for x in drawn)
    return drawn  # type: ignore[return-value]


def test_a_point_of_the_front_is_simulated_again(
    folder: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # What was solved in another cache, or before, does not count.
    (folder / "tiny.yaml").write_text(
        "network: {space: nas_bench_macro, image: 8}\n"
        "accuracy: {function: 'own_accuracy:more_is_better'}\n"
        "bits: {weights: [int4, int8], activations: [int8]}\n"
        "hardware: {baseline: nvdla_256, set: {technology: sg13g2}, macs: [[int8, int4*int8]],\n"
        "           budget: {units: 16, on_chip_bytes: 16384}}\n"
        "minimise: latency\npopulation: 3\nevaluations: 5\n"
    )
    assert main(["codesign", "tiny.yaml", "--jobs", "1", "--json", "-o", "out"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert "accuracy user: own_accuracy:more_is_better; a budget in place of" in found["about"]
    assert found["front"]
    for point in found["front"]:
        number = point["point"]
        network = load_network(folder / "out" / f"network_{number}.yaml")
        hardware = load_hardware(folder / "out" / f"hardware_{number}.yaml")
        types = {layer.name: layer.workload.types["W"] for layer in network.matrix_layers}
        assert types == {name: one["weights"] for name, one in point["bits"].items()}
        again = simulate(network, hardware, "latency")
        assert again.cycles == pytest.approx(point["cycles"], rel=1e-12)
        assert again.joules * 1e6 == pytest.approx(point["energy_uj"], rel=1e-12)
        assert point["accuracy_from"] == "user: own_accuracy:more_is_better"
    # What comes next is a command that runs, and shows the same; the search solved its layers.
    words = said.err.strip().splitlines()[-1].removeprefix("next: accelgen ").split()
    assert main([*words, "--json"]) == 0
    said = capsys.readouterr()
    shown = json.loads(said.out)
    assert shown["cycles"] == pytest.approx(found["front"][0]["cycles"])
    assert "distinct layers were solved before" in said.err


def test_jobs_and_interruptions_change_nothing(folder: Path) -> None:
    given = search(folder)
    alone = run(given, folder / "a", jobs=1)
    two = run(search(folder), folder / "b", jobs=2)
    assert rows(alone.result) == rows(two.result)
    kinds = {step.record["accuracy_kind"] for step in alone.result.steps}
    assert kinds == {"user"}
    # Half of it, and then the rest: nothing is evaluated twice.
    begun = run(search(folder, evaluations=3), folder / "c", jobs=1)
    rest = run(given, folder / "c", jobs=1)
    assert rows(rest.result) == rows(alone.result)
    assert begun.evaluated + rest.evaluated == alone.evaluated
    with pytest.raises(InputError, match="another search"):
        run(search(folder, bits={"weights": ["int8", "int16"]}), folder / "c", jobs=1)


def test_any_source_in_python_by_one_process(folder: Path) -> None:
    source = UserAccuracy(lambda architecture, bits: 0.75, "a constant")
    given = search(folder, accuracy=source, evaluations=2)
    found = run(given, folder / "a", jobs=1, task=quick).result
    assert {step.figures["accuracy"] for step in found.steps} == {0.75}
    assert "user: a constant" in given.subject.about
    with pytest.raises(InputError, match="cannot be sent to another process"):
        run(given, folder / "b", jobs=2)


def test_what_another_process_does_not_know_ends_a_search(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a function of the main module: it has a name here and none there.
    module = types.ModuleType("known_here_alone")
    exec("def judge(architecture, bits): return 0.75", module.__dict__)
    monkeypatch.setitem(sys.modules, "known_here_alone", module)
    given = search(folder, accuracy=UserAccuracy(module.judge, "a judge"), evaluations=2)
    with pytest.raises(InputError, match="another process: No module named 'known_here_alone'"):
        run(given, folder / "a", jobs=2)


def test_a_function_that_changes_is_another_source(folder: Path) -> None:
    (folder / "first_text.py").write_text(MODULE)
    before = search(folder, accuracy={"function": "first_text:more_is_better"}).definition
    (folder / "other_text.py").write_text(MODULE.replace("0.02", "0.01"))
    after = search(folder, accuracy={"function": "other_text:more_is_better"}).definition
    digests = {str(x["accuracy"]).split()[-1] for x in (before, after)}
    assert len(digests) == 2


def test_what_is_not_accurate_enough_is_not_mapped(folder: Path) -> None:
    limited = search(folder, constraints={"accuracy": {"min": 0.69}}, evaluations=12, population=6)
    seen = []
    for candidate in [x for x in draws(limited, 20) if isinstance(x, Candidate)]:
        assert isinstance(candidate.trial, ElasticTrial)
        if sum(candidate.trial.architecture.values()) * 0.02 + 0.5 < 0.69:
            record = evaluate_elastic(candidate.trial)
            assert "networks" not in record
            assert "error" not in record
            figures = limited.subject.figures(record)
            assert figures["accuracy"] is not None
            assert figures["latency_ms"] is None
            seen.append(limited.violations(figures)[0])
    assert seen
    assert all("0.69 <= accuracy is wanted" in reason for reason in seen)


def test_a_table_is_looked_up_before_anything_is_evaluated(folder: Path) -> None:
    every = list(product((0, 1, 2), repeat=8))
    table(folder / "all.csv", [x for x in every if _normal(x)])
    given = search(folder, accuracy={"table": "all.csv"})
    result = run(given, folder / "journal", jobs=1, task=quick).result
    for step in result.steps:
        assert isinstance(step.design, ElasticDesign)
        kinds = step.design.architecture.values()
        assert step.figures["accuracy"] == pytest.approx(0.5 + sum(kinds) / 100)
        assert step.design.to_json()["accuracy_from"] == "tabular: all.csv"
    # It knows nothing of networks in fewer than 8 bits either.
    with pytest.raises(InputError, match=r"bits: all\.csv knows nothing of nvfp4; offer 8 bits"):
        search(folder, accuracy={"table": "all.csv"}, hardware=MEASURED,
               bits={"weights": ["int8", "nvfp4"], "activations": ["int8"]})  # fmt: skip


def test_a_table_with_formats_has_the_same_in_all_layers(folder: Path) -> None:
    rows = ["1,1,1,1,1,1,1,1,0.9,int8,int8", "2,1,1,1,1,1,1,1,0.8,int4,int8"]
    head = ",".join([*(f"block{n}" for n in range(1, 9)), "accuracy", "weights", "activations"])
    (folder / "formats.csv").write_text("\n".join([head, *rows]) + "\n")
    hardware = {**MEASURED, "macs": [["int8", "int8*int4"]]}
    given = search(folder, accuracy={"table": "formats.csv"}, hardware=hardware,
                   bits={"weights": ["int8", "int4"], "activations": ["int8"]})  # fmt: skip
    assert [gene.name for gene in given.space.genes if gene.name.startswith("bits.")] == [
        "bits.weights"
    ]
    found = draws(given, 40)
    designs = [x.design for x in found if isinstance(x, Candidate)]
    seen = {(x.architecture["block1"], *{b.weights for b in x.bits.values()}) for x in designs
            if isinstance(x, ElasticDesign)}  # fmt: skip
    assert seen == {(1, "int8"), (2, "int4")}
    reasons = [x.reason for x in found if isinstance(x, Rejected)]
    assert any("is not in the table with these formats" in reason for reason in reasons)


def test_only_what_a_table_has_is_searched(folder: Path) -> None:
    rows = [(0,) * 8, (1, 2, 1, 2, 0, 1, 1, 0), (2,) * 8, (2, 2, 2, 2, 2, 2, 2, 1)]
    table(folder / "few.csv", [*rows, rows[1]])
    given = search(folder, accuracy={"table": "few.csv"})
    found = [draw for draw in draws(given, 40) if isinstance(draw, Candidate)]
    seen = {tuple(x.design.architecture.values()) for x in found
            if isinstance(x.design, ElasticDesign)}  # fmt: skip
    assert seen <= set(rows)
    assert len(seen) > 1
    # One that it has is itself, and one beside it the one that is nearest.
    few = load_table(folder / "few.csv", NasBenchMacro()).architectures
    space = ArchitectureSpace(NasBenchMacro(), few)
    assert [tuple(one.values()) for one in few] == rows
    assert [space.decode([(kind + 0.5) / 3 for kind in row]) for row in rows] == list(few)
    assert space.decode([0.9] * 7 + [0.5]) == few[3]
    assert space.decode([0.1] * 7 + [0.5]) == few[0]
    assert space.reference == few[2]


def test_a_predictor_speaks_for_its_own_sizes_and_widths(folder: Path) -> None:
    pth.save(folder / "p.pth", weights(124, "nas"))
    given = search(folder, network={"space": "ofa_mobilenet_v3", "step": 32},
                   accuracy={"predicted": "p.pth"})  # fmt: skip
    found = [x for x in draws(given, 6) if isinstance(x, Candidate)]
    assert len(found) > 2
    for candidate in found:
        trial = candidate.trial
        assert isinstance(trial, ElasticTrial)
        # It is judged already; whoever evaluates needs no file.
        assert isinstance(trial.judge, Accuracy)
        assert trial.judge.kind == "predicted"
        record = evaluate_elastic(replace(trial, limits=(Constraint("accuracy", low=1.0),)))
        assert record["accuracy"] == trial.judge.value
        assert "an estimate by OFA's predictor p.pth" in str(record["accuracy_source"])
    few = search(folder, network={"space": "ofa_mobilenet_v3"}, accuracy={"predicted": "p.pth"})
    reasons = [x.reason for x in draws(few, 20) if isinstance(x, Rejected)]
    assert any(reason.startswith("accuracy: ") for reason in reasons)


def _normal(kinds: tuple[int, ...]) -> bool:
    """A block that does nothing comes last in its stage."""
    space = elastic_space("nas_bench_macro")
    named = {f"block{n}": kind for n, kind in enumerate(kinds, start=1)}
    return dict(space.legal(named)) == named


@pytest.mark.parametrize(
    "space", ["nas_bench_macro", "ofa_mobilenet_v3", "ofa_resnet50", "hat_wmt_en_de", "digits"]
)
def test_every_architecture_has_its_genes(space: str) -> None:
    elastic = elastic_space(space)
    layers = layers_of(elastic)
    draw = random.Random(3)
    for _ in range(20):
        chosen = {x.name: draw.choice(x.values) for x in elastic.choices}
        for layer in elastic.network(chosen).matrix_layers:
            assert (layers[layer.name].weights is None) == (layer.weights is None)


@pytest.mark.parametrize("space", ["ofa_mobilenet_v3", "hat_wmt_en_de"])
def test_formats_are_legal_by_construction(folder: Path, space: str) -> None:
    given = search(
        folder, network={"space": space},
        accuracy={"function": "own_accuracy:more_is_better"},
        bits={"weights": ["int8", "int4", "nvfp4"], "activations": ["int8", "nvfp4"]},
        hardware=MEASURED | {"budget": {"area_mm2": 100}},
    )  # fmt: skip
    found = designs(given, 6)
    assert len(found) >= 4
    for design in found:
        network = elastic_space(space).network(design.architecture)
        hardware = design.hardware.hardware
        pairs = set()
        for layer in network.matrix_layers:
            one = design.bits[layer.name]
            assert (one.weights == "nvfp4") == (one.activations == "nvfp4")
            if "depthwise" in layer.name:
                assert one.weights != "nvfp4"
            if layer.weights is None:
                assert one.weights == one.activations
            pairs.add(one)
        assert LayerBits("nvfp4", "nvfp4") in pairs
        assert LayerBits("int8", "int8") in pairs
        assert set(hardware.mac_pj) == {"int8*int8", "nvfp4*nvfp4"}
        # The file says the same.
        (folder / "net.yaml").write_text(design.text)
        read = load_network(folder / "net.yaml")
        for layer in read.matrix_layers:
            tensors = dict(layer.workload.types)
            assert tensors[layer.activations[0]] == design.bits[layer.name].activations


def test_a_search_with_a_table_goes_on_from_another_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = folder / "below"
    elsewhere.mkdir()
    table(elsewhere / "t.csv", [(1,) * 8, (0,) * 8])
    near = search(elsewhere, accuracy={"table": "t.csv"})
    monkeypatch.chdir(elsewhere)
    far = search(Path(), accuracy={"table": "t.csv"})
    assert near.definition == far.definition


def test_formats_without_units_are_rejected(folder: Path) -> None:
    given = search(folder, bits={"weights": ["nvfp4"], "activations": ["nvfp4", "int8"]})
    (found,) = draws(given, 1)
    assert isinstance(found, Rejected)
    assert found.reason.startswith("bits: stem: nvfp4, nvfp4: no units for nvfp4*nvfp4")
    # Blocks have no place in a depthwise convolution.
    given = search(folder, hardware=MEASURED | {"budget": {"area_mm2": 100}}, evaluations=1,
                   bits={"weights": ["nvfp4"], "activations": ["nvfp4"]})  # fmt: skip
    reasons = [x.reason for x in draws(given, 20) if isinstance(x, Rejected)]
    assert any("depthwise: nvfp4, nvfp4: " in reason for reason in reasons)


def test_kinds_of_units(folder: Path) -> None:
    hardware = MEASURED | {
        "unit": ["plain", "composable", "bit_serial"], "macs": ["int8"],
        "budget": {"area_mm2": 100}, "registers": "true",
    }  # fmt: skip
    given = search(
        folder, hardware=hardware, bits={"weights": ["int2", "int8"], "activations": ["int8"]}
    )
    about = given.subject.about
    assert "units of int8 or composable units or bit_serial units" in about
    kinds: dict[str, ElasticDesign] = {x.hardware.hardware.unit: x for x in designs(given, 30)}
    assert set(kinds) == {"plain", "composable", "bit_serial"}
    assert tuple(kinds["plain"].hardware.hardware.mac_pj) == ("int8*int8",)
    serial = kinds["bit_serial"].hardware.hardware
    assert (serial.lanes, len(serial.mac_pj)) == (16, 6)
    # Registers of a unit hold a word of all lanes.
    assert serial.registers is not None
    inputs = serial.registers.memory("inputs").size
    assert inputs is not None
    assert inputs >= 16
    with pytest.raises(InputError, match="no energies of bit_serial units"):
        search(folder, hardware=HARDWARE | {"unit": ["bit_serial"]})
    with pytest.raises(InputError, match="are of plain units"):
        search(folder, hardware=MEASURED | {"unit": ["composable"]})


def test_given_hardware_is_searched_for_networks_alone(folder: Path) -> None:
    given = search(folder, hardware={"space": "fixed", "baseline": "composable16"},
                   bits={"weights": ["int4", "int8"], "activations": ["int8"]})  # fmt: skip
    assert not any(gene.name.startswith("hardware.") for gene in given.space.genes)
    found = run(given, folder / "j", jobs=1, task=quick).result
    assert found.steps
    for step in found.steps:
        assert isinstance(step.design, ElasticDesign)
        assert step.design.hardware.hardware == load_hardware("composable16")


def test_digits_are_measured_on_the_cost_model_too(folder: Path) -> None:
    hardware = {"space": "fixed", "baseline": "composable16"}
    given = search(folder, network={"space": "digits"}, accuracy="measured", hardware=hardware,
                   bits={"weights": ["int4", "int8"]})  # fmt: skip
    (found,) = draws(given, 1)
    assert isinstance(found, Candidate)
    record = evaluate_elastic(pickle.loads(pickle.dumps(found.trial)))
    design = found.design
    assert isinstance(design, ElasticDesign)
    assert {one.activations for one in design.bits.values()} == {"uint8"}
    own = MeasuredDigits().accuracy(design.architecture, design.bits)
    assert (record["accuracy"], record["accuracy_kind"]) == (own.value, "measured")
    networks = record["networks"]
    assert isinstance(networks, Mapping)
    assert "digits" in networks
    # Plain units have no sign to spare.
    (found,) = draws(search(folder, network={"space": "digits"}, accuracy="measured",
                            hardware={"space": "fixed", "baseline": "nvdla_256"}), 1)  # fmt: skip
    assert isinstance(found, Rejected)
    assert "no units for int8*uint8" in found.reason


def test_sources_go_to_other_processes_by_name(folder: Path) -> None:
    found = load_function("own_accuracy:more_is_better")
    assert pickle.loads(pickle.dumps(found)).name == found.name
    assert len(pickle.dumps(found)) < 200
    assert len(pickle.dumps(MeasuredDigits())) < 200
    assert UserAccuracy(len, "len").imported is False  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "where", "message"),
    [
        ({"accuracy": None}, "accuracy", "where is it from"),
        ({"accuracy": "guessed"}, "accuracy", "no source"),
        ({"accuracy": "measured"}, "accuracy", "no weights to measure"),
        ({"accuracy": {"tabel": "a.csv"}}, "accuracy", "did you mean 'table'"),
        ({"accuracy": {"table": "a.csv"}}, "accuracy: table", "no such file"),
        ({"accuracy": {"nas_bench_macro": "n.json"}}, "accuracy", "xiusu/NAS-Bench-Macro"),
        ({"accuracy": {"predicted": "ofa.pth"}}, "accuracy", "no such file"),
        ({"network": {"space": "ofa_mobilenet"}}, "network", "did you mean 'ofa_mobilenet_v3'"),
        ({"network": {"image": 8}}, "network", "no space"),
        ({"network": {"space": "nas_bench_macro", "imag": 8}}, "network", "'image'"),
        ({"bits": {"weights": []}}, "bits", "no format"),
        ({"bits": {"weights": ["int99"]}}, "bits: weights", "int99"),
        ({"hardware": {"space": "importance"}}, "hardware", "no baseline"),
        ({"hardware": {"space": "fixed", "baseline": "eyeriss", "macs": ["int8"]}}, "hardware",
         "fixed changes nothing"),
        ({"minimise": "area"}, None, "unknown objective of mappings"),
        ({"networks": ["mobilenet_v2"]}, "networks", "unknown key of a search of an elastic"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where(
    folder: Path, changes: dict[str, Any], where: str | None, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        search(folder, **changes)
    assert message in str(caught.value)
    assert where is None or str(caught.value.where).startswith(where)


def test_errors_have_a_line(folder: Path) -> None:
    text = "network: {space: nas_bench_macro}\naccuracy:\n  table: none.csv\n"
    with pytest.raises(InputError, match=r"s\.yaml:3: accuracy: table: .*no such file"):
        parse_search(text, "s.yaml", folder=folder)


def test_offered_formats_have_genes_where_there_is_a_choice() -> None:
    offered = OfferedBits({"a": True, "b": False}, ("int4", "int8"), ("int8", "int16"))
    assert [gene.name for gene in offered.genes] == [
        "weights.a", "activations.a", "activations.b",
    ]  # fmt: skip
    assert offered.decode((0.1, 0.2, 0.3)) == {"a": (0.1, 0.2), "b": (0.0, 0.3)}

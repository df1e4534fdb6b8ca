"""Strategies side by side: what each may change, equal evaluations, one reference point."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelgen.accuracy.source import LayerBits
from accelgen.affine.yaml_text import Plain
from accelgen.cli import main
from accelgen.errors import InfeasibleError, InputError
from accelgen.realize.kernel import Kernel
from accelgen.realize.point import Point
from accelgen.search import Search, make_search, run
from accelgen.search.comparison.compare import Comparison, compare
from accelgen.search.comparison.pictures import draw_comparison
from accelgen.search.comparison.strategies import (
    front_of,
    objectives_of,
    run_strategy,
    strategies_of,
)
from accelgen.search.hypervolume import hypervolume, logarithms
from accelgen.search.spaces.kernels import KernelSizes, KernelSpace
from accelgen.search.spaces.networks import BitsSpace
from accelgen.search.spaces.offered_bits import OfferedBits
from accelgen.search.subjects.digits import DigitsTrial
from accelgen.search.vector import Rejected
from accelgen.store import Json
from tests.search import small


def search(**changes: Any) -> Search:  # noqa: ANN401 - any key's value
    values = {
        "name": "joint",
        "network": {"space": "digits"},
        "bits": {"by": "budget"},
        "hardware": {"units": 16, "sizes": [2, 4]},
        "evaluations": 48,
        "population": 8,
        **changes,
    }
    return make_search(values)


def quick(trial: DigitsTrial) -> dict[str, Json]:
    """Figures that follow from the point: bits and layers cost, and make accurate."""
    point = trial.point
    found = point.described()
    size = float(sum(point.architecture.values()))
    bits = float(found["weight_bits"]) + float(found["activation_bits"])
    first = point.kernel.order.index("k")
    return {
        "clock_mhz": 200.0,
        "accuracy": 1.0 - 4.0 / (bits + size / 100),
        "cycles": size * bits * (1 + first) / point.kernel.units,
        "energy_pj": {"products": size * bits * (1 + len(point.kernel.space))},
        "utilisation": 0.5,
        "area_mm2": 1.0,
    }


def kernels(asked: Search) -> KernelSpace:
    space = asked.space.spaces["hardware"]
    assert isinstance(space, KernelSpace)
    return space


def points(steps: Any) -> list[Point]:  # noqa: ANN401 - steps of a run
    return [step.design for step in steps]


def test_phases_change_one_part_each(tmp_path: Path) -> None:
    asked = search(evaluations=96)
    found = run_strategy(asked, "sequential", tmp_path, jobs=1, task=quick)
    assert [phase.folder.name for phase in found.phases] == ["network", "bits", "hardware"]
    assert len(found.steps) == found.evaluated == asked.evaluations
    assert len({step.key for step in found.steps}) == asked.evaluations
    network, bits, hardware = (points(phase.result.steps) for phase in found.phases)
    assert len({point.architecture for point in network}) == len(network)
    widest = {x.weights for point in network for x in point.bits.values()}
    assert widest == {"int8"}
    (kernel,) = {point.kernel for point in (*network, *bits)}
    assert kernel == kernels(asked).reference
    first = found.phases[0].result.steps
    front = {points(first)[k].architecture for k in front_of(asked, first)}
    assert {point.architecture for point in bits} <= front
    before = [*first, *found.phases[1].result.steps]
    pairs = {(p.architecture, p.bits) for k in front_of(asked, before) for p in points([before[k]])}
    assert {(point.architecture, point.bits) for point in hardware} <= pairs
    assert len({point.kernel for point in hardware}) > 1


def test_the_greedy_hand_on_one_design(tmp_path: Path) -> None:
    asked = search(evaluations=96)
    found = run_strategy(asked, "greedy", tmp_path, jobs=1, task=quick)
    network, bits, hardware = (points(phase.result.steps) for phase in found.phases)
    assert len({point.architecture for point in network}) > 1
    (chosen,) = {point.architecture for point in bits}
    steps = found.phases[0].result.steps
    values = logarithms(objectives_of(asked, steps)[list(front_of(asked, steps))])
    away = (values - values.min(axis=0)) / np.ptp(values, axis=0).clip(1e-300)
    away[:, np.ptp(values, axis=0) == 0] = 0
    nearest = front_of(asked, steps)[int((away**2).sum(axis=1).argmin())]
    assert chosen == points(steps)[nearest].architecture
    assert len({(point.architecture, point.bits) for point in hardware}) == 1
    assert len({point.kernel for point in hardware}) > 1


def test_sizing_changes_no_connection(tmp_path: Path) -> None:
    asked = search()
    found = run_strategy(asked, "sizing", tmp_path, jobs=1, task=quick)
    # The space is exhausted before the evaluations are.
    assert 4 < len(found.steps) < asked.evaluations
    seen = {point.kernel for point in points(found.steps)}
    assert len(seen) == len(found.steps)
    assert len({(k.order, k.skewed, tuple(x for x, _ in k.space)) for k in seen}) == 1
    assert len({(p.architecture, p.bits) for p in points(found.steps)}) == 1


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path]:
    folder = tmp_path_factory.mktemp("compared")
    return compare(search(), folder, (0, 1), jobs=1, task=quick), folder


def test_hypervolumes_have_one_reference(compared: tuple[Comparison, Path]) -> None:
    found, _ = compared
    assert list(found.runs) == ["joint", "sequential", "greedy", "sizing"]
    for strategy, runs in found.runs.items():
        for place, one in enumerate(runs):
            values = objectives_of(found.search, one.steps)
            whole = logarithms(values[~np.isnan(values).any(axis=1)])
            assert (whole[list(front_of(found.search, one.steps))] < found.reference).all()
            last = found.curves[strategy][place, -1]
            assert last == pytest.approx(hypervolume(whole, found.reference))
            assert (np.diff(found.curves[strategy][place]) >= 0).all()
    reached = found.reached("sizing")
    needs = [needed for needed in reached.evaluations if needed is not None]
    assert len(needs) == 2
    for place, needed in enumerate(needs):
        curve, goal = found.curves["joint"][place], found.curves["sizing"][place, -1]
        assert curve[needed - 1] >= goal
        assert needed == 1 or curve[needed - 2] < goal
    assert reached.fraction == pytest.approx(np.median(needs) / 48)


def test_results_and_pictures_are_files(compared: tuple[Comparison, Path]) -> None:
    found, folder = compared
    found.write(folder)
    figures = json.loads((folder / "results.json").read_text())
    assert (figures["schema"], figures["kind"], figures["seeds"]) == (1, "comparison", [0, 1])
    assert figures["reference"]["accuracy"] == pytest.approx(np.exp(-found.reference[0]))
    assert figures["strategies"]["sequential"]["designs"] == [48, 48]
    assert len(figures["strategies"]["joint"]["hypervolume"]["by_seed"]) == 2
    assert (folder / "joint_0" / "results.json").is_file()
    assert (folder / "sequential_1" / "bits" / "results.parquet").is_file()
    drawn = draw_comparison(found, folder)
    assert [path.name for path in drawn] == ["convergence.svg", "fronts.svg", "importance.svg"]
    assert all(path.stat().st_size > 1000 for path in drawn)


def test_a_comparison_goes_on(compared: tuple[Comparison, Path], tmp_path: Path) -> None:
    found, folder = compared
    again = compare(search(), folder, (0, 1), jobs=1, task=small.broken)
    assert [x.evaluated for runs in again.runs.values() for x in runs] == [0] * 8
    assert again.to_json() == found.to_json()
    with pytest.raises(InputError, match="go on with --resume"):
        compare(search(), folder, (0, 1), jobs=1, task=quick, resume=False)


def test_a_sequence_goes_on_with_the_same_evaluations(tmp_path: Path) -> None:
    one: dict[str, Any] = {"jobs": 1, "task": quick}
    few = compare(search(evaluations=12), tmp_path, (0,), **one)
    more = search(evaluations=96)
    both = compare(more, tmp_path, (0,), strategies=["joint", "sizing"], **one)
    for strategy, runs in both.runs.items():
        known = few.runs[strategy][0]
        assert [x.key for x in runs[0].steps][: len(known.steps)] == [x.key for x in known.steps]
        assert runs[0].evaluated == len(runs[0].steps) - len(known.steps)
    with pytest.raises(InputError, match=r"space differ.* the same --evaluations, name another"):
        compare(more, tmp_path, (0,), **one)


def test_hardware_alone_has_no_phases(tmp_path: Path) -> None:
    asked = small.search(tmp_path, objectives=["latency", "energy"], evaluations=24)
    assert strategies_of(asked) == ("joint", "sizing")
    found = compare(asked, tmp_path / "out", (0,), jobs=1, task=small.quick)
    sizes = {step.design.described()["space"] for step in found.runs["sizing"][0].steps}
    assert len(sizes) == 1
    sizing = {"space": "sizing", "baseline": "nvdla_256"}
    with pytest.raises(InputError, match="sizes alone"):
        strategies_of(small.search(tmp_path, hardware=sizing))


def test_published_spaces_have_phases_too() -> None:
    values: dict[str, Plain] = {
        "name": "macro",
        "network": {"space": "nas_bench_macro", "image": 16},
        "accuracy": {"function": "builtins:max"},
        "bits": {"weights": ["int8", "int4"], "activations": ["int8"]},
        "hardware": {"space": "fixed", "baseline": "nvdla_256"},
    }
    assert strategies_of(make_search(values)) == ("joint", "sequential", "greedy")
    whole = make_search({**values, "hardware": {"space": "importance", "baseline": "nvdla_256"}})
    assert strategies_of(whole) == ("joint", "sequential", "greedy", "sizing")
    offered = whole.space.spaces["bits"]
    assert isinstance(offered, OfferedBits)
    assert set(offered.reference.values()) == {(0.0, 0.0)}


def hard(trial: DigitsTrial) -> dict[str, Json]:
    """As :func:`quick`, and accurate on kernels of one axis alone: not on the reference."""
    record = quick(trial)
    return record if len(trial.point.kernel.space) == 1 else {**record, "accuracy": 0.1}


def test_to_find_nothing_is_a_result(tmp_path: Path) -> None:
    asked = search(constraints={"accuracy": {"min": 0.5}}, evaluations=24)
    found = compare(asked, tmp_path, (0,), jobs=1, task=hard)
    (run,) = found.runs["sequential"]
    assert run.ended == "no design is feasible before bits is searched"
    assert [phase.folder.name for phase in run.phases] == ["network"]
    assert len(run.steps) == run.evaluated == 8
    assert (found.curves["sequential"] == 0).all()
    assert found.curves["joint"][0, -1] > 0
    found.write(tmp_path)
    assert all(path.is_file() for path in draw_comparison(found, tmp_path))
    figures = json.loads((tmp_path / "results.json").read_text())["strategies"]
    assert figures["sequential"]["ended"] == [run.ended]
    assert figures["joint"]["ended"] == [""]
    assert figures["sequential"]["designs"] == [8]


def test_no_strategy_found_anything(tmp_path: Path) -> None:
    asked = search(constraints={"accuracy": {"min": 1}}, evaluations=12)
    found = compare(asked, tmp_path, (0,), jobs=1, task=quick)
    with pytest.raises(InfeasibleError, match="no strategy found anything feasible"):
        found.to_json()


def test_to_have_no_design_is_a_result_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KernelSizes, "decode", lambda self, vector: Rejected("never"))
    found = run_strategy(search(), "sizing", tmp_path, jobs=1, task=quick)
    assert found.phases == ()
    assert "is a design: hardware: never" in found.ended


def test_designs_known_before_are_not_judged(tmp_path: Path) -> None:
    asked = search(evaluations=16)
    first = run(asked, tmp_path / "a", jobs=1, task=quick).result.steps
    second = run(asked, tmp_path / "b", jobs=1, task=quick, known=first).result.steps
    assert not {x.key for x in first} & {x.key for x in second}


def test_kernels_as_vectors() -> None:
    space = kernels(search())
    rng = np.random.default_rng(0)
    decoded = [space.decode(rng.random(len(space.genes)).tolist()) for _ in range(40)]
    legal = [kernel for kernel in decoded if isinstance(kernel, Kernel)]
    assert len(legal) > 20
    for kernel in (space.reference, *legal):
        assert space.decode(space.encode(kernel)) == kernel
    with pytest.raises(InputError, match="64 is none of"):
        space.encode(replace(space.reference, space=(("k", 64), ("c", 1))))


def test_the_reference_does_not_depend_on_the_order_written() -> None:
    hardware = {
        "units": 16, "sizes": [4, 2], "dimensions": [2, 1], "multipliers": ["composable", "plain"],
        "buses": [128, 64],
    }  # fmt: skip
    written = search(
        bits={"weights": ["int8", "int4"], "activations": ["uint8", "uint4"]}, hardware=hardware
    )
    bits = written.space.spaces["bits"]
    assert isinstance(bits, BitsSpace)
    assert set(bits.reference.values()) == {LayerBits("int8", "uint8")}
    first, *_, last = (set(bits.decode(start).values()) for start in bits.starts)
    assert (first, last) == ({LayerBits("int8", "uint8")}, {LayerBits("int4", "uint4")})
    usual = KernelSpace(16, (1, 2), (2, 4), ("plain", "composable"), (64, 128))
    assert kernels(written).reference == usual.reference
    assert usual.reference.multiplier == "composable"
    assert usual.reference.bus_bits == 128
    decoded = [kernels(written).decode(start) for start in kernels(written).starts]
    assert decoded == [usual.decode(start) for start in usual.starts]
    # Integers of 8 bits are what block formats are compared with.
    mixed = KernelSpace(16, (2,), (4,), ("plain", "nvfp4"), (128,))
    assert mixed.reference.multiplier == "plain"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--compare --seed 1", "--seed: a comparison has several; use --seeds"),
        ("--seeds 1 2", "--seeds: a search has one seed; add --compare"),
        ("--compare --seeds -1", "--seeds: -1; use 0 and more"),
    ],
)
def test_errors_are_one_line(capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    assert main(["codesign", "digits", *words.split()]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_by_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(small.NETWORK)
    (tmp_path / "tiny.yaml").write_text(
        "networks: [net.yaml]\n"
        "hardware: {baseline: nvdla_256, budget: {units: 16, on_chip_bytes: 8192}}\n"
        "objectives: [latency, energy]\npopulation: 8\nevaluations: 12\n"
    )
    words = ["codesign", "tiny.yaml", "--compare", "--seeds", "0", "1", "--jobs", "1"]
    assert main([*words, "--json"]) == 0
    said = capsys.readouterr()
    figures = json.loads(said.out)
    assert list(figures["strategies"]) == ["joint", "sizing"]
    assert "no sequence of parts" in said.err
    assert "--hardware tiny_comparison/joint_0/hardware_" in said.err
    assert main(words) == 2
    assert "go on with --resume" in capsys.readouterr().err
    assert main([*words, "--resume"]) == 0
    assert "sizing" in capsys.readouterr().out

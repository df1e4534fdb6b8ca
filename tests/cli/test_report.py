"""The report of a design: true, complete, and always the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from accelgen.affine import load_description
from accelgen.content import list_content
from accelgen.fabric.fabric import InputPlan, OutputPlan
from accelgen.pipeline import Design, design
from accelgen.report import count_memories, count_units, cycle_rows, write_report

SHIPPED = [file.removesuffix(".yaml") for file in list_content("dataflows")]


@pytest.fixture(params=SHIPPED, scope="module")
def made(request: pytest.FixtureRequest) -> Design:
    return design(load_description(request.param))


def test_the_parts_add_up(made: Design) -> None:
    parts = {name: cycles for name, cycles, _ in cycle_rows(made.cycles)}
    assert parts["compute_cycles"] == sum(
        parts[name] for name in ("issue", "skew and drain", "pipeline")
    )
    assert parts["total_cycles"] == sum(
        parts[name] for name in ("load", "prologue", "compute_cycles", "unload")
    )
    units = count_units(made.pipeline)
    array = sum(count for name, count in units.items() if name.startswith("pe_"))
    assert array == made.kernel.units
    assert made.pipeline.bits <= made.pipeline.greedy_bits


def test_memories_hold_their_tensors(made: Design) -> None:
    memories = count_memories(made.fabric)
    plans: tuple[InputPlan | OutputPlan, ...] = (*made.fabric.inputs, made.fabric.output)
    for plan in plans:
        kinds = memories[plan.tensor.name]
        bits = sum(kind["banks"] * kind["words"] * kind["bits"] for kind in kinds)
        assert bits >= plan.banked.layout.elements * plan.tensor.format.bits
        assert {kind["pages"] for kind in kinds} == {2}


def test_every_unit_has_a_source(made: Design) -> None:
    """Links, shared wires and ports account for each unit of the array."""
    text = write_report(made)
    for plan in made.fabric.inputs:
        section = text.partition(f"## Tensor {plan.tensor.name}: ")[2].partition("\n## ")[0]
        through = sum(map(int, re.findall(r"- (\d+) units? takes? it through a link", section)))
        shared = sum(map(int, re.findall(r"- (\d+) units? shares? the wire", section)))
        heads = [u for u, head in enumerate(plan.interconnect.head) if head == u]
        direct = sum(plan.interconnect.link[u] < 0 for u in heads)
        assert through + shared + direct == made.kernel.units


def test_the_report_says_what_the_model_says(made: Design) -> None:
    text = write_report(made)
    assert text.startswith(f"# {made.description.name}\n")
    assert str(made.description) in text
    for name, cycles, _ in cycle_rows(made.cycles):
        assert f"| {name} | {cycles} |" in text
    for name, count in count_units(made.pipeline).items():
        assert f"| {made.description.name}_{name} | {count} |" in text
    assert str(Path(__file__).parents[2]) not in text


def test_the_report_is_the_same_every_time(made: Design) -> None:
    assert write_report(design(made.description)) == write_report(made)

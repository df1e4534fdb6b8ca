"""The numbers of a problem: told apart whatever tensors are called, as wide as they need, read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from accelgen.affine import Description, load_description, parse_description
from accelgen.cosim.verify_processor import verify_processor
from accelgen.errors import InputError
from accelgen.processor.flow import make_flows, retarget
from accelgen.processor.generate import generate_processor
from accelgen.processor.numbers import Kind, numbers_of
from accelgen.processor.registers import Quantity, levels_of, quantities_of
from tests.shipped import SIZES

SMALL = {"m": 5, "n": 6, "k": 7}


def gemm(name: str = "gemm_ws_systolic", **bounds: int) -> Description:
    return load_description(name).with_overrides(
        space={"i": 2, "j": 2}, bounds=SMALL | bounds, types={"Y": "int32"}
    )


def named(description: Description, **names: str) -> Description:
    """The same with other names of the tensors ``A``, ``B`` and ``Y``."""
    a, b, y = (names.get(own, own) for own in "ABY")
    workload = replace(
        description.workload, expression=f"{y}[m,n] += {a}[m,k] * {b}[k,n]", types={y: "int32"}
    )
    return replace(description, workload=workload)


def listed(description: Description) -> list[Quantity]:
    return list(quantities_of(make_flows([description])))


@pytest.mark.parametrize(
    "name", ["Guard", "Write0", "Gap", "Last0", "Turn", "Depth", "At", "X_words", "X_depth"]
)
def test_an_operand_has_any_name(name: str) -> None:
    for own, other in zip(listed(gemm()), listed(named(gemm(), B=name)), strict=True):
        if own.tensor == "B":
            suffix = own.name.removeprefix("b_")
            own = replace(own, name=f"{name.lower()}_{suffix}", tensor=name)
        assert other == own


@pytest.mark.rtl
def test_tensors_called_as_guards_are_told_apart(tmp_path: Path) -> None:
    names = {"A": "Write0", "B": "Guard1", "Y": "Guard0"}
    design = generate_processor([named(gemm(), **names)], tmp_path / "guards", name="guards")
    of = {quantity.name: quantity.tensor for quantity in design.quantities}
    assert (of["guard0_by0"], of["guard0_step0"]) == ("", "Guard0")
    assert verify_processor(tmp_path / "guards", problems=3).faults == ()


def test_a_gap_is_as_wide_as_its_chain_or_its_tile() -> None:
    wide = {q.name: q.bits for q in listed(gemm(m=2**13, n=2**13, k=2**13)) if "gap" in q.name}
    # Of the array, a chain of 2 units; of B, that waits for a tile of m iterations.
    assert wide["gap0"] == wide["gap1"] == 2
    assert wide["b_gap0"] == wide["b_gap1"] == 13


@pytest.mark.parametrize("name", sorted(SIZES))
def test_gaps_fit_their_registers_at_any_bounds(name: str) -> None:
    rng = np.random.default_rng(len(name))
    (flow,) = make_flows([load_description(name)])
    gaps = {q.name: q for q in quantities_of([flow]) if q.kind is Kind.GAP}
    largest = flow.description.workload.bounds
    for _ in range(6):
        bounds = {loop: int(rng.integers(1, n, endpoint=True)) for loop, n in largest.items()}
        try:
            numbers = numbers_of(flow, retarget(flow, bounds), levels_of([flow]))
        except InputError:
            continue  # the dataflow is not legal there
        for gap, quantity in gaps.items():
            assert numbers[gap].value <= quantity.most, gap


def test_guards_have_the_sides_that_units_compare() -> None:
    assert {name for name in names_of(gemm()) if "guard0_" in name} == {
        "guard0_above", "guard0_by0",
    }  # fmt: skip
    maps = {"k": "size(k) - 1 - size(i)*k1 - i", "n": "size(j)*n1 + j"}
    backward = replace(gemm(), dataflow=replace(gemm().dataflow, map=maps))
    (k,) = {name[:6] for name in names_of(backward) if name.endswith("_below")}
    assert f"{k}_above" in names_of(backward)


def names_of(description: Description) -> set[str]:
    return {quantity.name for quantity in listed(description)}


def test_registers_wider_than_the_port_are_refused() -> None:
    diagonals = parse_description("""
expression: Y[p + m,n] += A[p + m,k] * B[k,n]
bounds: {p: 1048576, m: 8192, k: 4, n: 4}
space: {i: 2, j: 2}
time: [n1, k1, p, m]
map: {k: size(i)*k1 + i, n: size(j)*n1 + j}
""")
    with pytest.raises(
        InputError, match=r"^register b_gap0: takes 33 bits, a register has 32; give"
    ):
        quantities_of(make_flows([diagonals], words=dict.fromkeys("ABY", 64)))

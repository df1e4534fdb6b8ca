"""Law 7: cycles are those of a walk, energy is that of the traced moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.hardware import Hardware
from accelgen.mapper.cost import cost, moves
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Problem
from accelgen.mapper.trace import trace
from tests.mapper.drawn import hardware, mappings, problems
from tests.mapper.walk import fill, walked_cycles
from tests.tiers import examples

Case = tuple[Problem, Hardware, Mapping]


@st.composite
def cases(draw: st.DrawFn, most: int = 6, iterations: int = 150) -> Case:
    problem = draw(problems(most, iterations))
    drawn = draw(hardware(problem, most_levels=3))
    return problem, drawn, draw(mappings(problem, drawn))


@given(cases())
@settings(max_examples=examples(80, 100))
def test_cycles_are_those_of_a_walk(case: Case) -> None:
    check_cycles(*case)


@pytest.mark.slow
@given(cases(9, 1000))
@settings(max_examples=1500)
def test_cycles_of_many_are_those_of_a_walk(case: Case) -> None:
    check_cycles(*case)


def check_cycles(problem: Problem, drawn: Hardware, mapping: Mapping) -> None:
    found = cost(problem, drawn, mapping)
    assert found.fill_cycles == fill(drawn, mapping)
    assert found.cycles == pytest.approx(walked_cycles(problem, drawn, mapping), rel=1e-12)
    # Without limits what remains is the array.
    free = unlimited(drawn)
    assert cost(problem, free, mapping).cycles == found.compute_cycles
    assert sum(found.shares.values()) == pytest.approx(1)
    assert min(found.shares.values()) >= -1e-9


def unlimited(drawn: Hardware) -> Hardware:
    levels = tuple(
        replace(
            level,
            memories=tuple(replace(memory, bandwidth=None) for memory in level.memories),
            links={},
        )
        for level in drawn.levels
    )
    return replace(drawn, levels=levels)


@given(cases())
@settings(max_examples=examples(60, 500))
def test_energy_is_that_of_the_traced_moves(case: Case) -> None:
    problem, drawn, mapping = case
    found = cost(problem, drawn, mapping)
    expected = traced_energy(problem, drawn, mapping)
    leakage = drawn.leakage_mw * 1e-3 * found.cycles / (drawn.clock_mhz * 1e6) * 1e12
    if leakage:
        expected["leakage"] = leakage
    assert dict(found.energy_pj) == pytest.approx(expected)
    assert found.total_pj == pytest.approx(sum(found.action_pj.values()))
    assert found.edp == found.total_pj * found.cycles


def traced_energy(problem: Problem, drawn: Hardware, mapping: Mapping) -> dict[str, float]:
    """By level, without leakage."""
    array, *above = trace(problem, drawn, mapping)
    spent = {"mac": problem.iterations * 0.5, **{level.name: 0.0 for level in drawn.levels}}
    if drawn.link_pj:
        spent["link"] = 0.0
    if drawn.registers is not None:
        spent["registers"] = 0.0
    for operand in problem.operands:
        elements = int(operand.footprint(np.array([problem.bounds]))[0])
        below = None
        for level, moved in zip(drawn.levels, (array, *above), strict=True):
            move, held = moved[operand.name], level.memory(operand.role)
            down = move.entered * operand.partial_bits
            # The last time that a sum leaves it is finished.
            up = (move.left - elements) * operand.partial_bits + elements * operand.bits
            if not operand.is_output:
                down, up = move.entered * operand.bits, 0
            spent[level.name] += down * held.read_pj + up * held.write_pj
            if below is not None:
                inner = below.memory(operand.role)
                spent[below.name] += down * inner.write_pj + up * inner.read_pj
            below = level
        gets = array[operand.name].delivered * operand.partial_bits
        gives = 0
        if operand.is_output:
            gives = gets
            gets = max(0, gets - elements * operand.partial_bits)
        if drawn.link_pj:
            spent["link"] += drawn.link_pj * (gets + gives)
        if drawn.registers is not None:
            file = drawn.registers.memory(operand.role)
            uses = problem.iterations * operand.partial_bits
            spent["registers"] += file.read_pj * (uses + gives)
            spent["registers"] += file.write_pj * (gets + (uses if operand.is_output else 0))
    return spent


@given(cases())
@settings(max_examples=examples(40, 500))
def test_ports_are_as_busy_as_the_traced_moves(case: Case) -> None:
    problem, drawn, mapping = case
    found = cost(problem, drawn, mapping)
    assert moves(problem, drawn, mapping) == trace(problem, drawn, mapping)
    expected = {}
    for level, traced in zip(drawn.levels, trace(problem, drawn, mapping), strict=True):
        down, up = dict.fromkeys(("inputs", "weights", "outputs"), 0.0), 0.0
        for operand in problem.operands:
            moved = traced[operand.name]
            down[operand.role] += moved.entered * operand.partial_bits
            if operand.is_output:
                up = moved.entered * operand.partial_bits
                up += (moved.left - moved.entered) * operand.bits
        for memory in level.memories:
            if memory.bandwidth is not None:
                bits = sum(down[role] for role in memory.holds)
                bits += up if "outputs" in memory.holds else 0.0
                expected[memory.name] = bits / 8 / memory.bandwidth
        for role, rate in level.links.items():
            bits = max(down[role], up if role == "outputs" else 0.0)
            name = f"link_{role}" if len(drawn.levels) == 2 else f"link_{level.name}_{role}"
            expected[name] = bits / 8 / rate
    if drawn.levels[-1].memories[0].bandwidth is None:
        expected["dram"] = 0.0
    assert dict(found.port_cycles) == pytest.approx(expected)
    slowest = max(found.port_cycles.values())
    assert (found.limit == "compute") == (slowest <= found.compute_cycles)

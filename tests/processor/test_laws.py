"""Laws 1 to 3 for designs whose bounds are registers: random dataflows, alone and fused, random
sequences of problems.

Every result equals NumPy's, every problem takes the cycles of its model, pauses change nothing, and
a start that must be refused is; with an accumulate-in stream, with an output stage, and without.
The slow tier draws ``ACCELGEN_PROCESSOR_LAWS`` of them, 60 unless set.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from accelgen.affine import Description
from accelgen.cosim.verify_processor import verify_processor
from accelgen.errors import InputError
from accelgen.processor.generate import generate_processor
from tests.affine.strategies import descriptions

pytestmark = pytest.mark.rtl

MANY = int(os.environ.get("ACCELGEN_PROCESSOR_LAWS", "60"))

RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@st.composite
def fusible(draw: st.DrawFn) -> list[Description]:
    """One to three dataflows with the same number of inputs, types and extents in space."""
    first = draw(descriptions())
    found = [first]
    for number in range(draw(st.integers(0, 2))):
        other = draw(descriptions())
        axes = list(first.dataflow.space.values())
        if len(other.dataflow.space) != len(axes):
            continue
        if len(other.workload.accesses) != len(first.workload.accesses):
            continue
        try:
            types = {
                own: first.workload.types.get(name, "int8")
                for own, name in zip(
                    [a.name for a in other.workload.accesses[:-1]],
                    [a.name for a in first.workload.accesses[:-1]],
                    strict=True,
                )
            }
            alike = other.with_overrides(
                space=dict(zip(other.dataflow.space, axes, strict=True)),
                types={**types, other.workload.accesses[-1].name: "int32"},
            )
            alike.lower()
        except InputError:
            continue
        found.append(replace(alike, name=f"other{number}"))
    if len(found) > 1:
        try:
            output = first.workload.accesses[-1].name
            found[0] = first.with_overrides(types={output: "int32"})
        except InputError:
            return [first]
    return found


def stage_bits(drawn: list[Description], seed: int) -> int | None:
    """Every other time an output stage, to codes of so many bits, where outputs can have one."""
    fits = all(
        d.workload.product is None and 2 <= len(d.workload.accesses[-1].shape) <= 4 for d in drawn
    )
    return (8 if seed % 4 else 16) if fits and seed % 2 == 0 else None


def check(drawn: list[Description], seed: int, accumulate_in: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="accelgen-law-") as scratch:
        folder = Path(scratch) / "design"
        try:
            bits = None if accumulate_in else stage_bits(drawn, seed)
            if bits is not None:
                drawn = [
                    d.with_overrides(types={d.workload.accesses[-1].name: "int32"}) for d in drawn
                ]
            generate_processor(
                drawn, folder, name="drawn", accumulate_in=accumulate_in, output_stage=bits
            )
        except InputError as error:
            # What accelgen says it cannot do is no failure of what it does.
            assume("depends on" not in str(error) and "depend on" not in str(error))
            assume("bits, the bus" not in str(error))
            raise
        report = verify_processor(folder, seed=seed, problems=4)
        assert report.faults == ()


@given(fusible(), st.integers(0, 1000), st.booleans())
@settings(
    max_examples=3, deadline=None, derandomize=True, database=None, suppress_health_check=RELAXED
)
def test_random_dataflows_keep_the_laws_at_any_bounds(
    drawn: list[Description], seed: int, accumulate_in: bool
) -> None:
    check(drawn, seed, accumulate_in)


@pytest.mark.slow
@given(fusible(), st.integers(0, 1000), st.booleans())
@settings(max_examples=MANY, deadline=None, database=None, suppress_health_check=RELAXED)
def test_many_random_dataflows_keep_the_laws(
    drawn: list[Description], seed: int, accumulate_in: bool
) -> None:
    check(drawn, seed, accumulate_in)

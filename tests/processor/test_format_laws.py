"""Laws 1 to 3 for designs whose bounds are registers over numbers of several formats: random
dataflows over block formats, composable integers and four-bit formats chosen by a register.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.affine import Description
from accelgen.affine.multi import MULTI_TYPE
from accelgen.errors import InputError
from tests.affine.strategies import block_descriptions
from tests.processor.test_laws import MANY, RELAXED, check

pytestmark = pytest.mark.rtl


@st.composite
def formatted(draw: st.DrawFn) -> Description:
    """A dataflow over numbers that are no plain integers; of four-bit formats, often over all."""
    drawn = draw(block_descriptions())
    if "int8" in drawn.workload.types["A"] or draw(st.booleans()):
        return drawn
    several = drawn.with_overrides(types={"A": MULTI_TYPE, "B": MULTI_TYPE, "Y": "fp32"})
    try:
        several.lower()
    except InputError:  # the map has extents in it that other blocks do not fit
        return drawn
    return several


@given(formatted(), st.integers(0, 1000))
@settings(
    max_examples=3, deadline=None, derandomize=True, database=None, suppress_health_check=RELAXED
)
def test_random_dataflows_keep_the_laws_in_all_formats(drawn: Description, seed: int) -> None:
    composed = "int8" in drawn.workload.types["A"]
    check([drawn], seed, accumulate_in=composed and seed % 2 == 0)


@pytest.mark.slow
@given(formatted(), st.integers(0, 1000))
@settings(max_examples=MANY, deadline=None, database=None, suppress_health_check=RELAXED)
def test_many_random_dataflows_keep_the_laws_in_all_formats(drawn: Description, seed: int) -> None:
    composed = "int8" in drawn.workload.types["A"]
    check([drawn], seed, accumulate_in=composed and seed % 2 == 0)

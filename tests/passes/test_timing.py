"""Every primitive with hardware of its own has a delay of its own."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from accelgen.passes.compose_timing import COMPOSE_DELAYS
from accelgen.passes.dot_timing import DOT_DELAYS
from accelgen.passes.float_timing import FLOAT_DELAYS
from accelgen.passes.multi_format_timing import MULTI_FORMAT_DELAYS
from accelgen.rtl.primitives.compose import COMPOSE_STEPS
from accelgen.rtl.primitives.dot_steps import DOT_STEPS
from accelgen.rtl.primitives.float_steps import FLOAT_STEPS
from accelgen.rtl.primitives.multi_format_steps import MULTI_FORMAT_STEPS

IN_THE_UNIT = {"pick", "partials", "collect"}
"""Kinds that rtl.unit builds itself: two of them have registers."""


@pytest.mark.parametrize(
    ("steps", "delays"),
    [
        (DOT_STEPS, DOT_DELAYS),
        (COMPOSE_STEPS, COMPOSE_DELAYS),
        (FLOAT_STEPS, FLOAT_DELAYS),
        (MULTI_FORMAT_STEPS, MULTI_FORMAT_DELAYS),
    ],
)
def test_steps_and_delays_are_of_the_same_kinds(
    steps: Mapping[str, object], delays: Mapping[str, object]
) -> None:
    assert set(steps) == set(delays) - IN_THE_UNIT

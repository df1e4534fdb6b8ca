"""Kernels as choices: which are refused, and that all others are legal dataflows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.errors import InputError
from accelgen.realize.kernel import (
    LOOPS,
    MULTIPLIERS,
    Kernel,
    check_weights,
    describe,
    weight_formats,
)
from accelgen.search.spaces.kernels import KernelSpace
from accelgen.search.vector import Rejected

BOUNDS = {"k": 5, "c": 3, "p": 4, "q": 4, "r": 3, "s": 3}
ORDER = ("k", "p", "q", "c", "r", "s")


@pytest.mark.parametrize(
    "changes",
    [
        {"space": ()},
        {"space": (("k", 2), ("k", 2)), "skewed": (False, False)},
        {"space": (("z", 2),)},
        {"space": (("k", 0),)},
        {"space": (("k", 2048),)},
        {"order": ("k", "p")},
        {"skewed": (False, True)},
        {"multiplier": "analog"},
        {"multiplier": "nvfp4", "bus_bits": 64},
        {"multiplier": "mxfp4", "bus_bits": 128},
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object]) -> None:
    good: dict[str, object] = {"space": (("k", 2),), "order": ORDER, "skewed": (False,)}
    Kernel(**good)  # type: ignore[arg-type]
    with pytest.raises(InputError):
        Kernel(**{**good, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("multiplier", "name", "message"),
    [
        ("plain", "nvfp4", "nvfp4 weights, and plain multipliers take int2 .. int8; use nvfp4"),
        ("composable", "int9", "int9 weights, .*; use at most 8 bits"),
        ("nvfp4", "int4", "int4 weights, and nvfp4 .* take nvfp4 or nvfp4_4over6; use plain or"),
        ("mxfp4", "nvfp4", "mxfp4 multipliers take mxfp4; use nvfp4 multipliers"),
    ],
)
def test_weights_that_multipliers_do_not_take_are_refused(
    multiplier: str, name: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_weights(multiplier, name)
    for taken in weight_formats(multiplier):
        check_weights(multiplier, taken)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_vector_is_a_legal_dataflow_or_rejected(data: st.DataObject) -> None:
    space = KernelSpace(units=32, dimensions=(1, 2, 3), sizes=(2, 4, 8))
    vector = [data.draw(st.floats(0, 1)) for _ in space.genes]
    kernel = space.decode(vector)
    if isinstance(kernel, Rejected):
        assert "units" in kernel.reason
        return
    assert kernel.units <= 32
    assert sorted(kernel.order) == sorted(LOOPS)
    description = describe(kernel, BOUNDS)
    assert description.lower().units == kernel.units
    assert dict(description.workload.types)["X"] == MULTIPLIERS[kernel.multiplier]["X"]

"""Kernels as choices: which are refused, and that all others are legal dataflows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.errors import InputError
from accelgen.realize.kernel import LOOPS, MULTIPLIERS, Kernel, describe
from accelgen.search.kernel_space import KernelSpace
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
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object]) -> None:
    good: dict[str, object] = {"space": (("k", 2),), "order": ORDER, "skewed": (False,)}
    Kernel(**good)  # type: ignore[arg-type]
    with pytest.raises(InputError):
        Kernel(**{**good, **changes})  # type: ignore[arg-type]


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

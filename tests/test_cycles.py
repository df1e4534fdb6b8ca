"""What the cycle model says of waiting and of utilisation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from accelgen.affine import Description
from accelgen.pipeline import predict
from tests.affine.strategies import descriptions
from tests.shipped import sized


@given(descriptions())
@settings(max_examples=25)
def test_ports_in_place_of_the_chains_that_are_waited_for_end_the_waiting(
    description: Description,
) -> None:
    cycles = predict(description, bus_bits=128)
    assert bool(cycles.waiting) == (cycles.chain_wait > 0)
    if not cycles.waiting:
        return
    ports = description.with_overrides(chain=dict.fromkeys(cycles.waiting, None))
    without = predict(ports, bus_bits=128)
    assert not set(without.waiting) & set(cycles.waiting)
    assert without.issue < cycles.issue or without.waiting


@pytest.mark.parametrize(
    ("space", "chain", "waits"),
    [
        # Pinned, the chain of B along i is 8 long; a tile lasts 5 rows of A, and there are 8.
        ({"i": 8, "j": 2}, "i", 7 * (8 - 5)),
        ({"i": 4, "j": 4}, "i", 0),
        ({"i": 8, "j": 2}, None, 0),
    ],
)
def test_the_wait_is_the_part_of_the_chain_that_is_not_hidden(
    space: dict[str, int], chain: str | None, waits: int
) -> None:
    description = sized("gemm_ws_systolic", 0).with_overrides(
        bounds={"m": 5, "n": 8, "k": 16}, space=space, chain={"B": chain}
    )
    cycles = predict(description)
    assert cycles.chain_wait == waits
    assert cycles.waiting == (("B",) if waits else ())


def test_utilisation_is_the_share_of_units_and_cycles_with_an_iteration() -> None:
    cycles = predict("fir")
    assert cycles.utilisation == 48 * 8 / (8 * cycles.compute_cycles)

"""The netlist computes the expression, as it is built and after every pass, whichever passes run;
and no value ever exceeds the width of its node.
"""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelgen.affine import Description
from accelgen.fabric.build import build_fabric
from accelgen.netlist.build import build_netlist
from accelgen.passes import PASSES
from tests.affine.strategies import descriptions
from tests.netlist.evaluation import check
from tests.shipped import SIZES, sized

NAMES = [step.name for step in PASSES]


@given(descriptions(), st.integers(0, 2**32), st.sets(st.sampled_from(NAMES)))
@settings(max_examples=40)
def test_random_dataflows_compute_their_expression(
    description: Description, seed: int, without: set[str]
) -> None:
    kernel = description.lower()
    assume(prod(kernel.time_extents) * kernel.units <= 600)
    check(description, seed, without)


@pytest.mark.parametrize("name", ["gemm_os_systolic", "gemm_ws_systolic", "gemm_k_tree", "fir"])
def test_shipped_dataflows_compute_their_expression(name: str) -> None:
    check(sized(name, 1), 0)


@pytest.mark.parametrize("name", SIZES)
def test_names_tell_nodes_of_a_unit_apart(name: str) -> None:
    """Within a unit every node has a name of its own: names become signals."""
    netlist = build_netlist(build_fabric(sized(name, 1).lower()))
    netlist.check()
    named = [(node.home, node.name) for node in netlist.nodes]
    assert len(set(named)) == len(named)
    assert sum(len(readers) for readers in netlist.fanout()) == sum(
        len(node.inputs) for node in netlist.nodes
    )
    for node in netlist.nodes:
        ports = [edge.port for edge in node.inputs if edge.port]
        assert len(set(ports)) == len(ports)
